"""The pairs of entities that an extractor of relations is asked about.

Every ordered pair of the first `MOST_ENTITIES` entities whose kinds some told relation joins is a
question, answered among the relations that fit these kinds. Of a post with more entities each of the later
ones (`_MOST_NEIGHBORS` in all) is asked about with its two neighbors on either side.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import permutations

from crisislens.core.errors import DataError
from crisislens.data.mnre import types_of_relation
from crisislens.domain.extraction import MOST_ENTITIES, Mention
from crisislens.features.words import EncodedWords, WordReader
from crisislens.models.extraction import Extractor
from crisislens.pipeline.extractor_groups import relations_of_pairs
from crisislens.pipeline.telling import ANY_KINDS, ReadPost, kinds_of

__all__ = ["Link", "PairQuestions"]

# words that a pair of a long post is read with before the first of the two, where there is room for them
_BEFORE = (20, 0)
# entities of a post that are asked about with their neighbors, and how far these are
_MOST_NEIGHBORS, _APART = 64, 2
Link = tuple[int, int, str, float]
"""Two entities of a post by their places, head first, the relation between them and its
probability.
"""


class PairQuestions:
    """Collects the pairs of several posts, and asks about all of them together.

    Arguments:
        extractor: Of the task `relations`.
        reader: Of its words.
        told: The relations that are told; pairs that none of them can join are not asked about.
    """

    def __init__(self, extractor: Extractor, reader: WordReader, told: Collection[str]) -> None:
        self.extractor, self.reader = extractor, reader
        self._joined = {types_of_relation(name) for name in told}
        self._rows: list[tuple[int, int, int]] = []
        self._encoded: list[EncodedWords] = []
        self._allowed: list[list[int]] = []

    def add(self, row: int, post: ReadPost, mentions: Sequence[Mention]) -> None:
        """Adds the pairs of a post.

        Arguments:
            row: The post's place, which stands beside its answers.
            post: Its words.
            mentions: Its entities.
        """
        # pairs grow with the square of the entities: a post that lists hundreds of names must stay
        # cheap
        for a, b in _pairs(len(mentions)):
            fitting = {kinds_of(mentions[a], mentions[b]), ANY_KINDS}
            if not self._joined & fitting:
                continue
            words = self._read(post, mentions[a], mentions[b])
            # two names that are too far apart to be read together
            if words is None:
                continue
            self._rows.append((row, a, b))
            self._encoded.append(words)
            self._allowed.append(self._answers(fitting))

    def _read(self, post: ReadPost, head: Mention, tail: Mention) -> EncodedWords | None:
        """A pair as the encoder reads it: with the post's beginning, or with the words before the first of
        the two where both stand behind what is read from there; None where one reading cannot hold both.
        """
        earlier = min(head.start, tail.start)
        for first in dict.fromkeys((0, *(max(0, earlier - before) for before in _BEFORE))):
            pair = (head.moved(-first), tail.moved(-first))
            try:
                return self.reader.read(post.spelled[first:], context=post.context, pair=pair)
            except DataError:
                continue
        return None

    def ask(self, accept_above: float) -> Iterator[tuple[int, Link]]:
        """The posts' places and relations that have at least this probability."""
        said = relations_of_pairs(self.extractor, self._encoded, self._allowed)
        for (row, a, b), (name, p) in zip(self._rows, said, strict=True):
            if name and p >= accept_above:
                yield row, (a, b, name, p)

    def _answers(self, fitting: set[tuple[str, str]]) -> list[int]:
        """The places of the relations that may be answered; 0 is "no relation", which always may
        be.
        """
        names = enumerate(self.extractor.spec.relations)
        return [i for i, name in names if i == 0 or types_of_relation(name) in fitting]


def _pairs(entities: int) -> Iterator[tuple[int, int]]:
    """The ordered pairs that are asked about, of so many entities."""
    yield from permutations(range(min(entities, MOST_ENTITIES)), 2)
    for later in range(MOST_ENTITIES, min(entities, _MOST_NEIGHBORS)):
        for earlier in range(later - _APART, later):
            yield from ((earlier, later), (later, earlier))
