"""Run files of joint rationale models: `crisislens train` reads one where the file has the key `joint`.

    name: joint
    joint: [../shared/data/rationales/nepal_2015.csv]
    test: [../shared/data/rationales/hagupit_2014.csv]
    pairs: ../shared/data/photos/manifest.tsv
    task: humanitarian_b2
    merges: {injured_or_dead_people: affected, …}

Sources are those of `training.rationale_run`; rows of JSONL may name an `image` below the folder
`images`. Of folds without near-duplicates across them, seed s tests on fold s (all seeds on `test_fold`
where it is given) and chooses epoch and calibration on the next one. Stage 2 is shown photos only where
labeled posts had some that could be read: what it never saw would decide by chance.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from crisislens.core.config import Config
from crisislens.core.errors import ConfigError, ImageError
from crisislens.core.files import atomic_write, check_folder
from crisislens.core.fingerprint import fingerprint
from crisislens.core.seeds import Seeds
from crisislens.data.images import ImageLimits, decode_image, resolve_image
from crisislens.data.marked_rationales import AnnotatedText, annotations_fingerprint, split_folds
from crisislens.data.photo_files import photos_fingerprint
from crisislens.data.photo_texts import PhotoTexts, read_photo_texts
from crisislens.data.text import CleaningRules
from crisislens.domain.calibration import Calibration, EvidenceKind
from crisislens.domain.post import ImageRef, Post
from crisislens.domain.task import Task, own_task
from crisislens.domain.tasks import TASKS
from crisislens.encoders.lora import lora_state
from crisislens.evaluation.judged import read_off
from crisislens.features.encode import PostEncoder
from crisislens.features.extract import extract
from crisislens.features.word_owners import WordCutter
from crisislens.models.joint_artifact import JointRationaleModelConfig, save_joint_rationalizer
from crisislens.models.joint_tower import CompactTower, TowerSpec
from crisislens.models.rationale_joint import JointRationalizer
from crisislens.training.calibrate import FEWEST_POSTS
from crisislens.training.devices import device_name, resolve_device
from crisislens.training.joint_scores import decide_texts, score_joint
from crisislens.training.rationale_joint import (
    JointRationaleConfig,
    LabeledWindow,
    PairedPhoto,
    Pairs,
    build_model,
    check_examples,
    labeled,
    train_joint_rationales,
)
from crisislens.training.rationale_run import RationaleSources, has_key, read_rationale_sources
from crisislens.training.sections import AbstentionConfig
from crisislens.training.starting import (
    check_kept,
    check_scores,
    clear_seed,
    kept_scores,
    sole_training,
)

__all__ = ["JointRun", "check_joint_seeds", "fit_joint", "is_joint_run"]

_CHECKPOINT = "last.ckpt"


class JointRun(Config):
    """A run file of a joint rationale model."""

    name: str
    """The run's name; results go to OUT/NAME/seed-N."""
    joint: tuple[str, ...]
    """Files to learn from, relative to the working folder: CSV tables with snippets, or JSONL of
    `crisislens annotate`.
    """
    test: tuple[str, ...] = ()
    """Files that nothing is learned from, measured one by one."""
    images: str | None = None
    """The folder of the photos that JSONL rows name; without it no photo is looked at."""
    pairs: str | None = None
    """A table of photos with texts of their own (`data.photo_texts`), from which words and patches learn one
    space; for the tower `compact`.
    """
    pair_sets: tuple[str, ...] = ()
    """The sets of that table that are taken; empty for all."""
    task: str = ""
    """The task that ships whose question is answered; empty makes one of the texts' labels."""
    merges: dict[str, str] = Field(default_factory=dict)
    """From a label of the texts to the class that it counts as; a label that is neither teaches no class."""
    folds: int = Field(default=5, ge=3)
    """Folds: one to test on, one to choose by, the others to learn from."""
    test_fold: int | None = Field(default=None, ge=0)
    """The fold that all seeds test on, so that nothing else differs; None takes fold s for seed s."""
    seeds: Seeds = (0,)
    """Seeds that are trained without `--seed`."""
    languages: tuple[str, ...] = ("en",)
    """ISO 639-1 codes of the texts' languages."""
    tower: TowerSpec = TowerSpec()
    """The joint transformer."""
    training: JointRationaleConfig = JointRationaleConfig()
    """The recipe; its seed is replaced by the run's."""
    abstention: AbstentionConfig = AbstentionConfig()
    """How sure the model must be."""


LEFT = ("model", _CHECKPOINT)
"""What a seed that was interrupted may leave in its folder."""


