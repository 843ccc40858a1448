"""Asking a captioner, from several threads at a time: retries, waits and budgets.

Waits: after a transient failure $\\min(w_{\\max}, w_0 2^k)$ seconds times a random factor
in [½, 1], or what the server asks for; a server that says it is overloaded (429, 503) is left alone by all
workers, not only by the one that was told.
"""

import random
import threading
import time

import numpy as np
from jaxtyping import UInt8

from crisislens.captioning.answers import AnswerError, caption_of_answer
from crisislens.captioning.base import Captioner
from crisislens.captioning.prompts import Prompt, RenderedPrompt
from crisislens.captioning.records import CaptionRun, Limits, Outcome, Question
from crisislens.core.errors import ImageError
from crisislens.core.http import RequestError
from crisislens.core.store import Store
from crisislens.data.images import ImageLimits, decode_image
from crisislens.data.untrusted import plain_text

__all__ = ["Asking"]

# an address that does not exist or a key that is not taken will not do better for the next photo
_HOPELESS = {401, 403, 404, 405}
_OVERLOADED = {429, 503, 529}
# not the prompt's: what follows none is kept without it, so its answer must not depend on it
_UNPROMPTED_CHARACTERS = 1200


class Asking:
    """The state that the workers of one run share.

    Arguments:
        captioner: What is asked.
        prompt: What it is asked.
        store: Where answers are kept.
        image_limits: Within which photos are decoded.
        limits: What it may cost.
        run: Counts requests and tokens.
        started: When the run began, of `time.monotonic`.
    """

    def __init__(
        self,
        captioner: Captioner,
        prompt: Prompt,
        store: Store,
        image_limits: ImageLimits,
        limits: Limits,
        run: CaptionRun,
        started: float,
    ) -> None:
        self.captioner, self.prompt, self.store = captioner, prompt, store
        self.image_limits, self.limits, self.run, self.started = image_limits, limits, run, started
        self.lock, self.stop = threading.Lock(), threading.Event()
        self.quiet_until = 0.0
        self.unreached = 0
        # only waits are drawn; seeded, so that a run that is made again waits alike
        self.random = random.Random(0)

    def answer(self, q: Question) -> Outcome:
        """One question, tried until it is answered, hopeless or too dear.

        Arguments:
            q: What the store could not answer.

        Raises:
            RequestError: If the captioner cannot be reached at all, with the reason; what was
                answered before is kept.
        """
        if (spent := self._spent()) is not None:
            return Outcome(status="budget", reason=spent)
        pixels = None
        if q.path is not None:
            try:
                pixels = decode_image(q.path, self.image_limits).pixels
            except ImageError as error:
                return Outcome(status="unreadable photo", reason=str(error))
        rendered = self.prompt.render(q.post.text)
        failures = refusals = 0
        while True:
            if not self._pause():
                return Outcome(status="failed", reason="the run was stopped")
            if (spent := self._begin()) is not None:
                return Outcome(status="budget", reason=spent)
            try:
                caption, tokens = self._asked(q, pixels, rendered)
            except AnswerError as error:
                refusals += 1
                # one that follows no prompt says the same again
                if refusals > self.limits.answer_retries or not self.captioner.prompted:
                    # an answer, if a useless one: the captioner was reached
                    self._reached()
                    return Outcome(status="failed", reason=str(error))
            except RequestError as error:
                failures += 1
                if error.status in _HOPELESS:
                    raise
                if not error.transient or failures > self.limits.retries:
                    self._unreached(error)
                    return Outcome(status="failed", reason=str(error))
                self._wait(error, failures)
            except Exception as error:
                return self._broke(error)
            else:
                self._reached()
                self.store.put(q.key, {"text": caption, "model": self.captioner.name, "tokens": tokens})
                return Outcome(caption)

    def _asked(
        self, q: Question, pixels: UInt8[np.ndarray, "h w 3"] | None, rendered: RenderedPrompt
    ) -> tuple[str, int]:
        """One request: the caption, checked, and the tokens that it cost."""
        try:
            answer = self.captioner.caption(q.post, pixels, rendered)
        except AnswerError as error:
            self._count(error.tokens)
            raise
        # before the answer is judged: a useless one costs as much
        self._count(answer.tokens)
        if self.captioner.prompted:
            return caption_of_answer(answer.text, self.prompt), answer.tokens
        return plain_text(answer.text, max_characters=_UNPROMPTED_CHARACTERS), answer.tokens

    def _broke(self, error: Exception) -> Outcome:
        """A model that breaks on one photo costs that photo; one that breaks on all ends the run."""
        self._unreached(RequestError(f"{type(error).__name__}: {error}"))
        return Outcome(
            status="failed",
            reason=f"the captioner broke on this photo ({type(error).__name__}: {str(error)[:120]})",
        )

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
                    f"{self.unreached} photos in a row got no answer, the last because: {error}; what was "
                    f"answered is kept",
                    status=error.status,
                )

    def _pause(self) -> bool:
        """Waits while the server asks to be left alone; false if the run was stopped."""
        while (left := self.quiet_until - time.monotonic()) > 0:
            # at most a second at a time: another worker may have made the pause longer
            if self.stop.wait(min(left, 1.0)):
                return False
        return not self.stop.is_set()

    def _wait(self, error: RequestError, failures: int) -> None:
        limits = self.limits
        # the generator is shared between threads
        with self.lock:
            doubled = min(
                limits.longest_wait_s, limits.first_wait_s * 2 ** (failures - 1)
            ) * self.random.uniform(0.5, 1.0)
        seconds = doubled if error.wait_s is None else min(error.wait_s, limits.longest_wait_s)
        if error.status in _OVERLOADED:
            with self.lock:
                self.quiet_until = max(self.quiet_until, time.monotonic() + seconds)
        self.stop.wait(seconds)
