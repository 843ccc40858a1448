"""What a worker process does to a batch: the steps of `analyze`, so that a post gets the answer that it would
get there.

A batch goes through `runs.step.answers`: asked for as a whole, and post by post where that fails, so that a
post that cannot be assessed costs itself alone. A text that the first model cannot read is given to the next
one; the first that reads it is believed, and where none does the first one's answer stands.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post
from crisislens.runs.cutting import chunks
from crisislens.runs.step import answers

if TYPE_CHECKING:
    from crisislens.pipeline.analyst import Analyst, Finding

__all__ = ["Answered", "assess_batch", "explain_post"]


class Answered(NamedTuple):
    """What a worker process says of one post.

    Attributes:
        doc: The assessment as JSON; None where there is none.
        minhash: The text's signature with its numbers.
        phash: The photo's hash.
        reason: Why there is no assessment.
        uncertainty: How unsure the model is of what it could be sure of, in [0, 1].
    """

    doc: str | None
    minhash: bytes | None = None
    phash: int | None = None
    reason: str | None = None
    uncertainty: float | None = None


def assess_batch(analysts: "Sequence[Analyst]", posts: Sequence[Post]) -> list[Answered]:
    """What is said of each post, in their order.

    Raises:
        CrisisLensError: A fault of the machine, as are MemoryError and OSError.
    """
    from crisislens.pipeline.batch import run_time

    analyzed_at = run_time()
    first, *others = analysts
    found = _asked(first, posts, analyzed_at)
    for analyst in others:
        open_ones = [i for i, record in enumerate(found) if _unread(record)]
        if not open_ones:
            break
        again = _asked(analyst, [posts[i] for i in open_ones], analyzed_at)
        for i, record in zip(open_ones, again, strict=True):
            if not isinstance(record, FailedPost) and not _unread(record):
                found[i] = record
    return [_answered(record) for record in found]


def _asked(analyst: "Analyst", posts: Sequence[Post], analyzed_at: str) -> "list[Finding | FailedPost]":
    """What one analyst says of posts; long texts are read a few at a time, however many came."""
    from crisislens.pipeline.batch import AnalyzeStep

    step = AnalyzeStep(analyst, analyzed_at)
    found: list[Finding | FailedPost] = []
    for chunk in chunks(posts, most_rows=max(1, len(posts))):
        found += answers(step, chunk)
    return found


def explain_post(analyst: "Analyst", post: Post) -> str | None:
    """The evidence of one post as JSON; None where the analyst makes none."""
    from crisislens.pipeline.batch import run_time

    [finding] = analyst.find([post], analyzed_at=run_time())
    rationale = finding.assessment.rationale
    return None if rationale is None else rationale.model_dump_json()


def _unread(record: "Finding | FailedPost") -> bool:
    return not isinstance(record, FailedPost) and record.assessment.unread is not None


def _answered(record: "Finding | FailedPost") -> Answered:
    if isinstance(record, FailedPost):
        return Answered(None, reason=record.reason)
    signature = None
    if record.signature is not None:
        signature = record.signature.astype("<u4").tobytes() + record.numbers.to_bytes(8, "little")
    doc = record.assessment.model_dump_json()
    return Answered(doc, signature, record.image_hash, uncertainty=record.uncertainty)
