r"""Training of stage 1: which words are evidence (`models.text_rationalizer`), with low-rank
differences in the text encoder's upper layers.

The lower layers stay as they are: that halves the time, and what they do is not about one event.
AdamW, linear warm-up over 6 % of the steps and linear decay to zero, batches of texts of similar
length in random order. The number of epochs is fixed: another event than the one trained on gets no
better after the fourth (measured), and there is no such event to stop by.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from crisislens.core.config import Config
from crisislens.core.errors import DataError
from crisislens.data.marked_rationales import AnnotatedText
from crisislens.data.words import merge_spans, word_labels
from crisislens.encoders.base import TextEncoder
from crisislens.encoders.lora import add_lora
from crisislens.features.word_owners import WordCutter, WordWindow, collate_windows
from crisislens.models.text_rationalizer import Decode, TextRationalizer
from crisislens.nn.grouping import group_by_length
from crisislens.nn.word_owners import WindowBatch
from crisislens.training.batches import Batches, batch_count
from crisislens.training.devices import Device
from crisislens.training.loop import train
from crisislens.training.optimizer import adapter_recipe
from crisislens.training.recipe import Recipe
from crisislens.training.trainer import Machine
from crisislens.training.word_objectives import EvidenceLoss

__all__ = [
    "RationaleConfig",
    "check_texts",
    "free_norms",
    "labeled_windows",
    "predict_words",
    "train_rationalizer",
]


class RationaleConfig(Config):
    """How stage 1 is trained."""

    rank: int = Field(default=16, ge=0)
    """The rank of every adapted weight's difference; 0 leaves the encoder as it is."""
    lora_alpha: float = Field(default=32.0, gt=0)
    """Numerator of the scaling lora_alpha / rank."""
    targets: tuple[str, ...] = tuple(
        f"*encoder.layer.{i}.*{part}" for i in (3, 4, 5) for part in ("query", "key", "value", "dense")
    )
    """Patterns of the linear maps that are adapted; layer norms beside them are trained whole."""
    hidden: int = Field(default=128, gt=0)
    """Width of the GRU in each direction."""
    pair_width: int = Field(default=64, gt=0)
    """Width of the maps that compare the ends of a stretch."""
    dropout: float = Field(default=0.3, ge=0, lt=1)
    """Before and after the GRU."""
    lora_dropout: float = Field(default=0.1, ge=0, lt=1)
    """On the way into the low-rank differences."""
    alpha: float = Field(default=5.0, ge=0)
    """α: weight of the words' loss beside the class's; the paper has 0.09."""
    alpha_stretch: float = Field(default=2.5, ge=0)
    """α_s: weight of the stretches' loss; 0 leaves the paper's loss."""
    balance: float = Field(default=1.0, ge=0, le=1)
    """The exponent γ of the class weights of words; 1 is the paper's."""
    smoothing: float = Field(default=0.05, ge=0, lt=1)
    """Label smoothing of the class."""
    learning_rate: float = Field(default=5e-4, gt=0)
    """Peak rate of the encoder's differences."""
    head_learning_rate: float = Field(default=1e-3, gt=0)
    """Peak rate of head and classifier."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Of AdamW."""
    batch_texts: int = Field(default=16, gt=0)
    """Texts a step."""
    epochs: int = Field(default=4, gt=0)
    """Passes over all texts."""
    seed: int = 0
    """Of shuffling, dropout and initial weights."""
    device: Device = "auto"
    """Where to train."""


@dataclass(frozen=True)
class _Example:
    window: WordWindow
    labels: list[bool]
    label: int


Batch = tuple[WindowBatch, Tensor, Tensor, Tensor]


def train_rationalizer(
    encoder: TextEncoder,
    texts: Sequence[AnnotatedText],
    classes: Sequence[str],
    config: RationaleConfig,
    *,
    progress: Callable[[int], None] | None = None,
) -> TextRationalizer:
    """Trains stage 1, the encoder in place, and returns the model in evaluation mode.

    Arguments:
        encoder: A frozen text encoder.
        texts: Texts with marked spans; one longer than a window gives several examples, those
            without a marked word teach the class only.
        classes: Labels of the auxiliary classifier; a text with another label teaches no class.
        config: The recipe.
        progress: Called after each epoch with the epochs done.

    Raises:
        DataError: If no text has a marked word.
    """
    # before the adapter, whose initial weights are drawn as well
    torch.manual_seed(config.seed)
    examples = _examples(texts, classes, WordCutter(encoder))
    _refuse_unmarked(examples)
    if config.rank:
        _adapt(encoder, config)
    model = _model(encoder, len(classes), config)
    optimizer = adapter_recipe(
        learning_rate=config.learning_rate,
        head_learning_rate=config.head_learning_rate,
        weight_decay=config.weight_decay,
    )
    train(
        model,
        _objective(config),
        _batches(examples, config, encoder.pad_id),
        Recipe(epochs=config.epochs, optimizer=optimizer),
        machine=Machine(device=config.device),
        after_epoch=None if progress is None else lambda record: progress(record.epoch),
    )
    return model


def check_texts(encoder: TextEncoder, texts: Sequence[AnnotatedText]) -> None:
    """Refuses texts that nothing can be learned from.

    Arguments:
        encoder: Which words of them are read, it decides.
        texts: Texts to learn from.

    Raises:
        DataError: If no text has a marked word.
    """
    _refuse_unmarked(_examples(texts, (), WordCutter(encoder)))


