"""Label spaces hold the published merges; posts and assessments refuse what makes no sense."""

import pytest
from pydantic import ValidationError

from crisislens.core.errors import DataError
from crisislens.domain.assessment import Assessment, Provenance, TaskAssessment
from crisislens.domain.post import ImageRef, Post
from crisislens.domain.tasks import TASKS, Label, Task


def test_every_raw_class_has_a_place_in_b2_and_in_a2_or_is_dropped() -> None:
    assert len(TASKS["humanitarian_raw"]) == 8
    assert {TASKS["humanitarian_b2"].resolve(raw) for raw in TASKS["humanitarian_raw"].classes} == set(
        TASKS["humanitarian_b2"].classes
    )
    assert {TASKS["humanitarian_a2"].resolve(raw) for raw in TASKS["humanitarian_raw"].classes} == {
        *TASKS["humanitarian_a2"].classes,
        None,
    }
    assert TASKS["humanitarian_a2"].resolve("not_humanitarian") is None


def test_vehicles_stand_apart_in_a2_only() -> None:
    assert TASKS["humanitarian_a2"].resolve("vehicle_damage") == "vehicle_damage"
    assert TASKS["humanitarian_b2"].resolve("vehicle_damage") == "infrastructure_and_utility_damage"


def test_unknown_and_dropped_labels_are_told_apart() -> None:
    with pytest.raises(DataError, match="label 'flood' is not in humanitarian_b2; expected one of affected"):
        TASKS["humanitarian_b2"].index("flood")
    with pytest.raises(DataError, match="dropped in humanitarian_a2; filter its rows first"):
        TASKS["humanitarian_a2"].index("not_humanitarian")


def test_damage_is_a_scale_from_little_to_severe() -> None:
    assert TASKS["damage_severity"].ordered
    assert [
        TASKS["damage_severity"].index(c) for c in ("little_or_no_damage", "mild_damage", "severe_damage")
    ] == [
        0,
        1,
        2,
    ]


@pytest.mark.parametrize("space", TASKS.values(), ids=str)
def test_every_class_has_a_title(space: Task) -> None:
    assert all(space.title(c)[0].isupper() and "_" not in space.title(c) for c in space.classes)


@pytest.mark.parametrize(
    "change",
    [
        {"labels": (Label(name="a"), Label(name="a"))},
        {"labels": (Label(name="a"),)},
        {"labels": ()},
        {"labels": (Label(name="a"), Label(name="b")), "merges": {"x": "c"}},
    ],
)
def test_contradictory_label_spaces_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Task(**{"name": "n", "question": "t", **change})  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"id": ""}, {"lat": 91.0}, {"lon": -181.0}, {"text": 3}, {"unknown": 1}])
def test_impossible_posts_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Post.model_validate({"id": "1", **change})


def test_white_space_is_not_text() -> None:
    assert not Post(id="1", text=" \n\t").has_text
    assert Post(id="1", image=ImageRef(path="a.jpg")).image == ImageRef(path="a.jpg")


def test_half_a_surrogate_pair_becomes_the_replacement_character() -> None:
    post = Post(id="1", text="a\ud83db\ude00 \U0001f600")
    assert post.text == "a\ufffdb\ufffd \U0001f600"
    assert Post.model_validate_json(post.model_dump_json()) == post


def test_an_assessment_reads_back_as_it_was_written() -> None:
    task = TaskAssessment(label="a", confidence=0.7, probabilities={"a": 0.7, "b": 0.3}, abstained=False)
    made = Provenance(
        model="m",
        model_version="1",
        model_fingerprint="f",
        encoder_fingerprint="e",
        crisislens_version="0",
        analyzed_at="2026-01-01T00:00:00+00:00",
    )
    record = Assessment(
        post=Post(id="1", text="\ud83d\ude00 ü"[2:]),
        modalities=("text",),
        tasks={"t": task},
        urgency=0.5,
        provenance=made,
    )
    assert Assessment.model_validate_json(record.model_dump_json()) == record


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://example.org/posts/1?x=%20#a", True),
        ("HTTP://example.org", True),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("/r/flood/1", False),
        ("https://example.org/a b", False),
        ('https://example.org/"><script>', False),
        ("https://example.org/\u202egpj", False),
        ("https://example.org/" + "a" * 3_000, False),
    ],
)
def test_a_post_stands_only_at_a_web_address(given: str, kept: bool) -> None:
    assert Post(id="1", url=given).url == (given if kept else None)


def test_a_post_without_an_address_is_written_as_before() -> None:
    assert "url" not in Post(id="1").model_dump()
    assert Post(id="1", url="https://example.org/1").model_dump()["url"] == "https://example.org/1"
