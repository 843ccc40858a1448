"""Decisions on rationales alone: do they cost accuracy, and is one transformer under both stages worth it?

Two models learn from folds 2 to 4 of the Nepal 2015 tweets, whose evidence people marked: the two-stage one
and the joint transformer of `models.rationale_joint`, which chooses its epoch on fold 1. Every setting asks
the same trained models: `nepal` is fold 0, which is the test with every seed, so that seeds differ in
training alone; `hagupit`, `humaid` and `dmd_text` are crises that nothing was learned from. Of each text
stands whether the answer is right, and where people marked evidence the F1 of the words (`token F1`) that
the two models mark. What the systems are: `rationale_models`.

Source: Rudra et al., 2026 (cross-modal rationale transfer), https://arxiv.org/abs/2603.18611, for the
question: decisions on rationales alone, and 80 % on data sets not trained on. Texts alone: no labeled post
here has its photo.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from filelock import FileLock
from jaxtyping import Float

from crisislens.bench.rationale_models import Said, joint_says, two_stages_say
from crisislens.bench.rationale_posts import TASK, RationalePosts, read_rationale_posts
from crisislens.bench.study import Outcome, Study, Trial
from crisislens.core.fingerprint import fingerprint
from crisislens.core.run_files import find_run_file
from crisislens.data.marked_rationales import annotations_fingerprint
from crisislens.data.photo_files import photos_fingerprint
from crisislens.data.photo_texts import read_photo_texts
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.evaluation.rationale_scores import token_f1
from crisislens.evaluation.scores import SCORES, confusion_cells
from crisislens.models.joint_tower import TowerSpec
from crisislens.training.joint_run import JointRun
from crisislens.training.rationale import RationaleConfig
from crisislens.training.rationale_joint import JointRationaleConfig
from crisislens.training.rationale_run import RationaleRun

__all__ = ["Rationales", "RationalesReady"]

_TITLES = {
    "two_stage": "two-stage, rationales alone",
    "two_stage_whole": "two-stage, whole post",
    "two_stage_rest": "two-stage, all but the rationales",
    "auxiliary": "two-stage, auxiliary classifier, whole post",
    "auxiliary_starred": "two-stage, auxiliary classifier, rationales alone",
    "joint": "one transformer, rationales alone",
    "joint_whole": "one transformer, auxiliary classifier, whole post",
}
_JOINT = ("joint", "joint_whole")


@dataclass(frozen=True)
class RationalesReady:
    """Texts, where models are kept, and what they have said already.

    Attributes:
        posts: The texts.
        data: The folder with the data sets.
        models: The folder of trained models.
        cache: Root of the feature caches.
        said: By model and seed what its systems say, so that it is asked once.
    """

    posts: RationalePosts
    data: Path
    models: Path
    cache: Path
    said: dict[tuple[str, int], Mapping[str, Said]] = field(default_factory=dict)


@dataclass(frozen=True)
class Rationales(Study[RationalesReady]):
    """The study; its fields are the recipe."""

    name = "rationales"
    title = "Decisions on rationales alone: two stages, one transformer, and the whole post"
    axis = "share of the training texts"
    settings = ("nepal", "hagupit", "humaid", "dmd_text")
    systems = _TITLES
    points = (1.0,)
    metrics = ("accuracy", "token F1")
    pairs = (
        ("two_stage", "two_stage_whole"),
        ("two_stage", "two_stage_rest"),
        ("joint", "two_stage"),
        ("joint", "two_stage_whole"),
        ("joint", "auxiliary"),
        ("joint", "joint_whole"),
        ("auxiliary_starred", "auxiliary"),
    )
    margin: float = 0.02

    folds: int = 5
    encoder: EncoderSpec = field(default_factory=EncoderSpec)
    words: RationaleConfig = field(default_factory=RationaleConfig)
    """The recipe of the two-stage model."""
    tower: TowerSpec | None = None
    """The joint transformer; None is that of `configs/rationales/joint.yaml`, over `encoder`."""
    joint: JointRationaleConfig | None = None
    """Its recipe; None is that of the same file."""

    def terms(self) -> object:
        """All fields, after a number that a change of formulas or constants raises. Since 3, of a text of
        several windows the most urgent one decides, as in the product, and no longer the first with evidence:
        `humaid` and `dmd_text` have such texts, `nepal` and `hagupit` none.
        """
        run = self._joint_run(Path())
        recipes = [one.model_dump(mode="json") for one in (self.encoder, self.words, run.tower, run.training)]
        return [3, self.folds, *recipes]

    def prepare(self, setting: str, data: Path, cache: Path) -> tuple[RationalesReady, str]:
        """Reads the texts; models are trained by the first trial that asks them."""
        run = self._joint_run(data)
        posts = read_rationale_posts(setting, data, run.merges, folds=self.folds)
        photos = read_photo_texts(Path(run.pairs or ""), run.pair_sets)
        encoders = load_encoders(self.encoder)
        learned = fingerprint(
            [
                annotations_fingerprint([*posts.train, *posts.dev]),
                [text.label for text in [*posts.train, *posts.dev]],
                [[photo.file, *photo.texts] for photo in photos],
                photos_fingerprint([photo.file for photo in photos], Path(run.pairs or "").parent),
                encoders.fingerprint(),
            ]
        )
        tested = [annotations_fingerprint(posts.test), [text.label for text in posts.test]]
        models = cache / "rationale-models" / fingerprint([self.terms(), learned])
        return RationalesReady(posts, data, models, cache), fingerprint([setting, learned, tested])

    def run(self, materials: RationalesReady, trial: Trial) -> Outcome:
        """Asks the trained model, which is trained where nobody asked it before."""
        model = "joint" if trial.system in _JOINT else "two-stage"
        key = (model, trial.seed)
        if key not in materials.said:
            materials.models.mkdir(parents=True, exist_ok=True)
            # settings share the trained models: a process that comes second waits for what it needs anyway
            with FileLock(materials.models / f"{model}-{trial.seed}.lock"):
                materials.said[key] = self._asked(model, materials, trial.seed)
        return self._outcome(materials.posts, materials.said[key][trial.system])

    def _asked(self, model: str, materials: RationalesReady, seed: int) -> Mapping[str, Said]:
        if model == "joint":
            joint = self._joint_run(materials.data)
            return joint_says(joint, materials.posts, materials.models, materials.cache, seed, lambda _: None)
        run = RationaleRun(name="two-stage", rationales=(), encoder=self.encoder, training=self.words)
        return two_stages_say(run, materials.posts, materials.models / f"two-stage-{seed}", seed)

    def _joint_run(self, data: Path) -> JointRun:
        """The run file that ships, on these texts, with one fold that every seed tests on."""
        shipped = JointRun.load(find_run_file("configs/rationales/joint.yaml"))
        changes: dict[str, object] = {
            "joint": (str(data / "rationales" / "nepal_2015.csv"),),
            "test": (),
            "pairs": str(data / "photos" / "manifest.tsv"),
            "folds": self.folds,
            "test_fold": 0,
            # one encoder under both models, or their difference would be the encoders'
            "tower": self.tower or shipped.tower.model_copy(update={"encoder": self.encoder}),
            "training": self.joint or shipped.training,
        }
        return shipped.model_copy(update=changes)

    def _outcome(self, posts: RationalePosts, said: Said) -> Outcome:
        y = np.array([TASK.classes.index(text.label) for text in posts.test])
        right = said.answers == y
        hits: dict[str, np.ndarray] = {"accuracy": right}
        if posts.marked and said.chosen is not None:
            hits["token F1"] = _f1(posts, said.chosen)
        c = len(TASK)
        n = np.bincount(confusion_cells(y, said.answers, c), minlength=c * c).reshape(c, c)
        counts = np.bincount(y, minlength=c)
        facts = {
            "macro F1": round(float(SCORES["macro_f1"](n.astype(np.float64))), 4),
            "largest class": round(float(counts.max() / counts.sum()), 4),
        }
        return Outcome(hits, facts, said.device)


def _f1(posts: RationalePosts, chosen: list[list[bool]]) -> Float[np.ndarray, " n"]:
    return np.array(
        [
            token_f1(np.array(text.word_labels(), dtype=bool), np.array(some, dtype=bool))
            for text, some in zip(posts.test, chosen, strict=True)
        ]
    )
