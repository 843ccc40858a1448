"""Captions of many posts: each distinct question once, several at a time, with retries, budgets, and a store that outlives a kill.

Posts whose photo, prompt and captioner are the same ask the same question and share one answer, now and in every later run. A question that
fails is not kept: the next run asks again. A budget that is used up ends the asking, not the run: every post gets a record, the unanswered
ones with the reason, and the same command goes on later.

Waits: after a transient failure $\\min(w_{\\max}, w_0 2^k)$ seconds times a random factor in [½, 1], or what the server asks for; a server
that says it is overloaded (429, 503) is left alone by all workers, not only by the one that was told.
"""

import random
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from crisislens.captioning.answers import AnswerError, caption_of_answer
from crisislens.captioning.base import Captioner
from crisislens.captioning.prompts import Prompt
from crisislens.core.config import Config
from crisislens.core.errors import ImageError
from crisislens.core.files import atomic_write
from crisislens.core.http import RequestError
from crisislens.core.store import Store, content_key
from crisislens.data.images import ImageLimits, decode_image, resolve_image
from crisislens.data.untrusted import plain_text
from crisislens.domain.post import Post

__all__ = ["CaptionRecord", "CaptionRun", "Limits", "caption_posts", "write_captions"]

Status = Literal["captioned", "no photo", "unreadable photo", "failed", "budget"]
# an address that does not exist or a key that is not taken will not do better for the next photo
_HOPELESS = {401, 403, 404, 405}
_OVERLOADED = {429, 503, 529}


class Limits(Config):
    """What captioning may cost."""

    max_requests: int | None = Field(default=None, ge=0)
    """Requests to the captioner, retries included; null for any."""
    max_tokens: int | None = Field(default=None, ge=0)
    """Tokens as the captioner counts them; asking ends with the answer that reaches it."""
    max_seconds: float | None = Field(default=None, gt=0)
    """Time after which nothing more is asked, in seconds."""
    retries: int = Field(default=5, ge=0)
    """How often a transient failure is tried again."""
    answer_retries: int = Field(default=1, ge=0)
    """How often an unusable answer is asked for again."""
    first_wait_s: float = Field(default=1.0, gt=0)
    """The first wait, in seconds; doubled each time."""
    longest_wait_s: float = Field(default=60.0, gt=0)
    """The longest wait, in seconds."""
    give_up_after: int = Field(default=8, ge=1)
    """Photos in a row that fail for want of an answer before the run ends with an error."""


