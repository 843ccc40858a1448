"""Posts to their rationales: words by the trained head, heat on the photo by transport. Each post
from its own text and photo alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from crisislens.data.words import Span, word_spans
from crisislens.features.word_owners import WordCutter, WordWindow, collate_windows
from crisislens.models.rationale_artifact import (
    DEFAULT_RATIONALES,
    LoadedRationalizer,
    find_rationale_model,
    load_rationalizer,
)
from crisislens.models.rationale_transfer import evidence_heat
from crisislens.models.text_rationalizer import TextRationales
from crisislens.nn.joint import JointStates

__all__ = ["PostRationale", "Rationalizer"]

# windows longer than this in a post carry no evidence to the photo: a caption's worth of words decides, not a
# novel's
_PHOTO_WINDOWS = 4
_BATCH = 32


@dataclass(frozen=True)
class PostRationale:
    """The evidence in one post.

    Attributes:
        words: All words of the text, links and mentions included, as spans of its characters.
        chosen: Which of them are evidence.
        probability: Of each word to be evidence, in [0, 1].
        heat: Heat of the photo's patches in [0, 1]; None without a photo or without evidence in
            words.
    """

    words: tuple[Span, ...]
    chosen: tuple[bool, ...]
    probability: tuple[float, ...]
    heat: Float[np.ndarray, "r c"] | None = None


class Rationalizer:
    """Finds rationales with one rationale model; safe to ask from several threads.

    Arguments:
        loaded: The model.
    """

    def __init__(self, loaded: LoadedRationalizer) -> None:
        self.loaded = loaded
        self._cutter = WordCutter(loaded.text.encoder)

    @classmethod
    def load(cls, name_or_folder: str | Path = DEFAULT_RATIONALES) -> "Rationalizer":
        """A rationale model by the name of a packaged one or by its folder.

        Raises:
            NotRegisteredError: If there is no such model.
            ModelError: If it is damaged.
        """
        return cls(load_rationalizer(find_rationale_model(name_or_folder)))

    def find(
        self, texts: Sequence[str], patches: Sequence[Float[Tensor, "p d"] | None] | None = None
    ) -> list[PostRationale]:
        """The rationales of b posts.

        Arguments:
            texts: Their texts as posted.
            patches: Patch states of their photos from the image encoder that the joint encoder was
                trained on; None for none.
        """
        windows = [self._cutter.cut(text) for text in texts]
        # the windows of all posts are read together, and come back in the order in which they were given
        said = iter(self._read([window for some in windows for window in some]))
        read = [list(zip(some, islice(said, len(some)), strict=True)) for some in windows]
        heat = self._heat(read, patches or [None] * len(texts))
        return [_of(*row) for row in zip(texts, read, heat, strict=True)]

    def _read(self, windows: Sequence[WordWindow]) -> list["_Read"]:
        """What stage 1 says of each window; equal ones are read once."""
        known = dict.fromkeys((w.ids, w.owner) for w in windows)
        distinct = {(w.ids, w.owner): w for w in windows}
        said = dict(zip(known, self._read_distinct([distinct[key] for key in known]), strict=True))
        return [said[w.ids, w.owner] for w in windows]

    @torch.inference_mode()
    def _read_distinct(self, windows: Sequence[WordWindow]) -> list["_Read"]:
        """In groups of equal length: no padding, so that neighbors change no bit. The encoder's
        groups are larger than the head's.
        """
        pad_id = self.loaded.text.encoder.pad_id
        encoded: dict[int, tuple[Tensor, Tensor]] = {}
        for rows in _groups([len(w.ids) for w in windows]):
            batch = collate_windows([windows[i] for i in rows], pad_id)
            states, pooled = self.loaded.text.encoder(batch.ids, batch.mask)
            for k, i in enumerate(rows):
                encoded[i] = states[k], pooled[k]
        out: list[_Read | None] = [None] * len(windows)
        for rows in _groups([(len(w.ids), len(w.spans)) for w in windows]):
            batch = collate_windows([windows[i] for i in rows], pad_id)
            states = torch.stack([encoded[i][0] for i in rows])
            pooled = torch.stack([encoded[i][1] for i in rows])
            said: TextRationales = self.loaded.text.rationales(
                batch, decode=self.loaded.config.decode, encoded=(states, pooled)
            )
            for k, i in enumerate(rows):
                out[i] = _Read(said.chosen[k].tolist(), said.probability[k].tolist(), said.words[k])
        return [x for x in out if x is not None]

    @torch.inference_mode()
    def _heat(
        self, read: Sequence["_PostRead"], photos: Sequence[Float[Tensor, "p d"] | None]
    ) -> list[Float[np.ndarray, "r c"] | None]:
        """The heat of each post's photo. States are made post by post; the transport of posts with
        as many words is done together, which changes no bit, since it is made of sums over one
        problem's own rows and columns.
        """
        config = self.loaded.config
        out: list[Float[np.ndarray, "r c"] | None] = [None] * len(read)
        if self.loaded.joint is None or config.joint is None:
            return out
        shape, t = (config.joint.rows, config.joint.columns), config.transport
        problems: dict[int, tuple[JointStates, Tensor]] = {}
        for i, (windows, photo) in enumerate(zip(read, photos, strict=True)):
            some = [r for _, r in windows[:_PHOTO_WINDOWS]]
            evidence = [c for r in some for c in r.chosen]
            if photo is None or len(photo) != shape[0] * shape[1] or not any(evidence):
                continue
            words, chosen = torch.cat([r.states for r in some])[None], torch.tensor(evidence)[None]
            states = self.loaded.joint.aligned(
                words, torch.ones_like(chosen), photo[None], torch.ones(1, len(photo), dtype=torch.bool)
            )
            problems[i] = (states if t.states == "aligned" else self.loaded.joint.mix(states), chosen)
        posts = list(problems)
        for rows in _groups([problems[i][1].shape[1] for i in posts]):
            some_posts = [posts[k] for k in rows]
            states = _joined([problems[i][0] for i in some_posts])
            chosen = torch.cat([problems[i][1] for i in some_posts])
            heat = evidence_heat(states, chosen, beta=t.beta, steps=t.steps, sink=t.sink, gather=t.gather)
            for i, one in zip(some_posts, heat, strict=True):
                out[i] = one.reshape(shape).numpy().astype(np.float64)
        return out


@dataclass(frozen=True)
class _Read:
    """What stage 1 said of one window."""

    chosen: list[bool]
    probability: list[float]
    states: Float[Tensor, "w d"]


_PostRead = Sequence[tuple[WordWindow, _Read]]


def _joined(states: Sequence[JointStates]) -> JointStates:
    """The states of several posts with as many words as one batch."""
    return JointStates(*(torch.cat(parts) for parts in zip(*states, strict=True)))


def _of(text: str, read: _PostRead, heat: Float[np.ndarray, "r c"] | None) -> PostRationale:
    spans = word_spans(text)
    # windows hold the words that are read; links and the like keep False and 0
    place = {span: k for k, span in enumerate(spans)}
    chosen, probability = [False] * len(spans), [0.0] * len(spans)
    for window, r in read:
        for span, c, p in zip(window.spans, r.chosen, r.probability, strict=True):
            chosen[place[span]], probability[place[span]] = c, p
    return PostRationale(tuple(spans), tuple(chosen), tuple(probability), heat)


def _groups(sizes: Sequence[object]) -> Iterator[list[int]]:
    """Positions of equal sizes together, at most `_BATCH` of them."""
    found: dict[object, list[int]] = {}
    for i, size in enumerate(sizes):
        found.setdefault(size, []).append(i)
    for rows in found.values():
        for start in range(0, len(rows), _BATCH):
            yield rows[start : start + _BATCH]
