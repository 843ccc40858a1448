r"""Fits "asks for help" and the needs of a bundle anew, on the vectors of its own encoder:
`python scripts/refit_needs.py DATA --bundle BUNDLE --work DIR --out DIR`.

The heads that were trained together with the adapter saw each need in few batches, so that water, say, was
found less well than its vectors allow. Here each need gets a logistic regression of its own
(`training.need_heads`: strength and threshold by cross-validation) on all training messages, on tweets that
ask and on some that only sound like it (`need_texts.py`), so that news and everyday talk stay quiet on
texts of other sources that ask for nothing, and on posts that a language model made up in nineteen
languages. None of these posts chooses anything. "People missing or found" learns from HumAID's class of
that name besides. "Asks for help" learns from a draw of HumAID's training tweets besides, which ask by
class. What offers or warns learns from the sources that say so (`need_texts.offers_and_warnings`), and is
chosen by them.

The strength has the best average precision on direct messages and tweets, each judged by a head that did not
see it, and the threshold the best F1; the half `develop` of the stress set, which nothing is trained on,
chooses among those that are nearly as good (`need_heads.SLACK`). A new head takes the place of the old one
where its F1 on `develop` is higher, and where it is equal, or nobody there asks, the F1 on messages and
tweets. That of the old head is too good there: it learned from many of these rows, and the new one is judged
by heads that did not see them. No validation or test row, no event left out and no post of the stress set's
half `test` is read.

Vectors are kept in `--work`, so that a killed run goes on. Ours, no paper.
"""

import argparse
import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from bundle_crisis import within
from linear_heads import LinearHeads
from need_texts import (
    asking,
    made_up,
    near_misses,
    offers_and_warnings,
    settled_appeal,
    settled_rescue,
    some_humaid,
    sought,
)
from numpy.typing import NDArray
from train_crisis import everyday_texts, gather, group_of, outside
from train_open import encode, english_of

from crisislens.data.text import clean_text
from crisislens.domain.tasks import TASKS
from crisislens.encoders.e5 import E5Text
from crisislens.training.crisis_text import NEEDS, CrisisText, wording
from crisislens.training.need_heads import fit_head, folds_of

STRESS = Path(__file__).resolve().parents[1] / "tests" / "stress" / "posts.jsonl"
# texts of other sources, by source and group; messages are taken whole but for news that ask for nothing
OTHERS = {
    "humaid": {
        "caution_and_advice": 350,
        "infrastructure_and_utility_damage": 350,
        "injured_or_dead_people": 350,
        "not_humanitarian": 450,
        "other_relevant_information": 450,
        "sympathy_and_support": 300,
    },
    "messages_english": {"news": 2500},
    "crisislex_t26": {"other language": 900},
    "crisislex_t6": {"no": 500},
    "disaster_keyword_tweets": {"no": 900},
    "everyday": {"no": 500},
}
ASKED = ("request", *NEEDS)
TOLD = ("offer", "warning")
_FOLDS = 5
# below it, what is said is nearly always wrong
USEFUL = 0.1
Array = NDArray[np.float64]
Ints = NDArray[np.int64]


def draw(texts: Sequence[CrisisText]) -> list[CrisisText]:
    """The texts to train on: all direct messages, news that ask, and the others by their budgets."""
    rng = np.random.default_rng(5)
    open_to = [t for t in texts if any(need in t.labels for need in NEEDS)]
    chosen = [
        t for t in open_to if t.source.startswith("messages") and (t.event != "news" or t.labels["request"])
    ]
    for source, budget in OTHERS.items():
        for group, count in budget.items():
            rows = [t for t in open_to if t.source == source and group_of(t) == group]
            chosen += [rows[i] for i in rng.permutation(len(rows))[:count]]
    return chosen


def stress_develop() -> tuple[list[str], list[set[str]]]:
    """The posts of the stress set's half `develop`, and what each asks for, offers or warns of."""
    read = [json.loads(line) for line in STRESS.read_text(encoding="utf-8").split("\n") if line]
    half = [post for post in read if post["half"] == "develop"]
    says = [
        {
            *post["needs"],
            *(["request"] if post["call"] else []),
            *(["warning"] if post["kind"] == "warning" else []),
        }
        for post in half
    ]
    return [clean_text(post["text"]) for post in half], says


def f1(y: Ints, said: NDArray[np.bool_], stands: Array | None = None) -> float:
    """F1 of saying yes; each row counts for as many as it stands for."""
    each = np.ones(len(y)) if stands is None else stands
    return float(2 * each[said & (y == 1)].sum() / max(1, each[said].sum() + each[y == 1].sum()))


