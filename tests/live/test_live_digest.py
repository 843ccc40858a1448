"""The last hours in sentences: what is counted, what rises, and that nothing is claimed without a post."""

import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from sqlalchemy import update

from alert_posts import CAGUAS, NOW, PONCE, ask, heard_when_posted
from crisislens.live.bursts import ALPHA
from crisislens.live.digest import Digest, digest_of
from crisislens.live.forms import html_digest, markdown_digest
from crisislens.live.rising import counted_labels, rising
from crisislens.store import Store
from crisislens.store.models import Post
from crisislens.store.records import Counts, LabelCount

HOUR = 60
BASE = "https://lens.example.org"
EVIL = "Ponce](https://evil.example) <img src=x onerror=alert(1)> **x** `y` \u202e"


def with_a_past(store: Store) -> None:
    """Three days: a post of Ponce that asks for water every four hours."""
    # the oldest first, as they came
    ask(store, *[-HOUR * hours for hours in reversed(range(6, 78, 4))])
    heard_when_posted(store)


def test_a_digest_counts_and_names_its_posts(store: Store) -> None:
    with_a_past(store)
    here = ask(store, -20, -15, -10)
    ask(store, -12, place=CAGUAS, needs=("food",))
    found = digest_of(store, 6, now=NOW)
    # one post of the past stood six hours ago
    assert found.headline.startswith("Everywhere, last 6 h: 5 informative, ")
    assert "4 water" in found.headline
    water = next(one for one in found.sentences if "water" in one.text)
    assert water.text == "4 posts say “water needed”, most of Ponce (4)."
    assert set(here) <= set(water.post_ids)
    assert water.query == "label=needs%3Awater&since=2026-09-20T06%3A00%3A00"
    assert all(one.post_ids and one.posts for one in found.sentences)
    only = digest_of(store, 6, place=CAGUAS.id, now=NOW)
    assert only.headline.startswith("Caguas, last 6 h: 1 informative, ")
    assert only.place_name == "Caguas"
    assert all("place=city" in one.query for one in only.sentences)


def test_what_rises_is_said_with_its_figures(store: Store) -> None:
    with_a_past(store)
    ask(store, *[-50 + i for i in range(40)])
    found = digest_of(store, 6, place=PONCE.id, now=NOW)
    water = next(one for one in found.sentences if "water" in one.text)
    assert water.rises
    assert re.search(r"Rising: 4\d in the last 6 hours, 1\.\d in as many before\.$", water.text)
    assert "water needed (rising)" in found.headline
    assert "beta-binomial" in found.test
    looked = rising(store, 6, now=NOW)
    water = (("needs", "water"),)
    assert {(one.place, one.answers) for one in looked.found} >= {(PONCE.id, water), ("*", water)}
    assert all(one.post_ids and one.p <= one.bound <= ALPHA for one in looked.found)
    assert (looked.blocks, looked.hours) == (11, 6)


CALL = "requests_or_urgent_needs"


def test_calls_that_two_questions_find_are_one_sentence(store: Store) -> None:
    both = ask(store, -30, -25, needs=("request", "water"), category=CALL)
    ask(store, -20, place=CAGUAS, needs=("request",))
    ask(store, -10, needs=(), category=CALL)
    # a second question that says nothing of it
    ask(store, -5, needs=("warning",))
    found = digest_of(store, 6, now=NOW)
    calls = next(one for one in found.sentences if "calls for help" in one.text)
    made_of = "(“call for help” 3 or “asks for help” 3)"
    assert calls.text == f"4 posts say “calls for help” {made_of}, most of Ponce (3), Caguas (1)."
    assert (calls.posts, calls.short) == (4, "4 calls for help")
    assert calls.query == "meaning=calls_for_help&since=2026-09-20T06%3A00%3A00"
    assert set(both) <= set(calls.post_ids)
    assert len(calls.post_ids) == 4
    assert not any("“asks for help”" in one.text.split("(")[0] for one in found.sentences)
    # where one question alone finds it, there is no second number
    warns = next(one for one in found.sentences if "warns" in one.text)
    assert warns.text == "1 post says “warns”, most of Ponce (1)."
    assert "warnings" not in found.headline
    # as grave as the gravest of its answers
    assert found.headline.endswith(" 5 severe damage, 4 calls for help, 2 water needed, 1 warns")
    only = digest_of(store, 6, place=CAGUAS.id, now=NOW)
    assert "1 asks for help" in only.headline
    text = markdown_digest(found, BASE)
    assert f"]({BASE}/posts?meaning=calls_for_help&since=" in text


