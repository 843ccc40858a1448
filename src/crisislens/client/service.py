"""The client's calls, one method for each thing that the service is asked."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import httpx2

from crisislens.client.calls import (
    AGAIN,
    asked_pause_s,
    body_of,
    detail,
    has_rows,
    pause_s,
    query_of,
    refusal,
)
from crisislens.client.records import Event, FoundPost, RowOutcome, Sent, ServiceError

__all__ = ["Client"]

_BATCH: Final = 200


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
            form = {"post": body_of(post).decode()}
            answer = self._call("POST", "/v1/posts", params=query, data=form, files=files)
        else:
            head = {"Content-Type": "application/json"}
            answer = self._call("POST", "/v1/posts", params=query, content=body_of(post), headers=head)
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
            body = b"\n".join(body_of(post) for post in batch)
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
            page = self._call("GET", "/v1/posts", params=query_of({**wanted, "after": after})).json()
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
            "GET", "/v1/situation", params=query_of({"hours": hours, "place": place})
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
            with self._http.stream("GET", f"/v1/export.{form}", params=query_of(wanted)) as answer:
                if answer.status_code >= 400:
                    answer.read()
                    raise refusal(answer)
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
                for event in self._listen(query_of({"kind": list(kinds)}), head):
                    seq, failed = max(seq or 0, event.seq), 0
                    yield event
            except httpx2.HTTPError as error:
                failed += 1
                if failed >= self._tries:
                    raise ServiceError(f"the service cannot be reached ({type(error).__name__})") from error
            self._sleep(pause_s(failed))

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
                raise refusal(answer)
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
                pause = pause_s(attempt)
            else:
                if answer.status_code < 400 or (mixed and has_rows(answer)):
                    return answer
                if answer.status_code not in AGAIN:
                    raise refusal(answer)
                reason = ServiceError(detail(answer), status=answer.status_code)
                pause = asked_pause_s(answer, attempt)
            if attempt + 1 < self._tries:
                self._sleep(pause)
        raise reason
