"""How often a reader agrees with what a report folds: precision and recall of near-duplicates.

    python benchmarks/near_duplicates.py draw shared/data/verification/tweets.tsv pairs.tsv
    python benchmarks/near_duplicates.py score shared/data/verification/tweets.tsv

`draw` takes pairs of different signatures, so many from each band of how many of the 64 entries are
equal, and writes them in a drawn order with both texts and without any number, so that who judges
cannot see what the program thinks. Each pair gets one of three labels:

- `same`: who has read one loses no fact (who, what, where, when, how many, what is asked for) by not
  reading the other, and both say it in the same words but for trifles: a marker of a retweet, mentions,
  links, hashtags, spelling, a cut tail, a reaction of a few words.
- `reworded`: the same facts in other words or in another language.
- `other`: at least one of the two has a fact that the other has not, or they speak of different things.

The labels of `benchmarks/near_duplicates.tsv` (hashes of both texts, the label) were given by one reader,
a language model. `score` joins them with the texts and prints JSON lines: each band, then precision and
recall of "in one group" against `same`, every band weighted by how many pairs it has. Intervals of 95 %:
of recall from 10,000 stratified resamples, of precision by Clopper and Pearson over the judged pairs that
are folded.

Recall counts only pairs that share at least a quarter of their entries: below, a million pairs of
unrelated posts would drown the rest. What was found there is told by its own bands.
"""

import argparse
import hashlib
import json
import random
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from crisislens.data.alike import alike
from crisislens.data.duplicates import numbers_said, text_signature
from crisislens.data.text import clean_text

LABELS = Path(__file__).with_name("near_duplicates.tsv")
# equal entries of 64, from and below; two texts are alike from 52 on
BANDS = ((0, 1, 20), (1, 16, 25), (16, 32, 35), (32, 46, 40), (46, 52, 45), (52, 57, 45), (57, 64, 40))
POOL = 16
SEED = 17
RESAMPLES = 10_000


@dataclass(frozen=True)
class Posts:
    """Texts that are told apart by the program: one a signature, and the group of each."""

    texts: list[str]
    equal: NDArray[np.uint8]
    groups: NDArray[np.int64]

    def band(self, low: int, high: int) -> NDArray[np.int64]:
        """The pairs, as rows of two positions, that agree in `low` to `high` - 1 entries."""
        upper = np.triu(np.ones_like(self.equal, dtype=bool), 1)
        return np.argwhere(upper & (self.equal >= low) & (self.equal < high))


def read(path: Path) -> Posts:
    """The posts of the file, grouped as a run groups them; of posts with one signature the first."""
    lines = path.read_text(encoding="utf-8").split("\n")[1:]
    texts = [cells[1] for cells in (line.split("\t") for line in lines) if len(cells) >= 5]
    signed = [(text, text_signature(clean_text(text))) for text in texts]
    kept = [(text, signature) for text, signature in signed if signature is not None]
    signatures = np.stack([signature for _, signature in kept])
    nothing = np.zeros(len(kept), bool)
    numbers = np.array([numbers_said(clean_text(text)) for text, _ in kept], np.uint64)
    found = alike(signatures, ~nothing, np.zeros(len(kept), np.uint64), nothing, numbers=numbers)
    groups = np.arange(len(kept)) + len(found)
    for number, group in enumerate(found):
        groups[list(group.members)] = number
    _, first = np.unique(signatures, axis=0, return_index=True)
    first.sort()
    different = signatures[first]
    equal = np.zeros((len(first), len(first)), np.uint8)
    for column in different.T:
        equal += column[:, None] == column[None, :]
    return Posts([kept[i][0] for i in first], equal, groups[first])


