"""Text only on the official rows of CrisisMMD, beside the TF-IDF floor:
`python benchmarks/text_only.py DATA [--settings a1,b2,a2] [--seeds 0,1,2]`.

Each setting is the run file `configs/runs/SETTING_text_finetune.yaml`: MiniLM is fine-tuned on the
official training rows, the epoch is chosen on the development rows, the official test rows are
looked at once. The floor (TF-IDF with logistic regression, `training.floor`) is fitted in the same
run. The difference in weighted F1 is tested by a paired bootstrap over tweets with all seeds.
Finished seeds are kept in `--out` and not trained again.

A last line a setting pools each seed with the floor (`training.opinion_pool`), with one weight for
all seeds chosen on the development rows.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from crisislens.data.catalog import load_labeled
from crisislens.data.labeled import LabeledData
from crisislens.evaluation.calibration import fit_temperature, softmax
from crisislens.evaluation.classification import ClassificationReport, evaluate
from crisislens.evaluation.significance import mean_interval, paired_bootstrap
from crisislens.nn.device import set_threads
from crisislens.training.config import RunConfig
from crisislens.training.fit import RunResult, fit
from crisislens.training.floor import fit_floor
from crisislens.training.opinion_pool import choose_weight, pool


def main() -> None:
    """Prints a JSON line for the floor, for each seed and for their mean."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path, help="folder of CrisisMMD")
    parser.add_argument("--settings", default="a1,b2,a2")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--out", type=Path, default=Path("runs"))
    arguments = parser.parse_args()
    set_threads(arguments.threads)
    for setting in arguments.settings.split(","):
        run = RunConfig.load(
            Path(f"configs/runs/{setting}_text_finetune.yaml"), [f"data.root={arguments.data}"]
        )
        data = load_labeled(run.data, run.task)
        floor, floor_logits = fit_floor(data)
        print(json.dumps({"system": "floor", "result": floor.headline()}), flush=True)
        found = []
        for seed in map(int, arguments.seeds.split(",")):
            r = fit(
                run,
                seed=seed,
                out=arguments.out,
                cache=arguments.out / "features",
                resume=True,
                data=data,
            )
            found.append(r)
            ece = [round(r.test.before.ece, 4), round(r.test.after.ece, 4)]
            selective = r.test.selective.model_dump()
            line = {
                "seed": seed,
                "epoch": r.best_epoch,
                "s": round(r.seconds),
                "ece before, after": ece,
                "abstention": selective,
            }
            print(json.dumps({**line, "result": r.test.headline()}), flush=True)
        metrics = means([r.test.report for r in found])
        ours = [softmax(r.logits["test"], r.test.temperature) for r in found]
        theirs = softmax(floor_logits["test"], floor.temperature)
        difference = paired_bootstrap(
            data.labels("test"),
            ours,
            theirs,
            "weighted_f1",
            clusters=data.tweets("test"),
            resamples=2000,
        )
        print(
            json.dumps(
                {
                    "setting": setting,
                    "seeds": len(found),
                    **metrics,
                    "minus floor": difference.model_dump(),
                }
            ),
            flush=True,
        )
        print(
            json.dumps(
                {
                    "setting": setting,
                    "system": "pooled with the floor",
                    **pooled(found, data, floor_logits),
                }
            ),
            flush=True,
        )


def means(reports: Sequence[ClassificationReport]) -> dict[str, str]:
    """The mean of each score over the seeds, in percent with its interval."""
    found = {}
    for name in ("accuracy", "macro_f1", "weighted_f1"):
        found[name] = mean_interval([getattr(report, name).value for report in reports]).percent()
    return found


def pooled(
    found: list[RunResult], data: LabeledData, floor_logits: Mapping[str, np.ndarray]
) -> dict[str, object]:
    """The seeds pooled with the floor: the weight, mean scores on test rows, paired difference from
    the floor.
    """
    y = {split: data.labels(split) for split in ("dev", "test")}
    of_floor = {
        split: softmax(floor_logits[split], fit_temperature(floor_logits["dev"], y["dev"])) for split in y
    }
    p: dict[str, list[np.ndarray]] = {}
    for split in y:
        p[split] = [softmax(r.logits[split], r.test.temperature) for r in found]
    weight = choose_weight(y["dev"], p["dev"], of_floor["dev"])
    ours = [pool(x, of_floor["test"], weight) for x in p["test"]]
    reports = [evaluate(y["test"], x, data.space.classes, resamples=0) for x in ours]
    metrics = means(reports)
    seeds = [round(100 * r.weighted_f1.value, 2) for r in reports]
    difference = paired_bootstrap(
        y["test"],
        ours,
        of_floor["test"],
        "weighted_f1",
        clusters=data.tweets("test"),
        resamples=2000,
    )
    return {
        "weight of the floor": weight,
        **metrics,
        "weighted_f1 by seed": seeds,
        "minus floor": difference.model_dump(),
    }


if __name__ == "__main__":
    main()
