"""Messages of the Common Alerting Protocol: drafts decide nothing, and what is made is one of the schema."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("lxml", reason="the extra serve is not installed")

from crisislens.alerts.cap import CHOICES, CapFields, cap_check, cap_xml, decided, draft_of, reference_to
from crisislens.alerts.feeds import HXL_COLUMNS, atom_feed, hxl_table
from crisislens.core.errors import InputError
from crisislens.store.records import AlertRow, RuleSpec

SENT = datetime(2026, 3, 6, 14, 5, 7, 999, tzinfo=UTC)
EVIL = '"><script>alert(1)</script>&\x00\x1f\u202e=1+1'


def alert(**more: Any) -> AlertRow:
    """An alert, with what is given changed."""
    spec = RuleSpec(task="needs", label="rescue", least=5, window_min=30)
    values: dict[str, Any] = {
        "id": 3,
        "uid": "ab" * 16,
        "rule_id": 1,
        "rule": "rescue",
        "spec": spec,
        "place": "city:1283240",
        "place_name": "Kathmandu",
        "state": "open",
        "level": 1,
        "most": 6,
        "began_at": SENT,
        "full_at": SENT,
        "opened_at": SENT,
        "changed_at": SENT,
        "closed_by": None,
        "note": None,
        "post_ids": (4, 7),
    }
    return AlertRow(**{**values, **more})


DECIDED = {"status": "Exercise", "urgency": "Expected", "severity": "Severe", "certainty": "Possible"}


def test_a_draft_leaves_every_judgement_to_a_person() -> None:
    draft = draft_of(alert(), sender="ops@example.org", at=(27.7, 85.3))
    assert (draft.status, draft.scope) == ("Draft", "Restricted")
    assert {draft.urgency, draft.severity, draft.certainty} == {"Unknown"}
    assert "Not verified" in draft.description
    xml = cap_xml(draft, "crisislens-3-1", SENT)
    assert "<circle>27.7000,85.3000 10.0</circle>" in xml
    assert "<sent>2026-03-06T14:05:07+00:00</sent>" in xml
    for name in DECIDED:
        with pytest.raises(InputError, match=f"{name}: a person decides this"):
            decided(draft, {k: v for k, v in DECIDED.items() if k != name})
    final = decided(draft, {**DECIDED, "headline": "Rescue is asked for"})
    assert (final.status, final.severity, final.headline) == ("Exercise", "Severe", "Rescue is asked for")


def test_an_update_names_what_it_changes() -> None:
    draft = draft_of(alert(), sender="ops@example.org")
    with pytest.raises(InputError, match="an Update names the message"):
        decided(draft, {**DECIDED, "msg_type": "Update"})
    reference = reference_to(cap_xml(draft, "crisislens-3-1", SENT))
    assert reference == "ops@example.org,crisislens-3-1,2026-03-06T14:05:07+00:00"
    update = decided(draft, {**DECIDED, "msg_type": "Update", "references": (reference,)})
    assert f"<references>{reference}</references>" in cap_xml(update, "crisislens-3-2", SENT)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"sender": "two words"}, "no blanks"),
    ({"sender": "a,b"}, "no blanks"),
    ({"sender": ""}, "no blanks"),
    ({"lat": 118.0, "lon": 1.0}, "lat"),
    ({"lat": 1.0}, "give both"),
    ({"language": "english please"}, "language"),
    ({"scope": "Private"}, "addresses"),
    ({"restriction": " "}, "restriction"),
    ({"severity": "Terrible"}, "severity"),
    ({"references": ("one,two",)}, "sender,identifier,sent"),
    ({"area": ""}, "area"),
    ({"radius_km": -1.0}, "radius_km"),
    ({"expires": datetime(2020, 1, 1, tzinfo=UTC)}, "expires"),
]


@pytest.mark.parametrize(("change", "said"), BAD)
def test_messages_that_are_refused(change: dict[str, Any], said: str) -> None:
    draft = draft_of(alert(), sender="ops@example.org")
    with pytest.raises(InputError, match=said):
        cap_xml(decided(draft, {**DECIDED, **change}), "crisislens-3-1", SENT)


FOREIGN = [
    ("<alert", "is no XML"),
    ("<a/>", "none of CAP 1.2"),
    ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "none of CAP 1.2"),
]


@pytest.mark.parametrize(("xml", "said"), FOREIGN)
def test_what_is_no_message(xml: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        cap_check(xml)
    assert "root:" not in str(refused.value)


def test_what_the_schema_lets_through_and_the_standard_does_not() -> None:
    """The schema alone takes a latitude of 118, blanks in an identifier and an end before the beginning."""
    xml = cap_xml(draft_of(alert(), sender="ops@example.org", at=(27.7, 85.3)), "id-1", SENT)
    for old, new, said in [
        ("27.7000,85.3000", "118.0,85.3", "circle"),
        ("27.7000,85.3000 10.0", "somewhere", "circle"),
        (">id-1<", ">id 1<", "identifier"),
        ("2026-03-07T02:05:07", "2026-03-05T02:05:07", "expires"),
        (">Alert<", ">Cancel<", "references"),
    ]:
        assert old in xml
        with pytest.raises(InputError, match=said):
            cap_check(xml.replace(old, new))


WORDS = st.text(max_size=60)


@settings(max_examples=40, deadline=None)
@given(WORDS, WORDS, WORDS, st.floats(-90, 90), st.floats(-180, 180), st.data())
def test_whatever_is_written_in_it_is_a_message(
    event: str, place: str, description: str, lat: float, lon: float, data: st.DataObject
) -> None:
    chosen = {name: data.draw(st.sampled_from(options)) for name, options in CHOICES.items()}
    chosen["msg_type"] = "Alert"
    fields = CapFields(
        sender="ops@example.org",
        event="x" + event,
        area="y" + place,
        description=description,
        lat=lat,
        lon=lon,
        **chosen,
    )
    cap_check(cap_xml(fields, "id-1", SENT))


def test_hostile_names_stay_text_in_every_form() -> None:
    from lxml import etree

    hostile = alert(place_name=EVIL, rule=EVIL, place="=cmd|x")
    xml = cap_xml(draft_of(hostile, sender="ops@example.org"), "id-1", SENT)
    feed = atom_feed([hostile], "https://lens.example.org")
    for text in (xml, feed):
        tree = etree.fromstring(text.encode())
        assert not [e for e in tree.iter() if str(e.tag).endswith("}script")]
        assert "\u202e" not in text
    table = hxl_table([hostile])
    header, tags, row, *rest = table.split("\r\n")
    assert header.lstrip("\ufeff") == ",".join(HXL_COLUMNS)
    assert all(tag.startswith("#") for tag in tags.split(","))
    assert "'=cmd|x" in row
    assert rest == [""]


def test_a_feed_is_read_by_a_reader_of_feeds() -> None:
    feedparser = pytest.importorskip("feedparser")
    feed = feedparser.parse(atom_feed([alert(), alert(id=2, uid="cd" * 16)], "https://lens.example.org"))
    assert not feed.bozo
    one = feed.entries[0]
    assert one.id == "urn:crisislens:alert:" + "ab" * 16
    assert one.title == "Calls and needs: Rescue needed – Kathmandu (level 1, open)"
    related = [link.href for link in one.links if link.rel == "related"]
    assert related == ["https://lens.example.org/posts/4", "https://lens.example.org/posts/7"]
    assert feedparser.parse(atom_feed([], "https://lens.example.org")).entries == []