def name_of(text: str) -> str:
    """What stands for a text in the file of labels, which holds no text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def draw(posts: Posts, out: Path) -> None:
    """Writes the pairs to be judged."""
    rng = random.Random(SEED)
    drawn: list[tuple[int, int]] = []
    for low, high, count in BANDS:
        pairs = posts.band(low, high)
        drawn += [(int(a), int(b)) for a, b in pairs[rng.sample(range(len(pairs)), min(count, len(pairs)))]]
    rng.shuffle(drawn)
    rows = []
    for a, b in drawn:
        texts = [" ".join(posts.texts[i].split()) for i in (a, b)]
        rows.append("\t".join((name_of(posts.texts[a]), name_of(posts.texts[b]), *texts)))
    out.write_text("\n".join(rows) + "\n", encoding="utf-8")


def judged(posts: Posts, path: Path) -> dict[tuple[int, int], str]:
    """The label of each pair of positions."""
    at = {name_of(text): i for i, text in enumerate(posts.texts)}
    found = {}
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line and not line.startswith("#"):
            a, b, label = line.split("\t")
            found[at[a], at[b]] = label
    return found


def score(posts: Posts, labels: dict[tuple[int, int], str]) -> None:
    """Prints each band, and precision and recall over them."""
    strata = []
    for low, high, _ in BANDS:
        pairs = posts.band(low, high)
        mine = {pair: label for pair, label in labels.items() if low <= posts.equal[pair] < high}
        # columns: is it one group, does the reader say `same`
        rows = [[posts.groups[a] == posts.groups[b], label == "same"] for (a, b), label in mine.items()]
        table = np.array(rows, bool).reshape(-1, 2)
        folded = int(table[:, 0].sum())
        line = {"equal": f"{low}-{high - 1}", "pairs": len(pairs), "judged": len(mine), "folded": folded}
        line |= {name: Counter(mine.values())[name] for name in ("same", "reworded", "other")}
        print(json.dumps(line | {"folded_and_same": int(table.all(1).sum())}), flush=True)
        if low >= POOL:
            strata.append((len(pairs), table))
    precision, recall = shares(strata)
    every = np.concatenate([table for _, table in strata])
    said("precision", precision, *exact(int(every.all(1).sum()), int(every[:, 0].sum())))
    rng = np.random.default_rng(SEED)
    resamples = []
    for _ in range(RESAMPLES):
        again = [(size, table[rng.integers(len(table), size=len(table))]) for size, table in strata]
        resamples.append(shares(again)[1])
    said("recall", recall, *np.percentile(resamples, [2.5, 97.5]))


def said(name: str, value: float, low: float, high: float) -> None:
    """One line of JSON."""
    numbers = {"value": round(value, 3), "from": round(float(low), 3), "to": round(float(high), 3)}
    print(json.dumps({"measure": name, **numbers}), flush=True)


def exact(right: int, tried: int) -> tuple[float, float]:
    """The interval of 95 % of a share, by Clopper and Pearson (1934)."""
    low = beta.ppf(0.025, right, tried - right + 1) if right else 0.0
    high = beta.ppf(0.975, right + 1, tried - right) if right < tried else 1.0
    return float(low), float(high)


def shares(strata: list[tuple[int, NDArray[np.bool_]]]) -> tuple[float, float]:
    """Precision and recall, each pair counted for as many as it was drawn from."""
    both = sum(size * table.all(1).mean() for size, table in strata)
    folded, same = (sum(size * table[:, k].mean() for size, table in strata) for k in (0, 1))
    return float(both / folded) if folded else np.nan, float(both / same) if same else np.nan


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=("draw", "score"))
    parser.add_argument("tweets", type=Path, help="tweets.tsv: id, text, images, time, label")
    parser.add_argument("pairs", type=Path, nargs="?", default=LABELS, help="to write, or the labels")
    given = parser.parse_args()
    posts = read(given.tweets)
    if given.what == "draw":
        if given.pairs == LABELS:
            sys.exit("draw needs a file to write the pairs to, outside of the repository")
        draw(posts, given.pairs)
    else:
        score(posts, judged(posts, given.pairs))


if __name__ == "__main__":
    main()
