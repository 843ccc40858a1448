r"""The bundle of open data beside the others, on the same rows:
`python benchmarks/need_open.py DATA --work DIR`.

The stress set's half `test` and the events left out go through `Analyst.assess`; the messages' validation,
which no bundle was trained on, through the heads on the pooled vectors, kept in `--work` as
`scripts/train_open.py` keeps them. A call or need is said where its probability is above one half, as the
product says it. 95 % bootstrap intervals over rows.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from default import of_left_out, of_stress
from need import auroc, f1
from numpy.typing import NDArray

from crisislens.encoders.e5 import E5Text
from crisislens.evaluation.resampling import interval
from crisislens.models.artifact import load_artifact
from crisislens.pipeline.analyst import Analyst
from crisislens.training.crisis_text import CrisisText, read_source

sys.path.append(str(Path(__file__).resolve().parents[1] / "scripts"))
from bundle_crisis import CALLS
from train_open import encode

BUNDLES = ("crisis-multilingual", "crisis-open", "crisis-compact")
ASKED = tuple(name for name in CALLS if name not in ("offer", "warning"))
_DRAWS = 300


def needs_of(analyst: Analyst, texts: list[CrisisText], work: Path) -> NDArray[np.float64]:
    """Probabilities of calls and needs, shape (n, 13), in the order of `CALLS`."""
    options = analyst.bundle.encoder.options
    adapter = options.get("adapter")
    encoder = E5Text(adapter=None if adapter is None else str(adapter), precision="fp32")
    pooled = encode(encoder, [t.text for t in texts], work).astype(np.float64)
    head = load_artifact(analyst.bundle.artifact("needs")).model.state_dict()
    weight, bias, mean, scale = (
        head[name].double().numpy() for name in ("map.weight", "map.bias", "mean", "scale")
    )
    p: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-(((pooled - mean) / scale) @ weight.T + bias)))
    return p


def line(name: str, y: NDArray[np.int64], p: NDArray[np.float64]) -> str:
    """F1 at one half and AUROC of a call or need."""
    rng = np.random.default_rng(0)
    draws = [rng.integers(len(y), size=len(y)) for _ in range(_DRAWS)]
    said = p > 0.5
    low, high = interval(np.array([f1(y[i], said[i]) for i in draws]))
    right = float((said & (y == 1)).sum()) / max(1, int(said.sum()))
    found = float((said & (y == 1)).sum()) / max(1, int(y.sum()))
    values = f"F1 {f1(y, said):.2f} [{low:.2f}, {high:.2f}], found {found:.0%}, right {right:.0%}"
    return f"{name}: {values}, AUROC {auroc(y, p):.2f}, {int(y.sum())} of {len(y)}"


def of_messages(analyst: Analyst, data: Path, work: Path) -> list[str]:
    """Lines on the messages' validation, English and originals."""
    lines = []
    for source in ("messages_english", "messages_original"):
        texts = read_source(data / "crisis_text", source, splits=("test",))
        p = needs_of(analyst, texts, work)
        for name in ASKED:
            y = np.array([t.labels[name] for t in texts])
            lines.append(line(f"{source}, {name}", y, p[:, CALLS.index(name)]))
    return lines


def main() -> None:
    """Measures each bundle and prints the lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=4500, help="a third of it of each set of events left out")
    parser.add_argument("--bundles", nargs="*", default=BUNDLES)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.work.mkdir(parents=True, exist_ok=True)
    for name in args.bundles:
        analyst = Analyst.load(name, annotators=[])
        print(f"{name} {analyst.bundle.config.version}", flush=True)
        parts = [of_stress(analyst, args.work)]
        if "needs" in analyst.bundle.config.tasks:
            parts.append(of_messages(analyst, args.data, args.work))
        parts.append(of_left_out(analyst, args.data, args.work, args.rows))
        print("\n".join(f"  {text}" for part in parts for text in part), flush=True)


if __name__ == "__main__":
    main()
