"""Run files of rationale models: `crisislens train` reads one where the file has the key
`rationales`.

    name: nepal
    rationales: [../shared/data/rationales/nepal_2015.csv, annotations.jsonl]
    test: [../shared/data/rationales/hagupit_2014.csv]
    folds: 5
    training: {epochs: 4}

Sources are tables of tweets with snippets (CSV) and what `crisislens annotate` exports (JSONL). Of
the sources under `rationales`, seed s holds out fold s (near-duplicates in one fold) and is
measured on it and on each source under `test`.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from crisislens.core.config import Config
from crisislens.core.errors import ConfigError, DataError
from crisislens.core.files import atomic_write, check_folder
from crisislens.core.fingerprint import fingerprint
from crisislens.core.seeds import Seeds
from crisislens.core.yaml_files import read_yaml
from crisislens.data.marked_rationales import (
    AnnotatedText,
    annotations_fingerprint,
    duplicate_folds,
    read_annotations,
    read_snippet_table,
)
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.encoders.compact import MINILM_WEIGHTS
from crisislens.encoders.lora import lora_state
from crisislens.evaluation.rationale_scores import agreement
from crisislens.models.rationale_artifact import RationaleModelConfig, save_rationalizer
from crisislens.models.text_rationalizer import Decode, TextRationalizer
from crisislens.training.devices import resolve_device
from crisislens.training.rationale import RationaleConfig, check_texts, predict_words, train_rationalizer
from crisislens.training.starting import (
    check_kept,
    check_scores,
    clear_seed,
    kept_scores,
    sole_training,
)

__all__ = [
    "RationaleRun",
    "RationaleSources",
    "check_rationale_seeds",
    "fit_rationales",
    "has_key",
    "is_rationale_run",
    "read_rationale_source",
    "read_rationale_sources",
    "save_trained",
    "score_rationales",
]


class RationaleRun(Config):
    """A run file of a rationale model."""

    name: str
    """The run's name; results go to OUT/NAME/seed-N."""
    rationales: tuple[str, ...]
    """Files to learn from, relative to the working folder: CSV tables with snippets, or JSONL of
    `crisislens annotate`.
    """
    test: tuple[str, ...] = ()
    """Files that nothing is learned from, measured one by one."""
    folds: int = Field(default=5, ge=0)
    """Folds, one of which is held out; 0 or 1 learns from everything."""
    seeds: Seeds = (0,)
    """Seeds that are trained without `--seed`."""
    encoder: EncoderSpec = EncoderSpec()
    """The encoders; the text encoder is adapted."""
    languages: tuple[str, ...] = ("en",)
    """ISO 639-1 codes of the texts' languages."""
    training: RationaleConfig = RationaleConfig()
    """The recipe; its seed is replaced by the run's."""


LEFT = ("model",)
"""What a seed that was interrupted may leave in its folder."""


def is_rationale_run(path: Path) -> bool:
    """Whether a run file is one of a rationale model."""
    return has_key(path, "rationales")


def has_key(path: Path, key: str) -> bool:
    """Whether a run file has a key; what cannot be read has none."""
    try:
        values = read_yaml(path)
    except ConfigError:
        return False
    return isinstance(values, dict) and key in values


def read_rationale_source(path: Path) -> list[AnnotatedText]:
    """A source of annotated texts: JSONL by its name, else a table with snippets.

    Raises:
        DataError: If the file is missing or not what its name says.
    """
    return (
        read_annotations(path) if path.suffix.lower() in (".jsonl", ".ndjson") else read_snippet_table(path)
    )


class RationaleSources(NamedTuple):
    """The annotated texts of a run.

    Attributes:
        texts: Of all files that are learned from.
        tests: Of files that nothing is learned from, by their name.
    """

    texts: list[AnnotatedText]
    tests: dict[str, list[AnnotatedText]]

    def fingerprints(self) -> dict[str, object]:
        """Fingerprints of all that was read."""
        tests = {name: annotations_fingerprint(rows) for name, rows in self.tests.items()}
        return {"texts": annotations_fingerprint(self.texts), "tests": tests}


def read_rationale_sources(learned: Sequence[str], tests: Sequence[str]) -> RationaleSources:
    """Reads all files of a run.

    Arguments:
        learned: Files to learn from.
        tests: Files that nothing is learned from.

    Raises:
        DataError: If one cannot be read, or there is no text to learn from.
    """
    texts = [text for source in learned for text in read_rationale_source(Path(source))]
    if not texts:
        raise DataError(
            f"there are no annotated texts in {', '.join(learned)}; annotate some with: crisislens annotate "
            f"POSTS"
        )
    return RationaleSources(
        texts, {Path(source).stem: read_rationale_source(Path(source)) for source in tests}
    )


