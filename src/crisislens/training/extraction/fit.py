r"""Training of one extractor with one seed: $L_\text{task} + \lambda L_\text{align}$, the average of the
weights, the best epoch.

What is measured and kept is the running average $\bar\theta_s = a_s \bar\theta_{s-1} + (1 - a_s) \theta_s$,
$a_s = \min(a, (1 + s) / (10 + s))$ (Polyak and Juditsky, 1992), of the epoch with the best micro F1 on the
development posts. Word pieces are hidden at random behind the vocabulary's mask, and contexts with pictures
from whole posts, so that the extractor does not lean on either.

A run repeats: order, dropout and permutations depend on seed and epoch alone. After each epoch everything is
written; a run that was killed goes on from its last finished epoch and ends with the same numbers.
"""

import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
import torch
from pydantic import BaseModel, ConfigDict
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from crisislens.core.errors import DataError, ModelError
from crisislens.core.fingerprint import fingerprint
from crisislens.features.words import WordReader
from crisislens.models.extraction import Extractor
from crisislens.nn.words import WordBatch
from crisislens.training.extraction.config import ExtractionRecipe, ExtractionRun
from crisislens.training.extraction.data import Example, LengthBatches, encode_posts
from crisislens.training.extraction.evaluate import evaluate_extractor
from crisislens.training.extraction.splits import ExtractionSplits
from crisislens.training.lightning_adapter import quiet_trainer

__all__ = ["ExtractionEpoch", "fit_extractor", "run_mark", "word_reader"]

_SEED_STRIDE = 1_000_003


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
    """16 hex digits over a run, less its seeds, and over its data by what they hold, wherever they lie.

    Results and checkpoints carry it, so that none is taken for one of other data or settings. What is in
    photos is not looked at: only whether there are any.
    """
    photos = "photos" if run.data.image_root else None
    anywhere = {
        "data": run.data.model_copy(update={"root": ".", "context_file": None, "image_root": photos}),
        "seeds": (0,),
    }
    return fingerprint([run.model_copy(update=anywhere).fingerprint(), splits.fingerprint()])


