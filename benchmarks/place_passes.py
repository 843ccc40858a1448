"""Do fusions differ in what they can learn, or in how fast? The study `places` with other numbers of passes:
`python benchmarks/place_passes.py DATA --passes 24 [--setting place_types] [--seeds 0 1 2] [--out DIR]`.

The study gives every system six passes, which may be few for a classifier without comparisons. All else is
the study's; nothing is chosen by what comes out. Results stand in OUT, and what is there is not run again.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from crisislens.bench.places import Places
from crisislens.bench.study import read_trials, run_study, trials_of
from crisislens.bench.study_table import study_tables
from crisislens.bench.study_text import study_markdown
from crisislens.nn.device import set_threads

SYSTEMS = ("sg_mft", "no_sim", "concat", "product")


def main() -> None:
    """Trains what is missing, and prints the study's tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--passes", type=int, default=24)
    parser.add_argument("--setting", nargs="*", default=["place_types"])
    parser.add_argument("--system", nargs="*", default=list(SYSTEMS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--cache", type=Path, default=Path(".cache/features"))
    parser.add_argument("--out", type=Path, default=Path("runs/place_passes"))
    args = parser.parse_args()
    set_threads(1)
    study = replace(Places(), epochs=args.passes)
    out = args.out / f"passes-{args.passes}"
    # photos as they are: noise is another question
    trials = trials_of(study, args.setting, args.system, args.seeds, [0.0])
    done = run_study(study, out, data=args.data, cache=args.cache, trials=trials, say=print)
    print(study_markdown(study, study_tables(study, read_trials(study, out)), done.blocked))


if __name__ == "__main__":
    main()
