"""The threads that evaluate rules and send what they raise, beside the pages or beside workers.

Of several processes one does it at a time, the holder of a lease: what each may send to is its own setting,
and a message that only one of them can send is not to fail at another.
"""

import logging
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from crisislens.alerts.evaluate import evaluate
from crisislens.alerts.postman import Postman, Ways
from crisislens.core.errors import CrisisLensError
from crisislens.store import Store

__all__ = ["AlertRunner"]

_EVERY_S = 1.0
_LEASE: Final = "alerts"
_LEASE_S = 30.0
# a fault that stays is not to fill the log with a trace a second
_AFTER_FAULT = 30
_LOG = logging.getLogger("crisislens.alerts")


class _Loop:
    """Does a step whenever it is woken or some time is over, until it is stopped."""

    def __init__(self, name: str, step: Callable[[], object], every_s: float) -> None:
        self._step, self._every_s = step, every_s
        self.woken, self._stopped = threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def stop(self) -> None:
        """Asks it to end."""
        self._stopped.set()
        self.woken.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.woken.wait(self._every_s)
            self.woken.clear()
            if self._stopped.is_set():
                return
            try:
                self._step()
            except CrisisLensError as error:
                # a store that cannot be written now is tried again; its sentence holds no post
                _LOG.warning("alerts wait: %s", error)
                self._stopped.wait(self._every_s)
            except Exception:
                # a fault of ours with one message must not silence all others until the next start
                _LOG.exception("alerts: a step failed and is tried again")
                self._stopped.wait(_AFTER_FAULT * self._every_s)


class AlertRunner:
    """Works through what happened, until it is stopped; of those that share a store of PostgreSQL one at a
    time, and another one half a minute after it died. One with a mail server goes before one without.

    Two threads, so that a receiver that does not answer delays no alert.

    Arguments:
        store: Open for writing.
        ways: How messages leave.
        every_s: The longest it waits before it looks again, in seconds.
        now: The time it is.
    """

    def __init__(
        self,
        store: Store,
        ways: Ways | None = None,
        *,
        every_s: float = _EVERY_S,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store, ways = store, ways or Ways()
        self._name, self._rank = uuid.uuid4().hex, int(ways.mail is not None)
        postman = Postman(store, ways)
        self._loops = (
            _Loop("alerts", self._in_turn(lambda: evaluate(store, now=now())), every_s),
            _Loop("postman", self._in_turn(postman.step), every_s),
        )
        self._forget: Callable[[], None] | None = None

    def start(self) -> None:
        """Begins."""

        def wake() -> None:
            for loop in self._loops:
                loop.woken.set()

        self._forget = self._store.events.on_change(wake)
        for loop in self._loops:
            loop.thread.start()

    def stop(self) -> None:
        """Ends; what is half done is done again by the next one."""
        if self._forget is not None:
            self._forget()
        for loop in self._loops:
            loop.stop()
        for loop in self._loops:
            loop.thread.join(timeout=5)
        with suppress(CrisisLensError):
            self._store.leases.give_back(_LEASE, self._name)

    def _in_turn(self, step: Callable[[], object]) -> Callable[[], None]:
        def do() -> None:
            if self._store.leases.take(_LEASE, self._name, _LEASE_S, rank=self._rank):
                step()

        return do
