"""Posts to their rationales: words by the trained head, heat on the photo by transport. Each post from its own text and photo alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from crisislens.data.words import Span, word_spans
from crisislens.features.word_owners import WordCutter, WordWindow, collate_words
from crisislens.models.rationale import TextRationales
from crisislens.models.rationale_artifact import DEFAULT_RATIONALES, LoadedRationalizer, find_rationale_model, load_rationalizer
from crisislens.models.rationale_transfer import evidence_heat
from crisislens.nn.word_owners import WordBatch

__all__ = ["PostRationale", "Rationalizer"]

# windows longer than this in a post carry no evidence to the photo: a caption's worth of words decides, not a novel's
_PHOTO_WINDOWS = 4
_BATCH = 32


@dataclass(frozen=True)
class PostRationale:
    """The evidence in one post.

    Attributes:
        words: All words of the text, links and mentions included, as spans of its characters.
        chosen: Which of them are evidence.
        probability: Of each word to be evidence, in [0, 1].
        heat: Heat of the photo's patches in [0, 1]; None without a photo or without evidence in words.
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

    def find(self, texts: Sequence[str], patches: Sequence[Float[Tensor, "p d"] | None] | None = None) -> list[PostRationale]:
        """The rationales of b posts.

        Arguments:
            texts: Their texts as posted.
            patches: Patch states of their photos from the image encoder that the joint encoder was trained on; None for none.
        """
        windows = [self._cutter.cut(text) for text in texts]
        flat = [(i, window) for i, some in enumerate(windows) for window in some]
        found = dict(zip(((i, w.spans[0]) for i, w in flat), self._read([w for _, w in flat]), strict=True))
        out = []
        for i, text in enumerate(texts):
            read = [(w, found[i, w.spans[0]]) for w in windows[i]]
            photo = patches[i] if patches is not None else None
            out.append(self._of(text, read, photo))
        return out

    def _read(self, windows: Sequence[WordWindow]) -> list["_Read"]:
        """What stage 1 says of each window, in groups of equal length: no padding, so that neighbors change no bit of a result."""
        groups: dict[tuple[int, int], list[int]] = {}
        for i, w in enumerate(windows):
            groups.setdefault((len(w.ids), len(w.spans)), []).append(i)
        out: list[_Read | None] = [None] * len(windows)
        for rows in groups.values():
            for start in range(0, len(rows), _BATCH):
                part = rows[start : start + _BATCH]
                batch: WordBatch = collate_words([windows[i] for i in part], self.loaded.text.encoder.pad_id)
                said: TextRationales = self.loaded.text.rationales(batch, decode=self.loaded.config.decode)
                for k, i in enumerate(part):
                    out[i] = _Read(said.chosen[k].tolist(), said.probability[k].tolist(), said.words[k])
        return [x for x in out if x is not None]

    def _of(self, text: str, read: Sequence[tuple[WordWindow, "_Read"]], photo: Float[Tensor, "p d"] | None) -> PostRationale:
        spans = word_spans(text)
        place = {span: k for k, span in enumerate(spans)}
        chosen, probability = [False] * len(spans), [0.0] * len(spans)
        for window, r in read:
            for span, c, p in zip(window.spans, r.chosen, r.probability, strict=True):
                chosen[place[span]], probability[place[span]] = c, p
        heat = self._heat(read, photo) if photo is not None and read else None
        return PostRationale(tuple(spans), tuple(chosen), tuple(probability), heat)

    @torch.inference_mode()
    def _heat(self, read: Sequence[tuple[WordWindow, "_Read"]], photo: Float[Tensor, "p d"]) -> Float[np.ndarray, "r c"] | None:
        joint, config = self.loaded.joint, self.loaded.config
        if joint is None or config.joint is None or len(photo) != config.joint.rows * config.joint.columns:
            return None
        some = read[:_PHOTO_WINDOWS]
        words = torch.cat([r.states for _, r in some])[None]
        chosen = torch.tensor([c for _, r in some for c in r.chosen])[None]
        t = config.transport
        states = joint.aligned(words, torch.ones_like(chosen), photo[None], torch.ones(1, len(photo), dtype=torch.bool))
        states = states if t.states == "aligned" else joint.mix(states)
        heat = evidence_heat(states, chosen, beta=t.beta, steps=t.steps, sink=t.sink)
        return heat[0].reshape(config.joint.rows, config.joint.columns).numpy().astype(np.float64)


@dataclass(frozen=True)
class _Read:
    """What stage 1 said of one window."""

    chosen: list[bool]
    probability: list[float]
    states: Float[Tensor, "w d"]
