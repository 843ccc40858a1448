"""Text rationales: trained on Nepal 2015, tested on its held-out folds and on Hagupit 2014:
`python benchmarks/text_rationales.py DATA`.

Seed s holds fold s of five out (near-duplicates in one fold). Finished runs are kept in `--out`, by
recipe, encoder and tables, and not made again. One training takes about four minutes on one core.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crisislens.core.files import atomic_write
from crisislens.core.fingerprint import fingerprint, fingerprint_file
from crisislens.data.marked_rationales import AnnotatedText, duplicate_folds, read_snippet_table
from crisislens.data.words import is_noise
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.evaluation.rationale_scores import agreement
from crisislens.evaluation.significance import mean_interval
from crisislens.nn.device import set_threads
from crisislens.training.rationale import RationaleConfig, train_rationalizer
from crisislens.training.rationale_run import score_rationales

FOLDS = 5
TABLES = ("nepal_2015.csv", "hagupit_2014.csv")


def made_from(config: RationaleConfig, encoder: str, tables: Sequence[Path]) -> str:
    """What a run depends on; the seed is part of its recipe."""
    return fingerprint(
        {
            "config": config.model_dump(mode="json"),
            "encoder": encoder,
            "tables": [fingerprint_file(path) for path in tables],
            "folds": FOLDS,
        }
    )


def floors(texts: list[AnnotatedText]) -> dict[str, dict[str, float]]:
    """The whole tweet, and the tweet without links and mentions, taken for the rationale."""
    marked = [np.array(t.word_labels()) for t in texts]
    noise = [_noise(t) for t in texts]
    found = {}
    for name, chosen in (
        ("whole tweet", [np.ones_like(y) for y in marked]),
        ("without links and mentions", [~x for x in noise]),
    ):
        found[name] = _scores(marked, chosen, [c.astype(float) for c in chosen])
    return found


def _noise(text: AnnotatedText) -> np.ndarray:
    """Which words are links or mentions."""
    return np.array([is_noise(text.text[a:b]) for a, b in text.words()])


def _scores(marked: list, chosen: list, p: list) -> dict[str, float]:  # type: ignore[type-arg]
    a = agreement(marked, chosen, p)
    return {
        f"{name}{end}": round(v, 4)
        for name, e in a._asdict().items()
        for end, v in (("", e.value), ("_low", e.low), ("_high", e.high))
    }


def main() -> None:
    """Runs what is missing and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("runs/text_rationales"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--set", nargs="*", default=[], help="KEY=VALUE of the training recipe")
    args = parser.parse_args()
    set_threads(1)
    tables = [args.data / "rationales" / name for name in TABLES]
    nepal, hagupit = map(read_snippet_table, tables)
    encoder = load_encoders(EncoderSpec()).text
    folds = duplicate_folds([t.text for t in nepal], folds=FOLDS)
    classes = sorted({t.label for t in nepal})
    changes = dict(pair.split("=", 1) for pair in args.set)
    runs = []
    for seed in args.seeds:
        config = RationaleConfig.model_validate({**changes, "seed": seed})
        path = args.out / f"seed-{seed}-{made_from(config, encoder.fingerprint(), tables)}.json"
        if not path.is_file():
            start = time.monotonic()
            train = [t for t, f in zip(nepal, folds, strict=True) if f != seed % FOLDS]
            model = train_rationalizer(load_encoders(EncoderSpec()).text, train, classes, config)
            seconds = time.monotonic() - start
            test = [t for t, f in zip(nepal, folds, strict=True) if f == seed % FOLDS]
            run = {
                "seed": seed,
                "train": len(train),
                "seconds": round(seconds),
                "config": config.model_dump(mode="json"),
            }
            run |= {
                "nepal": score_rationales(model, test),
                "hagupit": score_rationales(model, hagupit),
                "tests": [len(test), len(hagupit)],
            }
            atomic_write(path, json.dumps(run, indent=1))
        runs.append(json.loads(path.read_text()))
        print(
            json.dumps({k: runs[-1][k] for k in ("seed", "seconds", "nepal", "hagupit")}),
            flush=True,
        )
    print("\n| tested on | rationale | token F1 | IoU F1 | AUPRC |\n|---|---|---|---|---|")
    for name, texts in (("nepal", nepal), ("hagupit", hagupit)):
        for which, row in floors(texts).items():
            print(
                f"| {name} | {which} | {100 * row['token_f1']:.2f} | {100 * row['iou_f1']:.2f} | "
                f"{100 * row['auprc']:.2f} |"
            )
        for decode in ("threshold", "stretch"):
            cells = [
                mean_interval([run[name][decode][m] for run in runs]).percent()
                for m in ("token_f1", "iou_f1", "auprc")
            ]
            print(f"| {name} | {decode}, {len(runs)} seeds | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