def test_calls_that_two_questions_find_rise_once(store: Store) -> None:
    past = [-HOUR * hours for hours in reversed(range(6, 78, 4))]
    ask(store, *past, needs=("request",), category=CALL)
    heard_when_posted(store)
    ask(store, *[-50 + i for i in range(40)], needs=("request",), category=CALL)
    found = digest_of(store, 6, now=NOW)
    calls = next(one for one in found.sentences if "calls for help" in one.text)
    assert calls.rises
    assert re.search(r" Rising: 4\d in the last 6 hours, 1\.\d in as many before\.$", calls.text)
    assert calls.text.count("Rising") == 1
    looked = rising(store, 6, now=NOW)
    meant = [one for one in looked.found if one.meaning == "calls_for_help"]
    assert {one.place for one in meant} == {PONCE.id, "*"}
    assert {one.title for one in meant} == {"Calls for help"}
    # neither question by itself beside it
    assert not any(CALL in dict(one.answers).values() for one in looked.found if one not in meant)
    assert meant[0].filters == {"meaning": "calls_for_help"}


def test_what_one_question_alone_finds_rises_under_its_name(store: Store) -> None:
    past = [-HOUR * hours for hours in reversed(range(6, 78, 4))]
    ask(store, *past, needs=("request",))
    heard_when_posted(store)
    ask(store, *[-50 + i for i in range(40)], needs=("request",))
    looked = rising(store, 6, now=NOW)
    calls = [one for one in looked.found if "request" in dict(one.answers).values()]
    assert {one.place for one in calls} == {PONCE.id, "*"}
    assert {(one.meaning, one.title) for one in calls} == {(None, "Asks for help")}
    assert calls[0].filters == {"label": "needs:request"}
    assert all(one.meaning is None for one in looked.found)


def test_with_too_little_past_nothing_is_said_to_rise(store: Store) -> None:
    ask(store, *[-50 + i for i in range(20)])
    found = digest_of(store, 6, now=NOW)
    assert not any(one.rises for one in found.sentences)
    assert found.test == "not asked what rises: 0 blocks of past are too few"
    assert rising(store, 6, now=NOW).looked == 0


def test_the_past_is_cut_into_blocks_of_whole_hours(store: Store) -> None:
    # an hour's end belongs to the block in which the hour is
    ask(store, -30 * HOUR, -3 * HOUR + 1, -61, -59, -1)
    heard_when_posted(store)
    looked = rising(store, 1, now=NOW + timedelta(minutes=1))
    assert looked.blocks == 30
    assert looked.since == NOW
    assert rising(store, 24, now=NOW).blocks == 0


def test_a_post_from_before_anybody_listened_makes_no_past(store: Store) -> None:
    """A feed shows an entry of two months ago first: that all was quiet since then is not known."""
    ask(store, -60 * 24 * HOUR)
    for hours in (3, 2, 1):
        ask(store, *[-HOUR * hours + minute for minute in range(1, 11)], needs=("water", "food"))
    heard = update(Post).values(received_at=NOW - timedelta(hours=2, minutes=59))
    store.database.write(lambda tx: tx.connection.execute(heard).rowcount)
    looked = rising(store, 6, now=NOW)
    assert (looked.blocks, looked.found) == (0, ())
    # a block that had begun before the first post was heard is no whole one
    assert rising(store, 1, now=NOW + timedelta(hours=3)).blocks == 5


def test_nothing_is_nothing(store: Store) -> None:
    found = digest_of(store, 6, now=NOW)
    assert found.headline == "Everywhere, last 6 h: nothing that calls for somebody"
    assert found.sentences == []
    assert found.posts == 0


def test_a_sentence_without_a_post_is_left_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts and posts are read one after the other: a post may have been erased between."""
    ask(store, -10)
    counts = store.statistics.counts(NOW - timedelta(hours=6), NOW)
    more = (*counts.labels, LabelCount(task="needs", label="medical", posts=7))
    faked: Counts = counts.model_copy(update={"labels": more})
    monkeypatch.setattr(store.statistics, "counts", lambda *_, **__: faked)
    found = digest_of(store, 6, now=NOW)
    assert "medical" not in found.headline.lower()
    assert any("water" in one.text for one in found.sentences)


class Links(HTMLParser):
    """Tags and where links lead."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]


def hostile(store: Store) -> Digest:
    ask(store, -20, -10, place=PONCE.model_copy(update={"name": EVIL}))
    return digest_of(store, 6, now=NOW)


def test_forms_link_each_sentence_and_hold_no_markup_of_names(store: Store) -> None:
    found = hostile(store)
    page = Links(html_digest(found, BASE))
    assert page.tags == {"p", "strong", "ul", "li", "a"}
    assert all(link.startswith(BASE) for link in page.links)
    assert f"{BASE}/posts/{found.sentences[0].post_ids[0]}" in page.links
    text = markdown_digest(found, BASE)
    assert "](https://evil" not in text
    assert "\u202e" not in text
    assert "<img" not in text.replace("\\<img", "")
    lines = [line for line in text.split("\n") if line.startswith("- ")]
    assert len(lines) == len(found.sentences)
    assert all(f"]({BASE}/posts?label=" in line and "Posts: [" in line for line in lines)


def test_what_is_looked_at_calls_for_somebody() -> None:
    labels = counted_labels()
    assert ("needs", "rescue") in labels
    assert ("informativeness", "informative") in labels
    assert ("informativeness", "not_informative") not in labels
    assert ("humanitarian", "not_humanitarian") not in labels
    assert len(set(labels)) == len(labels)
