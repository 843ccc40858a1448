"""Run files of rationale models: `crisislens train` reads one where the file has the key `rationales`.

    name: nepal
    rationales: [../shared/data/rationales/nepal_2015.csv, annotations.jsonl]
    test: [../shared/data/rationales/hagupit_2014.csv]
    folds: 5
    training: {epochs: 4}

Sources are tables of tweets with snippets (CSV) and what `crisislens annotate` exports (JSONL). Of the
sources under `rationales`, seed s holds out fold s (near-duplicates in one fold) and is measured on it and on
each source under `test`.
"""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from pydantic import Field

from crisislens.core.config import Config
from crisislens.core.errors import ConfigError, DataError
from crisislens.core.files import atomic_write
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
from crisislens.training.rationale import RationaleConfig, predict_words, train_rationalizer

__all__ = ["RationaleRun", "fit_rationales", "is_rationale_run", "read_rationale_source", "score_rationales"]


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
    seeds: tuple[int, ...] = (0,)
    """Seeds that are trained without `--seed`."""
    encoder: EncoderSpec = EncoderSpec()
    """The encoders; the text encoder is adapted."""
    languages: tuple[str, ...] = ("en",)
    """ISO 639-1 codes of the texts' languages."""
    training: RationaleConfig = RationaleConfig()
    """The recipe; its seed is replaced by the run's."""


def is_rationale_run(path: Path) -> bool:
    """Whether a run file is one of a rationale model."""
    try:
        values = read_yaml(path)
    except ConfigError:
        return False
    return isinstance(values, dict) and "rationales" in values


def read_rationale_source(path: Path) -> list[AnnotatedText]:
    """A source of annotated texts: JSONL by its name, else a table with snippets.

    Raises:
        DataError: If the file is missing or not what its name says.
    """
    return (
        read_annotations(path) if path.suffix.lower() in (".jsonl", ".ndjson") else read_snippet_table(path)
    )


def fit_rationales(
    run: RationaleRun, *, seed: int, out: Path, progress: Callable[[int], None] | None = None
) -> dict[str, object]:
    """Trains one seed, writes `model/` and `scores.json` into OUT/NAME/seed-N, and returns the scores.

    Raises:
        DataError: If a source cannot be read or has no marked word.
    """
    texts = [text for source in run.rationales for text in read_rationale_source(Path(source))]
    if not texts:
        raise DataError(
            f"there are no annotated texts in {', '.join(run.rationales)}; annotate some with: crisislens "
            f"annotate POSTS"
        )
    hold_out = run.folds > 1
    folds = (
        duplicate_folds([t.text for t in texts], folds=run.folds)
        if hold_out
        else np.zeros(len(texts), dtype=np.int64)
    )
    held = folds == seed % max(1, run.folds) if hold_out else np.zeros(len(texts), dtype=bool)
    train = [t for t, h in zip(texts, held, strict=True) if not h]
    classes = tuple(sorted({t.label for t in train if t.label}))
    start = time.monotonic()
    recipe = run.training.model_copy(update={"seed": seed})
    model = train_rationalizer(load_encoders(run.encoder).text, train, classes, recipe, progress=progress)
    seconds = time.monotonic() - start
    scores: dict[str, object] = {
        "seed": seed,
        "texts": len(train),
        "seconds": round(seconds, 1),
        "data": annotations_fingerprint(texts),
    }
    tests = {"held out": [t for t, h in zip(texts, held, strict=True) if h]} if hold_out else {}
    tests |= {Path(source).stem: read_rationale_source(Path(source)) for source in run.test}
    scores["tests"] = {name: score_rationales(model, found) for name, found in tests.items() if found}
    folder = out / run.name / f"seed-{seed}"
    config = RationaleModelConfig(
        name=run.name,
        encoder=run.encoder,
        classes=classes,
        hidden=recipe.hidden,
        pair_width=recipe.pair_width,
        languages=run.languages,
    )
    adapter = (
        lora_state(model.encoder, base=MINILM_WEIGHTS.sha256 if run.encoder.name == "compact" else "")
        if recipe.rank
        else None
    )
    save_rationalizer(folder / "model", model, adapter, config, card=_card(run, scores))
    atomic_write(folder / "scores.json", json.dumps(scores, indent=1))
    return scores


def score_rationales(model: TextRationalizer, texts: Sequence[AnnotatedText]) -> dict[str, dict[str, float]]:
    """Token F1, IoU F1 and AUPRC against people, by both ways to choose words, with bootstrap intervals over
    texts.
    """
    marked = [np.array(t.word_labels(), dtype=bool) for t in texts]
    found: dict[str, dict[str, float]] = {}
    ways: tuple[Decode, ...] = ("stretch", "threshold")
    for decode in ways:
        out = predict_words(model, texts, decode=decode)
        a = agreement(marked, [np.array(c, dtype=bool) for c, _ in out], [np.array(p) for _, p in out])
        found[decode] = {
            name + end: round(value, 4)
            for name, e in a._asdict().items()
            for end, value in (("", e.value), ("_low", e.low), ("_high", e.high))
        }
    return found


def _card(run: RationaleRun, scores: dict[str, object]) -> str:
    return (
        f"# {run.name}\n\nMarks the words of a post that are evidence. Trained by `crisislens train`.\n\n## "
        f"Data\n\n"
        + "".join(f"- {Path(source).name}\n" for source in run.rationales)
        + f"\n## Numbers\n\n```json\n{json.dumps(scores, indent=1)}\n```\n"
    )
