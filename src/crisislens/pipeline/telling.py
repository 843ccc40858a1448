"""Which relations between two entities are told, once an extractor is sure of them.

Which ones its extractor tells, it says itself (`ExtractorMeta.tells`). Two places named in one post
are nearly always one in the other in MNRE, so the shipped model says so of Iran and Iraq as well;
such a relation is told where the gazetteer knows it too (`ExtractorMeta.gazetteer`; a user's own
extractor is believed). A named person's race, religion and nationality are never told, whoever
trained the extractor: it serves no response, and a wrong guess harms somebody.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from crisislens.data.mnre import types_of_relation
from crisislens.data.post_words import PlacedWord
from crisislens.domain.extraction import Mention
from crisislens.knowledge.gazetteer import load_gazetteer

__all__ = ["ANY_KINDS", "CONTAINS", "ReadPost", "Telling", "is_withheld", "kinds_of"]

CONTAINS = "/loc/loc/contain"
"""That one place contains another, as MNRE spells it."""
ANY_KINDS = ("", "")
"""What `types_of_relation` says of a relation whose name does not say which kinds it joins."""
_WITHHELD = re.compile(r"religio|nationalit|ethnic|racial|(?<![a-z])races?(?![a-z])")
_COMMA = re.compile(r"[ \t]*,?[ \t]*")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True)
class ReadPost:
    """A post's words and the context of its picture.

    Attributes:
        text: As posted.
        words: Where they stand in it.
        context: Empty where there is none.
    """

    text: str
    words: Sequence[PlacedWord]
    context: str = ""

    @property
    def spelled(self) -> list[str]:
        """The words as the extractor reads them."""
        return [word.text for word in self.words]

    def as_posted(self, m: Mention) -> str:
        """An entity's characters in the text."""
        return self.text[self.words[m.start].start : self.words[m.end - 1].end]

    def as_read(self, m: Mention) -> str:
        """An entity's words, a blank between two."""
        return " ".join(word.text for word in self.words[m.start : m.end])

    def between(self, first: Mention, second: Mention) -> str:
        """The characters between two entities that follow each other."""
        return self.text[self.words[first.end - 1].end : self.words[second.start].start]


@dataclass(frozen=True)
class Telling:
    """The rules of one extractor of relations.

    Attributes:
        names: The relations that are told.
        known_places: Those of them that the gazetteer must know too.
    """

    names: Collection[str] = ()
    known_places: Collection[str] = field(default=())

    def idle(self, types: Collection[str]) -> tuple[str, ...]:
        """The told relations that join kinds which entities of these types never are."""
        kinds = {name: types_of_relation(name) for name in self.names}
        upper = {kind.upper() for kind in types}
        unmet = [n for n, pair in kinds.items() if pair != ANY_KINDS and not upper.issuperset(pair)]
        return tuple(sorted(unmet))

    def tells(self, name: str, post: ReadPost, head: Mention, tail: Mention) -> bool:
        """Whether a relation that the model is sure of is told."""
        if name not in self.names:
            return False
        return name not in self.known_places or _contains(post, head, tail)


def is_withheld(name: str) -> bool:
    """Whether a relation says of people what is never told.

    >>> [is_withheld(name) for name in ("/per/misc/race", "PERReligion", "has_nationalities", "embraces")]
    [True, True, True, False]
    """
    return bool(_WITHHELD.search(_HUMP.sub(" ", name).lower()))


def kinds_of(head: Mention, tail: Mention) -> tuple[str, str]:
    """The kinds of two entities as `types_of_relation` spells them."""
    return head.type.upper(), tail.type.upper()


def _contains(post: ReadPost, head: Mention, tail: Mention) -> bool:
    """Whether the gazetteer knows that the head contains the tail."""
    # "Paris, Texas" names one place with its region; "Texas ... Paris" says nothing of where that
    # Paris is
    adjacent = tail.end <= head.start and _COMMA.fullmatch(post.between(tail, head)) is not None
    gazetteer = load_gazetteer()
    return any(gazetteer.contains(a, b, adjacent=adjacent) for a, b in _spellings(post, head, tail))


def _spellings(post: ReadPost, head: Mention, tail: Mention) -> Iterator[tuple[str, str]]:
    """Both names as posted (Coeur d'Alene), and where that differs in the words that the model read
    (St.Louis).
    """
    posted = post.as_posted(head).lstrip("#"), post.as_posted(tail).lstrip("#")
    read = post.as_read(head).lstrip("#"), post.as_read(tail).lstrip("#")
    yield posted
    if read != posted:
        yield read
