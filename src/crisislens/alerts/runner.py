"""The thread that evaluates rules and sends what they raise, beside the pages or by itself."""

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from crisislens.alerts.evaluate import evaluate
from crisislens.core.errors import CrisisLensError
from crisislens.store import Store

__all__ = ["AlertRunner"]

_EVERY_S = 1.0
_LOG = logging.getLogger("crisislens.alerts")


class AlertRunner:
    """Works through what happened, until it is stopped; any number of them may share a store of PostgreSQL.

    Arguments:
        store: Open for writing.
        every_s: The longest it waits before it looks again, in seconds.
        now: The time it is.
    """

    def __init__(
        self,
        store: Store,
        *,
        every_s: float = _EVERY_S,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store, self._every_s, self._now = store, every_s, now
        self._woken, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
        self._forget: Callable[[], None] | None = None

    def start(self) -> None:
        """Begins."""
        self._forget = self._store.events.on_change(self._woken.set)
        self._thread.start()

    def stop(self) -> None:
        """Ends; what is half done is done again by the next one."""
        if self._forget is not None:
            self._forget()
        self._stopped.set()
        self._woken.set()
        self._thread.join(timeout=5)

    def step(self) -> None:
        """One look at everything that is to do."""
        evaluate(self._store, now=self._now())

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._woken.wait(self._every_s)
            self._woken.clear()
            if self._stopped.is_set():
                return
            try:
                self.step()
            except CrisisLensError as error:
                # a store that cannot be written now is tried again; its sentence holds no post
                _LOG.warning("alerts wait: %s", error)
                with suppress(RuntimeError):
                    self._stopped.wait(self._every_s)
