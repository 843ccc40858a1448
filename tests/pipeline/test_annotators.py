"""Annotators fill their own fields of each assessment; one that fails costs its field of that post and
nothing else.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from crisislens.core.errors import ModelError, NotRegisteredError
from crisislens.domain.assessment import EXTENSIONS_BYTES, Assessment, Modality
from crisislens.domain.post import Post
from crisislens.features.encode import EncodedPosts
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.annotators import ANNOTATORS, failures, load_annotators, selected
from tiny_bundles import write_bundle

POSTS = [
    Post(id=str(i), text=f"The bridge on Mill Road {word} today")
    for i, word in enumerate(["fell", "boom", "stands"])
]


class Language:
    """Fills a field of the tasks, and cannot bear one word."""

    name = "languages"
    tokens: tuple[Modality, ...] = ("text",)

    def fingerprint(self) -> str:
        return "0" * 16

    def annotate(self, posts: Sequence[Post], encoded: EncodedPosts) -> list[Mapping[str, object]]:
        assert len(posts) == len(encoded.features) == len(encoded.texts)
        for features in encoded.features:
            assert features.text_tokens is not None
            assert len(features.text_tokens) > 0, "asked for token states"
        if any("boom" in text for text in encoded.texts):
            raise RuntimeError("boom")
        return [{"urgency": 0.25} for _ in posts]


class Notes(Language):
    def annotate(self, posts: Sequence[Post], encoded: EncodedPosts) -> list[Mapping[str, object]]:
        super().annotate(posts, encoded)
        return [{} for _ in posts]


def test_a_post_that_an_annotator_fails_on_says_so_and_keeps_the_rest(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path)
    plain = Analyst.load(bundle).assess(POSTS)
    found = Analyst.load(bundle, annotators=[Notes()]).assess(POSTS)
    assert [a.tasks for a in found] == [a.tasks for a in plain]
    assert [a.notes for a in found] == [
        (),
        ("languages could not be found for this post: RuntimeError: boom",),
        (),
    ]


class Remarks(Language):
    def annotate(self, posts: Sequence[Post], encoded: EncodedPosts) -> list[Mapping[str, object]]:
        return [{"notes": (f"seen {post.id}",)} if post.id != "1" else {} for post in posts]


def test_what_annotators_remark_is_added_to_the_notes(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path)
    found = Analyst.load(bundle, annotators=[Remarks(), Notes()]).assess(POSTS)
    assert [a.notes for a in found] == [
        ("seen 0",),
        ("languages could not be found for this post: RuntimeError: boom",),
        ("seen 2",),
    ]


def test_names_are_checked() -> None:
    with pytest.raises(NotRegisteredError, match="no annotator named 'plaices'"):
        selected(add=["plaices"])


class Gives(Language):
    """Returns for each post what it is told to."""

    def __init__(self, fields: object, name: str = "gives") -> None:
        self.fields, self.name = fields, name

    def annotate(self, posts: Sequence[Post], encoded: EncodedPosts) -> list[Mapping[str, object]]:
        return [self.fields for _ in posts]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"urgency": 0.25}, "annotator 'gives' fills urgency, which belongs to the tasks; leave it out"),
        ({"tasks": {}, "post": 1}, "annotator 'gives' fills post, tasks, which belongs to the tasks"),
        (
            {"volume": 3},
            "annotator 'gives' fills 'volume', which an assessment does not have; it may fill no",
        ),
        (
            {"notes": "letters"},
            "fills 'notes' with what it cannot hold: notes: Input should be a valid tuple",
        ),
        ({"places": [{"start": 1}]}, "fills 'places' with what it cannot hold: places.0."),
        ({"extensions": {"other": 1}}, "fills extensions['other']; its own record is extensions['gives']"),
        ({"extensions": {"gives": float("nan")}}, "must survive JSON"),
        ({"extensions": {"gives": "\ud800"}}, "must survive JSON"),
        ({"extensions": {"gives": {1, 2}}}, "fills 'extensions' with what it cannot hold: extensions.gives"),
        ({"extensions": {"gives": "x" * EXTENSIONS_BYTES}}, "take 65548 bytes as JSON, and may take 65536"),
        ({"extensions": 3}, "fills 'extensions' with what it cannot hold"),
        (["places"], "annotator 'gives' gave a list where fields are expected"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence_and_costs_nothing_else(
    tmp_path: Path, fields: object, sentence: str
) -> None:
    bundle = write_bundle(tmp_path)
    [plain] = Analyst.load(bundle).assess(POSTS[:1])
    [found] = Analyst.load(bundle, annotators=[Gives(fields), Remarks()]).assess(POSTS[:1])
    [note, remark] = found.notes
    assert note.startswith("gives could not be found for this post: annotator 'gives' ")
    assert sentence in note
    assert remark == "seen 0"
    assert (found.tasks, found.urgency, found.extensions) == (plain.tasks, plain.urgency, {})


class TooFew(Language):
    def annotate(self, posts: Sequence[Post], encoded: EncodedPosts) -> list[Mapping[str, object]]:
        return []


def test_an_annotator_owes_one_entry_a_post(tmp_path: Path) -> None:
    found = Analyst.load(write_bundle(tmp_path), annotators=[TooFew()]).assess(POSTS)
    sentence = (
        "languages could not be found for this post: annotator 'languages' gave 0 entries for 1 posts; "
        "it owes one each"
    )
    assert [a.notes for a in found] == [(sentence,)] * 3


def test_extensions_of_several_annotators_stand_side_by_side_and_survive_json(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path)
    record = {"loud": True, "words": ["é", "\u2028"], "deep": {"x": [1, 2.5, None]}}
    both = [Gives({"extensions": {n: record}}, n) for n in ("a", "b")]
    [found] = Analyst.load(bundle, annotators=both).assess(POSTS[:1])
    assert found.extensions == {"a": record, "b": record}
    assert Assessment.model_validate_json(found.model_dump_json()) == found

    large = [Gives({"extensions": {n: "x" * 40_000}}, n) for n in ("a", "b")]
    [found] = Analyst.load(bundle, annotators=large).assess(POSTS[:1])
    assert list(found.extensions) == ["a"], "the limit is one of the post"
    assert found.notes[0].startswith("b could not be found")


def test_a_record_without_extensions_is_written_as_before_there_were_any(tmp_path: Path) -> None:
    [found] = Analyst.load(write_bundle(tmp_path)).assess(POSTS[:1])
    assert "extensions" not in found.model_dump()
    assert "extensions" not in found.model_dump_json()
    assert Assessment.model_validate_json(found.model_dump_json()).extensions == {}


def test_nesting_that_no_reader_follows_is_refused() -> None:
    deep: list[object] = []
    for _ in range(400):
        deep = [deep]
    with pytest.raises(ValueError, match="extensions"):
        Assessment.model_validate({"extensions": {"a": deep}})


def test_the_end_of_a_run_counts_what_annotators_failed_on(tmp_path: Path) -> None:
    annotators = [Gives({"volume": 3}), Notes()]
    found = Analyst.load(write_bundle(tmp_path), annotators=annotators).assess(POSTS)
    path = tmp_path / "assessments.jsonl"
    path.write_text("".join(a.model_dump_json() + "\n" for a in found))
    counts = failures(path)
    assert {name: posts for name, (posts, _) in counts.items()} == {"gives": 3, "languages": 1}
    assert counts["languages"][1] == "RuntimeError: boom"


def test_our_annotators_are_imported_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(ANNOTATORS)[:4] == ["places", "place_types", "entities", "rationale"]
    monkeypatch.setitem(ANNOTATORS._ours, "dull", "crisislens.pipeline.annotators:DEFAULT_ANNOTATORS")
    monkeypatch.setattr(ANNOTATORS, "_entries", {})
    with pytest.raises(ModelError, match="annotator 'dull' is a tuple, which lacks some of name, tokens"):
        load_annotators(["dull"])
