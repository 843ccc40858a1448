"""The page to send on: the order of situation reports, and each line with the posts that it rests on."""

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from counted_run import at_ponce, counted
from made_up_posts import assessment, crisis, meta, thumbnails
from page import Page

from crisislens.domain.assessment import Assessment, FailedPost
from crisislens.domain.place import GeoLocation, Place
from crisislens.domain.post import Post
from crisislens.report.basemap import BaseMap
from crisislens.report.build import write_report
from crisislens.report.grounds import NAMED
from crisislens.report.naming import Naming
from crisislens.report.shapes import Shape
from crisislens.report.summary import Named, Statement, Summary, summarize

SECTIONS = ["Highlights", "Numbers", "Needs and harm", "Response", "Gaps", "What is uncertain"]
CARD = "the model's card"
LIMIT = "Nothing is checked for truth."


def lines_of(summary: Summary) -> list[Statement]:
    return [line for section in summary.sections for line in section.statements]


def the_one(summary: Summary, start: str) -> Statement:
    (found,) = [line for line in lines_of(summary) if line.text.startswith(start)]
    return found


@pytest.fixture(scope="module")
def found() -> list[Assessment]:
    made = crisis(300)[0]
    return [at_ponce(a) for a in made[:40]] + made[40:]


@pytest.fixture(scope="module")
def summary(found: list[Assessment]) -> Summary:
    clusters = crisis(300)[2]
    failed = [FailedPost(row=7, id="broken", reason="x"), FailedPost(row=9, id=None, reason="x")]
    return summarize(counted(found, clusters, since=datetime(2017, 9, 21, tzinfo=UTC), failures=failed))


def test_it_has_the_order_of_situation_reports(summary: Summary) -> None:
    assert [section.title for section in summary.sections] == SECTIONS
    assert all(section.statements for section in summary.sections)
    said = {section.title: " ".join(line.text for line in section.statements) for section in summary.sections}
    assert "posts are new since 2017-09-21 00:00 UTC" in said["Highlights"]
    assert "300 posts were read: 283 different messages." in said["Numbers"]
    assert "places: Ponce, PR" in said["Needs and harm"]
    assert "Rescue, volunteering or donation" in said["Response"]
    assert "2 rows could not be read." in said["Gaps"]
    assert "Not sure about severity" in said["What is uncertain"]


def test_every_line_names_what_it_rests_on(summary: Summary, found: list[Assessment]) -> None:
    ids = {a.post.id for a in found} | {"broken", "row 9"}
    for line in lines_of(summary):
        assert line.named or line.basis, line.text
        assert len(line.named) <= NAMED
        assert set(line.ids) <= ids
        assert not line.more or line.link, f"the rest of {line.text!r} cannot be reached"
        assert not line.more or len(line.named) == NAMED or "said by" in line.text


def test_named_and_more_are_as_many_as_the_line_counts(summary: Summary, found: list[Assessment]) -> None:
    def whole(line: Statement) -> int:
        return len(line.named) + line.more

    assert whole(the_one(summary, "300 posts were read")) == 300
    affected = [a for a in found if a.tasks["humanitarian"].label == "affected"]
    affected = [a for a in affected if not a.tasks["humanitarian"].abstained]
    line = the_one(summary, "Affected")
    assert whole(line) == len(affected)
    most = sorted(affected, key=lambda a: -a.urgency)[0]
    assert line.ids[0] == most.post.id
    unsure = sum(a.tasks["damage"].abstained for a in found)
    assert whole(the_one(summary, "Not sure about severity")) == unsure
    assert f"{sum(a.location is None for a in found)} posts name no place" in the_one(summary, "260").text
    undated = [a.post.id for a in found if a.post.created_at is None]
    line = the_one(summary, f"{len(undated)} posts have no time")
    assert set(line.ids) <= set(undated)
    assert whole(line) == len(undated)
    assert the_one(summary, "2 rows").ids == ("broken", "row 9")


def test_people_in_danger_are_counted_once_whatever_is_said_of_them(found: list[Assessment]) -> None:
    def grave(a: Assessment) -> bool:
        sure = {name: task.label for name, task in a.tasks.items() if not task.abstained}
        return sure.get("humanitarian") == "affected" or sure.get("damage") == "severe_damage"

    line = the_one(summarize(counted(found)), "People in danger:")
    assert len(line.named) + line.more == sum(map(grave, found))
    assert line.link == "#of_tone=grave"


GAP = "People in danger are spoken of, and help in the same country is not"


def helping(identity: str, place: Place | None) -> Assessment:
    """A post that tells of help, at a place or at none."""
    calm = {"humanitarian": "rescue_volunteering_or_donation_effort", "damage": "little_or_no_damage"}
    a = assessment(Post(id=identity), **calm)
    where = place and GeoLocation(lat=0, lon=0, source="text", place=place, confidence=0.9)
    return a.model_copy(update={"location": where})


KENYA = Place(id="country:KE", name="Kenya", kind="country", country="KE")
ISLAND = Place(id="country:PR", name="Puerto Rico", kind="country", country="PR")


def test_places_of_danger_without_help_name_their_posts() -> None:
    asks = [at_ponce(assessment(Post(id=str(i)))) for i in range(5)]
    line = the_one(summarize(counted([*asks, helping("far", KENYA), helping("any", None)])), GAP)
    assert line.text.endswith("Ponce, PR (5).")
    assert (line.ids, line.rest) == (("0", "1", "2"), "and 2 more")
    assert parse_qs(line.link[1:]) == {"of_tone": ["grave"], "place": ['"Ponce, PR"']}