def refit(
    x: Array,
    texts: Sequence[CrisisText],
    folds: Ints,
    weight: Array,
    bias: Array,
    classes: Sequence[str],
    stands: Array,
    develop: tuple[Array, Sequence[Collection[str]]] | None = None,
    heads: Sequence[str] = ASKED,
) -> dict[str, dict[str, object]]:
    """Puts new heads into `weight` and `bias` where they are better; what was found, by need.

    Arguments:
        x: Standardized vectors, shape (n, d).
        texts: Their texts.
        folds: The fold of each.
        weight: Of the bundle's heads, shape (c, d); changed in place.
        bias: Likewise, shape (c,).
        classes: What the heads are for.
        stands: How many texts of its source each stands for.
        develop: Standardized vectors of posts that thresholds are chosen on too, and what each needs.
        heads: Those that are fitted; the others stay.
    """
    told: dict[str, dict[str, object]] = {}
    for need in heads:
        y = np.array([t.labels.get(need, -1) for t in texts])
        asked = np.array([_chooses(t, need) for t in texts])
        at = list(classes).index(need)
        judged = asked & (y >= 0)
        before = x[judged] @ weight[at] + bias[at] > 0
        # as the new one is judged: the mean over folds
        parts = _parts(folds[judged], y[judged])
        old = float(np.mean([f1(y[judged][g], before[g], stands[judged][g]) for g in parts]))
        probe = None if develop is None else (develop[0], np.array([need in n for n in develop[1]], np.int64))
        head = fit_head(x, y, folds, counts=asked * stands, probe=probe)
        scores = {"before": [old], "now": [head.f1]}
        if probe is not None and probe[1].any():
            scores["before"].insert(0, f1(probe[1], probe[0] @ weight[at] + bias[at] > 0))
            scores["now"].insert(0, f1(probe[1], probe[0] @ head.weight + head.bias > 0))
        # below it, what is said is nearly always wrong
        taken = scores["now"] > scores["before"] and np.mean(scores["now"]) > USEFUL
        told[need] = {
            "yes": head.yes,
            **{name: [round(v, 3) for v in values] for name, values in scores.items()},
            "C": head.strength,
            "taken": bool(taken),
        }
        if taken:
            weight[at], bias[at] = head.weight, head.bias
    return told


def _chooses(text: CrisisText, question: str) -> bool:
    """Whether a text has a say in strength and threshold: those that are drawn whole, or say for how many of
    their source they stand.
    """
    if question in TOLD:
        return text.source == f"{question}s"
    return text.source == "tweets" or (text.source.startswith("messages") and text.event != "news")


def _parts(folds: Ints, y: Ints) -> list[NDArray[np.bool_]]:
    return [folds == f for f in np.unique(folds) if (y[folds == f] == 1).any()]


def gathered(data: Path, heads: Sequence[str] = (*ASKED, *TOLD)) -> tuple[list[CrisisText], Ints, Array]:
    """What is trained on, the fold of each, and how many texts it stands for; a message and its translation
    share their fold. Texts that only say whether they offer or warn are left out where that is not fitted.
    """
    english = english_of(data / "crisis_text")
    allowed = [t for t in [*gather(data, free=False), *everyday_texts(data)] if not outside(t)]
    texts = [settled_rescue(t, english) for t in draw(allowed)]
    texts += [*asking(allowed), *near_misses(allowed)]
    told = offers_and_warnings(allowed, [head for head in TOLD if head in heads])
    tweets, stand_for = (a + b for a, b in zip(sought(allowed), told, strict=True))
    stands = np.ones(len(texts) + len(tweets))
    stands[len(texts) :] = stand_for
    # whether they ask is all that these are read for, and they choose nothing
    by_class = [settled_appeal(t) for t in some_humaid(allowed)]
    by_class = [t for t in by_class if "request" in t.labels]
    by_class = [replace(t, labels={"request": t.labels["request"]}) for t in by_class]
    texts += [*tweets, *by_class, *made_up((*ASKED, *TOLD))]
    stands = np.concatenate([stands, np.ones(len(texts) - len(stands))])
    same = [english.get(t.text, "") or wording(t.text) for t in texts]
    return texts, folds_of(same, _FOLDS), stands


def main() -> None:
    """Reads the arguments, fits the heads and writes the bundle."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of the research data")
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="where vectors are kept")
    parser.add_argument("--out", type=Path, required=True, help="the new bundle; may be the old one")
    known = (*ASKED, *TOLD)
    parser.add_argument("--heads", nargs="+", choices=known, default=known, help="those to fit anew")
    parser.add_argument("--version", default="0.6.0", help="of the new bundle")
    args = parser.parse_args()
    torch.set_num_threads(1)
    texts, folds, stands = gathered(args.data, args.heads)
    posts, needs = stress_develop()
    adapter = str(args.bundle / "adapter.safetensors")
    encoder = E5Text(max_tokens=128, precision="fp32", adapter=adapter)
    pooled = encode(encoder, [t.text for t in texts], args.work)
    heads = LinearHeads.read(args.bundle, "needs")
    x = heads.standardized(pooled)
    half = heads.standardized(encode(encoder, posts, args.work))
    found_of = refit(
        x, texts, folds, heads.weight, heads.bias, heads.classes, stands, (half, needs), args.heads
    )
    for need, found in found_of.items():
        print(need, json.dumps(found), flush=True)
    task = within(heads.loaded.meta.task or TASKS[heads.loaded.meta.label_space])
    heads.write(args.out, args.version, task=task)
    print("written", args.out)


if __name__ == "__main__":
    main()
