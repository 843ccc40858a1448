r"""Whether today's posts look like those before: the population stability index of inputs and confidence.

$$PSI = \sum_b (p_b - q_b) \ln \frac{p_b}{q_b}$$

over the shares $p$ of a day and $q$ of the days before it, no share taken as less than 0.1 %, so that an
empty bin does not make it infinite. By a usual rule of thumb, below 0.1 nothing has changed, and above 0.25
much has (Siddiqi 2006, Credit Risk Scorecards). With few posts it is noise, so days under 50 posts have none.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from crisislens.store.records import DayRow, ReviewRow

__all__ = ["Agreement", "DriftRow", "agreement", "drift", "psi"]

_LEAST_POSTS = 50
_LEAST_SHARE = 0.001
_BEFORE = 14
_Z = 1.96


@dataclass(frozen=True)
class DriftRow:
    """One day against those before it; None where there is too little to say."""

    day: datetime
    posts: int
    unread_share: float
    languages: float | None
    labels: dict[str, float | None]
    confidence: dict[str, float | None]


@dataclass(frozen=True)
class Agreement:
    """How often people say what the model said, with a 95 % interval (Wilson)."""

    task: str
    reviews: int
    right: int
    low: float
    high: float


def psi(now: Mapping[str, float], before: Mapping[str, float]) -> float | None:
    """The index of two counts by bin; None where either has fewer than 50 posts.

    >>> psi({"a": 50, "b": 50}, {"a": 500, "b": 500})
    0.0
    """
    if min(sum(now.values()), sum(before.values())) < _LEAST_POSTS:
        return None
    bins = sorted({*now, *before})
    p, q = _shares(now, bins), _shares(before, bins)
    found = sum((a - b) * math.log(a / b) for a, b in zip(p, q, strict=True))
    return round(found, 4) + 0.0


def drift(days: Sequence[DayRow]) -> list[DriftRow]:
    """Each day against the fourteen before it, the newest first.

    Arguments:
        days: The oldest first.
    """
    rows = []
    for at, day in enumerate(days):
        before = days[max(0, at - _BEFORE) : at]
        tasks = sorted(day.labels)
        rows.append(
            DriftRow(
                day.day,
                day.posts,
                day.unread / day.posts if day.posts else 0.0,
                psi(day.languages, _sum([each.languages for each in before])),
                {t: psi(day.labels[t], _sum([each.labels.get(t, {}) for each in before])) for t in tasks},
                {t: psi(_steps(day, t), _sum([_steps(each, t) for each in before])) for t in tasks},
            )
        )
    return rows[::-1]


def agreement(reviews: Sequence[ReviewRow]) -> list[Agreement]:
    """By task, of standing reviews of posts that the model answered; that no label holds is an answer too.
    Posts that people chose to review are no sample of all posts; read it as a sign, not as the model's
    accuracy.
    """
    counts: dict[str, list[int]] = {}
    for review in reviews:
        for task, labels in review.said.items():
            if review.verdict == "unsure" or review.model_fingerprint is None:
                continue
            row = counts.setdefault(task, [0, 0])
            row[0] += 1
            row[1] += review.verdict == "right" or set(labels) == set(review.model_said(task))
    return [Agreement(task, n, right, *wilson(right, n)) for task, (n, right) in sorted(counts.items())]


def wilson(right: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share.

    >>> [round(end, 3) for end in wilson(8, 10)]
    [0.49, 0.943]
    """
    p, z2 = right / n, _Z * _Z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def _shares(counts: Mapping[str, float], bins: Sequence[str]) -> list[float]:
    whole = sum(counts.values())
    return [max(_LEAST_SHARE, counts.get(name, 0) / whole) for name in bins]


def _sum(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    whole: dict[str, float] = {}
    for part in parts:
        for name, count in part.items():
            whole[name] = whole.get(name, 0) + count
    return whole


def _steps(day: DayRow, task: str) -> dict[str, float]:
    return {str(step): count for step, count in enumerate(day.confidence.get(task, ()))}
