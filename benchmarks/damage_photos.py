"""Damage severity on the official rows whose photo is at hand, several models, five seeds:
`python benchmarks/damage_photos.py DATA`.

Of CrisisMMD's damage rows only those whose photo lies in the image folder are used (198/36/65 with
the 299 photos that could be had here). All models see the same cached features and the same recipe;
the epoch is chosen on the 36 development posts. Prints a JSON line a model: mean and 95 % t
interval over seeds, and the paired difference (bootstrap over tweets, all seeds) from text only.
"""

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

from crisislens.core.errors import ImageError
from crisislens.data.catalog import load_labeled
from crisislens.data.images import resolve_image
from crisislens.data.labeled import LabeledData
from crisislens.data.source import LabeledPost
from crisislens.evaluation.calibration import softmax
from crisislens.evaluation.significance import mean_interval, paired_bootstrap
from crisislens.nn.device import set_threads
from crisislens.training.config import RunConfig
from crisislens.training.fit import RunResult, fit

MODELS = (
    "text_only",
    "image_only",
    "concat",
    "late_fusion",
    "guided",
    "guided_differential",
    "guided_published",
    "guided_differential_published",
)


def with_photo(data: LabeledData) -> LabeledData:
    """The rows whose photo is there."""

    def there(labeled: LabeledPost) -> bool:
        try:
            return labeled.post.image is not None and bool(resolve_image(labeled.post.image, data.image_root))
        except ImageError:
            return False

    return replace(
        data,
        splits={name: list(filter(there, posts)) for name, posts in data.splits.items()},
        fingerprint=data.fingerprint + "-photos",
    )


def main() -> None:
    """Runs every model and prints its numbers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of CrisisMMD")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    arguments = parser.parse_args()
    set_threads()
    runs: dict[str, list[RunResult]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in dict.fromkeys(("text_only", *arguments.models)):
            published = name.endswith("_published")
            run = RunConfig.parse(
                {
                    "name": name.replace("_", "-"),
                    "data": {"root": str(arguments.data), "setting": "A3"},
                    "model": {"name": name, "options": {"as_published": True} if published else {}},
                    "as_published": published,
                    "optimizer": {
                        "name": "adamw",
                        "learning_rate": 5e-4,
                        "weight_decay": 0.05,
                        "schedule": "linear",
                        "warm_up": 0.05,
                    },
                    "loss": {"smoothing": 0.05},
                    "epochs": 30,
                    "stopping": {"monitor": "weighted_f1", "patience": 10},
                },
                where="the benchmark",
            )
            data = with_photo(load_labeled(run.data, run.task))
            runs[name] = [
                fit(run, seed=s, out=Path(folder) / "out", cache=Path(folder) / "cache", data=data)
                for s in range(arguments.seeds)
            ]
            print(json.dumps(row(name, runs, data)), flush=True)


def row(name: str, runs: dict[str, list[RunResult]], data: LabeledData) -> dict[str, object]:
    """What one model came to."""
    mine = runs[name]
    metrics = {}
    for m in ("accuracy", "macro_f1", "weighted_f1"):
        metrics[m] = mean_interval([getattr(r.test.report, m).value for r in mine]).percent()
    difference = paired_bootstrap(
        data.labels("test"),
        [softmax(r.logits["test"], r.test.temperature) for r in mine],
        [softmax(r.logits["test"], r.test.temperature) for r in runs["text_only"]],
        "weighted_f1",
        clusters=data.tweets("test"),
        resamples=2000,
    )
    counts = {split: len(posts) for split, posts in data.splits.items()}
    return {
        "model": name,
        "posts": counts,
        **metrics,
        "weighted F1 minus text only": difference.model_dump(),
    }


if __name__ == "__main__":
    main()
