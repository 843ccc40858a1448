"""Tag schemes: mentions as one tag a word, and back.

BIO marks the first word of a mention `B-TYPE` and the others `I-TYPE`; BIOES also its last word
(`E-`) and single words (`S-`); all other words are `O`. A scheme knows which tag may follow which,
where a sequence may start and where it may end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from crisislens.core.errors import DataError
from crisislens.domain.extraction import Mention

__all__ = ["SchemeName", "TagScheme", "repair_bio", "spans_of_bio"]

SchemeName = Literal["bio", "bioes"]
_PREFIXES: dict[str, str] = {"bio": "BI", "bioes": "BIES"}


@dataclass(frozen=True)
class TagScheme:
    """One scheme over some types.

    >>> scheme = TagScheme("bioes", ("PER",))
    >>> scheme.encode([Mention(0, 2, "PER"), Mention(3, 4, "PER")], words=4)
    ['B-PER', 'E-PER', 'O', 'S-PER']

    Attributes:
        name: `bio` or `bioes`.
        types: The types of mentions.
    """

    name: SchemeName
    types: tuple[str, ...]

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """All tags, `O` first; a tag's place is its number."""
        # type by type: a model's rows of weights stand in this order, so it must not change
        return ("O", *(f"{prefix}-{kind}" for kind in self.types for prefix in _PREFIXES[self.name]))

    @cached_property
    def numbers(self) -> dict[str, int]:
        """From a tag to its number."""
        return {tag: i for i, tag in enumerate(self.tags)}

    def may_start(self) -> list[bool]:
        """For each tag whether a sequence may start with it."""
        # the start is like a word outside of mentions, and so is the end
        return [self._follows("O", tag) for tag in self.tags]

    def may_end(self) -> list[bool]:
        """For each tag whether a sequence may end with it."""
        return [self._follows(tag, "O") for tag in self.tags]

    def may_follow(self) -> list[list[bool]]:
        """Row i, column j: whether tag j may stand after tag i."""
        return [self._followers(before) for before in self.tags]

    def _followers(self, before: str) -> list[bool]:
        return [self._follows(before, after) for after in self.tags]

    def _follows(self, before: str, after: str) -> bool:
        if self.name == "bio":
            return after[0] != "I" or before[1:] == after[1:]
        # BIOES: an open entity must go on, and only an open one can, with its own type
        open_before, goes_on = before[0] in "BI", after[0] in "IE"
        return open_before == goes_on and (not goes_on or before[1:] == after[1:])

    def encode(self, mentions: Sequence[Mention], *, words: int) -> list[str]:
        """The tags of a post.

        Raises:
            DataError: If a mention is empty, outside of the words, of an unknown type, or overlaps
                another one.
        """
        tags = ["O"] * words
        for m in mentions:
            if not 0 <= m.start < m.end <= words or m.type not in self.types:
                raise DataError(
                    f"{m} does not fit {words} words and the types {', '.join(self.types)}; check the data "
                    f"set"
                )
            # checked on the tags that were written, so the order of mentions does not matter
            if set(tags[m.start : m.end]) != {"O"}:
                raise DataError(f"{m} overlaps another mention; one tag a word cannot hold both")
            tags[m.start : m.end] = self._mention(m)
        return tags

    def _mention(self, m: Mention) -> list[str]:
        n = m.end - m.start
        first, inner, last, single = (f"{prefix}-{m.type}" for prefix in "BIES")
        if self.name == "bio":
            return [first] + [inner] * (n - 1)
        return [single] if n == 1 else [first] + [inner] * (n - 2) + [last]

    def decode(self, numbers: Sequence[int]) -> list[Mention]:
        """The mentions of an allowed sequence of tag numbers."""
        return spans_of_bio([self._as_bio(self.tags[i]) for i in numbers])

    def _as_bio(self, tag: str) -> str:
        if self.name == "bio":
            return tag
        # where mentions end is told by what follows
        return {"S": "B", "E": "I"}.get(tag[0], tag[0]) + tag[1:]


def spans_of_bio(tags: Sequence[str]) -> list[Mention]:
    """The mentions of BIO tags; an `I-` that goes on with nothing begins a mention,
    as in the CoNLL scorer.

    >>> spans_of_bio(["B-PER", "I-PER", "I-LOC", "O"])
    [Mention(start=0, end=2, type='PER'), Mention(start=2, end=3, type='LOC')]
    """
    spans: list[Mention] = []
    for i, tag in enumerate(tags):
        if tag == "O":
            continue
        last = spans[-1] if spans else None
        # an I- of another type, or behind a gap, begins anew
        if tag[0] == "I" and last is not None and last.end == i and last.type == tag[2:]:
            spans[-1] = Mention(last.start, i + 1, last.type)
        else:
            spans.append(Mention(i, i + 1, tag[2:]))
    return spans


def repair_bio(tags: Sequence[str]) -> tuple[list[str], int]:
    """The tags with every `I-` that goes on with nothing made a `B-`, and how many there were.

    >>> repair_bio(["O", "I-LOC", "I-LOC"])
    (['O', 'B-LOC', 'I-LOC'], 1)
    """
    repaired, count, before = [], 0, "O"
    for tag in tags:
        # "O"[1:] is empty, so an I- behind an O is mended by the same comparison
        if tag[0] == "I" and before[1:] != tag[1:]:
            tag, count = "B" + tag[1:], count + 1
        repaired.append(tag)
        before = tag
    return repaired, count
