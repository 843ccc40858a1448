"""Examples and batches of the training of both stages over one joint transformer
(`training.rationale_joint`): windows of texts that people marked, and beside them texts and photos that
belong together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from crisislens.data.words import word_labels
from crisislens.features.word_owners import WordCutter, WordWindow, collate_windows
from crisislens.models.joint_tower import Photos
from crisislens.models.rationale_joint import JointRationalizer
from crisislens.nn.word_owners import WindowBatch
from crisislens.training.batches import Batches, EpochOrder, batch_count
from crisislens.training.rationale import labeled_windows

__all__ = ["JointExamples", "LabeledWindow", "PairedPhoto", "Pairs", "batches_of", "inputs", "labeled"]


@dataclass(frozen=True)
class LabeledWindow:
    """An example: a window of a text, which of its words a person marked, its class (−1 for none), and its
    preprocessed photo.
    """

    window: WordWindow
    marked: tuple[bool, ...]
    label: int
    image: Float[Tensor, "3 s s"] | None = None


@dataclass(frozen=True)
class PairedPhoto:
    """A text with a photo that belongs to it.

    Attributes:
        window: The text.
        photo: The photo's number; pairs of one photo are no negatives of each other.
    """

    window: WordWindow
    photo: int


class Pairs(NamedTuple):
    """Texts and photos that belong together.

    Attributes:
        texts: The texts.
        patches: From numbers of photos to their patch states (b p d).
    """

    texts: Sequence[PairedPhoto]
    patches: Callable[[Int[np.ndarray, " b"]], Tensor]


class JointExamples(NamedTuple):
    """A batch.

    Attributes:
        words: The windows.
        photos: Their photos.
        y: 1 for marked words, 0 for others (b w).
        stretches: The same for stretches of words.
        label: The class of each window, −1 for none (b).
        pairs: Windows of texts, the patches of their photos and the photos' numbers; None for none.
    """

    words: WindowBatch
    photos: Photos
    y: Tensor
    stretches: Tensor
    label: Tensor
    pairs: tuple[WindowBatch, Tensor, Tensor] | None


def inputs(model: JointRationalizer, examples: Sequence[LabeledWindow]) -> tuple[WindowBatch, Photos]:
    """Examples as the model reads them."""
    words = collate_windows([x.window for x in examples], model.tower.pad_id)
    return words, model.tower.photos([x.image for x in examples])


def labeled(
    cutter: WordCutter,
    text: str,
    spans: Sequence[tuple[int, int]],
    label: int,
    image: Float[Tensor, "3 s s"] | None = None,
) -> list[LabeledWindow]:
    """The examples that a marked post gives, one a window."""
    return [
        LabeledWindow(w, tuple(word_labels(w.spans, spans, text)), label, image) for w in cutter.cut(text)
    ]


def batches_of(
    model: JointRationalizer,
    examples: Sequence[LabeledWindow],
    pairs: Pairs | None,
    *,
    batch_texts: int,
    batch_pairs: int,
    seed: int,
) -> Batches[JointExamples]:
    """Batches of texts of similar length, each with pairs beside it that its own rows decide.

    Arguments:
        model: Reads them.
        examples: Windows of texts.
        pairs: Texts and photos that belong together; None for none.
        batch_texts: Windows a step.
        batch_pairs: Pairs a step.
        seed: Of the order, and of the pairs that are drawn.
    """
    lengths = np.array([len(x.window.ids) for x in examples])

    def collate(rows: Int[np.ndarray, " b"]) -> JointExamples:
        some = [examples[i] for i in rows.tolist()]
        words, photos = inputs(model, some)
        y, stretches = labeled_windows([x.marked for x in some], words.words.shape[1])
        label = torch.tensor([x.label for x in some])
        beside = None if pairs is None else _drawn(pairs, rows, model.tower.pad_id, batch_pairs, seed)
        return JointExamples(words, photos, y, stretches, label, beside)

    order = EpochOrder(lengths, batch_texts, seed)
    return Batches(order, collate, count=batch_count(len(examples), batch_texts))


def _drawn(
    pairs: Pairs, rows: Int[np.ndarray, " b"], pad_id: int, most: int, seed: int
) -> tuple[WindowBatch, Tensor, Tensor]:
    # of the batch's own rows: a resumed run draws the pairs that an undisturbed one does
    random = np.random.default_rng([seed, *rows.tolist()])
    places = random.choice(len(pairs.texts), min(most, len(pairs.texts)), replace=False)
    chosen = [pairs.texts[i] for i in places.tolist()]
    photos = np.array([x.photo for x in chosen])
    words = collate_windows([x.window for x in chosen], pad_id)
    return words, pairs.patches(photos).float(), torch.from_numpy(photos)
