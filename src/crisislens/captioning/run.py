"""Captions of many posts: each distinct question once, several at a time, with retries, budgets,
and a store that outlives a kill. The loop is that of `crisislens.runs`; here stands the step.

Posts whose photo, prompt and captioner are the same ask the same question and share one answer, now
and in every later run. A question that fails is not kept: the next run asks again. A budget that is
used up ends the asking, not the run: every post gets a record, the unanswered ones with the reason,
and the same command goes on later.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from hashlib import sha256
from pathlib import Path

from crisislens.captioning.asking import Asking
from crisislens.captioning.base import Captioner
from crisislens.captioning.prompts import Prompt
from crisislens.captioning.records import CaptionRecord, CaptionRun, Limits, Outcome, Question
from crisislens.core.errors import ImageError
from crisislens.core.fingerprint import fingerprint
from crisislens.core.store import Store, content_key
from crisislens.data.images import ImageLimits, decode_image, resolve_image
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import Post
from crisislens.runs.engine import Progress, run_step
from crisislens.runs.executor import Threads
from crisislens.runs.ledger import Through
from crisislens.runs.sinks import Feed, InMemory, Record, Sink

__all__ = ["CaptionStep", "caption_posts"]

# a question that waits for a server must not hold up the others
_AHEAD = 8
# the same for all that ask for less: the store's keys hold it
_LEAST_SIDE_PX = 768


class CaptionStep:
    """Posts into captions: the step that `caption` is. Posts that ask the same question share one
    answer, also when they ask at the same time.

    Arguments:
        captioner: What captions them.
        prompt: What it is asked; a captioner that follows none ignores it.
        store: What was answered before, and where answers are kept.
        image_root: The folder of the photos.
        image_limits: Within which they are decoded.
        limits: What it may cost.
        run: Counts questions, requests and tokens.
    """

    name = "caption"
    failure = "could not be captioned"

    def __init__(
        self,
        captioner: Captioner,
        prompt: Prompt,
        store: Store,
        *,
        image_root: Path,
        image_limits: ImageLimits,
        limits: Limits,
        run: CaptionRun,
    ) -> None:
        self.captioner, self.prompt, self.store, self.run = captioner, prompt, store, run
        self.image_root, self.image_limits = image_root, image_limits
        self.asking = Asking(captioner, prompt, store, image_limits, limits, run, time.monotonic())
        self._lock = threading.Lock()
        self._answers: dict[str, Future[Outcome]] = {}

    def fingerprint(self) -> str:
        """See `runs.step.Step`; what a captioner makes of a post also depends on what it is, see
        `Captioner.identity`.
        """
        return fingerprint(
            {
                "captioner": self.captioner.name,
                "prompt": self.prompt.fingerprint(),
                "limits": self.image_limits.fingerprint(),
            }
        )

    def map(self, posts: Sequence[Post]) -> list[CaptionRecord]:
        """See `runs.step.Step`."""
        return [self._record(post, self._outcome(post)) for post in posts]

    def stop(self) -> None:
        """Wakes the threads that wait for a server,
        so that they do not hold up an interrupted run.
        """
        self.asking.stop.set()

    def _outcome(self, post: Post) -> Outcome:
        question = _question(post, self.captioner, self.prompt, self.image_root, self.image_limits)
        if isinstance(question, Outcome):
            return question
        with self._lock:
            answer = self._answers.get(question.key)
            if first := answer is None:
                answer = self._answers[question.key] = Future()
        assert answer is not None
        # outside of the lock, which others need to find out that they wait for the same answer
        if first:
            self._answer(question, answer)
        return answer.result()

    def _answer(self, question: Question, answer: Future[Outcome]) -> None:
        """Answers a question that nobody else in this run asks."""
        try:
            kept = self.store.get(question.key)
            known = isinstance(kept, dict) and isinstance(kept.get("text"), str)
            with self._lock:
                self.run.questions += 1
                self.run.known += known
            answer.set_result(Outcome(str(kept["text"])) if known else self.asking.answer(question))
        except BaseException as error:
            # whoever waits for this answer must not wait for ever
            self.stop()
            answer.set_exception(error)

    def _record(self, post: Post, outcome: Outcome) -> CaptionRecord:
        return CaptionRecord(
            id=post.id,
            image=post.image.path if post.image else None,
            text=outcome.text,
            weak=self.captioner.weak,
            status=outcome.status,
            reason=outcome.reason,
            model=self.captioner.name,
            prompt=self.prompt.id if self.captioner.prompted else None,
        )


def caption_posts(
    posts: Iterable[Post | FailedPost],
    captioner: Captioner,
    prompt: Prompt,
    store: Store,
    *,
    image_root: Path,
    image_limits: ImageLimits | None = None,
    limits: Limits | None = None,
    sinks: Sequence[Sink[CaptionRecord]] = (),
    progress: Progress | None = None,
    total: int | None = None,
) -> CaptionRun:
    """Captions posts.

    Arguments:
        posts: The posts; rows that could not become one are counted and have no record.
        captioner: What captions them.
        prompt: What it is asked; a captioner that follows none ignores it.
        store: What was answered before, and where answers are kept.
        image_root: The folder of the photos.
        image_limits: Within which they are decoded; a larger side than for encoders by default, and no
            smaller one than the captioner's.
        limits: What it may cost.
        sinks: Where the records go; without one they are kept in `CaptionRun.records`.
        progress: Called with the rows that are done and all rows, None where nobody knows.
        total: All rows, where the caller knows.

    Raises:
        RequestError: If the captioner cannot be reached at all, with the reason; what was answered
            before is kept.
    """
    started = time.monotonic()
    run = CaptionRun()
    image_limits = image_limits or ImageLimits(decode_px=max(_LEAST_SIDE_PX, captioner.side_px))
    limits = limits or Limits()
    step = CaptionStep(
        captioner, prompt, store, image_root=image_root, image_limits=image_limits, limits=limits, run=run
    )
    memory: InMemory[CaptionRecord] = InMemory()
    feed: Feed[CaptionRecord] = Feed([_Counts(run), *(sinks or (memory,))])
    where = f"what was answered is kept in {store.path}"
    try:
        run_step(
            posts,
            step,
            Through(feed, line=CaptionRecord.model_dump_json, where=where),
            # one post a chunk: as many are asked at a time as the captioner has workers
            executor=Threads(captioner.workers, ahead=_AHEAD * captioner.workers),
            chunk_posts=1,
            progress=progress,
            total=total,
        )
        feed.commit()
    except BaseException:
        step.stop()
        feed.discard()
        raise
    run.records, run.seconds = memory.records, time.monotonic() - started
    return run


class _Counts:
    """Counts what posts came to.

    Arguments:
        run: Where.
    """

    name = "counts"

    def __init__(self, run: CaptionRun) -> None:
        self.lost, self._run = 0, run

    def add(self, record: Record[CaptionRecord]) -> None:
        """Counts a status."""
        self._run.statuses[record.value.status] += 1

    def fail(self, record: Record[CaptionRecord]) -> None:
        """Counts a failed row."""
        self._run.failed += 1

    def commit(self) -> None:
        """Nothing to do."""

    def discard(self) -> None:
        """Nothing to do."""


def _question(
    post: Post, captioner: Captioner, prompt: Prompt, root: Path, limits: ImageLimits
) -> Question | Outcome:
    path, photo = None, ""
    if captioner.needs_photo:
        if post.image is None:
            return Outcome(status="no photo", reason="the post has no photo")
        try:
            path = resolve_image(post.image, root)
            photo = _digest(path, limits)
        except ImageError as error:
            return Outcome(status="unreadable photo", reason=str(error))
    asked: object = None
    if captioner.prompted:
        rendered = prompt.render(post.text)
        asked = {"prompt": prompt.fingerprint(), "system": rendered.system, "user": rendered.user}
    return Question(content_key({"photo": photo, "asked": asked, "by": captioner.identity(post)}), post, path)


def _digest(path: Path, limits: ImageLimits) -> str:
    """SHA-256 of the file and within which limits it is decoded."""
    try:
        # the decoder refuses it in its own words, before gigabytes are read for a digest
        if path.stat().st_size > limits.max_bytes:
            decode_image(path, limits)
        with path.open("rb") as stream:
            digest = sha256()
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise ImageError("unreadable", f"{path.name} cannot be read ({error.strerror})") from error
    return f"{digest.hexdigest()} {limits.fingerprint()}"
