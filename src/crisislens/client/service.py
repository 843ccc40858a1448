"""The client's calls, one method for each thing that the service is asked."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from uuid import uuid4

import httpx2

from crisislens.client.blocks import blocks_of
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
from crisislens.client.rows import Row, batches_of

__all__ = ["Client"]

# the service says every 15 s that it is still there
_LISTENING: Final = httpx2.Timeout(10.0, read=40.0)
# of a report nothing comes before it is whole
_REPORT_S: Final = 600.0


class Client:
    """Talks to one service.

    Arguments:
        url: Where it is, as in `http://127.0.0.1:8765`.
        key: A key, which an administrator makes.
        tries: How often a call is tried.
        timeout_s: How long the service may be silent, in seconds; what a call waits for comes on top.
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
        self._tries, self._timeout_s, self._sleep = max(1, tries), timeout_s, sleep
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
            wait_s: How long to wait for the assessment, in seconds; the service takes at most 30.

        Raises:
            ConflictError: If the id is there with other content or was erased there, or if this is a later
                version of a post that people reviewed, which takes an administrator's key.
            InputError: If the post cannot be used.
            ServiceError: If it was refused otherwise or nothing answered.
        """
        query = {"source": source, "wait": wait_s}
        timeout = self._silent(self._timeout_s + max(0.0, wait_s))
        pictures = [photo if isinstance(photo, bytes) else Path(photo).read_bytes() for photo in photos]
        if pictures:
            files: list[tuple[str, Any]] = [("photo", ("photo", data)) for data in pictures]
            form = {"post": body_of(post).decode()}
            answer = self._call("POST", "/v1/posts", params=query, data=form, files=files, timeout=timeout)
        else:
            head = {"Content-Type": "application/json"}
            body = body_of(post)
            answer = self._call(
                "POST", "/v1/posts", params=query, content=body, headers=head, timeout=timeout
            )
        return Sent.model_validate_json(answer.content)

    def send_many(self, posts: Iterable[Mapping[str, Any]], *, source: str = "api") -> Iterator[RowOutcome]:
        """Sends any number of posts, 200 a call or fewer where they are long; one outcome a post, in order. A
        post that cannot be used, or cannot be written as JSON, is `refused` and costs no other post.

        Raises:
            InputError: If the source cannot be used.
            ServiceError: If a call was refused as a whole or nothing answered; what came before is taken.
        """
        for batch in batches_of(posts):
            found = self._send_rows([row for row in batch if row.refused is None], source)
            for row in batch:
                yield row.refused or found[row.number]

    def get(self, post_id: int) -> FoundPost:
        """One post.

        Raises:
            NotFoundError: If there is none.
            ServiceError: As above.
        """
        return FoundPost.model_validate_json(self._call("GET", f"/v1/posts/{post_id}").content)

    def find(self, **wanted: Any) -> Iterator[FoundPost]:
        """All posts of a filter, read a page at a time: `label="damage:severe_damage"`, `q=`, `since=`, …; of
        words that more than 5,000 posts hold the newest 5,000, while `export` looks at all.

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
            ServiceError: As above, also where the stream broke off; then there is no new file.
        """
        path = Path(out)
        # a name that no file of a user has
        part = path.with_name(f".{uuid4().hex}.part")
        timeout = self._silent(max(self._timeout_s, _REPORT_S) if form == "report.html" else self._timeout_s)
        answer = self._call(
            "GET", f"/v1/export.{form}", stream=True, params=query_of(wanted), timeout=timeout
        )
        try:
            with closing(answer), part.open("xb") as file:
                for piece in answer.iter_bytes():
                    file.write(piece)
            part.replace(path)
        except httpx2.HTTPError as error:
            raise ServiceError(f"the export broke off ({type(error).__name__}); try again") from error
        finally:
            part.unlink(missing_ok=True)
        return path

    def events(self, *kinds: str, after: int | None = None) -> Iterator[Event]:
        """What happens, without end; comes back after a break and misses nothing that is still kept. Where
        some is not, an event `gap` says so, whatever kinds are asked for.

        Arguments:
            kinds: Only these; all by default.
            after: After this number; from now on by default.

        Raises:
            ServiceError: If the service refuses, or `tries` times in a row cannot be reached, is full or has
                no store.
        """
        params, seq = query_of({"kind": list(kinds)}), after
        while True:
            head = {"Last-Event-ID": str(seq)} if seq is not None else {}
            answer = self._call(
                "GET", "/v1/events", stream=True, params=params, headers=head, timeout=_LISTENING
            )
            # a stream that breaks off was there all the same: the next call finds out whether the service is
            with closing(answer), suppress(httpx2.HTTPError):
                for block in blocks_of(answer.iter_lines()):
                    seq = block.seq if block.seq is not None else seq
                    if block.event is not None:
                        yield block.event
            self._sleep(pause_s(0))

    def close(self) -> None:
        """Lets go of the connections."""
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _silent(self, seconds: float) -> httpx2.Timeout:
        """Bounds for a call whose answer may be so long in coming."""
        return httpx2.Timeout(self._timeout_s, read=seconds)

    def _send_rows(self, rows: Sequence[Row], source: str) -> dict[int, RowOutcome]:
        """What became of the rows of one call, by their numbers."""
        if not rows:
            return {}
        answer = self._call(
            "POST",
            "/v1/posts",
            params={"source": source},
            content=b"\n".join(row.body for row in rows),
            headers={"Content-Type": "application/x-ndjson"},
            mixed=True,
        )
        outcomes: dict[int, RowOutcome] = {}
        for found in answer.json()["results"]:
            number = rows[found["row"]].number
            outcomes[number] = RowOutcome.model_validate({**found, "row": number})
        return outcomes

    def _call(
        self, method: str, path: str, *, mixed: bool = False, stream: bool = False, **more: Any
    ) -> httpx2.Response:
        """One call, tried again where that may help.

        Arguments:
            method: The HTTP method.
            path: The path.
            mixed: Whether an answer that refuses every row is an answer all the same.
            stream: Whether the answer is read by the caller, who closes it.
            more: As httpx2 takes it.
        """
        reason = ServiceError("the service was not asked")
        for attempt in range(self._tries):
            try:
                request = self._http.build_request(method, path, **more)
                answer = self._http.send(request, stream=stream)
                if answer.status_code >= 400:
                    answer.read()
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