def is_joint_run(path: Path) -> bool:
    """Whether a run file is one of a joint rationale model."""
    return has_key(path, "joint")


class _Read(NamedTuple):
    """All that a run reads.

    Attributes:
        sources: Annotated texts.
        pairs: Photos with texts of their own; None where the run has none.
        images: The folder of the texts' photos; None where no photo is looked at.
        pair_images: The folder of the photos of `pairs`.
    """

    sources: RationaleSources
    pairs: list[PhotoTexts] | None
    images: Path | None
    pair_images: Path

    @classmethod
    def of(cls, run: JointRun) -> "_Read":
        """What the run names."""
        pairs = None if run.pairs is None else read_photo_texts(Path(run.pairs), run.pair_sets)
        images = None if run.images is None else Path(run.images)
        return cls(read_rationale_sources(run.joint, run.test), pairs, images, Path(run.pairs or "").parent)

    def learned(self) -> dict[str, object]:
        """Fingerprints of what is learned from."""
        rows = self.pairs or []
        pairs = None if self.pairs is None else fingerprint([[row.file, row.texts] for row in rows])
        return {
            "texts": annotations_fingerprint(self.sources.texts),
            "pairs": pairs,
            "photos": self._photos(self.sources.texts),
            "pair_photos": photos_fingerprint([row.file for row in rows], self.pair_images),
        }

    def tested(self) -> dict[str, object]:
        """Fingerprints of the photos that are only tested on."""
        tests = self.sources.tests.values()
        return {"tested_photos": self._photos([text for rows in tests for text in rows])}

    def _photos(self, texts: Iterable[AnnotatedText]) -> str | None:
        if self.images is None:
            return None
        return photos_fingerprint([text.image for text in texts if text.image], self.images)


def check_joint_seeds(
    run: JointRun, seeds: Iterable[int], out: Path, *, resume: bool, overwrite: bool
) -> int:
    """Refuses, before the first seed trains, what would stop a later one, and returns how many texts name a
    photo.

    Arguments:
        run: The run file.
        seeds: Those that are to be trained.
        out: Where runs go.
        resume: Whether a run that is there is gone on with.
        overwrite: Whether it is replaced.

    Raises:
        CacheError: If a seed is there, and neither is set; or if it was made by another run.
        DataError: If a source cannot be read.
    """
    photos = 0

    def mark() -> str:
        nonlocal photos
        read = _Read.of(run)
        photos = sum(bool(text.image) for text in read.sources.texts)
        return _mark(run, read)

    folders = [out / run.name / f"seed-{seed}" for seed in seeds]
    check_kept(folders, LEFT, mark, resume=resume, overwrite=overwrite)
    return photos


def _recipe_of(run: JointRun, *left_out: str) -> dict[str, object]:
    """The run without where its data lies, where it is trained, and what is named."""
    exclude: dict[str, Any] = dict.fromkeys(("joint", "test", "images", "pairs", "seeds", *left_out), True)
    values = run.model_dump(mode="json", exclude=exclude | {"training": {"seed", "device"}})
    return values | {"photos": run.images is not None}


def _mark(run: JointRun, read: _Read) -> str:
    """The fingerprint of all that decides a seed's scores."""
    made_from = read.sources.fingerprints() | read.learned() | read.tested()
    return fingerprint({"run": _recipe_of(run)} | made_from)


def _learning_mark(run: JointRun, read: _Read, seed: int, unread: Iterable[str]) -> str:
    """The fingerprint of all that decides a seed's weights; what is measured later does not."""
    learned = read.learned() | {"unread": sorted(unread)}
    return fingerprint({"run": _recipe_of(run, "abstention"), "seed": seed} | learned)


