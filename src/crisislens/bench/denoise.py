r"""Several crises talk in one text and a guide says which one is meant: does differential attention cancel
the noise?

The data is described in `denoise_data`: K distractors of other crises and, nearly all, of other classes
stand among the words, and a caption that names the crisis that is meant stands where a photo would.
Systems read the same frozen states of words (MiniLM):

- `guided`: guided cross attention (`models.guided`);
- `differential`: the same, followed by differential attention over guide and words
  (`models.differential`);
- `lambda_zero`: that model with λ held at 0, equal in its parameters and its start:
  $\operatorname{softmax}(Q_1 K_1^\top)\, V$ alone, normalized and scaled as before. The second map's weights
  are there and do nothing;
- `plain`: a transformer over guide and words in one sequence (`models.joint`), without gates;
- `unguided`: that transformer without the guide, which shows what can be had without.

Each is trained once a seed, on mixes of one or two distractors that are drawn anew in every pass, and
tested under each K by itself: 4, 8 and 16 are more than any system has seen. In all of them words that are
alike look at each other at first (`alike_at_first`). With equal seeds all systems read the same mixes in
the same order; dev and test mixes are drawn once and for all. The learning rate is to be chosen on dev
mixes (`benchmarks/denoise_choice.py`); nothing is chosen on test mixes, and the last pass counts.

Source of the mechanism: Munia et al., 2025, https://arxiv.org/abs/2507.05165; the experiment is OURS.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from crisislens.bench.denoise_data import Mixes, Segments, guides, read_segments
from crisislens.bench.denoise_models import alike_at_first, lambdas, with_lambda_zero
from crisislens.bench.study import Outcome, Study, Trial
from crisislens.core.fingerprint import fingerprint
from crisislens.data.images import ImageLimits
from crisislens.data.text import CleaningRules
from crisislens.domain.post import Post
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.features.encode import PostEncoder
from crisislens.features.extract import extract
from crisislens.models.base import FusionModel
from crisislens.models.differential import GuidedDifferential
from crisislens.models.guided import Guided
from crisislens.models.joint import Joint
from crisislens.nn.batch import FeatureBatch
from crisislens.nn.widths import FeatureWidths
from crisislens.training.batches import Batches, batch_count
from crisislens.training.config import OptimizerConfig
from crisislens.training.loop import train
from crisislens.training.objectives import LabelLoss
from crisislens.training.recipe import Recipe
from crisislens.training.trainer import Machine

__all__ = ["Denoise", "Fitted", "Prepared"]

# tweets of one crisis and class that are read of each part
_MOST = {"train": 30, "dev": 8, "test": 16}
_TEST_POSTS = 100
_TITLES = {
    "guided": "Guided CA",
    "differential": "Guided CA + Diff Attn",
    "lambda_zero": "the same, λ = 0",
    "plain": "plain transformer",
    "unguided": "plain transformer, no guide",
}


class Fitted(NamedTuple):
    """A model and how it came about.

    Attributes:
        model: The model after the last pass.
        losses: The mean training loss of each pass.
    """

    model: FusionModel
    losses: list[float]


@dataclass(frozen=True)
class Prepared:
    """Segments with the models that were trained on them.

    Attributes:
        segments: The segments.
        trained: Models by system and seed, since one training is tested under every K.
    """

    segments: Segments
    trained: dict[tuple[str, int], Fitted] = field(default_factory=dict)


@dataclass(frozen=True)
class Denoise(Study[Prepared]):
    """The study; its fields are the recipe."""

    name = "denoise"
    title = "Several crises in one text: differential attention and distractors"
    axis = "distractors"
    settings = ("humaid",)
    systems = _TITLES
    points = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)
    metrics = ("accuracy",)
    pairs = (("differential", "guided"), ("differential", "lambda_zero"), ("guided", "plain"))

    passes: int = 40
    batch: int = 32
    width: int = 64
    heads: int = 4
    layers: int = 2
    learned: tuple[int, ...] = (1, 2)
    """The K of training mixes; more distractors are beyond what any system has seen."""
    pieces: int = 8
    """Word pieces that are kept of each segment and of the guide, from its beginning; the encoder has read
    the whole tweet.
    """
    rates: Mapping[str, float] = field(default_factory=lambda: dict.fromkeys(_TITLES, 3e-3), compare=False)
    """The peak learning rate of each system."""
    encoder: EncoderSpec = field(default_factory=EncoderSpec)

    def terms(self) -> object:
        """All fields; what is encoded is in the materials' fingerprint."""
        sizes = (self.passes, self.batch, self.width, self.heads, self.layers, self.pieces)
        return [1, *sizes, list(self.learned), dict(self.rates), dict(_MOST)]

    def prepare(self, setting: str, data: Path, cache: Path) -> tuple[Prepared, str]:
        """Encodes tweets one by one, or opens what was encoded before."""
        read = [*read_segments(data, _MOST), *guides()]
        encoders = load_encoders(self.encoder)
        encoder = PostEncoder(
            encoders, rules=CleaningRules(), limits=ImageLimits(), image_root=None, keep_tokens=("text",)
        )
        posts = [Post(id=str(i), text=one.text) for i, one in enumerate(read)]
        source = fingerprint([[one.text, one.crisis, one.label, one.part] for one in read])
        stored = extract(posts, encoder, cache, source_fingerprint=source)
        kept, lengths, pooled = [], [], []
        for start in range(0, len(posts), 256):
            text = stored.batch(np.arange(start, min(start + 256, len(posts)))).text
            mask = text.mask[:, : self.pieces]
            kept.append(text.tokens[:, : self.pieces][mask])
            lengths.append(mask.sum(1).numpy())
            pooled.append(text.pooled)
        size = np.concatenate(lengths)
        part = np.array([one.part for one in read])
        found = Segments(
            states=torch.cat(kept),
            starts=np.cumsum(size) - size,
            lengths=size,
            pooled=torch.cat(pooled),
            crisis=np.array([one.crisis for one in read]),
            label=np.array([one.label for one in read]),
            rows={name: np.flatnonzero(part == name) for name in (*_MOST, "guide")},
        )
        return Prepared(found), stored.fingerprint

    def run(self, materials: Prepared, trial: Trial) -> Outcome:
        """Trains where no trial of the system and seed has before, and tests under one K."""
        key = trial.system, trial.seed
        if key not in materials.trained:
            losses: list[float] = []
            model = self.trained(
                materials.segments,
                trial.system,
                trial.seed,
                after_pass=lambda _, loss: losses.append(round(loss, 4)),
            )
            materials.trained[key] = Fitted(model, losses)
        model, losses = materials.trained[key]
        hits = self.tested(model, materials.segments, "test", round(trial.at), trial.system)
        facts: dict[str, Any] = {
            "rate": self.rates[trial.system],
            "parameters": sum(p.numel() for p in model.parameters()),
            "lambda": lambdas(model),
            "losses": losses,
        }
        return Outcome({"accuracy": hits}, facts)

    def trained(
        self,
        segments: Segments,
        system: str,
        seed: int,
        *,
        after_pass: Callable[[FusionModel, float], None] = lambda *_: None,
    ) -> FusionModel:
        """A model of a system, trained on the part `train`.

        Arguments:
            segments: The segments.
            system: One of `systems`.
            seed: Of weights, mixes and dropout.
            after_pass: Told of the model and its mean training loss after each pass. It leaves the model
                in training mode.
        """
        torch.manual_seed(seed)
        model = self.build(segments.widths, int(segments.label.max()) + 1, system)
        mixes = Mixes(segments, "train")
        meant = mixes.meant()
        random = np.random.default_rng(seed)

        def order(_: int) -> list[Int[np.ndarray, " b"]]:
            return np.array_split(random.permutation(meant), batch_count(len(meant), self.batch))

        def collate(rows: Int[np.ndarray, " b"]) -> tuple[FeatureBatch, Tensor]:
            k = round(float(random.choice(self.learned)))
            drawn = mixes.draw(rows, k, random)
            return _read(segments, *drawn, system), torch.from_numpy(segments.label[rows])

        train(
            model,
            LabelLoss(torch.ones(int(segments.label.max()) + 1)),
            Batches(order, collate, batch_count(len(meant), self.batch)),
            Recipe(epochs=self.passes, optimizer=self._optimizer(system), fused=True, seed=seed),
            machine=Machine(device="cpu"),
            after_epoch=lambda record: after_pass(model, record.train_loss),
        )
        return model

    def _optimizer(self, system: str) -> OptimizerConfig:
        return OptimizerConfig(
            name="adamw",
            learning_rate=self.rates[system],
            weight_decay=0.05,
            schedule="linear",
            warm_up=0.05,
            gradient_clip=1.0,
        )

    def build(self, widths: FeatureWidths, classes: int, system: str) -> FusionModel:
        """A system with fresh weights from torch's generator; `differential` and `lambda_zero` start alike.

        Arguments:
            widths: Of the features.
            classes: How many classes there are.
            system: One of `systems`.
        """
        # the guide is the question: hiding it in training would ask another one
        same: dict[str, Any] = {
            "widths": widths,
            "classes": classes,
            "width": self.width,
            "heads": self.heads,
            "hidden": self.width,
            "modality_dropout": 0.0,
        }
        if system == "guided":
            return alike_at_first(Guided(**same))
        if system in ("plain", "unguided"):
            return alike_at_first(Joint(**same, layers=self.layers))
        model = alike_at_first(GuidedDifferential(**same, layers=self.layers))
        return with_lambda_zero(model) if system == "lambda_zero" else model

    def tested(
        self, model: FusionModel, segments: Segments, part: str, distractors: int, system: str
    ) -> Bool[np.ndarray, " n"]:
        """Whether a model is right on each mix of a part, which are the same for every model.

        Arguments:
            model: The model.
            segments: The segments.
            part: `dev` or `test`.
            distractors: K.
            system: What the model is, for whether it reads the guide.
        """
        mixes = Mixes(segments, part)
        meant = mixes.meant()
        # of K alone: all systems and seeds are asked the same
        drawn, named = mixes.draw(meant, distractors, np.random.default_rng(distractors))
        hits = []
        with torch.inference_mode():
            for at in np.array_split(np.arange(len(meant)), batch_count(len(meant), _TEST_POSTS)):
                logits = model(_read(segments, drawn[at], named[at], system))
                hits.append(logits.argmax(1).numpy() == segments.label[meant[at]])
        return np.concatenate(hits)


def _read(
    segments: Segments, drawn: Int[np.ndarray, "b m"], guides: Int[np.ndarray, " b"], system: str
) -> FeatureBatch:
    return segments.batch(drawn, None if system == "unguided" else guides)
