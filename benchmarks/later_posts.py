"""Posts that were written after the heads of 0.5.0 were fitted, by two or more bundles:
`python benchmarks/later_posts.py --model crisis-multilingual [--model FOLDER …]`.

`tests/stress/later.jsonl`: made up by a language model and marked by it before any bundle read them: calls
for help, and offers, reports of people who were saved, tolls, warnings, drills, jokes and everyday talk, in
ten languages. It knew what the new heads are for, and wrote 80; 23 that share more than three in ten of their
runs of five characters with a post of the stress set or one that is trained on were taken out. Nothing is
chosen on them; whoever changes a head with them in mind needs new ones. A small probe.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from need import auroc

from crisislens.domain.post import Post
from crisislens.pipeline.analyst import Analyst

POSTS = Path(__file__).parents[1] / "tests" / "stress" / "later.jsonl"


def lines(model: str) -> list[str]:
    """What one bundle makes of them."""
    made = [json.loads(line) for line in POSTS.read_text(encoding="utf-8").split("\n") if line]
    found = Analyst.load([model], annotators=[]).assess([Post(id=p["id"], text=p["text"]) for p in made])
    call = np.array([bool(p["call"]) for p in made])
    urgency = np.array([a.urgency for a in found])
    first = call[np.argsort(-urgency, kind="stable")[: call.sum()]].sum()
    area = auroc(call.astype(np.int64), urgency)
    printed = [f"{model}: {first} of {call.sum()} calls among the first, AUROC of urgency {area:.3f}"]
    kinds = np.array(["call" if p["call"] else str(p["kind"]) for p in made])
    means = [f"{kind} {urgency[kinds == kind].mean():.2f}" for kind in np.unique(kinds)]
    printed.append("  mean urgency: " + ", ".join(means))
    for label, asked in (("request", call), ("rescue", np.array([bool(p["rescue"]) for p in made]))):
        if "needs" not in found[0].tasks:
            continue
        said = np.array([a.tasks["needs"].probabilities[label] >= 0.5 for a in found])
        wrong = sorted(str(p["kind"]) for p, is_wrong in zip(made, said & ~asked, strict=True) if is_wrong)
        counts = f"{(said & asked).sum()} of {asked.sum()} found, {(said & ~asked).sum()} wrong"
        printed.append(f"  {label}: {counts} {wrong}")
    sure = [a.tasks["informativeness"] for a, asked in zip(found, call, strict=True) if asked]
    dismissed = sum(t.label == "not_informative" and not t.abstained for t in sure)
    return [*printed, f"  calls surely dismissed: {dismissed}"]


def main() -> None:
    """Reads the arguments and prints the lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", action="append", required=True, help="a bundle's name or folder")
    for model in parser.parse_args().model:
        print("\n".join(lines(model)), flush=True)


if __name__ == "__main__":
    main()
