"""One trial of a study and what it came to, as it is kept: post by post, so that every comparison can be
made again from the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict

from crisislens.bench.results import provenance

__all__ = ["Outcome", "Scores", "Trial", "TrialResult", "trial_result"]

Scores = Bool[np.ndarray, " n"] | Float[np.ndarray, " n"]
"""Of each test post: whether the system is right, or how much it has of something, 1 for all of it."""

# what stands before scores that are no yes or no
_FLOATS = "f4:"


class Trial(NamedTuple):
    """One training.

    Attributes:
        setting: The data.
        system: What is trained.
        at: The condition: a share, or a count.
        seed: Of everything that is drawn.
    """

    setting: str
    system: str
    at: float
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What a trial came to.

    Attributes:
        hits: By metric, the scores of the test posts, in the same order in every trial.
        facts: What else is worth keeping, as JSON can hold it: a chosen temperature, λ of each head.
        device: Where it was trained.
    """

    hits: Mapping[str, Scores]
    facts: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"


class TrialResult(BaseModel):
    """A trial as it is kept."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    key: str
    """Over study, recipe, data and trial."""
    study: str
    recipe: str
    """Fingerprint of the study's terms."""
    data: str
    """Fingerprint of the setting's materials."""
    setting: str
    system: str
    at: float
    seed: int
    code: str
    versions: dict[str, str]
    device: str
    """Where it was trained."""
    finished_at: str
    """ISO 8601, UTC."""
    seconds: float
    """Processor time, not time that went by: other work on the machine does not change it."""
    posts: int
    hits: dict[str, str]
    """By metric, the scores of the posts in hexadecimal: a bit a post, or `f4:` and four bytes a post."""
    facts: dict[str, Any]

    def scores(self, metric: str) -> Float[np.ndarray, " n"]:
        """The scores of the posts; right is 1, wrong 0."""
        text = self.hits[metric]
        if text.startswith(_FLOATS):
            return np.frombuffer(bytes.fromhex(text.removeprefix(_FLOATS)), "<f4").astype(np.float64)
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(text), np.uint8))
        return bits[: self.posts].astype(np.float64)


def trial_result(
    trial: Trial, outcome: Outcome, *, key: str, study: str, recipe: str, data: str, seconds: float
) -> TrialResult:
    """A trial that is to be kept.

    Arguments:
        trial: The trial.
        outcome: What it came to.
        key: Over study, recipe, data and trial.
        study: The study's name.
        recipe: Fingerprint of its terms.
        data: Fingerprint of the materials.
        seconds: Processor time.

    Raises:
        ValueError: If there are no scores, not as many in each metric, or some that are no number.
    """
    counts = {len(scores) for scores in outcome.hits.values()}
    if len(counts) != 1 or not all(np.isfinite(scores).all() for scores in outcome.hits.values()):
        raise ValueError(
            f"{trial} came to scores of {sorted(counts)} posts; each metric needs one number a post"
        )
    return TrialResult.model_validate(
        {
            "key": key,
            "study": study,
            "recipe": recipe,
            "data": data,
            **trial._asdict(),
            **provenance(outcome.device),
            "seconds": seconds,
            "posts": counts.pop(),
            "hits": {metric: _packed(scores) for metric, scores in outcome.hits.items()},
            "facts": dict(outcome.facts),
        }
    )


def _packed(scores: Scores) -> str:
    if scores.dtype == np.bool_:
        return np.packbits(scores).tobytes().hex()
    # a score is known to far fewer digits than the seven that four bytes hold
    return _FLOATS + scores.astype("<f4").tobytes().hex()
