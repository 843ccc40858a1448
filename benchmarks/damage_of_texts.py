"""Whether "severe damage", said of a text without a photo, is about damage:
`python benchmarks/damage_of_texts.py DATA --model BUNDLE --at THRESHOLD`.

CrisisMMD's damage is what a tweet's *photo* shows, and all of its tweets have a photo of damage to be judged.
A head that learned it from their texts learned what such tweets sound like. HumAID's development tweets have
no such photo and say in their class whether the text tells of damage
(`infrastructure_and_utility_damage`). Printed, as rows of a table: of how many tweets of each class the
bundle's best guess is severe damage with at least the probability given, in percent with a 95 % Wilson
interval. A head that reads damage says it of the first row above all.
"""

import argparse
import random
from collections import Counter
from collections.abc import Sequence
from math import sqrt
from pathlib import Path

from crisislens.domain.assessment import Assessment
from crisislens.domain.post import Post
from crisislens.domain.tasks import CATEGORY
from crisislens.pipeline.analyst import Analyst
from crisislens.training.crisis_text import CrisisText, read_source

_DAMAGE, _SEVERE = "infrastructure_and_utility_damage", "severe_damage"
_Z = 1.96


def drawn(texts: Sequence[CrisisText], most: int) -> list[tuple[str, str]]:
    """Classes and texts of at most as many tweets of each class, the same at every run."""
    by_class: dict[str, list[str]] = {}
    for one in texts:
        by_class.setdefault(CATEGORY.classes[one.labels["humanitarian_10"]], []).append(one.text)
    rng = random.Random(0)
    order = sorted(by_class, key=lambda label: (label != _DAMAGE, label))
    return [
        (label, text)
        for label in order
        for text in rng.sample(by_class[label], min(most, len(by_class[label])))
    ]


def says_severe(assessment: Assessment, at: float) -> bool:
    """Whether severe damage is the best guess and at least so probable."""
    found = assessment.tasks["damage"]
    return found.label == _SEVERE and found.confidence >= at


def wilson(k: int, n: int) -> str:
    """A share in percent with its interval."""
    p, spread = k / n, _Z * _Z / n
    middle = (p + spread / 2) / (1 + spread)
    half = _Z * sqrt(p * (1 - p) / n + spread / (4 * n)) / (1 + spread)
    return f"{100 * p:.0f} [{100 * (middle - half):.0f}, {100 * (middle + half):.0f}]"


def main() -> None:
    """Reads the arguments and prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of the data sets")
    parser.add_argument("--model", default="crisis-multilingual")
    parser.add_argument("--at", type=float, default=0.63, help="the least probability that counts")
    parser.add_argument("--most", type=int, default=100, help="tweets of each class")
    args = parser.parse_args()
    rows = drawn(read_source(args.data / "crisis_text", "humaid", splits=["dev"]), args.most)
    analyst = Analyst.load(args.model)
    posts = [Post(id=str(i), text=text) for i, (_, text) in enumerate(rows)]
    found = analyst.assess(posts)
    said: Counter[str] = Counter()
    whole = Counter(label for label, _ in rows)
    for (label, _), assessment in zip(rows, found, strict=True):
        said[label] += says_severe(assessment, args.at)
    for label, n in whole.items():
        print(f"| {label} | {n} | {wilson(said[label], n)} |")
    others, n = sum(said.values()) - said[_DAMAGE], len(rows) - whole[_DAMAGE]
    print(f"| all but the first | {n} | {wilson(others, n)} |")


if __name__ == "__main__":
    main()
