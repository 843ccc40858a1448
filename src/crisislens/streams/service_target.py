"""Posts to a service over HTTP: acknowledgement first, then the place in the source."""

import json
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import quote

from crisislens.core.errors import CrisisLensError, InputError, StoreFullError
from crisislens.core.files import atomic_write
from crisislens.core.fingerprint import fingerprint
from crisislens.core.guarded import Guard
from crisislens.core.http import ask_json, check_address
from crisislens.core.http_answers import RequestError
from crisislens.store.accept import TAKEN
from crisislens.store.records import NewPost, Unread
from crisislens.streams.batch import Batch, OwnServer, Source
from crisislens.streams.letters import KnownLetters, letters_of
from crisislens.streams.media_fetch import get_picture, host_of
from crisislens.streams.targets import Taken, checked_place, read_cursor

__all__ = ["ServiceTarget"]

_SENT = 200
_MOST_AUTHORS = 100


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
        self._get: Callable[[str], bytes] | None = None
        self._known: dict[Path, KnownLetters] = {}

    def fetch_pictures(self, source: Source, guard: Guard, hosts: Collection[str] | None = None) -> None:
        """From now on fetches what posts of a source name, and sends it with them. The service has no way to
        take a picture later, so a post waits for its pictures here; one that cannot be had is left out.
        """
        headers = source.headers_for if isinstance(source, OwnServer) else lambda _: {}
        allowed = None if hosts is None else {host.lower() for host in hosts}

        def get(url: str) -> bytes:
            if allowed is not None and host_of(url) not in allowed:
                raise InputError("its server is none of those that pictures are fetched from")
            return get_picture(url, guard, headers(url))

        self._get = get

    def begin(self, source: Source, config: Mapping[str, Any] | None) -> dict[str, Any]:
        """See `Target`; a configuration is not kept at the service, and the place is kept here."""
        file = self._file(source, ".place")
        known = file.read_text(encoding="utf-8") if file.is_file() else None
        place = checked_place(source, known)
        if place is not None and place != known:
            atomic_write(file, place)
        self._config = dict(config or {})
        return self._config

    def config(self, source: Source) -> dict[str, Any] | None:
        """See `Target`."""
        return self._config

    def cursor(self, source: Source) -> dict[str, Any] | None:
        """See `Target`."""
        try:
            return read_cursor(self._file(source, ".cursor.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def take(self, source: Source, batch: Batch) -> Taken:
        """See `Target`."""
        counts: dict[str, int] = {}
        dead = list(batch.dead)
        if batch.gone or batch.gone_authors:
            counts["gone"] = self._take_back(source, batch)
        for part in _parted(batch):
            pictures = self._pictures(part[0], batch)
            if pictures:
                self._send_with(source, part[0], pictures, counts, dead)
            else:
                self._send(source, part, counts, dead)
        self._bury(source, dead)
        if batch.cursor is not None:
            atomic_write(self._file(source, ".cursor.json"), json.dumps(batch.cursor))
        return Taken(**counts)

    def letters(self, source: Source) -> Path:
        """The file of a source's dead letters, JSON lines; it need not be there."""
        return self._file(source, ".dead.jsonl")

    def resend(self, source: Source, posts: Sequence[NewPost]) -> Taken:
        """Sends posts of letters, and buries none again."""
        counts: dict[str, int] = {}
        self._send(source, posts, counts, [])
        return Taken(**counts)

    def bury(self, source: Source, dead: Sequence[Unread]) -> None:
        """Puts letters back."""
        self._bury(source, dead)

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
            if outcome == "conflict" and post.edited_at is not None:
                counts["not_replaced"] = counts.get("not_replaced", 0) + 1
            if outcome == "refused" or (outcome == "conflict" and not source.edits):
                reason = TAKEN if outcome == "conflict" else str(result.get("reason"))
                dead.append(Unread(raw=json.dumps(_sent(post)), reason=reason))

    def _pictures(self, post: NewPost, batch: Batch) -> list[bytes]:
        """The bytes of a post's pictures; what cannot be had is left out."""
        getters = list(batch.pictures.get(post.external_id, ()))
        if self._get is not None:
            getters += [partial(self._get, photo.url) for photo in post.photos if photo.url]
        found = []
        for get in getters:
            with suppress(CrisisLensError):
                found.append(get())
        return [data for data in found if data]

    def _send_with(
        self,
        source: Source,
        post: NewPost,
        pictures: Sequence[bytes],
        counts: dict[str, int],
        dead: list[Unread],
    ) -> None:
        """Sends one post as a form; where the form is refused, without its pictures."""
        where = f"{self._url}/v1/posts?source={quote(source.name, safe='')}"
        body, kind = _as_form(_sent(post), pictures)
        try:
            value = self._asked(where, body, more={"Content-Type": kind})
        except RequestError:
            self._send(source, [post], counts, dead)
            return
        outcome = "created" if isinstance(value, dict) and value.get("created") else "same"
        counts[outcome] = counts.get(outcome, 0) + 1

    def _take_back(self, source: Source, batch: Batch) -> int:
        """Has the service erase what the source took back, which only an administrator's key may."""
        where = f"{self._url}/v1/deletions?source={quote(source.name, safe='')}"
        ids, authors = _in_parts(batch.gone, _SENT), _in_parts(batch.gone_authors, _MOST_AUTHORS)
        count = 0
        for some, who in zip_longest(ids, authors, fillvalue=()):
            body = {"ids": some, "authors": who, "remember": batch.remember}
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

    def _asked(self, where: str, body: Any, *, needs: str = "", more: Mapping[str, str] | None = None) -> Any:
        headers = {"Authorization": f"Bearer {self._key}", **(more or {})}
        try:
            return self._ask(where, body=body, headers=headers).value
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
        """Appends letters that are not there yet: what a source gives at every look is buried once."""
        if not dead:
            return
        path = self._file(source, ".dead.jsonl")
        # a replay sets the file aside, and what it puts back is to be taken
        known = self._known.get(path) if path.is_file() else None
        if known is None:
            known = self._known[path] = KnownLetters(letters_of(path))
        new = known.new(dead)
        if not new:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            for letter in new:
                line = {"at": datetime.now(UTC).isoformat(), **letter.model_dump()}
                file.write(json.dumps(line) + "\n")
        known.add(new)


def _in_parts(names: Sequence[str], most: int) -> list[Sequence[str]]:
    return [names[start : start + most] for start in range(0, len(names), most)]


def _parted(batch: Batch) -> Iterator[list[NewPost]]:
    """Posts in their order: those without pictures in parts, each with pictures by itself."""
    part: list[NewPost] = []
    for post in batch.posts:
        alone = bool(post.photos) or post.external_id in batch.pictures
        if part and (alone or len(part) >= _SENT):
            yield part
            part = []
        if alone:
            yield [post]
        else:
            part.append(post)
    if part:
        yield part


def _as_form(post: Mapping[str, Any], pictures: Sequence[bytes]) -> tuple[bytes, str]:
    """A form with the post and its pictures, and its media type."""
    mark = secrets.token_hex(16)
    head = f'--{mark}\r\nContent-Disposition: form-data; name="post"\r\n\r\n{json.dumps(post)}\r\n'
    parts = [head.encode()]
    for number, data in enumerate(pictures):
        disposition = f'Content-Disposition: form-data; name="photo"; filename="{number}.bin"'
        kind = "Content-Type: application/octet-stream"
        parts += [f"--{mark}\r\n{disposition}\r\n{kind}\r\n\r\n".encode(), data, b"\r\n"]
    parts.append(f"--{mark}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={mark}"


def _sent(post: NewPost) -> dict[str, Any]:
    names = {"text", "url", "author", "created_at", "lang", "lat", "lon", "event", "edited_at"}
    fields = post.model_dump(mode="json", include=names)
    return {"id": post.external_id, **{name: value for name, value in fields.items() if value is not None}}