def check_rationale_seeds(
    run: RationaleRun, seeds: Iterable[int], out: Path, *, resume: bool, overwrite: bool
) -> None:
    """Refuses, before the first seed trains, what would stop a later one.

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
    check_kept(
        [out / run.name / f"seed-{seed}" for seed in seeds],
        LEFT,
        lambda: _mark(run, read_rationale_sources(run.rationales, run.test)),
        resume=resume,
        overwrite=overwrite,
    )


def _mark(run: RationaleRun, sources: RationaleSources) -> str:
    """The fingerprint of all that decides a seed's scores: where the data lies, and where it is trained, do
    not.
    """
    left_out: Any = {"rationales": True, "test": True, "seeds": True, "training": {"seed", "device"}}
    return fingerprint({"run": run.model_dump(mode="json", exclude=left_out)} | sources.fingerprints())


def fit_rationales(
    run: RationaleRun,
    *,
    seed: int,
    out: Path,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> dict[str, object]:
    """Trains one seed, writes `model/` and `scores.json` into OUT/NAME/seed-N, and returns the
    scores.

    Arguments:
        run: The run file.
        seed: Of folds, shuffling and weights.
        out: Where runs go.
        resume: Whether a finished seed is kept; one that was interrupted is trained anew.
        overwrite: Whether a seed that is there is replaced.
        progress: Called after each epoch with the epochs done.

    Raises:
        CacheError: If the seed is there, and neither is set; or if it was made by another run.
        DataError: If a source cannot be read or has no marked word.
        ConfigError: If the device is not there.
        InputError: If another training is writing into the seed's folder.
    """
    folder = out / run.name / f"seed-{seed}"
    kept = kept_scores(folder, LEFT, resume=resume, overwrite=overwrite)
    sources = read_rationale_sources(run.rationales, run.test)
    mark = _mark(run, sources)
    if kept is not None:
        check_scores(folder, kept, mark)
        return kept
    check_folder(folder, "--out")
    with sole_training(folder):
        return _fitted(run, sources, seed, folder, mark, progress)


def _fitted(
    run: RationaleRun,
    sources: RationaleSources,
    seed: int,
    folder: Path,
    mark: str,
    progress: Callable[[int], None] | None,
) -> dict[str, object]:
    """Trains and measures one seed, and writes both into its folder."""
    train, held_out = _split(sources.texts, run.folds, seed)
    classes = tuple(sorted({t.label for t in train if t.label}))
    recipe = run.training.model_copy(update={"seed": seed})
    resolve_device(recipe.device)
    encoder = load_encoders(run.encoder).text
    check_texts(encoder, train)
    # not before: a mistake in the run file must not cost what lies there
    clear_seed(folder, LEFT)
    start = time.monotonic()
    model = train_rationalizer(encoder, train, classes, recipe, progress=progress)
    seconds = time.monotonic() - start

    # the fold that nothing was learned from, then events that nothing was learned of
    tests = {"held out": held_out} | sources.tests
    scores: dict[str, object] = {
        "seed": seed,
        "texts": len(train),
        "seconds": round(seconds, 1),
        "data": annotations_fingerprint(sources.texts),
        "mark": mark,
        "tests": {name: score_rationales(model, found) for name, found in tests.items() if found},
    }
    save_trained(folder / "model", run, model, recipe, classes, card=_card(run, scores))
    # last: where it stands, the seed is finished
    atomic_write(folder / "scores.json", json.dumps(scores, indent=1))
    return scores


def _split(
    texts: Sequence[AnnotatedText], folds: int, seed: int
) -> tuple[list[AnnotatedText], list[AnnotatedText]]:
    """Texts to learn from, and those of the seed's fold, from which nothing is learned."""
    if folds <= 1:
        return list(texts), []
    # near-duplicates lie in one fold
    fold_of = duplicate_folds([t.text for t in texts], folds=folds)
    held = fold_of == seed % folds
    train = [t for t, h in zip(texts, held, strict=True) if not h]
    return train, [t for t, h in zip(texts, held, strict=True) if h]


def save_trained(
    folder: Path,
    run: RationaleRun,
    model: TextRationalizer,
    recipe: RationaleConfig,
    classes: tuple[str, ...],
    *,
    card: str,
) -> None:
    """Writes a trained model, with what was learned inside the encoder where it was adapted.

    Arguments:
        folder: Made where missing.
        run: What it is called, and which encoder it has.
        model: The model.
        recipe: How it was trained.
        classes: Of its auxiliary classifier.
        card: The model card, Markdown.
    """
    config = RationaleModelConfig(
        name=run.name,
        encoder=run.encoder,
        classes=classes,
        hidden=recipe.hidden,
        pair_width=recipe.pair_width,
        languages=run.languages,
    )
    adapter = None
    if recipe.rank:
        # an adapter must never be merged into other weights than it was trained on
        base = MINILM_WEIGHTS.sha256 if run.encoder.name == "compact" else ""
        adapter = lora_state(model.encoder, base=base)
    save_rationalizer(folder, model, adapter, config, card=card)


def score_rationales(model: TextRationalizer, texts: Sequence[AnnotatedText]) -> dict[str, dict[str, float]]:
    """Token F1, IoU F1 and AUPRC against people, by both ways to choose words, with bootstrap
    intervals over texts.
    """
    marked = [np.array(t.word_labels(), dtype=bool) for t in texts]
    ways: tuple[Decode, ...] = ("stretch", "threshold")
    found: dict[str, dict[str, float]] = {}
    for decode in ways:
        said = predict_words(model, texts, decode=decode)
        chosen = [np.array(words, dtype=bool) for words, _ in said]
        probability = [np.array(p) for _, p in said]
        found[decode] = {}
        for name, estimate in agreement(marked, chosen, probability)._asdict().items():
            found[decode][name] = round(estimate.value, 4)
            found[decode][f"{name}_low"] = round(estimate.low, 4)
            found[decode][f"{name}_high"] = round(estimate.high, 4)
    return found


def _card(run: RationaleRun, scores: Mapping[str, object]) -> str:
    sources = "".join(f"- {Path(source).name}\n" for source in run.rationales)
    numbers = json.dumps({name: value for name, value in scores.items() if name != "mark"}, indent=1)
    return (
        f"# {run.name}\n\nMarks the words of a post that are evidence. Trained by `crisislens train`.\n\n"
        f"## Data\n\n{sources}\n"
        f"## Numbers\n\n```json\n{numbers}\n```\n"
    )
