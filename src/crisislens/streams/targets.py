"""Where posts go: into a store, or to a service over HTTP."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from urllib.parse import quote

from crisislens.core.errors import InputError, StoreFullError
from crisislens.core.files import atomic_write
from crisislens.core.fingerprint import fingerprint
from crisislens.core.http import ask_json, check_address
from crisislens.core.http_answers import RequestError
from crisislens.store.accept import TAKEN
from crisislens.store.records import NewPost, Unread
from crisislens.streams.batch import Batch, Source

if TYPE_CHECKING:
    from crisislens.store import Store

__all__ = ["ServiceTarget", "StoreTarget", "Taken", "Target"]

_SENT = 200
_MOST_AUTHORS = 100


@dataclass(frozen=True)
class Taken:
    """What became of a batch: posts that are new, were there, took the place of an earlier version, have an
    id that is taken, were erased before, were refused, or were taken back now.
    """

    created: int = 0
    same: int = 0
    replaced: int = 0
    conflict: int = 0
    erased: int = 0
    refused: int = 0
    gone: int = 0


@runtime_checkable
class Target(Protocol):
    """Takes batches; what it returned from is durable."""

    def begin(self, source: Source, config: Mapping[str, Any] | None) -> dict[str, Any]:
        """Makes the source known; gives its configuration, which `config` replaces."""
        ...

    def cursor(self, source: Source) -> dict[str, Any] | None:
        """Where a source was left."""
        ...

    def config(self, source: Source) -> dict[str, Any] | None:
        """The configuration just now; None where somebody switched the source off."""
        ...

    def take(self, source: Source, batch: Batch) -> Taken:
        """Takes a batch and its cursor.

        Raises:
            StoreFullError: If it is full; then nothing was taken.
            StoreError: If nothing can be written just now.
        """
        ...


class StoreTarget:
    """A store in this process; batch and cursor are one transaction."""

    def __init__(self, store: "Store") -> None:
        self._store = store

    def begin(self, source: Source, config: Mapping[str, Any] | None) -> dict[str, Any]:
        """See `Target`."""
        return self._store.sources.ensure(source.name, source.kind, config).config

    def cursor(self, source: Source) -> dict[str, Any] | None:
        """See `Target`."""
        row = self._store.sources.by_name(source.name)
        return _read(row.cursor if row else None)

    def config(self, source: Source) -> dict[str, Any] | None:
        """See `Target`."""
        row = self._store.sources.by_name(source.name)
        return row.config if row is not None and row.enabled else None

    def take(self, source: Source, batch: Batch) -> Taken:
        """See `Target`. What was taken back is erased first: a crash between has it taken back once more."""
        gone = self._store.erasure.at_source(
            source.name, batch.gone, authors=batch.gone_authors, remember=batch.remember
        )
        found = self._store.posts.accept(
            source.name,
            batch.posts,
            kind=source.kind,
            cursor=None if batch.cursor is None else json.dumps(batch.cursor, separators=(",", ":")),
            dead=batch.dead,
            keep_conflicts=not source.edits,
        )
        counts: Counter[str] = Counter(answer.outcome for answer in found)
        return Taken(**counts, gone=gone)


class ServiceTarget:
    """A service over HTTP. Its acknowledgement comes first, the cursor is written after it, to a file of
    ours: what is sent again after a crash is no new post, since its key is there.

    Arguments:
        url: Where the service is.
        key: A key that may send posts.
        folder: Where cursors and dead letters are kept.
        ask: How to ask, for tests.
    """

    def __init__(self, url: str, key: str, folder: Path, *, ask: Callable[..., Any] = ask_json) -> None:
        self._url = check_address(url).rstrip("/")
        self._key, self._folder, self._ask = key, folder, ask
        self._config: dict[str, Any] = {}

    def begin(self, source: Source, config: Mapping[str, Any] | None) -> dict[str, Any]:
        """See `Target`; a configuration is not kept at the service."""
        self._config = dict(config or {})
        return self._config

    def config(self, source: Source) -> dict[str, Any] | None:
        """See `Target`."""
        return self._config

    def cursor(self, source: Source) -> dict[str, Any] | None:
        """See `Target`."""
        try:
            return _read(self._file(source, ".cursor.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def take(self, source: Source, batch: Batch) -> Taken:
        """See `Target`."""
        counts: dict[str, int] = {}
        dead = list(batch.dead)
        if batch.gone or batch.gone_authors:
            counts["gone"] = self._take_back(source, batch)
        for start in range(0, len(batch.posts), _SENT):
            self._send(source, batch.posts[start : start + _SENT], counts, dead)
        self._bury(source, dead)
        if batch.cursor is not None:
            atomic_write(self._file(source, ".cursor.json"), json.dumps(batch.cursor))
        return Taken(**counts)

    def _file(self, source: Source, ending: str) -> Path:
        safe = "".join(c if c.isalnum() else "-" for c in source.name)[:60]
        return self._folder / f"{safe}-{fingerprint([self._url, source.name])[:8]}{ending}"

    def _send(
        self, source: Source, posts: Sequence[NewPost], counts: dict[str, int], dead: list[Unread]
    ) -> None:
        """Sends posts; where all of a call were refused, one by one, to learn why."""
        try:
            value = self._post(source, [_sent(post) for post in posts])
        except RequestError as error:
            if error.status not in (409, 410, 422):
                raise
            if len(posts) > 1:
                for post in posts:
                    self._send(source, [post], counts, dead)
                return
            outcome = {409: "conflict", 410: "erased"}.get(error.status, "refused")
            results: list[Any] = [{"row": 0, "outcome": outcome, "reason": str(error)}]
        else:
            results = list(value.get("results", ())) if isinstance(value, dict) else []
            if len(results) != len(posts):
                raise InputError(f"{self._url} did not answer for every post; is it crisislens serve?")
        for result, post in zip(results, posts, strict=True):
            outcome = str(result.get("outcome", "refused"))
            counts[outcome] = counts.get(outcome, 0) + 1
            if outcome == "refused" or (outcome == "conflict" and not source.edits):
                reason = TAKEN if outcome == "conflict" else str(result.get("reason"))
                dead.append(Unread(raw=json.dumps(_sent(post)), reason=reason))

    def _take_back(self, source: Source, batch: Batch) -> int:
        """Has the service erase what the source took back, which only an administrator's key may."""
        where = f"{self._url}/v1/deletions?source={quote(source.name, safe='')}"
        parts = [batch.gone[start : start + _SENT] for start in range(0, len(batch.gone), _SENT)] or [()]
        count = 0
        for number, part in enumerate(parts):
            authors = batch.gone_authors[:_MOST_AUTHORS] if not number else ()
            body = {"ids": part, "authors": authors, "remember": batch.remember}
            answer = self._asked(
                where, body, needs="; this source takes posts back, so it needs --role admin"
            )
            count += int(answer.get("erased", 0)) if isinstance(answer, dict) else 0
        return count

    def _post(self, source: Source, posts: list[dict[str, Any]]) -> Any:
        where = f"{self._url}/v1/posts?source={quote(source.name, safe='')}"
        body: Any = posts if len(posts) > 1 else posts[0]
        value = self._asked(where, body)
        if len(posts) == 1 and isinstance(value, dict) and "results" not in value:
            return {"results": [{"row": 0, "outcome": "created" if value.get("created") else "same"}]}
        return value

    def _asked(self, where: str, body: Any, *, needs: str = "") -> Any:
        try:
            return self._ask(where, body=body, headers={"Authorization": f"Bearer {self._key}"}).value
        except RequestError as error:
            if error.status in (401, 403):
                raise InputError(
                    f"{self._url} does not take the key ({error.status}); make one: crisislens key add{needs}"
                ) from None
            if error.status in (429, 502, 503, 504, 507) or not error.status:
                wait = int(error.wait_s) if error.wait_s is not None else 5
                raise StoreFullError(str(error), retry_after_s=max(1, wait)) from None
            raise

    def _bury(self, source: Source, dead: Sequence[Unread]) -> None:
        if not dead:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._file(source, ".dead.jsonl").open("a", encoding="utf-8") as file:
            for letter in dead:
                line = {"at": datetime.now(UTC).isoformat(), **letter.model_dump()}
                file.write(json.dumps(line) + "\n")


def _sent(post: NewPost) -> dict[str, Any]:
    names = {"text", "url", "author", "created_at", "lang", "lat", "lon", "event", "edited_at"}
    fields = post.model_dump(mode="json", include=names)
    return {"id": post.external_id, **{name: value for name, value in fields.items() if value is not None}}


def _read(text: str | None) -> dict[str, Any] | None:
    try:
        value = json.loads(text) if text else None
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
