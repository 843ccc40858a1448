"""JSON lines from standard input. There is no place to go back to: what was read and not yet taken in when
the process dies is the sender's to send again, and lines without an id are known by their content.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from crisislens.data.lines import MAX_LINE
from crisislens.store.records import NewPost, Unread
from crisislens.streams.batch import Batch
from crisislens.streams.rows import RowMaker, content_id

__all__ = ["PipeSource"]

_WAITING = 1_000


class PipeSource:
    """Reads a pipe in a thread, so that a sender that says nothing holds nobody.

    Arguments:
        readline: Of standard input.
        name: Of the source.
        rows: How lines become posts.
        batch: Lines that are taken in together, at most.
    """

    kind = "pipe"
    edits = False

    def __init__(
        self, readline: Callable[[int], bytes], name: str, rows: RowMaker, *, batch: int = 200
    ) -> None:
        self.name, self.every_s = name, 0.0
        self._rows, self._batch, self._over = rows, batch, False
        # bounded: where the service is full, the sender is held
        self._lines: queue.Queue[bytes | None] = queue.Queue(_WAITING)
        self._listener = threading.Thread(target=self._listen, args=(readline,), daemon=True)

    def _listen(self, readline: Callable[[int], bytes]) -> None:
        while line := readline(MAX_LINE + 2):
            self._lines.put(line)
            while line and not line.endswith(b"\n"):
                line = readline(MAX_LINE)
        self._lines.put(None)

    def ended(self) -> bool:
        """When the sender closed the pipe."""
        return self._over

    def look(self, cursor: dict[str, Any] | None) -> Iterator[Batch]:
        """The lines that are there, at most a batch; waits a moment for the first."""
        if not self._listener.ident:
            self._listener.start()
        found: list[NewPost | Unread] = []
        lines, ends = 0, time.monotonic() + 0.2
        while lines < self._batch and not self._over:
            try:
                line = self._lines.get(timeout=max(0.0, ends - time.monotonic()) if not lines else 0.01)
            except queue.Empty:
                break
            if line is None:
                self._over = True
                break
            text = line.decode("utf-8", "replace").strip("\r\n\ufeff").replace("\0", "")
            found.extend(self._rows.line(text, content_id(text)))
            lines += 1
        if found:
            posts = tuple(row for row in found if isinstance(row, NewPost))
            yield Batch(posts, tuple(row for row in found if isinstance(row, Unread)))
