"""A client for programs: typed, with retries that cannot send a post twice.

    >>> from crisislens.client import Client                                      # doctest: +SKIP
    >>> with Client("http://127.0.0.1:8765", key="cl_…") as service:              # doctest: +SKIP
    ...     sent = service.send({"id": "1", "text": "Bridge is down"}, source="radio", wait_s=5)
    ...     sent.assessment["urgency"]

Sending is repeated where the server could not be reached, was full (429, 507: after the seconds it names)
or had no store (503). That is safe: a post's key is its source and id, and the same post again is no new one.
It stands on httpx2 and needs none of the packages of the service itself.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import httpx2
from pydantic import BaseModel, ConfigDict

from crisislens.core.errors import ConflictError, CrisisLensError, InputError, NotFoundError, StoreError

__all__ = ["Client", "Event", "FoundPost", "RowOutcome", "Sent", "ServiceError"]

_BATCH: Final = 200
_AGAIN: Final = frozenset({429, 502, 503, 504, 507})
_LONGEST_WAIT_S: Final = 60.0


class ServiceError(CrisisLensError):
    """The service refused, or could not be reached; the message is its own sentence.

    Arguments:
        message: The sentence.
        status: The HTTP status; 0 where there was no answer.
    """

    exit_code = 9
    http_status = 502

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class _Answer(BaseModel):
    # a newer service may say more
    model_config = ConfigDict(frozen=True, extra="ignore")


class Sent(_Answer):
    """What became of a post that was sent.

    Attributes:
        id: Its number in the service.
        external_id: The id that was sent.
        state: `queued`, `leased`, `done` or `failed`.
        created: False where it was there before, word for word.
        notes: Such as why a photo could not be used.
        assessment: The record, where it was waited for and came in time.
    """

    id: int
    external_id: str
    state: str | None = None
    created: bool
    notes: list[str] = []
    assessment: dict[str, Any] | None = None


class RowOutcome(_Answer):
    """What became of one post of many.

    Attributes:
        row: Its place among all that were sent, from 0.
        external_id: The id that was sent, where it could be read.
        id: Its number in the service; None where it was not taken.
        outcome: `created`, `same`, `conflict`, `erased` or `refused`.
        reason: Why it was not taken.
    """

    row: int
    external_id: str | None
    id: int | None
    outcome: str
    reason: str | None = None


class FoundPost(_Answer):
    """A post with the model's answers and people's, see the API's document for the fields."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: int
    source: str
    external_id: str
    text: str
    state: str
    urgency: float | None = None
    created_at: datetime | None = None
    answers: dict[str, Any] = {}
    reviews: list[dict[str, Any]] = []


class Event(_Answer):
    """Something that happened.

    Attributes:
        seq: Its number; go on after it.
        kind: Such as `post.assessed`.
        post_id: The post it is about, if any.
        data: All of it.
    """

    seq: int
    kind: str
    post_id: int | None = None
    data: dict[str, Any] = {}


