"""The posts in the page: every one is there, in order, in few bytes, and the least urgent give way."""

import base64
import json
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_posts import assessment, crisis, hostile, meta

from crisislens.domain.assessment import Assessment, TaskAssessment
from crisislens.domain.post import Post
from crisislens.domain.tasks import own_task
from crisislens.report.archive import FIELDS, Archive, Packed, photo_state
from crisislens.report.cards import CardMaker
from crisislens.report.geography import Geography
from crisislens.report.groups import Groups
from crisislens.report.model import ReportCluster, ReportTask
from crisislens.report.selection import Listed


def pack(found: list[Assessment], clusters: list[ReportCluster] | None = None, **bounds: int) -> Packed:
    archive, geography = Archive(meta().tasks, Groups(clusters or []), **bounds), Geography()
    for a in found:
        archive.add(a, fresh=a.post.event == "irma")
        geography.add(a)
    return archive.packed(geography)


def unpack(packed: Packed) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows by field, and the tables, as the page's script reads them."""
    raw = json.loads(zlib.decompress(base64.b64decode(packed.data)))
    assert raw["fields"] == list(FIELDS)
    return [dict(zip(FIELDS, row, strict=True)) for row in raw["rows"]], raw


def test_every_post_has_a_row_by_urgency() -> None:
    found, _, clusters = crisis(300)
    packed = pack(found, clusters)
    rows, raw = unpack(packed)
    assert (packed.held, packed.left_out) == (300, 0)
    order = sorted(range(300), key=lambda i: (-found[i].urgency, i))
    assert [row["id"] for row in rows] == [found[i].post.id for i in order]
    assert packed.row_of == {i + 1: row for row, i in enumerate(order)}
    for row, i in zip(rows, order, strict=True):
        a = found[i]
        assert row["text"] == a.post.text
        assert raw["languages"][row["language"]] == (a.language or "")
        assert ("none", "yes", "unusable")[row["photo"]] == photo_state(a)
        assert row["fresh"] == (a.post.event == "irma")
        assert (row["message"] >= 0) == any(a.post.id in c.members for c in clusters if c.one_message)


def test_answers_are_positions_and_not_sure_leans() -> None:
    sure = {"informativeness": 0.97, "humanitarian": 0.41, "damage": 0.8}
    [row], _ = unpack(pack([assessment(Post(id="1", text="t"), confidence=sure)]))
    # informative, not sure but leaning to the first category, severe damage; each with its percent
    assert row["answers"] == [1, 97, -1, 41, 2, 80]
    bare = assessment(Post(id="1")).model_copy(update={"tasks": {}})
    [row], _ = unpack(pack([bare]))
    assert row["answers"] == [-1, 0, -1, 0, -1, 0]


def test_a_card_gives_each_of_several_labels_its_own_probability() -> None:
    task = own_task("need", ["water", "food", "tents"], several=True)
    said = TaskAssessment(
        label="water",
        labels=("tents", "water"),
        confidence=0.3,
        probabilities={"water": 0.95, "food": 0.1, "tents": 0.6},
        abstained=False,
    )
    maker = CardMaker((ReportTask(task),), lambda post: None)

    def each(found: TaskAssessment) -> list[tuple[str, str]]:
        a = assessment(Post(id="1")).model_copy(update={"tasks": {"need": found}})
        [answer] = maker.card(0, Listed(a, 1, None, None)).answers
        assert answer.percent == "95%"
        return [(one.title, one.percent) for one in answer.each]

    assert each(said) == [("Water", "95%"), ("Perhaps: Tents", "60%")]
    # one label has the one number that stands beside it
    assert each(said.model_copy(update={"labels": ("water",)})) == []


def test_several_labels_are_a_list_and_each_has_its_percent() -> None:
    task = own_task("need", ["water", "food", "tents"], several=True)
    said = TaskAssessment(
        label="water",
        labels=("water", "tents"),
        confidence=0.3,
        probabilities={"water": 0.9, "food": 0.1, "tents": 0.7},
        abstained=False,
    )

    def packed(found: TaskAssessment) -> list[Any]:
        archive = Archive([ReportTask(task)], Groups())
        archive.add(assessment(Post(id="1")).model_copy(update={"tasks": {"need": found}}), fresh=False)
        [row], _ = unpack(archive.packed(Geography()))
        answers: list[Any] = row["answers"]
        return answers

    assert packed(said) == [[0, 2], [90, 70]]
    assert said.surest == 0.9
    # one label and none have one number
    assert packed(said.model_copy(update={"labels": ("tents",)})) == [[2], 70]
    assert packed(said.model_copy(update={"labels": ()})) == [[], 30]


@pytest.mark.parametrize("bounds", [{"most_posts": 20}, {"most_bytes": 4_000}])
def test_where_a_run_is_too_large_the_least_urgent_give_way(bounds: dict[str, int]) -> None:
    found, _, _ = crisis(100)
    packed = pack(found, **bounds)
    assert 0 < packed.held < 100
    assert packed.held + packed.left_out == 100
    order = sorted(range(100), key=lambda i: (-found[i].urgency, i))
    assert set(packed.row_of) == {i + 1 for i in order[: packed.held]}


def test_hostile_posts_cannot_leave_their_element() -> None:
    packed = pack(hostile())
    assert not set(packed.data) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")
    rows, _ = unpack(packed)
    assert all("\u202e" not in row["text"] and "\x00" not in row["text"] for row in rows)
    assert max(len(row["text"]) for row in rows) <= 4_000
    # and says how much of each it does not hold
    assert sorted(row["cut"] for row in rows)[-3:] == [0, 6_000, 6_500]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=40), st.floats(0, 1)), max_size=12))
def test_any_text_comes_through(given_posts: list[tuple[str, float]]) -> None:
    found = [assessment(Post(id=str(i), text=text), urgency=u) for i, (text, u) in enumerate(given_posts)]
    rows, _ = unpack(pack(found))
    assert len(rows) == len(found)
    assert [row["urgency"] for row in rows] == sorted((row["urgency"] for row in rows), reverse=True)
