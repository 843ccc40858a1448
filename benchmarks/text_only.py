"""Text only on the official rows of CrisisMMD, beside the TF-IDF floor: `python benchmarks/text_only.py DATA [--settings a1,b2,a2]
[--seeds 0,1,2]`.

Each setting is the run file `configs/runs/SETTING_text_finetune.yaml`: MiniLM is fine-tuned on the official training rows, the epoch is
chosen on the development rows, the official test rows are looked at once. The floor (TF-IDF with logistic regression, `training.floor`)
is fitted in the same run. The difference in weighted F1 is tested by a paired bootstrap over tweets with all seeds. Finished seeds are
kept in `--out` and not trained again.
"""

import argparse
import json
from pathlib import Path

from crisislens.evaluation.calibration import softmax
from crisislens.evaluation.significance import mean_interval, paired_bootstrap
from crisislens.nn.device import set_threads
from crisislens.training.config import RunConfig
from crisislens.training.data import load_data
from crisislens.training.fit import fit
from crisislens.training.floor import fit_floor


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
        run = RunConfig.load(Path(f"configs/runs/{setting}_text_finetune.yaml"), [f"data.root={arguments.data}"])
        data = load_data(run.data)
        floor, floor_logits = fit_floor(data)
        print(json.dumps({"system": "floor", "result": floor.headline()}), flush=True)
        found = []
        for seed in map(int, arguments.seeds.split(",")):
            r = fit(run, seed=seed, out=arguments.out, cache=arguments.out / "features", resume=True, data=data)
            found.append(r)
            ece = [round(r.test.before.ece, 4), round(r.test.after.ece, 4)]
            selective = r.test.selective.model_dump()
            line = {"seed": seed, "epoch": r.best_epoch, "s": round(r.seconds), "ece before, after": ece, "abstention": selective}
            print(json.dumps({**line, "result": r.test.headline()}), flush=True)
        metrics = {
            m: mean_interval([getattr(r.test.report, m).value for r in found]).percent() for m in ("accuracy", "macro_f1", "weighted_f1")
        }
        ours = [softmax(r.logits["test"], r.test.temperature) for r in found]
        theirs = softmax(floor_logits["test"], floor.temperature)
        difference = paired_bootstrap(data.labels("test"), ours, theirs, "weighted_f1", clusters=data.tweets("test"), resamples=2000)
        print(json.dumps({"setting": setting, "seeds": len(found), **metrics, "minus floor": difference.model_dump()}), flush=True)


if __name__ == "__main__":
    main()
