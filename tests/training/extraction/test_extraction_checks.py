"""What a run of an extractor is refused for before it is trained, and what of it is taken from its data. No
language model is loaded: these are questions about run files.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crisislens.core.errors import ConfigError
from crisislens.domain.extraction import AnnotatedPost, Link, Mention
from crisislens.models.extractor_artifact import ExtractorMeta
from crisislens.models.extractor_spec import AlignmentSpec, ExtractorSpec
from crisislens.training.extraction.checks import AUTO, check_inputs, check_kept, with_labels_of
from crisislens.training.extraction.config import ExtractionData, ExtractionRun
from crisislens.training.extraction.splits import ExtractionSplits

PERSON, PLACE = Mention(0, 1, "PER"), Mention(2, 3, "LOC")
PAIR = AnnotatedPost("1", ("Ann", "in", "Rome"), (PERSON, PLACE), (Link(0, 1, "lives"),), image="1.jpg")
RELATIONS = ("None", "lives")


def splits(
    *posts: AnnotatedPost, relations: tuple[str, ...] = RELATIONS, **contexts: str
) -> ExtractionSplits:
    found = list(posts) or [PAIR]
    types = tuple(sorted({m.type for post in found for m in post.mentions if m.type}))
    return ExtractionSplits(found, found, found, contexts, relations, types)


def run(task: str = "entities", *, data: dict[str, Any] | None = None, **extractor: Any) -> ExtractionRun:
    relations = {} if task == "entities" else {"relations": AUTO}
    spec = ExtractorSpec(**{"task": task, **relations, **extractor})
    return ExtractionRun(name="r", data=ExtractionData(**{"name": "table", **(data or {})}), extractor=spec)


# labels


@pytest.mark.parametrize("task", ["relations", "joint"])
def test_relations_are_those_of_the_data_where_none_are_named(task: str) -> None:
    assert with_labels_of(run(task, types=AUTO), splits()).extractor.relations == RELATIONS
    named = run(task, types=AUTO, relations=("None", "works"))
    assert with_labels_of(named, splits()).extractor.relations == ("None", "works")


def test_types_are_those_of_the_data_where_the_usual_ones_are_too_few() -> None:
    river = replace(PAIR, mentions=(PERSON, Mention(2, 3, "RIVER")), links=())
    taken = with_labels_of(run(), splits(river))
    assert taken.extractor.types == ("PER", "RIVER")
    # enough: the usual ones stay, and with them the numbers of tags
    assert with_labels_of(run(), splits()).extractor.types == ExtractorSpec().types
    # relations have no types of their own
    pair = replace(river, links=(Link(0, 1, "lives"),))
    assert with_labels_of(run("relations"), splits(pair)).extractor.types == ExtractorSpec().types


def test_a_type_that_a_run_file_forgot_is_told() -> None:
    with pytest.raises(ConfigError, match=r"types LOC, which extractor.types does not name; mend them"):
        with_labels_of(run(types=("PER",)), splits())


@pytest.mark.parametrize(
    ("task", "posts", "relations", "data", "sentence"),
    [
        ("entities", [PAIR], RELATIONS, {"name": "table-pairs"}, "entities takes data.name=table"),
        ("joint", [PAIR], (), {}, "table has no relations; set extractor.task to entities"),
        ("relations", [replace(PAIR, links=())], RELATIONS, {}, "table is not a set of given pairs"),
        (
            "relations",
            [replace(PAIR, links=(Link(0, 1, "lives"), Link(1, 0, "lives")))],
            RELATIONS,
            {},
            "is not a set of given pairs; set extractor.task to joint",
        ),
        (
            "joint",
            [replace(PAIR, mentions=(PERSON, Mention(2, 3, "")))],
            RELATIONS,
            {},
            "type of every entity",
        ),
    ],
)
def test_a_task_that_the_data_cannot_teach_is_refused(
    task: str,
    posts: list[AnnotatedPost],
    relations: tuple[str, ...],
    data: dict[str, Any],
    sentence: str,
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        with_labels_of(run(task, data=data), splits(*posts, relations=relations))


@pytest.mark.parametrize(
    ("types", "relations", "name"),
    [
        (("PER", "LOC"), ("None", "LOC"), "LOC"),
        (("PER", "LOC", "None"), ("None", "lives"), "None"),
        (("PER", "LOC", "None"), ("None", "LOC"), "LOC"),
    ],
)
def test_one_name_for_a_type_and_a_relation_is_refused(
    types: tuple[str, ...], relations: tuple[str, ...], name: str
) -> None:
    """Word pairs have one list of labels: the two could not be told apart."""
    with pytest.raises(ConfigError, match=f"{name} is the name of a type and of a relation"):
        with_labels_of(run("joint", types=types, relations=relations), splits())


# inputs


@pytest.mark.parametrize(
    ("extractor", "data", "sentence"),
    [
        (
            {"context_pieces": 8, "fusion": True},
            {},
            "context_pieces asks for contexts and data.contexts is none",
        ),
        ({}, {"contexts": "captions"}, "data.contexts is captions and extractor.context_pieces 0 reads none"),
        ({"context_pieces": 8}, {"contexts": "captions"}, "contexts would be read and reach nothing"),
        ({"image_width": 12, "fusion": True}, {}, "data.image_root names no folder of photos"),
        ({}, {"image_root": "photos"}, "photos would be read and reach nothing"),
    ],
)
def test_inputs_that_are_absent_or_unread_are_told(
    extractor: dict[str, Any], data: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence):
        check_inputs(run(data=data, **extractor), splits())


@pytest.mark.parametrize(
    "extractor",
    [
        {"fusion": True},
        {"alignment": AlignmentSpec()},
        {"joint_sequence": True},
    ],
)
def test_contexts_may_reach_the_words_in_three_ways(extractor: dict[str, Any]) -> None:
    check_inputs(run(data={"contexts": "captions"}, context_pieces=8, **extractor), splits())
    # contexts that a caller brings need no name in the run file
    check_inputs(run(context_pieces=8, **extractor), splits(**{"1": "a street"}))


def test_text_alone_needs_nothing_else() -> None:
    check_inputs(run(), splits())
    check_inputs(run(data={"image_root": "photos"}, fusion=True), splits())


def test_an_extractor_that_was_not_kept_is_told_before_it_is_missed(tmp_path: Path) -> None:
    check_kept(tmp_path / "r-seed0", None)
    with pytest.raises(ConfigError, match="r-seed0 was trained before and its extractor was not kept"):
        check_kept(tmp_path / "r-seed0", ExtractorMeta(name="r"))


# parts


def test_posts_of_all_parts_come_one_after_the_other_and_are_described() -> None:
    other = replace(PAIR, id="2", image="2.jpg")
    parts = ExtractionSplits([PAIR], [other], [PAIR, other], {"1": "a street"}, RELATIONS, ("LOC", "PER"))
    assert [post.id for post in parts.posts()] == ["1", "2", "1", "2"]
    assert parts.described("dev") == "1 rows, 0 with a context"
    assert parts.described("test") == "2 rows, 1 with a context"
    bare = replace(parts, contexts={})
    assert bare.described("train") == "1 rows"
    # what people marked is in both fingerprints, contexts in one of them
    assert bare.posts_fingerprint() == parts.posts_fingerprint()
    assert bare.fingerprint() != parts.fingerprint()
    moved = replace(parts, dev=[replace(other, links=())])
    assert moved.posts_fingerprint() != parts.posts_fingerprint()
