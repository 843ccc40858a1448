"""Draws relations that `crisislens extract --all-relations` found, for a person to judge:
`relation_sample.py FOUND`.

FOUND is what `extract` wrote. Of each of the most frequent relations it draws the same number, each
with its own pair of names.
"""

import argparse
import json
import random
from collections import defaultdict
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("found", type=Path)
    parser.add_argument("--kinds", type=int, default=8, help="how many of the most frequent relations")
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--seed", type=int, default=5)
    args = parser.parse_args()
    kinds: dict[str, dict[tuple[str, str], tuple[float, str, str, str]]] = defaultdict(dict)
    # not splitlines, which also splits at characters that stand in posts
    for line in args.found.read_text(encoding="utf-8").split("\n")[:-1]:
        row = json.loads(line)
        for relation in row.get("relations", ()):
            head, tail = (row["entities"][relation[end]]["text"] for end in ("head", "tail"))
            kinds[relation["type"]].setdefault(
                (head.lower(), tail.lower()),
                (relation["score"], head, tail, " ".join(row["text"].split())),
            )
    for kind in sorted(kinds, key=lambda kind: -len(kinds[kind]))[: args.kinds]:
        rows = list(kinds[kind].values())
        print(f"{kind}: {len(rows)} different pairs")
        for score, head, tail, text in random.Random(args.seed).sample(rows, min(args.each, len(rows))):
            print(f"  {score:.2f} {head} | {tail}   <- {text}")


if __name__ == "__main__":
    main()
