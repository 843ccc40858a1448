r"""Contexts that belong to other posts: does a Shapley margin bear them better than InfoNCE?

A share of the training pairs (and of no others) have their contexts shuffled among themselves. Two
linear maps over frozen features are trained to find each other,

$$s_{ij} = \cos(A x_i, B y_j), \qquad L = \tfrac12 [L(s) + L(s^\top)],$$

with $L$ a loss of `nn.alignment`. Measured is whether a test post's own context is the first, or among
the first ten, of all test posts' contexts; contexts that are the same word for word count as one.

Settings: `captions`, photos (EfficientNet-lite2) and one of their five captions (MiniLM), other photos
for dev and test; `twitter2017`, the words of a tweet and the caption of its photo (both MiniLM), split
as published. Temperatures are chosen on clean dev pairs, for each system, share and seed by itself, so
no system is held back by one that suits another.

Contexts that are wrong ask for a softer contrast, and nobody knows how soft: `info_nce_warm` is InfoNCE
with two warmer temperatures to choose from that no other system has. And a margin of Shapley values is
bounded, where InfoNCE punishes a pair without end that does not fit: `bounded` is the mean of one minus
the softmax probability, a loss known to bear wrong labels, without any game.

The margin of plain similarities, without any Shapley value, is trained beside: it is the margin of
uniform Shapley values up to a factor (`nn.shapley`), and tells what comes from the margin and what from
the game. The softmax loss of uniform Shapley values is InfoNCE at another temperature and is no system
of its own here.

Sources: Luo et al., 2024 (Shap-CA), https://arxiv.org/abs/2407.17854, for the losses over Shapley
values; Ghosh et al., 2017, https://arxiv.org/abs/1712.09482, for the bounded one; the experiment is OURS.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from crisislens.bench.mismatch_data import Pairs, read_pairs
from crisislens.bench.study import Outcome, Study, Trial
from crisislens.data.contexts import mismatched
from crisislens.encoders.base import EncoderSpec
from crisislens.nn.alignment import Alignment, AlignmentKind, describe
from crisislens.nn.contrast import negatives
from crisislens.nn.shapley import Expectation

__all__ = ["Mismatch", "bounded_loss", "found_among"]

_KINDS: dict[str, tuple[AlignmentKind, Expectation]] = {
    "info_nce": ("info_nce", "softmax"),
    "info_nce_warm": ("info_nce", "softmax"),
    "bounded": ("info_nce", "softmax"),
    "shapley_margin": ("shapley_margin", "softmax"),
    "shapley_softmax": ("shapley_softmax", "softmax"),
    "similarity_margin": ("shapley_margin", "uniform"),
}
# temperatures that only `info_nce_warm` is tried at, beside those of all
_WARMER = (1.0, 2.0)
_TITLES = {
    **{name: describe(*kind) for name, kind in _KINDS.items()},
    "bounded": "1 − the softmax probability of the own context (bounded, no game)",
    "info_nce_warm": f"InfoNCE, tried at τ {' and '.join(f'{t:g}' for t in _WARMER)}, too",
}


@dataclass(frozen=True)
class Mismatch(Study[Pairs]):
    """The study; its fields are the recipe."""

    name = "mismatch"
    title = "Contexts that belong to other posts: Shapley values and InfoNCE"
    axis = "share of shuffled contexts"
    settings = ("captions", "twitter2017")
    systems = _TITLES
    points = (0.0, 0.2, 0.4, 0.6)
    metrics = ("R@1", "R@10")
    pairs = (
        ("shapley_margin", "info_nce"),
        ("shapley_margin", "info_nce_warm"),
        ("shapley_margin", "bounded"),
        ("shapley_margin", "similarity_margin"),
        ("shapley_softmax", "info_nce"),
    )

    steps: int = 200
    batch: int = 64
    width: int = 128
    samples: int = 16
    learning_rate: float = 2e-3
    temperatures: tuple[float, ...] = (0.07, 0.2, 0.6)
    captioned: tuple[int, int] = (1000, 200)
    """How many photos of `captions` are for training and dev; the others are the test."""
    limit: int | None = None
    """At most so many pairs of each part, for a quick look."""
    encoder: EncoderSpec = field(default_factory=EncoderSpec)

    def terms(self) -> object:
        """All fields, after a number that a change of this module's constants or formulas raises; what is
        encoded is in the materials' fingerprint.
        """
        numbers = (self.steps, self.batch, self.width, self.samples, self.learning_rate)
        return [1, *numbers, list(self.temperatures), list(self.captioned), self.limit]

    def prepare(self, setting: str, data: Path, cache: Path) -> tuple[Pairs, str]:
        """See `mismatch_data.read_pairs`."""
        return read_pairs(
            setting, data, cache, encoder=self.encoder, captioned=self.captioned, limit=self.limit
        )

    def run(self, materials: Pairs, trial: Trial) -> Outcome:
        """Trains at each temperature, keeps the one that dev likes best, and tests that one."""
        kind, expectation = _KINDS[trial.system]
        tried = self.temperatures
        if trial.system == "info_nce_warm":
            tried += _WARMER
        # the margin of similarities has no temperature at all
        if expectation == "uniform":
            tried = tried[:1]
        best: tuple[float, float, _Maps] | None = None
        for temperature in tried:
            torch.manual_seed(trial.seed)
            maps = _Maps(materials, self, kind, expectation, temperature, trial.system == "bounded")
            self._train(maps, materials, trial)
            on_dev = float(maps.ranks(materials, "dev").__lt__(10).mean())
            if best is None or on_dev > best[0]:
                best = on_dev, temperature, maps
        assert best is not None
        ranks = best[2].ranks(materials, "test")
        hits = {"R@1": ranks < 1, "R@10": ranks < 10}
        return Outcome(hits, {"temperature": best[1] if len(tried) > 1 else None, "dev R@10": best[0]})

    def _train(self, maps: "_Maps", pairs: Pairs, trial: Trial) -> None:
        random = np.random.default_rng(trial.seed)
        train = pairs.rows["train"]
        # equal seeds shuffle equal pairs in every system
        other = mismatched(len(train), trial.at, np.random.default_rng([trial.seed, 1]))
        optimizer = torch.optim.AdamW(maps.parameters(), lr=self.learning_rate, weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)
        generator = torch.Generator().manual_seed(trial.seed)
        whole = torch.ones(min(self.batch, len(train)), dtype=torch.bool)
        for _ in range(self.steps):
            at = random.choice(len(train), size=len(whole), replace=False)
            # another wording in each step, where a post has several
            wording = random.integers(pairs.choices.shape[1], size=len(at))
            context = pairs.choices[train[other[at]], wording]
            key = torch.from_numpy(pairs.text[context])
            s = maps(pairs.own[train[at]], pairs.contexts[context])
            same = key[:, None] == key[None, :]
            loss = maps.loss(s, whole, generator, same) + maps.loss(s.T, whole, generator, same)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()


class _Maps(nn.Module):
    """Two linear maps into one space, and the loss over it."""

    def __init__(
        self,
        pairs: Pairs,
        study: Mismatch,
        kind: AlignmentKind,
        expectation: Expectation,
        temperature: float,
        bounded: bool,
    ) -> None:
        super().__init__()
        self.bounded = bounded
        self.align = Alignment(
            text_width=pairs.contexts.shape[1],
            image_width=pairs.own.shape[1],
            width=study.width,
            kind=kind,
            samples=study.samples,
            expectation=expectation,
            temperature=temperature,
            # values of k players are about 1 / k of a similarity
            contrast_temperature=max(0.011, temperature / 5),
        )

    def forward(self, own: Float[Tensor, "b d"], contexts: Float[Tensor, "c e"]) -> Float[Tensor, "c b"]:
        """The similarity of each context (row) with each post (column)."""
        return self.align.similarities(self.align.context(contexts), self.align.image(own))

    def loss(
        self,
        s: Float[Tensor, "k k"],
        pairs: Bool[Tensor, " k"],
        generator: torch.Generator,
        same: Bool[Tensor, "k k"],
    ) -> Float[Tensor, ""]:
        """Of one direction, players down and targets across."""
        if self.bounded:
            return bounded_loss(s.double(), pairs, self.align.temperature, same)
        return self.align.direction(s, pairs, generator, same)

    @torch.no_grad()
    def ranks(self, pairs: Pairs, part: str) -> Int[np.ndarray, " n"]:
        """How many other contexts of a part are nearer to each of its posts than its own."""
        rows = pairs.rows[part]
        context = pairs.choices[rows, 0]
        s = self(pairs.own[rows], pairs.contexts[context]).numpy()
        return found_among(s, pairs.text[context])


def bounded_loss(
    s: Float[Tensor, "k k"],
    pairs: Bool[Tensor, " k"],
    temperature: Float[Tensor, ""],
    same: Bool[Tensor, "k k"],
) -> Float[Tensor, ""]:
    """The mean of one minus the probability of the own player under a softmax over the others.

    Arguments:
        s: Similarity of player i (row) to target j (column); pairs stand on the diagonal.
        pairs: True where both sides of a pair are there.
        temperature: Of the softmax.
        same: True where two pairs have the same context, and are no negatives of each other.
    """
    seen = negatives(pairs, same) | torch.eye(len(pairs), dtype=torch.bool)
    p = (s / temperature).masked_fill(~seen, torch.finfo(s.dtype).min).softmax(0)
    return (1 - p.diagonal()).mean()


def found_among(s: Float[np.ndarray, "n n"], text: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """How many different contexts are at least as near to each post as its own.

    Arguments:
        s: Similarity of each context (row) with each post (column); pairs stand on the diagonal.
        text: A number that equal contexts share: copies of a post's own are no mistake, and copies of
            another count once.
    """
    ranks = np.zeros(len(s), np.int64)
    for j in range(len(s)):
        nearer = (s[:, j] >= s[j, j]) & (text != text[j])
        ranks[j] = len(np.unique(text[nearer]))
    return ranks
