"""Annotators fill their own fields of each assessment; one that fails costs its field of that post and
nothing else.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from crisislens.core.errors import NotRegisteredError
from crisislens.domain.assessment import Modality
from crisislens.domain.post import Post
from crisislens.features.encode import EncodedPosts
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.annotators import selected
from tiny_bundles import write_bundle

POSTS = [
    Post(id=str(i), text=f"The bridge on Mill Road {word} today")
    for i, word in enumerate(["fell", "boom", "stands"])
]


class Language:
    """Overwrites the detected language with the post's id, and cannot bear one word."""

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


def test_annotators_fill_fields_and_a_failure_is_noted_on_its_post(tmp_path: Path) -> None:
    found = Analyst.load(write_bundle(tmp_path), annotators=[Language()])
    with pytest.raises(TypeError, match="urgency"):
        # a field that is not the annotator's own is a programming error and not silently overwritten
        found.assess(POSTS[:1])


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


class OneText(Remarks):
    def annotate(self, posts: Sequence[Post], encoded: EncodedPosts) -> list[Mapping[str, object]]:
        return [{"notes": "letters"} for _ in posts]


def test_what_annotators_remark_is_added_to_the_notes(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path)
    found = Analyst.load(bundle, annotators=[Remarks(), Notes()]).assess(POSTS)
    assert [a.notes for a in found] == [
        ("seen 0",),
        ("languages could not be found for this post: RuntimeError: boom",),
        ("seen 2",),
    ]
    with pytest.raises(TypeError, match="notes are a tuple of sentences"):
        Analyst.load(bundle, annotators=[OneText()]).assess(POSTS)


def test_names_are_checked() -> None:
    with pytest.raises(NotRegisteredError, match="no annotator named 'plaices'"):
        selected(add=["plaices"])
