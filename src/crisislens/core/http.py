"""The one door to the network: requests with a deadline, a size cap and typed failures; no redirect to
another kind of address.

A deadline holds for the whole answer, so a server that sends one byte a second does not hold a worker for
ever. What a server says is untrusted: bodies are cut off at a cap, JSON is parsed and nothing else.
"""

import http.client
import json
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from crisislens.core.errors import CrisisLensError, InputError

__all__ = [
    "RequestError",
    "Response",
    "ask_json",
    "check_address",
    "open_stream",
    "shown_address",
    "translated",
]

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
_BLOCK_BYTES = 1 << 16
_TRANSIENT = {408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 524, 529}


class RequestError(CrisisLensError):
    """A request that was not answered as it should.

    Arguments:
        message: The sentence for people.
        status: The HTTP status, or 0 where there was no answer.
        transient: Whether the same request may succeed later.
        wait_s: How long the server asks to wait, in seconds; None where it does not say.
    """

    http_status = 502

    def __init__(
        self, message: str, *, status: int = 0, transient: bool = False, wait_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.transient, self.wait_s = status, transient, wait_s


@dataclass(frozen=True)
class Response:
    """A parsed answer.

    Attributes:
        value: The JSON value.
        seconds: From asking to the last byte.
    """

    value: Any
    seconds: float


class _NoStrangeRedirect(urllib.request.HTTPRedirectHandler):
    """Follows redirects within http and https, and never from https to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        """The request to follow, or none."""
        if not newurl.startswith("https://") and not (
            newurl.startswith("http://") and req.full_url.startswith("http://")
        ):
            raise urllib.error.HTTPError(req.full_url, code, f"redirected to {newurl[:80]}", headers, fp)
        found = super().redirect_request(req, fp, code, msg, headers, newurl)
        elsewhere = urlsplit(newurl).netloc != urlsplit(req.full_url).netloc
        if found is not None and elsewhere:
            # a key is meant for the server that it was given for
            found.remove_header("Authorization")
        return found


_OPENER = urllib.request.build_opener(_NoStrangeRedirect)


def check_address(url: str) -> str:
    """The address, if it is one of http or https.

    Raises:
        InputError: If it is not.
    """
    if not url.startswith(("http://", "https://")) or any(c.isspace() for c in url):
        raise InputError(f"{url!r:.80} is no address; give one that starts with http:// or https://")
    return url


def ask_json(
    url: str,
    *,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
    max_bytes: int = MAX_ANSWER_BYTES,
) -> Response:
    """Asks a server and parses its answer.

    Arguments:
        url: http or https.
        body: Sent as JSON by POST; None asks by GET.
        headers: More headers.
        timeout_s: Deadline of the whole exchange, in seconds.
        max_bytes: The largest answer that is read.

    Raises:
        InputError: If the address is none.
        RequestError: If there is no answer in time, it is an error, too large, or not JSON.
    """
    started = time.monotonic()
    data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
    shown = {"User-Agent": "crisislens", "Accept": "application/json", **(headers or {})}
    if data is not None:
        shown["Content-Type"] = "application/json"
    request = urllib.request.Request(check_address(url), data=data, headers=shown)
    with translated(url, timeout_s), _OPENER.open(request, timeout=timeout_s) as answer:
        raw = _read(answer, url, started + timeout_s, max_bytes)
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise RequestError(
            f"{shown_address(url)} answered what is not JSON ({raw[:60]!r}); is it the right address?",
            transient=True,
        ) from error
    return Response(value, time.monotonic() - started)


def open_stream(
    url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float = 60.0
) -> http.client.HTTPResponse:
    """Opens an answer for reading in blocks, as for a download; `timeout_s` holds for each block.

    Raises:
        InputError: If the address is none.
        RequestError: If it cannot be opened.
    """
    request = urllib.request.Request(
        check_address(url), headers={"User-Agent": "crisislens", **(headers or {})}
    )
    with translated(url, timeout_s):
        return _OPENER.open(request, timeout=timeout_s)  # type: ignore[no-any-return]


def _read(answer: http.client.HTTPResponse, url: str, deadline: float, max_bytes: int) -> bytes:
    parts, size = [], 0
    while block := answer.read1(_BLOCK_BYTES):
        parts.append(block)
        size += len(block)
        if size > max_bytes:
            raise RequestError(
                f"{shown_address(url)} answers with more than {max_bytes} bytes; is it the right address?"
            )
        if time.monotonic() > deadline:
            raise RequestError(
                f"{shown_address(url)} did not finish its answer in time; raise the timeout", transient=True
            )
    return b"".join(parts)


class translated:
    """Turns what the standard library raises while asking or reading into `RequestError`."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self.url, self.timeout_s = url, timeout_s

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, urllib.error.HTTPError):
            with error:
                said = " ".join(error.read(400).decode("utf-8", "replace").split())[:160]
            raise RequestError(
                f"{shown_address(self.url)} answered {error.code} "
                f"{error.reason}{f': {said}' if said else ''}",
                status=error.code,
                transient=error.code in _TRANSIENT,
                wait_s=_wait_s(error.headers.get("Retry-After")),
            ) from None
        if isinstance(error, TimeoutError | socket.timeout) or "timed out" in str(
            getattr(error, "reason", "")
        ):
            raise RequestError(
                f"{shown_address(self.url)} did not answer within {self.timeout_s:g} s; raise the timeout",
                transient=True,
            ) from None
        if isinstance(
            error, urllib.error.URLError | http.client.HTTPException | ssl.SSLError | ConnectionError
        ):
            reason = getattr(error, "reason", error)
            raise RequestError(
                f"{shown_address(self.url)} cannot be reached ({reason}); is it running, is there a network?",
                transient=True,
            ) from None


def _wait_s(given: str | None) -> float | None:
    """Seconds of a Retry-After header; dates are not read."""
    try:
        return None if given is None else max(0.0, float(given))
    except ValueError:
        return None


def shown_address(url: str) -> str:
    """Scheme, host and path of an address: neither a password nor a key of the query belongs into a
    message.
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
