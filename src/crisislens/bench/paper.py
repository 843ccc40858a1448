"""The protocol of arXiv 2507.05165 on the data that is here: does differential attention help behind guided
cross attention, as its code has it and as its text has it, and with how many training posts?

The recipe is `configs/protocols/paper.yaml` (SGD at 1e-3, batches of 32, at most 50 epochs, an end after
five without a lower development loss), put on by the run files that ship; no setting is chosen here, and
development posts decide the epoch alone. What differs from the paper is what it reads: the compact encoder
in place of CLIP, no third text, and few photos. The paper reports means of three runs; the study has ten
seeds, of which any three can be shown.

The condition is the share of the training posts: drawn within each class, so that each has some, and
nested, so that a seed's larger share holds its smaller ones and all systems read the same. Development and
test posts stay whole. In `A3` some test posts share a tweet or its words with training posts; facts
named "clean" are of the others.

Source: Munia et al., 2025, https://arxiv.org/abs/2507.05165; the training sizes are OURS.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Int

from crisislens.bench.study import Outcome, Study, Trial
from crisislens.core.fingerprint import fingerprint
from crisislens.core.run_files import find_run_file
from crisislens.data.catalog import load_labeled
from crisislens.encoders.base import load_encoders
from crisislens.evaluation.scores import SCORES, confusion_cells
from crisislens.nn.losses import class_weights
from crisislens.training.classification import train_network
from crisislens.training.config import RunConfig
from crisislens.training.features import Prepared, prepare
from crisislens.training.inputs import Batch, Inputs
from crisislens.training.predict import predict

__all__ = ["Paper", "PaperPosts", "share_of_posts"]

_FILES = {
    "guided": "guided_paper",
    "differential": "guided_differential_paper",
    "guided_published": "guided_published",
    "differential_published": "guided_differential_published",
}
_TITLES = {
    "guided": "Guided CA, designed",
    "differential": "Guided CA + Diff Attn, designed",
    "guided_published": "Guided CA, published code",
    "differential_published": "Guided CA + Diff Attn, published code",
}
# from a setting to the run files' begin, and whether posts without a photo are left out
_SETTINGS = {"A2": ("a2", False), "A3-photos": ("a3", True), "A3": ("a3", False)}


@dataclass(frozen=True)
class PaperPosts:
    """A setting's posts as the systems read them.

    Attributes:
        inputs: What each system reads; the published forms read other features than the designed ones.
        y: The classes, by split.
        classes: How many classes there are.
        clean: Whether a test post shares neither tweet nor words with another split.
    """

    inputs: Mapping[str, Prepared]
    y: Mapping[str, Int[np.ndarray, " s"]]
    classes: int
    clean: Bool[np.ndarray, " n"]


@dataclass(frozen=True)
class Paper(Study[PaperPosts]):
    """The study; its fields are the recipe."""

    name = "paper"
    title = "The paper's protocol: guided cross attention with and without differential attention"
    axis = "share of the training posts"
    settings = tuple(_SETTINGS)
    systems = _TITLES
    points = (0.1, 0.25, 0.5, 1.0)
    metrics = ("accuracy",)
    pairs = (
        ("differential", "guided"),
        ("differential_published", "guided_published"),
        ("guided_published", "guided"),
    )
    seeds = tuple(range(10))

    changes: tuple[str, ...] = ()
    """`KEY=VALUE` pairs put on the run files; the paper's protocol has none."""

    def terms(self) -> object:
        """What the run files say, in every setting."""
        return [1, *_marks(self)]

    def run_of(self, setting: str, system: str) -> RunConfig:
        """The run file of a system in a setting, on the processor.

        Arguments:
            setting: One of `settings`.
            system: One of `systems`.
        """
        begin, with_photo = _SETTINGS[setting]
        run = _read(f"runs/{begin}_{_FILES[system]}", self.changes)
        data = run.data.model_copy(update={"with_photo": with_photo})
        # results say that they come from the processor
        return run.model_copy(update={"data": data, "device": "cpu"})

    def prepare(self, setting: str, data: Path, cache: Path) -> tuple[PaperPosts, str]:
        """Encodes the posts once for each kind of features, or opens what was encoded before."""
        runs = {name: _at(self.run_of(setting, name), data) for name in self.systems}
        found = load_labeled(runs["guided"].data)
        encoders = load_encoders(runs["guided"].encoder)
        inputs: dict[str, Prepared] = {}
        # forms of one kind share their features in memory as well
        shared: dict[str, Prepared] = {}
        for name, run in runs.items():
            kind = fingerprint([run.rules.model_dump(mode="json"), list(run.keep_tokens)])
            if kind not in shared:
                shared[kind] = prepare(run, found, encoders, cache)
            inputs[name] = shared[kind]
        y = {split: found.labels(split) for split in ("train", "dev", "test")}
        marks = sorted({one.features_fingerprint for one in inputs.values()})
        posts = PaperPosts(inputs, y, len(found.space), found.clean("test"))
        return posts, fingerprint([found.fingerprint, *marks])

    def run(self, materials: PaperPosts, trial: Trial) -> Outcome:
        """Trains on a share of the training posts and tests on all test posts."""
        run, prepared = self.run_of(trial.setting, trial.system), materials.inputs[trial.system]
        rows = share_of_posts(materials.y["train"], trial.at, trial.seed)
        y = {split: torch.from_numpy(labels) for split, labels in materials.y.items()}
        torch.manual_seed(trial.seed)
        model = run.model.build(prepared.widths, materials.classes)
        trained = train_network(
            model,
            run,
            seed=trial.seed,
            train=(_Some(prepared.inputs["train"], rows), y["train"][torch.from_numpy(rows)]),
            dev=(prepared.inputs["dev"], y["dev"]),
            weights=class_weights(y["train"], materials.classes, run.loss.balance),
        )
        # after the development posts have chosen the epoch
        said = predict(model, prepared.inputs["test"], run).argmax(1)
        facts: dict[str, float] = {
            "training posts": len(rows),
            "epochs": len(trained.history),
            "kept epoch": trained.best_epoch,
            **_scores(materials, said, np.ones(len(said), np.bool_), ""),
        }
        if not materials.clean.all():
            facts |= {"clean posts": int(materials.clean.sum())}
            facts |= _scores(materials, said, materials.clean, "clean ")
        return Outcome({"accuracy": said == materials.y["test"]}, facts)