class CaptionRecord(BaseModel):
    """One line of the output."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    id: str
    """The post."""
    image: str | None
    """Path of its photo as given."""
    text: str
    """The caption; empty where there is none."""
    weak: bool
    """Whether the captioner is known to be poor."""
    status: Status
    reason: str | None = None
    """Why there is no caption."""
    model: str
    prompt: str | None
    """The prompt with its version; null for a captioner that follows none."""


@dataclass
class CaptionRun:
    """What a run came to.

    Attributes:
        records: One a post, in order.
        questions: Distinct questions among them.
        known: Questions that the store could answer.
        requests: Requests that were made, retries included.
        tokens: Tokens that they cost.
        seconds: Time of the run.
    """

    records: list[CaptionRecord] = field(default_factory=list)
    questions: int = 0
    known: int = 0
    requests: int = 0
    tokens: int = 0
    seconds: float = 0.0

    def count(self, status: Status) -> int:
        """Posts with a status."""
        return sum(record.status == status for record in self.records)


@dataclass(frozen=True)
class _Question:
    key: str
    post: Post
    path: Path | None


@dataclass(frozen=True)
class _Outcome:
    text: str = ""
    status: Status = "captioned"
    reason: str | None = None


def caption_posts(
    posts: Iterable[Post],
    captioner: Captioner,
    prompt: Prompt,
    store: Store,
    *,
    image_root: Path,
    image_limits: ImageLimits | None = None,
    limits: Limits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CaptionRun:
    """Captions posts.

    Arguments:
        posts: The posts.
        captioner: What captions them.
        prompt: What it is asked; a captioner that follows none ignores it.
        store: What was answered before, and where answers are kept.
        image_root: The folder of the photos.
        image_limits: Within which they are decoded; a larger side than for encoders by default.
        limits: What it may cost.
        progress: Called with the questions that are answered and all questions.

    Raises:
        RequestError: If the captioner cannot be reached at all, with the reason; what was answered before is kept.
    """
    started = time.monotonic()
    image_limits = image_limits or ImageLimits(decode_px=768)
    posts = list(posts)
    plan: list[_Question | _Outcome] = [_question(post, captioner, prompt, image_root, image_limits) for post in posts]
    questions = {q.key: q for q in plan if isinstance(q, _Question)}
    answers: dict[str, _Outcome] = {}
    for key in questions:
        kept = store.get(key)
        if isinstance(kept, dict) and isinstance(kept.get("text"), str):
            answers[key] = _Outcome(str(kept["text"]))
    run = CaptionRun(questions=len(questions), known=len(answers))
    asking = _Asking(captioner, prompt, store, image_limits, limits or Limits(), run, started)
    asking.ask([q for key, q in questions.items() if key not in answers], answers, progress)
    for post, planned in zip(posts, plan, strict=True):
        outcome = planned if isinstance(planned, _Outcome) else answers[planned.key]
        run.records.append(_record(post, outcome, captioner, prompt))
    run.seconds = time.monotonic() - started
    return run


def write_captions(path: Path, records: Iterable[CaptionRecord]) -> None:
    """Writes records as JSONL, atomically; a run file can name the file under `knowledge`."""
    atomic_write(path, "".join(record.model_dump_json() + "\n" for record in records))


def _question(post: Post, captioner: Captioner, prompt: Prompt, root: Path, limits: ImageLimits) -> _Question | _Outcome:
    path, photo = None, ""
    if captioner.needs_photo:
        if post.image is None:
            return _Outcome(status="no photo", reason="the post has no photo")
        try:
            path = resolve_image(post.image, root)
            photo = _digest(path, limits)
        except ImageError as error:
            return _Outcome(status="unreadable photo", reason=str(error))
    asked: object = None
    if captioner.prompted:
        rendered = prompt.render(post.text)
        asked = {"prompt": prompt.fingerprint(), "system": rendered.system, "user": rendered.user}
    return _Question(content_key({"photo": photo, "asked": asked, "by": captioner.identity(post)}), post, path)


def _digest(path: Path, limits: ImageLimits) -> str:
    """SHA-256 of the file and within which limits it is decoded."""
    try:
        if path.stat().st_size > limits.max_bytes:
            decode_image(path, limits)
        with path.open("rb") as stream:
            digest = sha256()
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise ImageError("unreadable", f"{path.name} cannot be read ({error.strerror})") from error
    return f"{digest.hexdigest()} {limits.fingerprint()}"


def _record(post: Post, outcome: _Outcome, captioner: Captioner, prompt: Prompt) -> CaptionRecord:
    return CaptionRecord(
        id=post.id,
        image=post.image.path if post.image else None,
        text=outcome.text,
        weak=captioner.weak,
        status=outcome.status,
        reason=outcome.reason,
        model=captioner.name,
        prompt=prompt.id if captioner.prompted else None,
    )


class _Asking:
    """The state that the workers of one run share."""

    def __init__(
        self, captioner: Captioner, prompt: Prompt, store: Store, image_limits: ImageLimits, limits: Limits, run: CaptionRun, started: float
    ) -> None:
        self.captioner, self.prompt, self.store = captioner, prompt, store
        self.image_limits, self.limits, self.run, self.started = image_limits, limits, run, started
        self.lock, self.stop = threading.Lock(), threading.Event()
        self.quiet_until = 0.0
        self.unreached = 0
        self.random = random.Random(0)

    def ask(self, questions: list[_Question], answers: dict[str, _Outcome], progress: Callable[[int, int], None] | None) -> None:
        """Asks all questions, a few ahead of the workers, and fills in the answers."""
        total = len(questions) + len(answers)
        if progress is not None:
            progress(len(answers), total)
        waiting = iter(questions)
        under_way: dict[Future[_Outcome], _Question] = {}
        with ThreadPoolExecutor(self.captioner.workers, thread_name_prefix="caption") as pool:
            try:
                while True:
                    while len(under_way) < 2 * self.captioner.workers and (q := next(waiting, None)) is not None:
                        under_way[pool.submit(self._answer, q)] = q
                    if not under_way:
                        return
                    done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                    for future in done:
                        answers[under_way.pop(future).key] = future.result()
                        if progress is not None:
                            progress(len(answers), total)
            except BaseException:
                # workers that wait must not hold up an interrupted run
                self.stop.set()
                for future in under_way:
                    future.cancel()
                raise

    def _answer(self, q: _Question) -> _Outcome:
        """One question, tried until it is answered, hopeless or too dear."""
        if (spent := self._spent()) is not None:
            return _Outcome(status="budget", reason=spent)
        pixels = None
        if q.path is not None:
            try:
                pixels = decode_image(q.path, self.image_limits).pixels
            except ImageError as error:
                return _Outcome(status="unreadable photo", reason=str(error))
        rendered = self.prompt.render(q.post.text)
        failures = refusals = 0
        while True:
            if not self._pause():
                return _Outcome(status="failed", reason="the run was stopped")
            if (spent := self._begin()) is not None:
                return _Outcome(status="budget", reason=spent)
            try:
                answer = self.captioner.caption(q.post, pixels, rendered)
                self._count(answer.tokens)
                if self.captioner.prompted:
                    caption = caption_of_answer(answer.text, self.prompt)
                else:
                    caption = plain_text(answer.text, max_characters=self.prompt.max_characters)
            except AnswerError as error:
                refusals += 1
                if refusals > self.limits.answer_retries or not self.captioner.prompted:
                    self._reached()
                    return _Outcome(status="failed", reason=str(error))
                continue
            except RequestError as error:
                failures += 1
                if error.status in _HOPELESS:
                    raise
                if not error.transient or failures > self.limits.retries:
                    self._unreached(error)
                    return _Outcome(status="failed", reason=str(error))
                self._wait(error, failures)
                continue
            except Exception as error:
                # a model that breaks on one photo costs that photo; one that breaks on all ends the run
                self._unreached(RequestError(f"{type(error).__name__}: {error}"))
                return _Outcome(status="failed", reason=f"the captioner broke on this photo ({type(error).__name__}: {str(error)[:120]})")
            self._reached()
            self.store.put(q.key, {"text": caption, "model": self.captioner.name, "tokens": answer.tokens})
            return _Outcome(caption)

    def _spent(self) -> str | None:
        """Which budget is used up, if any."""
        limits, run = self.limits, self.run
        if limits.max_requests is not None and run.requests >= limits.max_requests:
            return f"the budget of {limits.max_requests} requests is used up; run again to go on"
        if limits.max_tokens is not None and run.tokens >= limits.max_tokens:
            return f"the budget of {limits.max_tokens} tokens is used up; run again to go on"
        if limits.max_seconds is not None and time.monotonic() - self.started >= limits.max_seconds:
            return f"the budget of {limits.max_seconds:g} s is used up; run again to go on"
        return None

    def _begin(self) -> str | None:
        """Counts a request, unless a budget is used up."""
        with self.lock:
            if (spent := self._spent()) is None:
                self.run.requests += 1
            return spent

    def _count(self, tokens: int) -> None:
        with self.lock:
            self.run.tokens += tokens

    def _reached(self) -> None:
        with self.lock:
            self.unreached = 0

    def _unreached(self, error: RequestError) -> None:
        """Ends the run when nobody has answered for a while."""
        with self.lock:
            self.unreached += 1
            if self.unreached >= self.limits.give_up_after:
                raise RequestError(
                    f"{self.unreached} photos in a row got no answer, the last because: {error}; what was answered is kept",
                    status=error.status,
                )

    def _pause(self) -> bool:
        """Waits while the server asks to be left alone; false if the run was stopped."""
        while (left := self.quiet_until - time.monotonic()) > 0:
            if self.stop.wait(min(left, 1.0)):
                return False
        return not self.stop.is_set()

    def _wait(self, error: RequestError, failures: int) -> None:
        limits = self.limits
        with self.lock:
            doubled = min(limits.longest_wait_s, limits.first_wait_s * 2 ** (failures - 1)) * self.random.uniform(0.5, 1.0)
        seconds = doubled if error.wait_s is None else min(error.wait_s, limits.longest_wait_s)
        if error.status in _OVERLOADED:
            with self.lock:
                self.quiet_until = max(self.quiet_until, time.monotonic() + seconds)
        self.stop.wait(seconds)
