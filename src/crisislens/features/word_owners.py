r"""Texts as posted, cut into words and their tokens, so that every token leads back to exact
characters of the original.

Each word is read by itself: a link or a retweet marker gives no token (never evidence, a quarter of
a tweet's tokens), a mention becomes `@user` (names of people teach nothing), any other word is
cleaned alone (`data.text`, mojibake and invisible characters included) and cut by the encoder's
tokenizer. Since nothing is ever moved between words, a span of words is a span of characters of the
text as it came, whatever cleaning did inside a word.

A text of more than `MAX_WORDS` words, or of more tokens than the encoder reads, is cut into windows
of whole words, after the end of a sentence if there is one in the window's second half.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from crisislens.data.text import CleaningRules, clean_text
from crisislens.data.words import Span, is_link, is_mention, word_spans
from crisislens.encoders.base import TokenizedText
from crisislens.nn.rationale_head import MAX_WORDS
from crisislens.nn.word_owners import WindowBatch

__all__ = ["Tokenizes", "WordCutter", "WordWindow", "collate_windows"]

_RULES = CleaningRules(urls="keep", strip_rt=False, strip_hash=False)
_SENTENCE_END = tuple(".!?…。！？")
_PIECES = 8  # of one word: more are a serial number, or a script that is written without spaces
_REMEMBERED = 50_000


@dataclass(frozen=True)
class WordWindow:
    """Some successive words of a text as tokens.

    Attributes:
        ids: Token ids, special tokens included.
        owner: The index in `spans` of each token's word, −1 for special tokens.
        spans: Where each word stands in the text as it came.
    """

    ids: tuple[int, ...]
    owner: tuple[int, ...]
    spans: tuple[Span, ...]


@runtime_checkable
class Tokenizes(Protocol):
    """What texts are cut for: a text encoder, or a joint transformer."""

    max_tokens: int

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Cuts texts into tokens, each text by itself."""
        ...


class WordCutter:
    """Cuts texts for one encoder.

    Arguments:
        encoder: Whose tokenizer is used.
        max_words: Words in a window.
    """

    def __init__(self, encoder: Tokenizes, *, max_words: int = MAX_WORDS) -> None:
        self.encoder, self.max_words = encoder, max_words
        self._known: dict[str, tuple[int, ...]] = {}
        # what stands around a text is learned from one word: vocabularies differ in it
        [empty] = encoder.tokenize(["a"])
        first = next(i for i, (start, end) in enumerate(empty.offsets) if end > start)
        last = max(i for i, (start, end) in enumerate(empty.offsets) if end > start)
        self._before, self._after = empty.ids[:first], empty.ids[last + 1 :]
        self._room = encoder.max_tokens - len(self._before) - len(self._after)

    def cut(self, text: str) -> list[WordWindow]:
        """The windows of a text; none where it has no word that is read."""
        spans = word_spans(text)
        # not what the object remembers: another thread may have put its own words there meanwhile
        known = self._learn([text[start:end] for start, end in spans])
        # links give no piece and are left out here, with their spans
        words = [(span, pieces) for span in spans if (pieces := known[text[span[0] : span[1]]])]
        windows = []
        while words:
            size = self._fit(words, text)
            windows.append(self._window(words[:size]))
            words = words[size:]
        return windows

    def _learn(self, words: Sequence[str]) -> Mapping[str, tuple[int, ...]]:
        """The pieces of these words and of others; words that were not seen before are tokenized."""
        remembered = self._known
        known = dict(remembered) if len(remembered) <= _REMEMBERED else {}
        new = [word for word in dict.fromkeys(words) if word not in known]
        readable = [
            "" if is_link(word) else "@user" if is_mention(word) else clean_text(word, _RULES) for word in new
        ]
        for word, tokens in zip(new, self.encoder.tokenize(readable) if new else [], strict=True):
            pieces = [
                token for token, (start, end) in zip(tokens.ids, tokens.offsets, strict=True) if end > start
            ]
            known[word] = tuple(pieces[: min(_PIECES, self._room)])
        # set whole, so that other threads never see half of it
        self._known = known
        return known

    def _fit(self, words: Sequence[tuple[Span, tuple[int, ...]]], text: str) -> int:
        """How many of the next words make a window."""
        size = tokens = 0
        while size < min(len(words), self.max_words) and tokens + len(words[size][1]) <= self._room:
            tokens += len(words[size][1])
            size += 1
        if size == len(words):
            return size
        ends = [
            i for i in range(size // 2, size) if text[words[i][0][0] : words[i][0][1]].endswith(_SENTENCE_END)
        ]
        return ends[-1] + 1 if ends else size

    def _window(self, words: Sequence[tuple[Span, tuple[int, ...]]]) -> WordWindow:
        ids = [piece for _, pieces in words for piece in pieces]
        owner = [i for i, (_, pieces) in enumerate(words) for _ in pieces]
        outside = [-1] * len(self._before), [-1] * len(self._after)
        return WordWindow(
            (*self._before, *ids, *self._after),
            (*outside[0], *owner, *outside[1]),
            tuple(span for span, _ in words),
        )


def collate_windows(windows: Sequence[WordWindow], pad_id: int) -> WindowBatch:
    """Pads windows into one batch; at least one place on each axis."""
    b = len(windows)
    t = max([1, *(len(x.ids) for x in windows)])
    w = max([1, *(len(x.spans) for x in windows)])
    ids = torch.full((b, t), pad_id, dtype=torch.long)
    owner = torch.full((b, t), -1, dtype=torch.long)
    mask = torch.zeros(b, t, dtype=torch.bool)
    words = torch.zeros(b, w, dtype=torch.bool)
    for row, x in enumerate(windows):
        ids[row, : len(x.ids)] = torch.tensor(x.ids)
        owner[row, : len(x.owner)] = torch.tensor(x.owner)
        mask[row, : len(x.ids)] = True
        words[row, : len(x.spans)] = True
    return WindowBatch(ids, mask, owner, words)