class _Module(lightning.LightningModule):
    def __init__(
        self, extractor: Extractor, recipe: ExtractionRecipe, seed: int, steps: int, run_mark: str
    ) -> None:
        super().__init__()
        self.extractor, self.recipe, self.seed, self.steps, self.run_mark = (
            extractor,
            recipe,
            seed,
            steps,
            run_mark,
        )
        self.average = {name: p.detach().clone() for name, p in self._trained()}
        self.history: list[ExtractionEpoch] = []
        self.best: tuple[float, dict[str, Tensor]] = (-1.0, {})
        self.losses: list[tuple[Tensor, Tensor]] = []
        self.started, self.generator = 0.0, torch.Generator()
        self._mask_id = _mask_id(extractor)

    def _trained(self) -> list[tuple[str, torch.nn.Parameter]]:
        return [(name, p) for name, p in self.extractor.named_parameters() if p.requires_grad]

    def transfer_batch_to_device(
        self, batch: tuple[WordBatch, Tensor], device: torch.device, dataloader_idx: int
    ) -> tuple[WordBatch, Tensor]:
        inputs, y = batch
        return (inputs, y) if device.type == "cpu" else (inputs.to(device), y.to(device))

    def on_train_start(self) -> None:
        # made, or read from a checkpoint, before lightning moved the weights
        self.average = {name: self.average[name].to(p.device) for name, p in self._trained()}

    def on_train_epoch_start(self) -> None:
        torch.manual_seed(self.seed * _SEED_STRIDE + self.current_epoch)
        self.generator.manual_seed(self.seed * _SEED_STRIDE + self.current_epoch)
        self.losses, self.started = [], time.perf_counter()

    def training_step(self, batch: tuple[WordBatch, Tensor], _: int) -> Tensor:
        inputs, y = batch
        task, align = self.extractor.loss(self._hide(inputs), y, self.generator)
        self.losses.append((task.detach(), align.detach()))
        return task + align

    def _hide(self, batch: WordBatch) -> WordBatch:
        """Hides word pieces, and contexts with pictures of whole posts."""
        r = self.recipe
        changes: dict[str, Tensor] = {}
        if r.word_dropout:
            # special pieces and markers carry no spelling and stay
            hidden = (torch.rand(batch.ids.shape, device=batch.ids.device) < r.word_dropout) & (
                batch.shapes > 0
            )
            changes["ids"] = batch.ids.masked_fill(hidden, self._mask_id)
        if r.image_dropout:
            keep = torch.rand(len(batch), 1, device=batch.ids.device) >= r.image_dropout
            changes |= {"context_mask": batch.context_mask & keep, "image_mask": batch.image_mask & keep}
            # a context that stands behind the text is hidden there
            changes["mask"] = batch.mask & (keep | batch.text_mask)
        return batch.replace(**changes)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        s = self.global_step
        decay = min(self.recipe.average, (1 + s) / (10 + s)) if self.recipe.average else 0.0
        averages, current = zip(*((self.average[name], p.data) for name, p in self._trained()), strict=True)
        torch._foreach_lerp_(averages, current, 1 - decay)

    def swap(self) -> None:
        """Puts the averaged weights in the place of the current ones, or back."""
        for name, p in self._trained():
            p.data, self.average[name] = self.average[name], p.data

    def configure_optimizers(self) -> Any:
        r, steps = self.recipe, self.steps
        groups = {True: list[torch.nn.Parameter](), False: list[torch.nn.Parameter]()}
        for name, p in self._trained():
            groups[name.startswith(("trunk.encoder.", "trunk.image_encoder."))].append(p)
        rates = {True: r.learning_rate, False: r.head_learning_rate}
        optimizer = torch.optim.AdamW(
            [{"params": ps, "lr": rates[inner]} for inner, ps in groups.items() if ps],
            weight_decay=r.weight_decay,
            fused=True,
        )
        warm = max(1, round(r.warm_up * steps))
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda s: min((s + 1) / warm, max(0.0, (steps - s) / max(1, steps - warm)))
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["extraction"] = {
            "run": self.run_mark,
            "history": [record.model_dump() for record in self.history],
            "average": self.average,
            "best_f1": self.best[0],
            "best": self.best[1],
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        kept = checkpoint["extraction"]
        if kept["run"] != self.run_mark:
            raise ModelError(
                "the checkpoint belongs to another run or to other data; give another folder, or remove it "
                "to start anew"
            )
        self.history = [ExtractionEpoch.model_validate(record) for record in kept["history"]]
        self.average, self.best = kept["average"], (kept["best_f1"], kept["best"])


class _AfterEpoch(Callback):
    """Measures the averaged weights on the development posts, keeps the best ones, and writes everything."""

    def __init__(
        self,
        dev: Sequence[Example],
        checkpoint: Path | None,
        report: Callable[[ExtractionEpoch], None] | None,
    ) -> None:
        self.dev, self.checkpoint, self.report = dev, checkpoint, report

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert isinstance(pl_module, _Module)
        task, align = (float(torch.stack(parts).mean()) for parts in zip(*pl_module.losses, strict=True))
        if not torch.isfinite(torch.tensor(task + align)):
            raise ModelError(
                f"training diverged in epoch {trainer.current_epoch + 1}: the loss is not finite; lower "
                f"recipe.learning_rate"
            )
        pl_module.swap()
        f1 = evaluate_extractor(pl_module.extractor, self.dev, resamples=1).report.micro.f1
        if f1 > pl_module.best[0]:
            pl_module.best = (f1, {name: p.detach().clone() for name, p in pl_module._trained()})
        pl_module.swap()
        pl_module.extractor.train()
        seconds = time.perf_counter() - pl_module.started
        record = ExtractionEpoch(
            epoch=trainer.current_epoch + 1, task_loss=task, align_loss=align, dev_f1=f1, seconds=seconds
        )
        pl_module.history.append(record)
        if self.checkpoint is not None:
            self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
            part = self.checkpoint.with_suffix(".part")
            trainer.save_checkpoint(part)
            part.replace(self.checkpoint)
        if self.report is not None:
            self.report(record)


def fit_extractor(
    run: ExtractionRun,
    splits: ExtractionSplits,
    *,
    seed: int,
    checkpoint: Path | None = None,
    after_epoch: Callable[[ExtractionEpoch], None] | None = None,
) -> tuple[Extractor, list[ExtractionEpoch]]:
    """Trains an extractor and gives it back with the averaged weights of its best epoch, in evaluation mode.

    Arguments:
        run: The run.
        splits: Its data.
        seed: Which seed.
        checkpoint: Where the state is written after each epoch, and gone on from if it is there; None keeps
            none.
        after_epoch: Called with each epoch's record.

    Raises:
        ModelError: If training diverges, or the checkpoint belongs to another run.
        DataError: If a post does not fit the extractor's labels.
    """
    torch.manual_seed(seed)
    extractor, r = Extractor(run.extractor), run.recipe
    reader = word_reader(extractor)
    root = Path(run.data.image_root) if run.data.image_root else None
    train, dev = (
        encode_posts(splits.part(split), extractor, reader, splits.contexts, image_root=root)
        for split in ("train", "dev")
    )
    train = [e for e in train if not e.out_of_reach]
    if not train:
        raise DataError(
            "every pair stands behind what the encoder reads of its post; give shorter texts, or a higher "
            "encoder.max_tokens"
        )
    batches = LengthBatches(train, size=r.batch_posts, seed=seed, extractor=extractor)
    module = _Module(extractor, r, seed, len(batches) * r.epochs, f"{run_mark(run, splits)}-{seed}")
    trainer = quiet_trainer(
        max_epochs=r.epochs,
        gradient_clip=None,
        callbacks=[_EpochOf(batches), _Clip(r.gradient_clip), _AfterEpoch(dev, checkpoint, after_epoch)],
        # not mps: Apple's GPUs lack the double precision that the alignment's game is played in
        device="cuda"
        if run.device == "auto" and torch.cuda.is_available()
        else run.device.replace("auto", "cpu"),
    )
    # encoders come in evaluation mode, and lightning leaves every module in the mode that it finds
    extractor.train()
    going_on = str(checkpoint) if checkpoint and checkpoint.is_file() else None
    with warnings.catch_warnings():
        # batch norms of an image encoder are meant to be in it
        warnings.filterwarnings("ignore", message=r"Found \d+ module\(s\) in eval mode")
        trainer.fit(module, batches, ckpt_path=going_on, weights_only=True)
    own = dict(extractor.named_parameters())
    with torch.no_grad():
        for name, value in module.best[1].items():
            own[name].copy_(value)
    extractor.eval()
    return extractor, module.history


class _EpochOf(Callback):
    """Tells the batches which epoch it is."""

    def __init__(self, batches: LengthBatches) -> None:
        self.batches = batches

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.batches.epoch = trainer.current_epoch


class _Clip(Callback):
    """Clips the gradient; lightning's own clipping refuses fused optimizers."""

    def __init__(self, norm: float) -> None:
        self.norm = norm

    def on_before_optimizer_step(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        optimizer: torch.optim.Optimizer,
    ) -> None:
        torch.nn.utils.clip_grad_norm_([p for p in pl_module.parameters() if p.requires_grad], self.norm)


def _mask_id(extractor: Extractor) -> int:
    """The vocabulary's mask; padding where it has none, which attention sees like any piece."""
    [cut] = extractor.encoder.tokenize(["[MASK]"])
    inner = [i for i, (a, b) in zip(cut.ids, cut.offsets, strict=True) if b > a]
    if len(inner) == 1:
        return inner[0]
    [cut] = extractor.encoder.tokenize(["<mask>"])
    inner = [i for i, (a, b) in zip(cut.ids, cut.offsets, strict=True) if b > a]
    return inner[0] if len(inner) == 1 else extractor.encoder.pad_id