# the terms are asked for at every trial, and files of a process do not change
@once
def _marks(study: Paper) -> list[str]:
    return [study.run_of(setting, system).fingerprint() for setting in _SETTINGS for system in _FILES]


@once
def _read(name: str, changes: tuple[str, ...]) -> RunConfig:
    return RunConfig.load(find_run_file(name), list(changes))


def _at(run: RunConfig, data: Path) -> RunConfig:
    return run.model_copy(update={"data": run.data.model_copy(update={"root": data / "crisismmd"})})


def _scores(
    posts: PaperPosts, said: Int[np.ndarray, " n"], kept: Bool[np.ndarray, " n"], about: str
) -> dict[str, float]:
    """The paper's three scores of some test posts."""
    c = posts.classes
    cells = confusion_cells(posts.y["test"][kept], said[kept], c)
    counts = np.bincount(cells, minlength=c * c).reshape(c, c).astype(np.float64)
    names = {"accuracy": "accuracy", "macro_f1": "macro F1", "weighted_f1": "weighted F1"}
    return {about + title: round(float(SCORES[score](counts)), 4) for score, title in names.items()}


def share_of_posts(y: Int[np.ndarray, " s"], share: float, seed: int) -> Int[np.ndarray, " m"]:
    """Positions of a share of the posts, drawn within each class, at least one of each.

    >>> share_of_posts(np.array([0, 1, 0, 0, 0]), 0.25, seed=0).size
    2

    Arguments:
        y: The class of each post.
        share: Above 0, at most 1.
        seed: Of the order; with an equal one a larger share holds every smaller one.
    """
    random = np.random.default_rng(seed)
    kept = []
    for label in np.unique(y):
        rows = random.permutation(np.flatnonzero(y == label))
        # a class that nobody has seen would ask another question
        kept.append(rows[: max(1, round(share * len(rows)))])
    return np.sort(np.concatenate(kept))


class _Some:
    """Some of the posts of other inputs.

    Arguments:
        inputs: All posts.
        rows: The positions of those that are kept.
    """

    def __init__(self, inputs: Inputs, rows: Int[np.ndarray, " m"]) -> None:
        self.inputs, self.rows = inputs, rows
        self.lengths = inputs.lengths[rows]

    def batch(self, rows: Int[np.ndarray, " b"]) -> Batch:
        """The posts at these positions among those that are kept."""
        return self.inputs.batch(self.rows[rows])
