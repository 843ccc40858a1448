r"""Fits the head of the ten classes of a bundle anew, on the vectors of its own encoder:
`python scripts/refit_classes.py DATA --bundle BUNDLE --work DIR --out DIR --version VERSION`.

The head that was trained together with the adapter saw half of HumAID's training tweets, each once or twice.
Here it is a multinomial logistic regression on 8,000 of them, of events that may be trained on, and on the
made-up posts whose kind tells their class,

$$\min_{W, b}\ \tfrac12 \lVert W \rVert^2 + C \sum_i \operatorname{CE}(W x_i + b,\ y_i),$$

with the natural shares of the classes in it. C, and how often the newest made-up posts count, have the best
mean of macro-F1 on development tweets, on the events left out (a mean over events), and on the newest made-up
posts, each author's judged by a head that saw none of theirs (with `--seen` without these, once each: an
adapter that learned from them finds them easy); temperature and threshold are chosen on the
events left out, as `bundle_crisis.py` does. No test tweet of an event that was trained on is read. Ours, no
paper.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from bundle_crisis import RISK, calibrated
from linear_heads import LinearHeads
from need_texts import authors, made_up, some_humaid
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from train_crisis import gather, outside
from train_open import encode

from crisislens.encoders.e5 import E5Text
from crisislens.evaluation.calibration import softmax
from crisislens.evaluation.classification import evaluate
from crisislens.training.crisis_text import HUMANITARIAN_10, CrisisText, read_source

STRENGTHS = (0.0003, 0.001, 0.003, 0.01)
QUESTION = "humanitarian"
TIMES = (1, 3)
"""How often each of the newest made-up posts may count."""
LATEST = "made_up_told"
Array = NDArray[np.float64]
Ints = NDArray[np.int64]


def classes_of(texts: Sequence[CrisisText]) -> Ints:
    """The class of each text."""
    return np.array([t.labels["humanitarian_10"] for t in texts], np.int64)


def macro_f1(y: Ints, logits: Array) -> float:
    """Mean F1 of the classes that occur."""
    scores = evaluate(y, softmax(logits), HUMANITARIAN_10, resamples=0).per_class
    return float(np.mean([scores[HUMANITARIAN_10[c]].f1 for c in np.unique(y)]))


def over_events(y: Ints, logits: Array, events: Sequence[str]) -> float:
    """The mean over events of their macro-F1."""
    names = np.array(events)
    return float(np.mean([macro_f1(y[names == e], logits[names == e]) for e in np.unique(names)]))


Rows = tuple[Array, Ints, Sequence[str]]


def fit_classes(
    train: tuple[Array, Ints],
    latest: Rows,
    dev: tuple[Array, Ints],
    left_out: Rows,
    strengths: Sequence[float] = STRENGTHS,
    *,
    seen: bool = False,
) -> tuple[Array, Array]:
    """Weight, shape (c, d), and bias, shape (c,), of the strength and the count that do best.

    Arguments:
        train: Standardized vectors, shape (n, d), and classes.
        latest: Likewise, of the newest made-up posts, and the author of each.
        dev: Likewise, of other tweets of the same events.
        left_out: Likewise, of other events, and the event of each.
        strengths: Values of C.
        seen: Whether the encoder learned from the newest made-up posts, which then choose nothing.
    """
    found = []
    for times in TIMES[:1] if seen else TIMES:
        for strength in strengths:
            weight, bias = _fitted(train, latest, times, strength)
            inside = macro_f1(dev[1], dev[0] @ weight.T + bias)
            away = over_events(left_out[1], left_out[0] @ weight.T + bias, left_out[2])
            made = _over_authors(train, latest, times, strength)
            told = f"development {inside:.3f}, events left out {away:.3f}, made up {made:.3f}"
            print(f"{times} times, C {strength}: {told}", flush=True)
            chosen_by = (inside, away) if seen else (inside, away, made)
            found.append((float(np.mean(chosen_by)), weight, bias))
    _, weight, bias = max(found, key=lambda one: one[0])
    return weight, bias


def _fitted(train: tuple[Array, Ints], latest: Rows, times: int, strength: float) -> tuple[Array, Array]:
    x = np.concatenate([train[0], *[latest[0]] * times])
    y = np.concatenate([train[1], *[latest[1]] * times])
    fitted = LogisticRegression(C=strength, max_iter=300, tol=1e-3).fit(x, y)
    return fitted.coef_, fitted.intercept_


def _over_authors(train: tuple[Array, Ints], latest: Rows, times: int, strength: float) -> float:
    """Macro-F1 on the newest made-up posts, each author's judged by a head that saw none of theirs."""
    x, y, written_by = latest
    logits = np.zeros((len(y), len(HUMANITARIAN_10)))
    for author in sorted(set(written_by)):
        mine = np.array([a == author for a in written_by])
        others = (x[~mine], y[~mine], [a for a in written_by if a != author])
        weight, bias = _fitted(train, others, times, strength)
        logits[mine] = x[mine] @ weight.T + bias
    return macro_f1(y, logits)


def main() -> None:
    """Reads the arguments, fits the head and writes the bundle."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="the folder of the research data")
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="where vectors are kept")
    parser.add_argument("--out", type=Path, required=True, help="the new bundle; may be the old one")
    parser.add_argument("--version", required=True, help="of the new bundle")
    seen = "the adapter learned from the newest made-up posts, which then choose nothing"
    parser.add_argument("--seen", action="store_true", help=seen)
    args = parser.parse_args()
    torch.set_num_threads(1)
    humaid = read_source(args.data / "crisis_text", "humaid", splits=("train", "dev", "test"))
    train = some_humaid([t for t in gather(args.data, free=False) if not outside(t)])
    latest = {t.text: t for t in made_up((), files=(LATEST,)) if "humanitarian_10" in t.labels}
    older = {t.text: t for t in made_up(()) if "humanitarian_10" in t.labels and t.text not in latest}
    train += older.values()
    made = list(latest.values())
    author = authors(LATEST)
    dev = [t for t in humaid if t.split == "dev" and not outside(t)]
    away = [t for t in humaid if outside(t)]
    encoder = E5Text(max_tokens=128, precision="fp32", adapter=str(args.bundle / "adapter.safetensors"))
    heads = LinearHeads.read(args.bundle, QUESTION)
    x_train, x_made, x_dev, x_away = (
        heads.standardized(encode(encoder, [t.text for t in texts], args.work))
        for texts in (train, made, dev, away)
    )
    heads.weight, heads.bias = fit_classes(
        (x_train, classes_of(train)),
        (x_made, classes_of(made), [author[t.text] for t in made]),
        (x_dev, classes_of(dev)),
        (x_away, classes_of(away), [t.event for t in away]),
        seen=args.seen,
    )
    events = len({t.event for t in away})
    where = f"texts of {events} events of HumAID that were never trained on"
    logits = x_away @ heads.weight.T + heads.bias
    told = calibrated(logits, classes_of(away), RISK[QUESTION], where)
    heads.write(args.out, args.version, calibration={"text": told, "both": told})
    print("written", args.out, told)


if __name__ == "__main__":
    main()
