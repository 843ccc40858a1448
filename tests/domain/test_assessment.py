"""The record of one post: what it refuses, how it is written, and how it is shown."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from crisislens.domain.assessment import (
    EXTENSIONS_BYTES,
    Assessment,
    FailedPost,
    Provenance,
    TaskAssessment,
)
from crisislens.domain.calibration import Calibration
from crisislens.domain.extraction import Entity, Relation
from crisislens.domain.place import GeoLocation, Place, PlaceMention
from crisislens.domain.post import ImageRef, Post
from crisislens.domain.rationale import PatchHeat, Rationale, TextSpan

MADE = Provenance(
    model="m",
    model_version="1",
    model_fingerprint="f",
    encoder_fingerprint="e",
    crisislens_version="0",
    analyzed_at="2026-01-01T00:00:00+00:00",
)


def answer(**changes: object) -> TaskAssessment:
    fields: dict[str, object] = {
        "label": "flood",
        "labels": ("flood",),
        "confidence": 0.75,
        "probabilities": {"flood": 0.75, "fire": 0.25},
        "abstained": False,
    }
    return TaskAssessment.model_validate({**fields, **changes})


def assessment(**changes: object) -> Assessment:
    fields: dict[str, object] = {
        "post": Post(id="1", text="water <b>rises</b>"),
        "modalities": ("text",),
        "tasks": {"kind": answer()},
        "urgency": 0.5,
        "provenance": MADE,
    }
    return Assessment.model_validate({**fields, **changes})


SEVERAL = {"probabilities": {"flood": 0.9, "fire": 0.8}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "flood"),
        ({"labels": ("flood", "fire"), **SEVERAL}, "flood, fire"),
        # several may hold and none does
        ({"labels": (), "probabilities": {"flood": 0.1, "fire": 0.2}}, "none"),
        # not sure: what it leans to, whether one or several may hold
        ({"labels": (), "abstained": True}, "flood"),
        ({"labels": (), "abstained": True, **SEVERAL}, "flood"),
        # four digits each: three thirds are no task of several labels
        ({"labels": (), "probabilities": {"a": 0.3333, "b": 0.3333, "c": 0.3333}}, "flood"),
    ],
)
def test_an_answer_in_words(changes: dict[str, object], expected: str) -> None:
    assert answer(**changes).said == expected


def test_one_line_for_people() -> None:
    unsure = answer(labels=(), abstained=True, confidence=0.4)
    shown = repr(assessment(tasks={"kind": answer(), "where": unsure}))
    assert shown == "Assessment('1', urgency 0.50: kind flood 0.75, where not sure: flood 0.40)"


@pytest.mark.parametrize("field", ["id", "text"])
def test_nothing_of_a_post_becomes_part_of_a_page(field: str) -> None:
    evil = '<script>alert("1")</script>'
    post = Post.model_validate({"id": "1", "text": "t", field: evil})
    tasks = {evil: answer(label=evil, labels=(evil,))}
    page = assessment(post=post, tasks=tasks)._repr_html_()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert page.count("<th>") == page.count("<td>") == 4


def test_a_long_text_is_cut_on_a_page() -> None:
    page = assessment(post=Post(id="1", text="x" * 10_000))._repr_html_()
    assert len(page) < 1_000


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nan, "reads back as something else|must survive JSON"),
        (math.inf, "must survive JSON"),
        ("\ud800", "must survive JSON"),
        ({"\udfff": 1}, "must survive JSON"),
        ("x" * (EXTENSIONS_BYTES + 1), f"take .* bytes as JSON, and may take {EXTENSIONS_BYTES}"),
    ],
)
def test_extensions_that_a_file_could_not_give_back(value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        assessment(extensions={"plug-in": value})


def test_extensions_may_take_so_much_together() -> None:
    frame = len(json.dumps({"a": ""}, separators=(",", ":")))
    just = "x" * (EXTENSIONS_BYTES - frame)
    assert assessment(extensions={"a": just}).extensions == {"a": just}
    with pytest.raises(ValidationError, match="may take"):
        assessment(extensions={"a": just, "b": ""})


SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
JSON = st.recursive(
    SCALARS | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=3))
def test_any_other_extension_reads_back(extensions: dict[str, object]) -> None:
    record = assessment(extensions=extensions)
    assert Assessment.model_validate_json(record.model_dump_json()) == record


def test_what_a_post_does_not_have_is_not_written() -> None:
    written = json.loads(assessment().model_dump_json())
    # records of before these fields existed keep their bytes
    assert not {"unread", "extensions"} & {*written}
    assert {"rationale", "location", "place_type", "language"} <= {*written}
    read = json.loads(assessment(unread="no model reads tlh").model_dump_json())
    assert read["unread"] == "no model reads tlh"


def test_remarks_of_reading_stay_out_of_records_and_schema() -> None:
    post = Post(id="1", text="t", remarks=("the time was left out",), doubt="guessed letters")
    assert {"remarks", "doubt"}.isdisjoint(json.loads(post.model_dump_json()))
    assert {"remarks", "doubt"}.isdisjoint(Post.model_json_schema()["properties"])
    assert "remarks" not in repr(post)
    assert post.doubt == "guessed letters"


PLACE = {"id": "city:1", "name": "Ponce", "kind": "city", "country": "PR"}
MENTION = {"text": "Ponce", "start": 0, "end": 5, "place": PLACE, "confidence": 0.5}


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        (TaskAssessment, {**answer().model_dump(), "confidence": 1.01}),
        (TaskAssessment, {**answer().model_dump(), "extra": 1}),
        (FailedPost, {"row": -1, "reason": "x"}),
        (FailedPost, {"row": 1}),
        (Place, {**PLACE, "lat": 90.5}),
        (Place, {**PLACE, "kind": "village"}),
        (Place, {**PLACE, "population": -1}),
        (PlaceMention, {**MENTION, "confidence": -0.1}),
        (PlaceMention, {**MENTION, "start": -1}),
        (GeoLocation, {"lat": 1, "lon": 181, "source": "post", "confidence": 1}),
        (GeoLocation, {"lat": 1, "lon": 1, "source": "guess", "confidence": 1}),
        (Entity, {"type": "LOC", "text": "", "start": 0, "end": 1, "score": 0.5}),
        (Entity, {"type": "LOC", "text": "a", "start": 0, "end": 0, "score": 0.5}),
        (Relation, {"type": "/per/loc/x", "head": -1, "tail": 0, "score": 0.5}),
        (TextSpan, {"start": 0, "end": 0, "score": 0.5}),
        (PatchHeat, {"rows": 0, "columns": 1, "heat": (), "description": ""}),
        (Rationale, {"method": "tea leaves", "model": "m"}),
        (Calibration, {"temperature": 0, "abstain_below": 0.5, "basis": "b"}),
        (Calibration, {"temperature": 1, "abstain_below": 1.5, "basis": "b"}),
    ],
)
def test_impossible_records_are_refused(record: type[BaseModel], fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        record.model_validate(fields)


def test_records_cannot_be_changed() -> None:
    record = assessment()
    with pytest.raises(ValidationError, match="frozen"):
        record.urgency = 1.0  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        ImageRef(path="a.jpg").path = "b.jpg"  # type: ignore[misc]