@pytest.mark.parametrize(
    "helps",
    [
        [helping("same", ISLAND)],
        [helping("far", KENYA), helping("any", None), helping("other", None)],
        [],
    ],
    ids=["the country that holds the place", "most help names no place", "nobody tells of help"],
)
def test_no_gap_is_told_where_help_may_be(helps: list[Assessment]) -> None:
    asks = [at_ponce(assessment(Post(id=str(i)))) for i in range(5)]
    said = [line.text for line in lines_of(summarize(counted([*asks, *helps])))]
    assert not [text for text in said if text.startswith(GAP)]


def test_a_summary_of_nothing_says_so() -> None:
    none = "No post was surely read as a call for help, a warning or damage."
    assert summarize(counted([])).sections[0].statements == (Statement(none),)


def test_one_is_no_plural() -> None:
    post = assessment(Post(id="1", text="x")).model_copy(update={"unread": "No model reads it."})
    said = " ".join(line.text for line in lines_of(summarize(counted([post]))))
    assert "1 post was read: 1 different message." in said
    assert "No model reads 1 post in English." in said
    assert "1 post names no place that is known." in said
    assert "1 posts" not in said


def test_no_language_that_nobody_reads_is_left_out() -> None:
    codes = ["uk", "uk", "ar", "tr", "fa", "ur", "ja", "de"]
    unread = [
        assessment(Post(id=f"{i}", text="x")).model_copy(
            update={"unread": "No model reads it.", "language": code, "urgency": i / 10}
        )
        for i, code in enumerate(codes)
    ]
    lines = [line for line in lines_of(summarize(counted(unread))) if line.text.startswith("No model reads")]
    assert len(lines) == 6
    assert lines[0].text == "No model reads 2 posts in Ukrainian."
    # the most urgent of the rest first
    assert lines[5].text == "No model reads 2 posts in 2 other languages: Japanese (1), German (1)."
    assert (lines[5].ids, lines[5].more, lines[5].link) == (("7", "6"), 0, "#unsure=unread")
    assert sum(len(line.named) + line.more for line in lines) == len(codes)


def test_both_files_name_ids_and_lead_into_the_report(tmp_path: Path, found: list[Assessment]) -> None:
    told = {**vars(meta(known_limits=(LIMIT,))), "title": "A *storm* of l'eau <b>"}
    write_report(
        tmp_path / "report.html",
        assessments=found,
        failed=[],
        clusters=[],
        thumbnails=thumbnails,
        meta=type(meta())(**told),
        summary=tmp_path / "summary",
    )
    page = Page.at(tmp_path / "summary.html")
    assert page.open_at_end == []
    links = [a["href"] for tag, a in page.tags if tag == "a"]
    assert links
    assert all(link.startswith("report.html#") for link in links)
    assert "and 297 more" in page.text
    assert f"{LIMIT} [{CARD}]" in page.text
    markdown = (tmp_path / "summary.md").read_text(encoding="utf-8")
    # nothing in it is markup, and what needs no escaping stays as it was said
    assert markdown.startswith("# A \\*storm\\* of l'eau &lt;b&gt;\n")
    assert f"[{CARD}]" in markdown
    lines = [line for line in markdown.split("\n") if line.startswith("- ")]
    assert all(line.endswith("]") for line in lines)
    assert "[and 297 more](report.html#view=read)" in markdown
    # items of a list stand together
    assert markdown.count("\n- ") == len(lines) == len(page.text.split("[")) - 1
    # the same page stands in the report for the printer, where nothing can be clicked
    report = Page.at(tmp_path / "report.html")
    assert "and 297 more" in report.text


TOWN = BaseMap(
    "town.geojson",
    (
        Shape("point", "other", "Saltmarsh", ((44.897, -21.320),)),
        Shape("point", "other", "Old Mill", ((44.920, -21.340),)),
        Shape("line", "road", "Ferry Lane", ((44.897, -21.320), (44.92, -21.34))),
    ),
)


def test_coordinates_are_named_by_the_nearest_point_of_the_base_map(tmp_path: Path) -> None:
    naming = Naming.of_map(TOWN)
    cases = {(-21.3205, 44.8975): "near Saltmarsh", (-21.339, 44.92): "near Old Mill", (-21.5, 44.9): ""}
    posts = []
    for i, ((lat, lon), name) in enumerate(cases.items()):
        where = GeoLocation(lat=lat, lon=lon, source="post", confidence=1.0)
        assert naming.name(where) == name
        posts.append(assessment(Post(id=str(i), text="x")).model_copy(update={"location": where}))
    assert Naming.of_map(None).of(posts[0]) == ""
    path = tmp_path / "report.html"
    told = meta(base_map=TOWN)
    write_report(path, assessments=posts, failed=[], clusters=[], thumbnails=thumbnails, meta=told)
    text = Page.at(path).text
    assert "2 places are named" in text
    assert "near Saltmarsh" in text


def test_a_statement_says_how_many_it_leaves_unnamed() -> None:
    assert Statement("x", (Named("1"),), more=1_200).rest == "and 1,200 more"
    assert Statement("x", (Named("1"),)).rest == ""
