r"""The Unigram tokenizer: of all ways to cut a word into known pieces the likeliest.

A word $w$ of characters $1 \dots n$; with $s(p)$ the log-probability of piece $p$,

$$b_0 = 0, \qquad b_j = \max_{i < j} \big(b_i + s(w_{i+1 \dots j})\big), \qquad j = 1 \dots n,$$

and the pieces are read back from $b_n$. A character that is no piece counts $\min_p s(p) - 10$, and
neighbors of that kind are one unknown piece. Words begin at blanks, which are written `▁`.

Source: Kudo, Subword Regularization, 2018, https://arxiv.org/abs/1804.10959; ties, unknown
characters and the sum in double precision as in Hugging Face's tokenizers (`models.Unigram` with
`pre_tokenizers.Metaspace`), which a test compares with. Its tree of 250,000 pieces takes 260 MB and
most of a second at each start; here they are the keys of one dict.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

__all__ = ["MARK", "Pieces", "Unigram"]

MARK = "\u2581"
"""What a blank is written as."""
_UNKNOWN_PENALTY = 10.0
# words repeat: most of a post's were in one of the last posts
_REMEMBERED, _LONGEST_REMEMBERED = 10_000, 24
_WORD = re.compile(f"{MARK}[^{MARK}]*")


_Found = tuple[int, int, int]


class Pieces(NamedTuple):
    """A vocabulary.

    Attributes:
        words: The pieces, by id.
        scores: Their log-probabilities, by id.
    """

    words: Sequence[str]
    scores: "array[float]"


class Unigram:
    """Cuts texts; every text by itself.

    >>> pieces = Pieces(["?", "a", "ab", "▁", "b"], array("d", [0.0, -1.0, -1.5, -2.0, -1.0]))
    >>> [piece for piece, _, _ in Unigram(pieces, unknown=0, reserved=()).cut("ab xb")]
    [3, 2, 3, 0, 4]

    Arguments:
        pieces: The vocabulary; of equal pieces the last one counts.
        unknown: The id of what is no piece.
        reserved: Ids that no text can spell.
    """

    def __init__(self, pieces: Pieces, *, unknown: int, reserved: Sequence[int]) -> None:
        kept = set(range(len(pieces.words))) - set(reserved)
        self._ids = {pieces.words[i]: i for i in sorted(kept)}
        self._scores, self._unknown = pieces.scores, unknown
        self._unknown_score = min(pieces.scores) - _UNKNOWN_PENALTY
        self._longest = max(map(len, self._ids), default=1)
        self._known: dict[str, tuple[_Found, ...]] = {}

    def cut(self, text: str) -> Iterator[_Found]:
        """Ids in order, each with the span of characters that it stands for.

        Arguments:
            text: Any text; characters behind the last that is needed are never looked at.
        """
        marked = text.replace(" ", MARK)
        added = 0 if marked.startswith(MARK) or not marked else 1
        for word in _WORD.finditer(MARK * added + marked):
            # the mark that was put before the text stands with its first character
            at = word.start() - added
            for piece, start, end in self._pieces_of(word[0]):
                yield piece, max(at + start, 0), max(at + end, 1)

    def _pieces_of(self, word: str) -> tuple[_Found, ...]:
        """Ids and spans of a word's pieces."""
        known = self._known.get(word)
        if known is not None:
            return known
        found = self._read_back(word, self._likeliest(word))
        if len(word) <= _LONGEST_REMEMBERED:
            if len(self._known) >= _REMEMBERED:
                # another thread may fill it meanwhile, which does no harm
                self._known.clear()
            self._known[word] = found
        return found

    def _read_back(self, word: str, starts: Sequence[tuple[int, bool]]) -> tuple[_Found, ...]:
        """The pieces on the likeliest way, unknown neighbors as one."""
        found: list[_Found] = []
        end = len(word)
        while end:
            start, unknown = starts[end]
            while unknown and start and starts[start][1]:
                start = starts[start][0]
            found.append((self._ids.get(word[start:end], self._unknown), start, end))
            end = start
        return tuple(reversed(found))

    def _likeliest(self, word: str) -> list[tuple[int, bool]]:
        """For each end of a piece where it begins, on the likeliest way there, and whether it is unknown."""
        n = len(word)
        best: list[float | None] = [0.0, *[None] * n]
        starts = [(0, False)] * (n + 1)
        ids, scores = self._ids, self._scores
        for i in range(n):
            here = best[i]
            # a character is a piece or unknown, so every place can be reached
            assert here is not None
            alone = False
            for j in range(i + 1, min(i + self._longest, n) + 1):
                piece = ids.get(word[i:j])
                if piece is None:
                    continue
                alone = alone or j == i + 1
                score = here + scores[piece]
                before = best[j]
                # of equal ways the first, which begins earlier
                if before is None or score > before:
                    best[j], starts[j] = score, (i, piece == self._unknown)
            score, before = here + self._unknown_score, best[i + 1]
            if not alone and (before is None or score > before):
                best[i + 1], starts[i + 1] = score, (i, True)
        return starts