class Client:
    """Talks to one service.

    Arguments:
        url: Where it is, as in `http://127.0.0.1:8765`.
        key: A key, which an administrator makes.
        tries: How often a call is tried.
        timeout_s: How long one try may take, in seconds.
        transport: Another way to send, for tests.
        sleep: How to wait, for tests.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str,
        tries: int = 5,
        timeout_s: float = 30.0,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}", "User-Agent": "crisislens-client"}
        self._tries, self._sleep = max(1, tries), sleep
        self._http = httpx2.Client(
            base_url=url, headers=headers, timeout=timeout_s, transport=transport, trust_env=False
        )

    def send(
        self,
        post: Mapping[str, Any],
        *,
        source: str = "api",
        photos: Iterable[str | Path | bytes] = (),
        wait_s: float = 0,
    ) -> Sent:
        """Sends one post.

        Arguments:
            post: `id`, `text` and whatever else the API takes.
            source: Where it comes from.
            photos: Up to four files, or their bytes.
            wait_s: How long to wait for the assessment, in seconds.

        Raises:
            ConflictError: If the id is there with other content.
            InputError: If the post cannot be used.
            ServiceError: If it was refused otherwise or nothing answered.
        """
        query = {"source": source, "wait": wait_s}
        pictures = [photo if isinstance(photo, bytes) else Path(photo).read_bytes() for photo in photos]
        if pictures:
            files: list[tuple[str, Any]] = [("photo", ("photo", data)) for data in pictures]
            form = {"post": _json(post).decode()}
            answer = self._call("POST", "/v1/posts", params=query, data=form, files=files)
        else:
            head = {"Content-Type": "application/json"}
            answer = self._call("POST", "/v1/posts", params=query, content=_json(post), headers=head)
        return Sent.model_validate_json(answer.content)

    def send_many(self, posts: Iterable[Mapping[str, Any]], *, source: str = "api") -> Iterator[RowOutcome]:
        """Sends any number of posts, 200 a call; one outcome a post, in order. A post that cannot be used
        costs no other post.

        Raises:
            ServiceError: If a call was refused as a whole or nothing answered; what came before is taken.
        """
        head = {"Content-Type": "application/x-ndjson"}
        rows, at = iter(posts), 0
        while batch := list(islice(rows, _BATCH)):
            body = b"\n".join(_json(post) for post in batch)
            answer = self._call(
                "POST", "/v1/posts", params={"source": source}, content=body, headers=head, mixed=True
            )
            for found in answer.json()["results"]:
                yield RowOutcome.model_validate({**found, "row": at + found["row"]})
            at += len(batch)

    def get(self, post_id: int) -> FoundPost:
        """One post.

        Raises:
            NotFoundError: If there is none.
            ServiceError: As above.
        """
        return FoundPost.model_validate_json(self._call("GET", f"/v1/posts/{post_id}").content)

    def find(self, **wanted: Any) -> Iterator[FoundPost]:
        """All posts of a filter, read a page at a time: `label="damage:severe_damage"`, `q=`, `since=`, …

        Raises:
            InputError: If the filter cannot be used.
            ServiceError: As above.
        """
        after: str | None = None
        while True:
            page = self._call("GET", "/v1/posts", params=_query({**wanted, "after": after})).json()
            for row in page["posts"]:
                yield FoundPost.model_validate(row)
            after = page["next"]
            if after is None:
                return

    def situation(self, hours: float = 24, place: str | None = None) -> dict[str, Any]:
        """What the last hours brought; each sentence with the posts behind it.

        Raises:
            ServiceError: As above.
        """
        found: dict[str, Any] = self._call(
            "GET", "/v1/situation", params=_query({"hours": hours, "place": place})
        ).json()
        return found

    def export(self, form: str, out: str | Path, **wanted: Any) -> Path:
        """Writes an export (`csv`, `hxl.csv`, `jsonl`, `parquet`, `geojson`, `assessments.jsonl`,
        `report.html`) to a file, streamed.

        Raises:
            InputError: If the filter cannot be used.
            ServiceError: As above, also where the stream broke off; then there is no file.
        """
        path = Path(out)
        part = path.with_name(path.name + ".part")
        try:
            with self._http.stream("GET", f"/v1/export.{form}", params=_query(wanted)) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    raise _refusal(answer)
                with part.open("wb") as file:
                    for piece in answer.iter_bytes():
                        file.write(piece)
            part.replace(path)
        except httpx2.HTTPError as error:
            raise ServiceError(f"the export broke off ({type(error).__name__}); try again") from error
        finally:
            part.unlink(missing_ok=True)
        return path

    def events(self, *kinds: str, after: int | None = None) -> Iterator[Event]:
        """What happens, without end; comes back after a break and misses nothing that is still kept.

        Arguments:
            kinds: Only these; all by default.
            after: After this number; from now on by default.

        Raises:
            ServiceError: If the service refuses, or cannot be reached `tries` times in a row.
        """
        seq, failed = after, 0
        while True:
            head = {"Last-Event-ID": str(seq)} if seq is not None else {}
            try:
                for event in self._listen(_query({"kind": list(kinds)}), head):
                    seq, failed = max(seq or 0, event.seq), 0
                    yield event
            except httpx2.HTTPError as error:
                failed += 1
                if failed >= self._tries:
                    raise ServiceError(f"the service cannot be reached ({type(error).__name__})") from error
            self._sleep(_pause_s(failed))

    def close(self) -> None:
        """Lets go of the connections."""
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _listen(self, params: dict[str, Any], head: dict[str, str]) -> Iterator[Event]:
        timeout = httpx2.Timeout(10.0, read=40.0)
        with self._http.stream("GET", "/v1/events", params=params, headers=head, timeout=timeout) as answer:
            if answer.status_code >= 400:
                answer.read()
                raise _refusal(answer)
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    data = json.loads(line.removeprefix("data: "))
                    if "seq" in data:
                        yield Event.model_validate({**data, "data": data})

    def _call(self, method: str, path: str, *, mixed: bool = False, **more: Any) -> httpx2.Response:
        """One call, tried again where that may help.

        Arguments:
            method: The HTTP method.
            path: The path.
            mixed: Whether an answer that refuses every row is an answer all the same.
            more: As httpx2 takes it.
        """
        reason = ServiceError("the service was not asked")
        for attempt in range(self._tries):
            try:
                answer = self._http.request(method, path, **more)
            except httpx2.HTTPError as error:
                reason = ServiceError(f"the service cannot be reached ({type(error).__name__})")
                pause = _pause_s(attempt)
            else:
                if answer.status_code < 400 or (mixed and _has_rows(answer)):
                    return answer
                if answer.status_code not in _AGAIN:
                    raise _refusal(answer)
                reason = ServiceError(_detail(answer), status=answer.status_code)
                pause = _asked_pause_s(answer, attempt)
            if attempt + 1 < self._tries:
                self._sleep(pause)
        raise reason


def _json(post: Mapping[str, Any]) -> bytes:
    def other(value: object) -> str:
        if isinstance(value, datetime):
            return value.isoformat()
        raise TypeError(f"a post holds text, numbers and times, not {type(value).__name__}")

    try:
        return json.dumps(dict(post), default=other, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise InputError(f"this is no post: {error}") from error


def _query(values: Mapping[str, Any]) -> dict[str, Any]:
    def text(value: Any) -> Any:
        if isinstance(value, bool):
            return "true" if value else "false"
        return value.isoformat() if isinstance(value, datetime) else value

    return {name: text(value) for name, value in values.items() if value not in (None, "", [])}


def _pause_s(attempt: int) -> float:
    return min(_LONGEST_WAIT_S, 0.5 * 2.0**attempt)


def _asked_pause_s(answer: httpx2.Response, attempt: int) -> float:
    asked = answer.headers.get("retry-after", "")
    return min(_LONGEST_WAIT_S, float(asked)) if asked.isdecimal() else _pause_s(attempt)


def _has_rows(answer: httpx2.Response) -> bool:
    try:
        return "results" in answer.json()
    except ValueError:
        return False


def _detail(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["detail"])[:500]
    except (ValueError, KeyError, TypeError):
        return f"the service answered {answer.status_code}"


def _refusal(answer: httpx2.Response) -> CrisisLensError:
    """The error of a status, with the service's own sentence."""
    kinds: dict[int, type[CrisisLensError]] = {
        404: NotFoundError,
        409: ConflictError,
        410: ConflictError,
        413: InputError,
        415: InputError,
        422: InputError,
        503: StoreError,
    }
    kind = kinds.get(answer.status_code)
    if kind is not None:
        return kind(_detail(answer))
    return ServiceError(_detail(answer), status=answer.status_code)
