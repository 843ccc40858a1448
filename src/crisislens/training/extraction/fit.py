r"""Training of one extractor with one seed: $L_\text{task} + \lambda L_\text{align}$, the average
of the weights, the best epoch.

What is measured and kept is the running average of the weights (`training.averaging`) of the epoch
with the best micro F1 on the development posts. Word pieces are hidden at random behind the
vocabulary's mask, and contexts with pictures from whole posts, so that the extractor does not lean
on either.

A run repeats: order, dropout and permutations depend on seed and epoch alone. After each epoch
everything is written; a run that was killed goes on from its last finished epoch and ends with the
same numbers.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict

from crisislens.core.errors import DataError, ModelError
from crisislens.core.fingerprint import fingerprint
from crisislens.features.words import WordReader
from crisislens.models.extraction import Extractor
from crisislens.training.config import OptimizerConfig
from crisislens.training.extraction.config import ExtractionRecipe, ExtractionRun
from crisislens.training.extraction.data import Example, encode_posts, length_batches
from crisislens.training.extraction.evaluate import evaluate_extractor
from crisislens.training.extraction.splits import ExtractionSplits
from crisislens.training.loop import train
from crisislens.training.recipe import EpochEnd, Judge, Recipe
from crisislens.training.trainer import Machine
from crisislens.training.word_objectives import ExtractionLoss

__all__ = ["ExtractionEpoch", "fit_extractor", "run_mark", "word_reader"]


class ExtractionEpoch(BaseModel):
    """What one epoch came to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epoch: int
    """Counted from 1."""
    task_loss: float
    align_loss: float
    """λ times the alignment's loss."""
    dev_f1: float
    """Micro F1 on the development posts, with the averaged weights."""
    seconds: float


def word_reader(extractor: Extractor) -> WordReader:
    """The reader that an extractor's inputs come from."""
    spec = extractor.spec
    return WordReader(
        extractor.encoder,
        pieces_a_word=spec.pieces_a_word,
        context_pieces=spec.context_pieces,
        joint=spec.joint_sequence,
    )


def run_mark(run: ExtractionRun, splits: ExtractionSplits) -> str:
    """16 hex digits over a run, less its seeds, and over its data by what they hold, wherever they
    lie.

    Results and checkpoints carry it, so that none is taken for one of other data or settings. What
    is in photos is not looked at: only whether there are any.
    """
    # where the data lies is no part of the experiment; whether photos were read is
    photos = "photos" if run.data.image_root else None
    anywhere = {
        "data": run.data.model_copy(update={"root": ".", "context_file": None, "image_root": photos}),
        "seeds": (0,),
    }
    values = run.model_copy(update=anywhere).model_dump(mode="json")
    # the setting is younger than results that are kept; without it a run is what it was
    if not run.data.locked_contexts:
        del values["data"]["locked_contexts"]
    return fingerprint([fingerprint(values), splits.fingerprint()])


class _DevJudge(Judge[ExtractionEpoch]):
    """Micro F1 on the development posts."""

    record = ExtractionEpoch
    monitor = "dev_f1"
    mode: Literal["min", "max"] = "max"

    def __init__(self, dev: Sequence[Example]) -> None:
        self.dev = dev

    def judge(self, network: Extractor, end: EpochEnd) -> ExtractionEpoch:
        # before the evaluation, which would decode NaN and score it as an answer
        if not math.isfinite(sum(end.losses.values())):
            raise ModelError(
                f"training diverged in epoch {end.epoch}: the loss is not finite; lower recipe.learning_rate"
            )
        # nobody reads the interval of an epoch
        f1 = evaluate_extractor(network, self.dev, resamples=1).report.micro.f1
        return ExtractionEpoch(epoch=end.epoch, **end.losses, dev_f1=f1, seconds=end.seconds)


def fit_extractor(
    run: ExtractionRun,
    splits: ExtractionSplits,
    *,
    seed: int,
    checkpoint: Path | None = None,
    after_epoch: Callable[[ExtractionEpoch], None] | None = None,
) -> tuple[Extractor, list[ExtractionEpoch]]:
    """Trains an extractor and gives it back with the averaged weights of its best epoch, in
    evaluation mode.

    Arguments:
        run: The run.
        splits: Its data.
        seed: Which seed.
        checkpoint: Where the state is written after each epoch, and gone on from if it is there;
            None keeps none.
        after_epoch: Called with each epoch's record.

    Raises:
        ModelError: If training diverges, or the checkpoint belongs to another run.
        DataError: If a post does not fit the extractor's labels.
    """
    torch.manual_seed(seed)
    extractor, r = Extractor(run.extractor), run.recipe
    reader = word_reader(extractor)
    root = Path(run.data.image_root) if run.data.image_root else None
    posts, dev = (
        encode_posts(
            splits.part(split),
            extractor,
            reader,
            splits.contexts,
            image_root=root,
            locked_contexts=run.data.locked_contexts,
        )
        for split in ("train", "dev")
    )
    learned = [e for e in posts if not e.out_of_reach]
    if not learned:
        raise DataError(
            "every pair stands behind what the encoder reads of its post; give shorter texts, or a higher "
            "encoder.max_tokens"
        )
    objective = ExtractionLoss(
        mask_id=_mask_id(extractor), word_dropout=r.word_dropout, image_dropout=r.image_dropout
    )
    trained = train(
        extractor,
        objective,
        length_batches(learned, size=r.batch_posts, seed=seed, extractor=extractor),
        _recipe(r, seed=seed, mark=f"{run_mark(run, splits)}-{seed}"),
        # the alignment's game is played in double precision
        machine=Machine(device=run.device, double=run.extractor.alignment is not None),
        judge=_DevJudge(dev),
        checkpoint=checkpoint,
        resume=True,
        after_epoch=after_epoch,
    )
    return extractor, trained.history


def _recipe(r: ExtractionRecipe, *, seed: int, mark: str) -> Recipe:
    optimizer = OptimizerConfig(
        learning_rate=r.head_learning_rate,
        encoder_learning_rate=r.learning_rate,
        weight_decay=r.weight_decay,
        schedule="linear",
        warm_up=r.warm_up,
        gradient_clip=r.gradient_clip,
    )
    return Recipe(
        epochs=r.epochs,
        optimizer=optimizer,
        fused=True,
        encoders=("trunk.encoder.", "trunk.image_encoder."),
        seed=seed,
        average=r.average,
        mark=mark,
    )


def _mask_id(extractor: Extractor) -> int:
    """The vocabulary's mask; padding where it has none, which attention sees like any piece."""
    [cut] = extractor.encoder.tokenize(["[MASK]"])
    inner = [i for i, (a, b) in zip(cut.ids, cut.offsets, strict=True) if b > a]
    if len(inner) == 1:
        return inner[0]
    [cut] = extractor.encoder.tokenize(["<mask>"])
    inner = [i for i, (a, b) in zip(cut.ids, cut.offsets, strict=True) if b > a]
    return inner[0] if len(inner) == 1 else extractor.encoder.pad_id