def fit_joint(
    run: JointRun,
    *,
    seed: int,
    out: Path,
    cache: Path,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> dict[str, object]:
    """Trains one seed, writes `model/` and `scores.json` into OUT/NAME/seed-N, and returns the scores.

    Arguments:
        run: The run file.
        seed: Of folds, shuffling and weights.
        out: Where runs go.
        cache: Root of the feature caches.
        resume: Whether to go on from what a killed run left, and to keep what is finished.
        overwrite: Whether a seed that is there is replaced.
        progress: Called after each epoch with the epochs done.

    Raises:
        CacheError: If the seed is there, and neither is set; or if it was made by another run.
        DataError: If a source cannot be read or nothing in it is marked.
        ConfigError: If the device is not there.
        ModelError: If the checkpoint belongs to another run, or an encoder cannot be had.
        InputError: If another training is writing into the seed's folder.
    """
    folder = out / run.name / f"seed-{seed}"
    kept = kept_scores(folder, LEFT, resume=resume, overwrite=overwrite)
    read = _Read.of(run)
    mark = _mark(run, read)
    if kept is not None:
        check_scores(folder, kept, mark)
        return kept
    check_folder(folder, "--out")
    if read.pairs is not None:
        check_folder(cache, "--cache")
    goes_on = resume and not overwrite
    with sole_training(folder):
        return _fitted(run, read, seed, folder, cache, mark, goes_on=goes_on, progress=progress)


def _fitted(
    run: JointRun,
    read: _Read,
    seed: int,
    folder: Path,
    cache: Path,
    mark: str,
    *,
    goes_on: bool,
    progress: Callable[[int], None] | None,
) -> dict[str, object]:
    """Trains and measures one seed, and writes both into its folder; `goes_on` from its checkpoint."""
    texts = read.sources.texts
    parts = split_folds(texts, run.folds, seed if run.test_fold is None else run.test_fold)
    task = _task(run, parts["train"])
    recipe = run.training.model_copy(update={"seed": seed})
    resolve_device(recipe.device)
    model = build_model(run.tower, recipe, classes=len(task), looks=False)
    # as it was loaded: training changes what a fingerprint is over
    below = model.tower.fingerprint()
    reader = _Examples(run, model, task)
    train_on, dev = reader.of(parts["train"]), reader.of(parts["dev"])
    check_examples(train_on, dev)
    # of photos that were not there nothing is learned
    model.looks = any(example.image is not None for example in train_on)
    pairs = None if read.pairs is None else _pairs(run, read.pairs, model, cache)
    # not before: a mistake in the run file must not cost what lies there
    clear_seed(folder, ("model",) if goes_on else LEFT)
    start = time.process_time()
    trained = train_joint_rationales(
        model,
        train_on,
        dev,
        recipe,
        pairs=pairs,
        checkpoint=folder / _CHECKPOINT,
        resume=goes_on,
        mark=_learning_mark(run, read, seed, reader.unread),
        progress=progress,
    )
    seconds = time.process_time() - start
    calibration = _calibration(run, model, reader, parts["dev"])
    tests = {"held out": parts["test"]} | read.sources.tests
    scores: dict[str, object] = {
        "seed": seed,
        "texts": {name: len(rows) for name, rows in parts.items()},
        "best_epoch": trained.best_epoch,
        "history": [record.model_dump() for record in trained.history],
        "device": device_name(recipe.device),
        "processor_seconds": round(seconds, 1),
        "data": annotations_fingerprint(texts),
        "mark": mark,
        "dev": score_joint(model, parts["dev"], task, reader.class_of, reader.image_of),
        "tests": {
            name: score_joint(model, rows, task, reader.class_of, reader.image_of)
            for name, rows in tests.items()
            if rows
        },
        "photos": reader.photos(texts),
    }
    config = _config_of(run, model, task, recipe, below=below, calibration=calibration)
    base = model.tower.encoder.adapts if isinstance(model.tower, CompactTower) else ""
    adapter = lora_state(model.tower.encoder, base=base) if recipe.rank else None
    save_joint_rationalizer(folder / "model", model, adapter, config, card=_card(run, scores))
    # last: where it stands, the seed is finished
    atomic_write(folder / "scores.json", json.dumps(scores, indent=1))
    (folder / _CHECKPOINT).unlink(missing_ok=True)
    return scores


def _config_of(
    run: JointRun,
    model: JointRationalizer,
    task: Task,
    recipe: JointRationaleConfig,
    *,
    below: str,
    calibration: dict[EvidenceKind, Calibration],
) -> JointRationaleModelConfig:
    """What the written model says of itself; `below` is the fingerprint of its tower as it was loaded."""
    return JointRationaleModelConfig(
        name=run.name,
        tower=run.tower,
        tower_fingerprint=below,
        label_space=task.name,
        task=None if run.task else task,
        hidden=recipe.hidden,
        pair_width=recipe.pair_width,
        share=recipe.share,
        decode=recipe.decode,
        transport=recipe.transport,
        looks=model.looks,
        calibration=calibration,
        languages=run.languages,
    )


def _task(run: JointRun, texts: Sequence[AnnotatedText]) -> Task:
    if run.task:
        task = TASKS[run.task]
        if task.several:
            raise ConfigError(
                f"task {run.task} is one of several labels a post; a joint rationale model gives one, "
                f"so name another task"
            )
        if strange := sorted(set(run.merges.values()) - set(task.classes)):
            raise ConfigError(
                f"merges lead to {strange[0]!r}, which {run.task} does not have; its classes are "
                f"{', '.join(task.classes)}"
            )
        return task
    labels = sorted({run.merges.get(text.label, text.label) for text in texts if text.label})
    return own_task(run.name, labels)


class _Examples:
    """Annotated texts as examples of one run."""

    def __init__(self, run: JointRun, model: JointRationalizer, task: Task) -> None:
        self.run, self.task, self.tower = run, task, model.tower
        self.cutter = WordCutter(model.tower)
        self.unread: set[str] = set()

    def class_of(self, text: AnnotatedText) -> int:
        """The class of a text, −1 for none."""
        label = self.run.merges.get(text.label, text.label)
        return self.task.classes.index(label) if label in self.task.classes else -1

    def image_of(self, text: AnnotatedText) -> Float[Tensor, "3 s s"] | None:
        """The preprocessed photo of a text; None where it has none that can be read."""
        if not text.image or self.run.images is None:
            return None
        try:
            path = resolve_image(ImageRef(path=text.image), Path(self.run.images))
            return self.tower.preprocess(decode_image(path, ImageLimits()).pixels)
        except ImageError:
            # counted and told; its text still teaches
            self.unread.add(text.image)
            return None

    def photos(self, texts: Sequence[AnnotatedText]) -> dict[str, int]:
        """How many texts name a photo, and of how many it was read; once all of them were asked for."""
        named = [text.image for text in texts if text.image]
        looked = 0 if self.run.images is None else sum(image not in self.unread for image in named)
        return {"named": len(named), "read": looked}

    def of(self, texts: Sequence[AnnotatedText]) -> list[LabeledWindow]:
        """Their examples."""
        return [
            example
            for text in texts
            for example in labeled(
                self.cutter, text.text, text.spans, self.class_of(text), self.image_of(text)
            )
        ]


def _pairs(run: JointRun, rows: Sequence[PhotoTexts], model: JointRationalizer, cache: Path) -> Pairs:
    """Photos with texts of their own, their patches kept in a feature cache."""
    encoder = PostEncoder(
        model.tower.pair,
        rules=CleaningRules(),
        limits=ImageLimits(),
        image_root=Path(run.pairs or "").parent,
        keep_tokens=("image",),
    )
    posts = [Post(id=row.file, text="", image=ImageRef(path=row.file)) for row in rows]
    # as in the run's mark: the cache itself would not see a photo replaced by one of the same size
    photos = photos_fingerprint([row.file for row in rows], Path(run.pairs or "").parent)
    features = extract(posts, encoder, cache, source_fingerprint=photos)
    cutter = WordCutter(model.tower)
    texts = [
        PairedPhoto(windows[0], photo)
        for photo, row in enumerate(rows)
        for text in row.texts
        if (windows := cutter.cut(text))
    ]

    def patches(rows: np.ndarray) -> Tensor:
        return features.batch(rows).image.tokens

    return Pairs(texts, patches)


def _calibration(
    run: JointRun, model: JointRationalizer, reader: _Examples, dev: Sequence[AnnotatedText]
) -> dict[EvidenceKind, Calibration]:
    """Temperature and threshold for each kind of evidence that enough development posts give."""
    decided = decide_texts(model, dev, reader.image_of, reader.task)
    found: dict[EvidenceKind, Calibration] = {}
    for kind in ("text", "both"):
        rows = [
            (one.logits, reader.class_of(text))
            for text, one in zip(dev, decided, strict=True)
            if one.kind == kind and reader.class_of(text) >= 0
        ]
        if len(rows) < FEWEST_POSTS:
            continue
        logits, y = np.stack([x for x, _ in rows]), np.array([c for _, c in rows])
        risk = run.abstention
        temperature, threshold = read_off(logits, y, risk.target_risk, delta=risk.delta, space=reader.task)
        promised = "kept" if threshold.met else "which could not be promised for so few posts"
        found[kind] = Calibration(
            temperature=temperature,
            abstain_below=threshold.threshold,
            basis=f"{len(rows)} development posts, judged from their rationales alone; at most "
            f"{threshold.target:.0%} of the answers given are to be wrong, {promised}",
        )
    return found


def _card(run: JointRun, scores: Mapping[str, object]) -> str:
    sources = "".join(f"- {Path(source).name}\n" for source in (*run.joint, *filter(None, [run.pairs])))
    shown = {name: value for name, value in scores.items() if name not in ("history", "mark")}
    return (
        f"# {run.name}\n\nFinds the words and patches that are evidence, and decides on them alone. "
        f"Trained by `crisislens train`.\n\n## Data\n\n{sources}\n"
        f"## Numbers\n\n```json\n{json.dumps(shown, indent=1)}\n```\n"
    )
