"""Which learning rate and width each system of the study `denoise` gets:
`python benchmarks/denoise_choice.py DATA --cache DIR [--system NAME] [--rate R ...] [--width W ...]
[--learned K ...]`.

Each candidate is trained once, with a seed that the study does not use, and tested on dev mixes of every K.
Test mixes are not looked at. Prints a line a candidate: mean accuracy over K, then by K.
"""

import argparse
import resource
from pathlib import Path

from crisislens.bench.denoise import Denoise

SEED = 100


def main() -> None:
    """Trains the candidates and prints what they reach on dev."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder that holds crisis_text")
    parser.add_argument("--cache", type=Path, required=True, help="where features are kept")
    parser.add_argument("--system", nargs="+", default=list(Denoise.systems), choices=list(Denoise.systems))
    parser.add_argument("--rate", nargs="+", type=float, default=[1e-3, 3e-3])
    parser.add_argument("--width", nargs="+", type=int, default=[64])
    parser.add_argument("--passes", type=int, default=Denoise.passes)
    parser.add_argument("--learned", nargs="+", type=int, default=list(Denoise.learned), help="K of training")
    asked = parser.parse_args()
    segments = Denoise().prepare("humaid", asked.data, asked.cache)[0].segments
    for system in asked.system:
        for width in asked.width:
            for rate in asked.rate:
                study = Denoise(
                    width=width, passes=asked.passes, learned=tuple(asked.learned), rates={system: rate}
                )
                started = resource.getrusage(resource.RUSAGE_SELF).ru_utime
                model = study.trained(segments, system, SEED)
                on_dev = [
                    float(study.tested(model, segments, "dev", round(k), system).mean()) for k in study.points
                ]
                seconds = resource.getrusage(resource.RUSAGE_SELF).ru_utime - started
                by_k = "  ".join(f"{100 * x:.1f}" for x in on_dev)
                mean = 100 * sum(on_dev) / len(on_dev)
                print(
                    f"{system:12}  width {width:3}  rate {rate:g}  dev {mean:.1f}:  {by_k}  ({seconds:.0f} s)"
                )


if __name__ == "__main__":
    main()
