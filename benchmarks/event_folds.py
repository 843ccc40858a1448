r"""Heads chosen by five folds over all events: `python benchmarks/event_folds.py DATA --work DIR`.

The encoder is multilingual-e5-small as it is published, frozen, so no event was seen by any weight but those
of the heads; the texts and their vectors are those of `scripts/train_open.py`, kept in `--work`. Each event
of each source belongs to one of five folds, and each fold is judged by heads that were trained on the other
four. Printed for each strength C: the mean over folds, their standard deviation, the worst and the best; and
for the strength with the best mean, each fold with its events.

- ten classes: macro-F1 over the classes that the fold has;
- informative, asks for help: AUROC, and F1 at one half.

An event is in one fold whole, so folds differ in size and kind, and the spread between them says how far a
mean over events can be trusted for the next event.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from need import auroc, f1
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from crisislens.training.need_heads import STRENGTHS, folds_of

sys.path.append(str(Path(__file__).resolve().parents[1] / "scripts"))
from train_open import Rows, gathered, macro_f1

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
FOLDS = 5
# a fold with fewer of either answer says nothing about a question
FEWEST = 20
QUESTIONS = ("humanitarian_10", "informative", "request")


def events_of(rows: Rows) -> NDArray[np.str_]:
    """The event of each row; sources name them, so one event of two sources is two."""
    return np.array([f"{t.source.partition('_')[0]} {t.event}" for t in rows.texts])


def scores(question: str, y: Ints, head: LogisticRegression, x: Array) -> dict[str, float]:
    """What is printed of a fold."""
    if question == "humanitarian_10":
        return {"macro-F1": macro_f1(y, head.predict(x))}
    z = head.decision_function(x)
    return {"AUROC": auroc(y, z), "F1": f1(y, z > 0)}


def usable(question: str, y: Ints) -> bool:
    """Whether a fold can be judged."""
    return question == "humanitarian_10" or min((y == 0).sum(), (y == 1).sum()) >= FEWEST


def by_fold(question: str, x: Array, y: Ints, folds: Ints, strength: float) -> dict[int, dict[str, float]]:
    """Scores of each fold that can be judged, by heads that did not see it."""
    found = {}
    for fold in range(FOLDS):
        held = folds == fold
        if not held.any() or not usable(question, y[held]):
            continue
        head = LogisticRegression(C=strength, max_iter=200, tol=1e-3).fit(x[~held], y[~held])
        found[fold] = scores(question, y[held], head, x[held])
    return found


def spread(values: list[float]) -> str:
    """Mean, standard deviation, worst and best."""
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f} ({min(values):.3f} to {max(values):.3f})"


def report(question: str, rows: Rows, say: Callable[[str], None]) -> float:
    """Says what each strength comes to; the strength with the best mean of the first score."""
    answers = rows.labels(question)
    used = (answers >= 0) & rows.real
    x, y, events = rows.x[used].astype(np.float64), answers[used], events_of(rows)[used]
    folds = folds_of(events.tolist(), FOLDS, seed=1)
    found = {c: by_fold(question, x, y, folds, c) for c in STRENGTHS}
    first = next(iter(next(iter(found[STRENGTHS[0]].values()))))
    means = {c: float(np.mean([s[first] for s in parts.values()])) for c, parts in found.items()}
    best = max(means, key=lambda c: means[c])
    say(f"{question}: {len(y)} texts of {len(set(events))} events")
    for c, parts in found.items():
        cells = [f"{name} {spread([s[name] for s in parts.values()])}" for name in next(iter(parts.values()))]
        say(f"  C {c}: " + "; ".join(cells) + (" (chosen)" if c == best else ""))
    for fold, told in found[best].items():
        here = folds == fold
        names = ", ".join(f"{name} {value:.3f}" for name, value in told.items())
        say(f"    fold {fold}, {here.sum()} texts of {len(set(events[here]))} events: {names}")
    return best


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True, help="where vectors are kept")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows, _ = gathered(args.data, args.work)
    for question in QUESTIONS:
        report(question, rows, lambda text: print(text, flush=True))


if __name__ == "__main__":
    main()
