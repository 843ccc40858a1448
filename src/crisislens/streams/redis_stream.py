"""Redis Streams, as one of a group of consumers.

An entry is acknowledged when its post is durable. What a process had taken and not acknowledged when it was
killed stays on its list at the server: the next start reads its own list first, and what lies on the list of
a consumer that has been silent for a minute is taken over. What comes twice is one post in the store.

The server is one that the operator names, as a database is; nothing in an entry leads anywhere.
"""

import json
import socket
import time
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from crisislens.core.errors import InputError
from crisislens.core.http_answers import RequestError
from crisislens.core.optional import require
from crisislens.streams.batch import Batch
from crisislens.streams.broker_rows import Gathered
from crisislens.streams.rows import RowMaker
from crisislens.streams.tokens import Token

__all__ = ["DEFAULT_SERVER", "RedisSource"]

DEFAULT_SERVER: Final = "redis://127.0.0.1:6379/0"
_GROUP: Final = "crisislens"
_SILENT_MS = 60_000
_CLAIM_EVERY_S = 20.0
_WAIT_MS = 1_000
_Entry = tuple[bytes, dict[bytes, bytes] | None]


class RedisSource:
    """Reads a stream.

    Arguments:
        stream: Its key.
        name: Of the source.
        rows: How entries become posts.
        server: As `redis://127.0.0.1:6379/0`; `rediss://` encrypts.
        password: Of the server.
        batch: Entries that are taken in together, at most.
        once: Whether to end when nothing more is there.
        consumer: Who reads; by default this machine, so that a restart finds its own list.
        silent_ms: After how long entries of another consumer are taken over, in milliseconds.
    """

    kind = "redis"
    edits = False

    def __init__(
        self,
        stream: str,
        name: str,
        rows: RowMaker,
        *,
        server: str = DEFAULT_SERVER,
        password: Token | None = None,
        batch: int = 200,
        once: bool = False,
        consumer: str | None = None,
        silent_ms: int = _SILENT_MS,
    ) -> None:
        self.name, self.every_s = name, 0.0
        self._redis = require("redis", extra="redis")
        self._stream, self._rows, self._batch, self._once = stream, rows, batch, once
        self._consumer, self._silent_ms = consumer or socket.gethostname(), silent_ms
        self._client = self._opened(server, password)
        # of our own list: where to read on; None when it was read
        self._own: bytes | None = b"0"
        self._claimed_at, self._dry = 0.0, False

    def _opened(self, server: str, password: Token | None) -> Any:
        if not server.startswith(("redis://", "rediss://")) or "@" in server:
            raise InputError(
                f"{server.rpartition('@')[2]!r:.80} is no server of Redis; give --server "
                "redis://HOST:PORT/0, and the password by --token-file"
            )
        more: dict[str, Any] = {"socket_timeout": 10.0, "socket_connect_timeout": 10.0}
        if password:
            more["password"] = password.value
        try:
            return self._redis.Redis.from_url(server, **more)
        except ValueError as error:
            raise InputError(f"--server {server!r:.80} cannot be read: {error}") from None

    def ended(self) -> bool:
        """Once, when nothing more is there."""
        return self._once and self._dry

    def close(self) -> None:
        """Hangs up."""
        self._client.close()

    def look(self, cursor: dict[str, Any] | None) -> Iterator[Batch]:
        """Our own list first, then what others left, then what is new."""
        errors = self._redis.exceptions
        try:
            if self._own is not None:
                yield from self._own_list()
            if time.monotonic() - self._claimed_at > _CLAIM_EVERY_S or not self._claimed_at:
                yield from self._claimed()
            yield from self._new()
        except (errors.AuthenticationError, errors.NoPermissionError) as error:
            raise InputError(f"Redis does not let us in ({error}); check --token-file") from None
        except errors.ResponseError as error:
            if "NOGROUP" not in str(error):
                raise self._no_stream(error) from None
            self._make_group()
        except (errors.RedisError, OSError) as error:
            raise RequestError(f"Redis cannot be reached ({type(error).__name__})", transient=True) from None

    def _no_stream(self, error: Exception) -> InputError:
        return InputError(f"{self._stream!r:.80} cannot be read as a stream of Redis: {error}")

    def _make_group(self) -> None:
        """Begins at the stream's first entry: what waited before we came was meant for somebody."""
        try:
            self._client.xgroup_create(self._stream, _GROUP, id="0", mkstream=True)
        except self._redis.exceptions.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise self._no_stream(error) from None

    def _own_list(self) -> Iterator[Batch]:
        while self._own is not None:
            found = self._read(self._own)
            self._own = found[-1][0] if found else None
            if found:
                yield self._batch_of(found)

    def _claimed(self) -> Iterator[Batch]:
        start: Any = "0-0"
        while True:
            start, found, _ = self._client.xautoclaim(
                self._stream, _GROUP, self._consumer, self._silent_ms, start_id=start, count=self._batch
            )
            if found:
                yield self._batch_of(found)
            if start in (b"0-0", "0-0"):
                break
        self._claimed_at = time.monotonic()

    def _new(self) -> Iterator[Batch]:
        found = self._read(">", block=1 if self._once else _WAIT_MS)
        self._dry = not found
        if found:
            yield self._batch_of(found)

    def _read(self, start: Any, block: int | None = None) -> list[_Entry]:
        answer = self._client.xreadgroup(
            _GROUP, self._consumer, {self._stream: start}, count=self._batch, block=block
        )
        # a list of streams in one version of the protocol, a mapping in the other
        parts = list(answer.values()) if isinstance(answer, dict) else [part for _, part in answer or ()]
        entries = parts[0] if parts else []
        # the mapping holds a list of lists
        if entries and isinstance(entries[0], list):
            entries = entries[0]
        return list(entries)

    def _batch_of(self, entries: list[_Entry]) -> Batch:
        gathered, gone = Gathered(self._rows), 0
        for number, fields in entries:
            name = f"redis-{number.decode('ascii', 'replace')}"
            if not fields:
                gone += 1
                continue
            gathered.add(_line(fields), name)
        note = f"{gone} entries were trimmed from {self._stream} before they were read" if gone else None
        ids = [number for number, _ in entries]
        last = ids[-1].decode("ascii", "replace")
        return gathered.batch(partial(self._acknowledge, ids), {"id": last}, note)

    def _acknowledge(self, ids: list[bytes]) -> None:
        try:
            self._client.xack(self._stream, _GROUP, *ids)
        except (self._redis.exceptions.RedisError, OSError):
            # they come once more, and are there then
            self._own = b"0"


def _line(fields: dict[bytes, bytes]) -> str:
    """The JSON of an entry: of its only field if that holds an object, else of all fields."""
    values = {k.decode("utf-8", "replace"): v.decode("utf-8", "replace") for k, v in fields.items()}
    only = next(iter(values.values()))
    if len(values) == 1 and only.lstrip().startswith("{"):
        return only
    row: dict[str, Any] = dict(values)
    if row.get("deleted") == "true":
        row["deleted"] = True
    return json.dumps(row, ensure_ascii=False)