def _refuse_unmarked(examples: Sequence[_Example]) -> None:
    if not any(any(x.labels) for x in examples):
        raise DataError(
            "no text has a marked word; give texts with spans of evidence, such as crisislens annotate "
            "exports"
        )


def _model(encoder: TextEncoder, classes: int, config: RationaleConfig) -> TextRationalizer:
    return TextRationalizer(
        encoder,
        # without any label the classifier is there and learns nothing, so that all models have one form
        classes=max(1, classes),
        hidden=config.hidden,
        pair_width=config.pair_width,
        dropout=config.dropout,
    )


def _objective(config: RationaleConfig) -> EvidenceLoss:
    return EvidenceLoss(
        words=config.alpha,
        stretches=config.alpha_stretch,
        balance=config.balance,
        smoothing=config.smoothing,
    )


def _adapt(encoder: TextEncoder, config: RationaleConfig) -> None:
    add_lora(
        encoder,
        rank=config.rank,
        alpha=config.lora_alpha,
        targets=config.targets,
        dropout=config.lora_dropout,
    )
    free_norms(encoder)


def free_norms(encoder: nn.Module) -> None:
    """Lets the layer norms in blocks that are adapted be trained whole."""
    adapted = {
        name.rpartition(".attention")[0]
        for name, p in encoder.named_parameters()
        if p.requires_grad and ".attention" in name
    }
    for name, parameter in encoder.named_parameters():
        if "LayerNorm" in name and any(name.startswith(block + ".") for block in adapted if block):
            parameter.requires_grad_(True)


def _examples(texts: Sequence[AnnotatedText], classes: Sequence[str], cutter: WordCutter) -> list[_Example]:
    index = {name: i for i, name in enumerate(classes)}
    return [
        _Example(window, word_labels(window.spans, text.spans, text.text), index.get(text.label, -1))
        for text in texts
        for window in cutter.cut(text.text)
    ]


def _batches(examples: Sequence[_Example], config: RationaleConfig, pad_id: int) -> Batches[Batch]:
    """Batches of texts of similar length, in random order, another one each epoch."""
    lengths = np.array([len(x.window.ids) for x in examples])
    # Python's generator, by which the models that ship were shuffled
    stream = random.Random(config.seed)

    def order(epoch: int) -> list[Int[np.ndarray, " b"]]:
        permuted = np.array(stream.sample(range(len(examples)), len(examples)))
        batches = group_by_length(lengths, permuted, config.batch_texts)
        stream.shuffle(batches)
        return batches

    def collate(rows: Int[np.ndarray, " b"]) -> Batch:
        return _collate([examples[i] for i in rows.tolist()], pad_id)

    return Batches(order, collate, count=batch_count(len(examples), config.batch_texts))


def _collate(examples: Sequence[_Example], pad_id: int) -> Batch:
    batch = collate_windows([x.window for x in examples], pad_id)
    y, stretches = labeled_windows([x.labels for x in examples], batch.words.shape[1])
    return batch, y, stretches, torch.tensor([x.label for x in examples])


def labeled_windows(
    marked: Sequence[Sequence[bool]], words: int
) -> tuple[Float[Tensor, "b w"], Float[Tensor, "b w w"]]:
    """What people marked in b texts as targets: of each word, and of each stretch its share.

    Arguments:
        marked: Of each text which of its words are marked.
        words: The number w of word places.
    """
    y = torch.zeros(len(marked), words)
    stretches = torch.zeros(len(marked), words, words)
    for row, labels in enumerate(marked):
        y[row, : len(labels)] = torch.tensor(labels, dtype=torch.float32)
        runs = merge_spans([(i, i + 1) for i in range(len(labels))], labels)
        for start, end in runs:
            # of a text with several stretches each is the target with an equal share
            stretches[row, start, end - 1] = 1 / len(runs)
    return y, stretches


def predict_words(
    model: TextRationalizer,
    texts: Sequence[AnnotatedText],
    *,
    decode: Decode = "stretch",
    batch_texts: int = 64,
) -> list[tuple[list[bool], list[float]]]:
    """For each text, over all of its words (`data.words`), which are chosen and with what
    probability; links get none.
    """
    cutter = WordCutter(model.encoder)
    windows = [(i, window) for i, text in enumerate(texts) for window in cutter.cut(text.text)]
    windows.sort(key=lambda item: len(item[1].ids))
    words = [text.words() for text in texts]
    found = [([False] * len(spans), [0.0] * len(spans)) for spans in words]
    # windows leave out words that are not read, so a word's place in the text is found by its span
    places = [dict(zip(spans, range(len(spans)), strict=True)) for spans in words]
    for start in range(0, len(windows), batch_texts):
        part = windows[start : start + batch_texts]
        batch = collate_windows([window for _, window in part], model.encoder.pad_id)
        out = model.rationales(batch, decode=decode)
        for (i, window), chosen, p in zip(part, out.chosen.tolist(), out.probability.tolist(), strict=True):
            of_text, probabilities = found[i]
            for j, span in enumerate(window.spans):
                place = places[i][span]
                of_text[place], probabilities[place] = chosen[j], p[j]
    return found
