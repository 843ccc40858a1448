"""How often the shipped rationale model marks words where there is nothing, and what the gate costs:
`python benchmarks/rationale_nothing.py DATA [--model FOLDER]`.

Rows of the test parts that `scripts/train_rationale_gate.py` never reads, Hagupit 2014 with people's marks,
and the English posts of the stress set. "Before" is the same model without its gate. Token F1 of a tweet that
is not marked any more is 0. The words of Hagupit were trained on, the gate was not.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from need import stress_posts

from crisislens.core.assets import asset
from crisislens.data.marked_rationales import read_snippet_table
from crisislens.evaluation.rationale_scores import agreement
from crisislens.explain.rationalizer import PostRationale, Rationalizer
from crisislens.models.rationale_artifact import load_rationalizer

sys.path.append(str(Path(__file__).resolve().parents[1] / "scripts"))
from train_rationale_gate import texts_of

QUIET = ("everyday", "figurative", "joke")


def found(rationalizer: Rationalizer, texts: Sequence[str], *, gate: bool) -> list[PostRationale]:
    """The rationales of texts, with the gate or without."""
    model, kept = rationalizer.loaded.text, rationalizer.loaded.text.gate
    model.gate = kept if gate else None
    try:
        return rationalizer.find(texts)
    finally:
        model.gate = kept


def marked(rationalizer: Rationalizer, texts: Sequence[str], *, gate: bool) -> int:
    """How many texts have a marked word."""
    return sum(any(r.chosen) for r in found(rationalizer, texts, gate=gate))


def of_hagupit(rationalizer: Rationalizer, data: Path) -> list[str]:
    """Lines on tweets with people's marks."""
    texts = read_snippet_table(data / "rationales" / "hagupit_2014.csv")
    chosen = np.random.default_rng(0).permutation(len(texts))[:1000]
    texts = [texts[i] for i in sorted(chosen)]
    truth = [np.array(t.word_labels()) for t in texts]
    lines = []
    for gate in (False, True):
        said = found(rationalizer, [t.text for t in texts], gate=gate)
        scores = agreement(truth, [np.array(r.chosen) for r in said], [np.array(r.probability) for r in said])
        name = "after" if gate else "before"
        lines.append(f"Hagupit, {len(texts)} marked tweets, {name}: token F1 {scores.token_f1.percent()}")
    return lines


def main() -> None:
    """Prints the lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path, default=asset("rationales", "crisis-rationales"))
    args = parser.parse_args()
    torch.set_num_threads(1)
    rationalizer = Rationalizer(load_rationalizer(args.model))
    test = texts_of(args.data, "test")
    english = [row for row in stress_posts() if row["lang"] == "en"]
    groups = {f"nothing: {name}": texts for name, texts in test.nothing.items()}
    groups["nothing: stress set, English"] = [str(r["text"]) for r in english if r["kind"] in QUIET]
    groups |= {f"crisis: {name}": texts for name, texts in test.something.items()}
    groups["crisis: stress set, English calls"] = [str(r["text"]) for r in english if r["call"]]
    for name, texts in groups.items():
        before, after = (marked(rationalizer, texts, gate=gate) for gate in (False, True))
        print(f"{name}, {len(texts)} posts: marked in {before} before, {after} after", flush=True)
    print("\n".join(of_hagupit(rationalizer, args.data)))


if __name__ == "__main__":
    main()
