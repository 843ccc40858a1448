"""Which learning rate and width each system of the study `denoise` gets:
`python benchmarks/denoise_choice.py DATA --cache DIR [--system NAME] [--rate R ...] [--width W ...]
[--learned K ...]`.

Each candidate is trained once, with a seed that the study does not use, and tested on dev mixes of every K.
Test mixes are not looked at. Prints a line a candidate: mean accuracy over K, then by K; and one with its
training loss and its accuracy at K = 4 every few passes, which shows whether it was still learning.
"""

import argparse
import resource
from pathlib import Path

from crisislens.bench.denoise import Denoise
from crisislens.bench.denoise_data import Segments
from crisislens.models.base import FusionModel

SEED = 100
# passes between two looks at dev
EVERY = 5


class Curve:
    """Training loss and accuracy on dev mixes of four distractors, every few passes."""

    def __init__(self, study: Denoise, segments: Segments, system: str) -> None:
        self.study, self.segments, self.system = study, segments, system
        self.passes = 0
        self.points: list[str] = []

    def __call__(self, model: FusionModel, loss: float) -> None:
        """Looks at dev, without dropout; training goes on as if nobody had looked."""
        self.passes += 1
        if self.passes % EVERY:
            return
        model.eval()
        right = self.study.tested(model, self.segments, "dev", 4, self.system).mean()
        model.train()
        self.points.append(f"{self.passes}: {loss:.3f}, {100 * right:.1f}")


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
                curve = Curve(study, segments, system)
                model = study.trained(segments, system, SEED, after_pass=curve)
                on_dev = [
                    float(study.tested(model, segments, "dev", round(k), system).mean()) for k in study.points
                ]
                seconds = resource.getrusage(resource.RUSAGE_SELF).ru_utime - started
                by_k = "  ".join(f"{100 * x:.1f}" for x in on_dev)
                mean = 100 * sum(on_dev) / len(on_dev)
                candidate = f"{system:12}  width {width:3}  rate {rate:g}"
                print(f"{candidate}  dev {mean:.1f}:  {by_k}  ({seconds:.0f} s)", flush=True)
                print(f"  by pass (loss, K = 4): {'; '.join(curve.points)}", flush=True)


if __name__ == "__main__":
    main()
