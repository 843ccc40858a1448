r"""From words to what an encoder inside the graph reads: word pieces, spelling, context, and
markers around a pair of entities.

A post of words $w_1 \dots w_m$ becomes `[CLS]` pieces `[SEP]`, at most `pieces_a_word` pieces of a
word (a link is read as one word, `http`), and its context by itself the same way, or behind the
text (`joint`): `[CLS]` text `[SEP]` context `[SEP]`. For relations the head stands between
`[unused0]` and `[unused1]`, the tail between `[unused2]` and `[unused3]` (entity markers: Baldini
Soares et al., 2019, https://arxiv.org/abs/1906.03158; where a vocabulary has no unused pieces, its
last four ids serve that are none of the special ones).

An uncased vocabulary forgets how a word is spelled; `word_shape` keeps it as one of 12 kinds (a
link, a mention, a hashtag, digits, all capitals, …). Nothing of a post depends on another one.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from crisislens.core.errors import DataError
from crisislens.domain.extraction import Mention
from crisislens.encoders.base import TextEncoder
from crisislens.nn.words import WordBatch

__all__ = ["EncodedWords", "WordReader", "collate_words", "word_shape"]

_LINK = re.compile(r"https?(:|$|…)", re.IGNORECASE)
_MARKERS = 4
# characters that are looked at of a word, so that one without blanks costs no more than others
_LONGEST_WORD = 100


@dataclass(frozen=True)
class EncodedWords:
    """One post as numbers.

    Attributes:
        ids: Word pieces of the text, and of the context behind it where it was read so.
        shapes: The spelling of each piece's word.
        starts: The place of the first piece of each word that was read.
        context_ids: Word pieces of the context where it is read by itself;
            empty where there is none.
        ends: The places of the markers that open head and tail; empty where no pair was asked for.
        context_start: Where in `ids` the context begins;
            the length of `ids` where it does not stand there.
    """

    ids: tuple[int, ...]
    shapes: tuple[int, ...]
    starts: tuple[int, ...]
    context_ids: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()
    context_start: int = 0

    def __len__(self) -> int:
        return len(self.ids)


def word_shape(word: str) -> int:
    """How a word is spelled, 1 to 11.

    >>> words = "http://t.co/x @who #tag 12 … USA A Paris McDonald rain iPhone"
    >>> [word_shape(w) for w in words.split()]
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    """
    letters = any(c.isalpha() for c in word)
    kinds = (
        (1, _LINK.match(word)),
        (2, word.startswith("@")),
        (3, word.startswith("#")),
        (4, word.isdigit()),
        (5, not letters),
        (6, word.isupper() and len(word) > 1),
        (7, word.isupper()),
        (8, word[:1].isupper() and word[1:].islower()),
        (9, word[:1].isupper()),
        (10, word.islower()),
    )
    return next((kind for kind, fits in kinds if fits), 11)


class WordReader:
    """Reads words with one encoder's vocabulary.

    Arguments:
        encoder: The encoder whose tokenizer cuts the words.
        pieces_a_word: Pieces that are read of a word.
        context_pieces: Pieces that are read of a context; 0 reads none.
        joint: Whether the context stands behind the text in one sequence.
    """

    def __init__(
        self, encoder: TextEncoder, *, pieces_a_word: int = 8, context_pieces: int = 64, joint: bool = False
    ) -> None:
        self.encoder, self.pieces_a_word = encoder, pieces_a_word
        self.context_pieces, self.joint = context_pieces, joint
        [empty] = encoder.tokenize([""])
        self._first, self._last = empty.ids[0], empty.ids[-1]
        self._known: dict[str, tuple[int, ...]] = {}
        self._marks = self._marker_ids()

    def _marker_ids(self) -> tuple[int, ...]:
        # looked up, not tokenized: a tokenizer cuts [unused0] into brackets and letters
        find: Callable[[str], int | None] = getattr(self.encoder, "piece_id", lambda _: None)
        unused = [find(f"[unused{i}]") for i in range(_MARKERS)]
        ids = [i for i in unused if i is not None]
        if len(ids) == _MARKERS:
            return tuple(ids)
        special = {self._first, self._last, self.encoder.pad_id, find("[MASK]"), find("<mask>")}
        rows = int(self.encoder.model.get_input_embeddings().weight.shape[0])  # type: ignore[union-attr, operator]
        return tuple(sorted([i for i in reversed(range(rows)) if i not in special][:_MARKERS]))

    def read(
        self, words: Sequence[str], *, context: str = "", pair: tuple[Mention, Mention] | None = None
    ) -> EncodedWords:
        """Encodes one post.

        Words that do not fit into the encoder's length are left out;
        `starts` says how many were read.

        Arguments:
            words: At least one word.
            context: The context of the picture, if there is one.
            pair: The head and the tail that are asked about.

        Raises:
            DataError: If there is no word, or the pair lies behind what can be read.
        """
        if not words:
            raise DataError("a post without words cannot be read; leave it out")
        tail = self._context(context)
        room = self.encoder.max_tokens - 2 - (len(tail) + 1 if self.joint and tail else 0)
        ids, shapes, starts, ends = [self._first], [0], list[int](), [0, 0]
        opens, closes = _edges(pair)
        for i, word in enumerate(words):
            pieces = self._pieces_of_word(word)
            # a word goes in with the markers at both its sides or not at all
            if len(ids) - 1 + len(pieces) + len(opens.get(i, ())) + len(closes.get(i + 1, ())) > room:
                break
            for mark in opens.get(i, ()):
                ends[mark // 2] = len(ids)
                ids.append(self._marks[mark])
                shapes.append(0)
            starts.append(len(ids))
            ids += pieces
            shapes += [word_shape(word)] * len(pieces)
            for mark in closes.get(i + 1, ()):
                ids.append(self._marks[mark])
                shapes.append(0)
        # place 0 is that of the first special piece, so a marker that was set is never at 0
        if pair is not None and not all(ends):
            raise DataError(
                f"the pair {pair} lies behind the {len(starts)} words that the encoder reads of this post"
            )
        ids.append(self._last)
        shapes.append(0)
        start = len(ids)
        if self.joint and tail:
            ids += [*tail, self._last]
            shapes += [0] * (len(tail) + 1)
        own = (self._first, *tail, self._last) if tail and not self.joint else ()
        return EncodedWords(tuple(ids), tuple(shapes), tuple(starts), own, tuple(ends) if pair else (), start)

    def _context(self, context: str) -> tuple[int, ...]:
        """The pieces of a context that are read; none where it is empty or not read at all."""
        if not context or not self.context_pieces:
            return ()
        # twenty characters a piece are far more than pieces have, and keep the tokenizer from pages
        return self._pieces(context[: 20 * self.context_pieces], limit=self.context_pieces)

    def _pieces_of_word(self, word: str) -> tuple[int, ...]:
        """At least one piece, so that every word has a place; of nothing but blanks, the last special
        one.
        """
        shown = "http" if _LINK.match(word) else word[:_LONGEST_WORD]
        return self._pieces(shown, limit=self.pieces_a_word) or (self._last,)

    def _pieces(self, word: str, *, limit: int) -> tuple[int, ...]:
        """The pieces of a word or text, without special tokens."""
        known = self._known.get(word)
        if known is None:
            # vocabularies of bytes tell a word at the start of a text from one behind a blank; the
            # others do not care
            [cut] = self.encoder.tokenize([f" {word}"])
            known = tuple(i for i, (a, b) in zip(cut.ids, cut.offsets, strict=True) if b > a)
            # a long run meets words without end; what it met first is most of what it meets
            if len(self._known) < 100_000:
                self._known[word] = known
        return known[:limit]


def _edges(
    pair: tuple[Mention, Mention] | None,
) -> tuple[dict[int, tuple[int, ...]], dict[int, tuple[int, ...]]]:
    """From a word's place to the markers that open before it, and from the place after a word to
    those that close there.
    """
    opens, closes = dict[int, tuple[int, ...]](), dict[int, tuple[int, ...]]()
    for side, mention in enumerate(pair or ()):
        opens[mention.start] = (*opens.get(mention.start, ()), 2 * side)
        closes[mention.end] = (*closes.get(mention.end, ()), 2 * side + 1)
    return opens, closes


def collate_words(
    posts: Sequence[EncodedWords],
    *,
    pad_id: int,
    images: Sequence[Tensor | None] | None = None,
    image_width: int = 1,
) -> WordBatch:
    """One batch of posts of different lengths.

    Arguments:
        posts: At least one post.
        pad_id: The id of padding.
        images: For each post its patches, shape (p, image_width), or None.
        image_width: Width of the patches.
    """
    ids, mask = _pad([p.ids for p in posts], pad_id)
    context_ids, context_mask = _pad([p.context_ids for p in posts], pad_id)
    starts, word_mask = _pad([p.starts for p in posts], 0)
    shapes, _ = _pad([p.shapes for p in posts], 0)
    patches = [torch.zeros(0, image_width) if x is None else x for x in images or [None] * len(posts)]
    longest = max(1, *(len(x) for x in patches))
    image = torch.zeros(len(posts), longest, image_width)
    for row, x in enumerate(patches):
        image[row, : len(x)] = x
    counts = torch.tensor([len(x) for x in patches])
    behind = torch.tensor([p.context_start for p in posts])
    return WordBatch(
        ids=ids,
        mask=mask,
        text_mask=mask & (torch.arange(ids.shape[1]) < behind[:, None]),
        shapes=shapes,
        starts=starts,
        word_mask=word_mask,
        context_ids=context_ids,
        context_mask=context_mask,
        image=image,
        image_mask=torch.arange(longest) < counts[:, None],
        ends=torch.tensor([p.ends for p in posts], dtype=torch.long).reshape(len(posts), -1),
    )


def _pad(rows: Sequence[Sequence[int]], value: int) -> tuple[Tensor, Tensor]:
    longest = max(1, *(len(row) for row in rows))
    lengths = torch.tensor([len(row) for row in rows])
    padded = torch.full((len(rows), longest), value, dtype=torch.long)
    for place, row in zip(padded, rows, strict=True):
        place[: len(row)] = torch.tensor(row, dtype=torch.long)
    return padded, torch.arange(longest) < lengths[:, None]
