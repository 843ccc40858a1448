"""Do systems differ in what they can learn, or in how fast? A study whose trainings last longer:

    python benchmarks/longer_training.py places DATA --length 24 [--setting place_types] [--seeds 0 1 2]
    python benchmarks/longer_training.py mismatch DATA --length 1000 --at 0.4 [--setting captions]
    python benchmarks/longer_training.py paper DATA --length 100 --at 1 --setting A2 [--system guided]

The length is in passes for `places` (the study takes 6), in steps for `mismatch` (200), and in epochs at most
for `paper` (50, with an end after five without a lower development loss). All else is the study's; nothing is
chosen by what comes out. Results stand in OUT, and what is there is not run again.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from crisislens.bench.mismatch import Mismatch
from crisislens.bench.paper import Paper
from crisislens.bench.places import Places
from crisislens.bench.study import Study, read_trials, run_study, trials_of
from crisislens.bench.study_table import study_tables
from crisislens.bench.study_text import study_markdown
from crisislens.nn.device import set_threads

SYSTEMS = {
    "places": ("sg_mft", "no_sim", "concat", "product"),
    "mismatch": ("info_nce", "shapley_margin", "bounded"),
    "paper": ("guided", "differential"),
}


def longer(name: str, length: int) -> Study[Any]:
    """A study whose trainings take so many passes or steps."""
    if name == "places":
        return replace(Places(), epochs=length)
    if name == "paper":
        return replace(Paper(), changes=(f"epochs={length}",))
    return replace(Mismatch(), steps=length)


def main() -> None:
    """Trains what is missing, and prints the study's tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", choices=sorted(SYSTEMS))
    parser.add_argument("data", type=Path)
    parser.add_argument("--length", type=int, required=True)
    parser.add_argument("--setting", nargs="*", default=[])
    parser.add_argument("--system", nargs="*", default=[])
    parser.add_argument("--seeds", nargs="*", type=int, default=[])
    # the clean condition: noise is another question
    parser.add_argument("--at", nargs="*", type=float, default=[0.0])
    parser.add_argument("--cache", type=Path, default=Path(".cache/features"))
    parser.add_argument("--out", type=Path, default=Path("runs/longer_training"))
    args = parser.parse_args()
    set_threads(1)
    study = longer(args.study, args.length)
    out = args.out / f"{args.study}-{args.length}"
    trials = trials_of(study, args.setting, args.system or SYSTEMS[args.study], args.seeds, args.at)
    done = run_study(study, out, data=args.data, cache=args.cache, trials=trials, say=print)
    print(study_markdown(study, study_tables(study, read_trials(study, out)), done.blocked))


if __name__ == "__main__":
    main()
