"""The one door to the network: requests with a deadline, a size cap and typed failures.

What a server says is untrusted. A deadline holds for the whole body, so a server that sends one
byte a second does not hold a worker for ever; bodies are cut off at a cap; JSON is parsed and
nothing else. Redirects stay within http and https, never lead from https to http, and take no key
and no body to another server. Proxies that the environment names are used, as every tool on the
computer does.

The client is httpx2 (https://www.python-httpx.org describes its interface): one connection a
request, nothing is shared between threads. An `openai` client would bring its own retries, pool and
errors for the one request that captioning makes (`captioning.server`); here that request has the
limits that all others have.
"""

import functools
import json
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urljoin, urlsplit

import httpx2

from crisislens.core.errors import InputError
from crisislens.core.http_answers import Answer, CutOffError, RequestError, shown_address, translated

__all__ = [
    "Answer",
    "CutOffError",
    "RequestError",
    "Response",
    "ask_json",
    "check_address",
    "open_stream",
    "shown_address",
]

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
# of what a server says with an error; the rest may be a page of HTML
_SAID_BYTES: Final = 400
# 520 to 524 are Cloudflare's, 529 is what overloaded model servers send
_TRANSIENT: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 524, 529})
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS: Final = 10
_FOR_ANYBODY: Final = frozenset(
    {"user-agent", "accept", "accept-encoding", "connection", "range", "if-range"}
)
"""Headers that may go to a server that was not asked for; all others may hold a key."""


@dataclass(frozen=True)
class Response:
    """A parsed answer.

    Attributes:
        value: The JSON value.
        seconds: From asking to the last byte.
    """

    value: Any
    seconds: float


def check_address(url: str) -> str:
    """The address, if it is one of http or https.

    Raises:
        InputError: If it is not.
    """
    try:
        parts = urlsplit(url)
        # the port is read when it is asked for
        fits = bool(parts.hostname) and (parts.port is None or parts.port >= 0)
        httpx2.URL(url)
    except (ValueError, httpx2.InvalidURL):
        fits = False
    if not fits or not url.startswith(("http://", "https://")) or any(c.isspace() for c in url):
        raise InputError(f"{url!r:.80} is no address; give one that starts with http:// or https://")
    return url


def ask_json(
    url: str,
    *,
    body: object = None,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
    max_bytes: int = MAX_ANSWER_BYTES,
) -> Response:
    """Asks a server and parses its answer.

    Arguments:
        url: http or https.
        body: Sent as JSON by POST, bytes as they are; None asks by GET.
        form: Sent as a form by POST instead.
        headers: More headers.
        timeout_s: Deadline of the whole exchange, in seconds.
        max_bytes: The largest answer that is read.

    Raises:
        InputError: If the address is none, or a header holds what no header may.
        RequestError: If there is no answer in time, it is an error, too large, or not JSON.
    """
    started = time.monotonic()
    sent = {"Accept": "application/json", **(headers or {})}
    data = body if isinstance(body, bytes) else None
    if body is not None and data is None:
        data = json.dumps(body, ensure_ascii=False).encode()
        sent["Content-Type"] = "application/json"
    if form is not None:
        data = urlencode(form).encode()
        sent["Content-Type"] = "application/x-www-form-urlencoded"
    with _opened(url, headers=sent, data=data, timeout_s=timeout_s) as answer:
        raw = _read(answer, url, started + timeout_s, max_bytes)
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        # transient: overloaded servers and proxies send pages of HTML with status 200
        raise RequestError(
            f"{shown_address(url)} answered what is not JSON ({raw[:60]!r}); is it the right address?",
            transient=True,
        ) from error
    return Response(value, time.monotonic() - started)


def open_stream(url: str, *, headers: Mapping[str, str] | None = None, timeout_s: float = 60.0) -> Answer:
    """Opens an answer for reading in pieces, as for a download; `timeout_s` holds for each piece.

    Raises:
        InputError: If the address is none, or a header holds what no header may.
        RequestError: If it cannot be opened.
    """
    return _opened(url, headers=headers or {}, data=None, timeout_s=timeout_s)


def _opened(url: str, *, headers: Mapping[str, str], data: bytes | None, timeout_s: float) -> Answer:
    """Sends a request, follows redirects and opens the answer, if it is none of an error."""
    sent: Mapping[str, str] = {
        "User-Agent": "crisislens",
        # the cap is on what is sent: a small packed body may unpack to gigabytes
        "Accept-Encoding": "identity",
        "Connection": "close",
        **headers,
    }
    check_address(url)
    _check_headers(sent)
    # followed by ourselves, since each step is checked before anything is sent there
    for _ in range(_MOST_REDIRECTS):
        answer = _asked(url, sent, data, timeout_s)
        target = answer.headers.get("Location")
        if answer.status not in _REDIRECTS or target is None:
            break
        # the connection is not used again: what is sent next may go to another server
        answer.close()
        url, sent = _redirected(url, target, sent, with_body=data is not None)
    else:
        raise RequestError(f"{shown_address(url)} was redirected more than {_MOST_REDIRECTS} times")
    if answer.status >= 300:
        with answer:
            raise _refusal(url, answer, timeout_s)
    return answer


def _asked(url: str, headers: Mapping[str, str], data: bytes | None, timeout_s: float) -> Answer:
    """One request and the answer to it, whatever it is."""
    client = _client(url, timeout_s)
    try:
        request = client.build_request("GET" if data is None else "POST", url, headers=headers, content=data)
        with translated(url, timeout_s):
            return Answer(client, client.send(request, stream=True), timeout_s)
    except BaseException:
        client.close()
        raise


def _client(url: str, timeout_s: float) -> httpx2.Client:
    # without encryption there is no certificate to check; a context that trusts nobody stands in
    verify = _certificates() if url.startswith("https://") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        return httpx2.Client(verify=verify, timeout=timeout_s, follow_redirects=False)
    except (ImportError, ValueError, httpx2.InvalidURL) as error:
        raise InputError(
            f"the proxy that HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names cannot be used ({error}); correct or "
            f"unset it"
        ) from error


@functools.lru_cache(maxsize=1)
def _certificates() -> ssl.SSLContext:
    """The authorities that this computer trusts; reading them takes longer than a request."""
    return httpx2.create_ssl_context()


def _redirected(
    url: str, target: str, headers: Mapping[str, str], *, with_body: bool
) -> tuple[str, Mapping[str, str]]:
    """Where a redirect leads and what may be sent there."""
    try:
        new = check_address(urljoin(url, target))
    except (InputError, ValueError):
        raise RequestError(
            f"{shown_address(url)} redirected to {target!r:.80}, which is no address"
        ) from None
    if url.startswith("https://") and not new.startswith("https://"):
        raise RequestError(f"{shown_address(url)} redirected to {shown_address(new)}, which is not https")
    if with_body:
        # what is sent (a photo, a text) is meant for the server that was named, and for nobody else
        raise RequestError(f"{shown_address(url)} redirected to {shown_address(new)}; give that address")
    if _origin(new) != _origin(url):
        headers = {name: value for name, value in headers.items() if name.lower() in _FOR_ANYBODY}
    return new, headers


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def _check_headers(headers: Mapping[str, str]) -> None:
    """Told here, as the library's message would hold the value, which may be a key."""
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise InputError(
                f"the header {name} would hold a line end or another character that no header may; check the "
                f"value (or the environment variable) that it comes from"
            )


def _read(answer: Answer, url: str, deadline: float, max_bytes: int) -> bytes:
    parts, size = [], 0
    for piece in answer.pieces():
        parts.append(piece)
        size += len(piece)
        if size > max_bytes:
            raise RequestError(
                f"{shown_address(url)} answers with more than {max_bytes} bytes; is it the right address?"
            )
        if time.monotonic() > deadline:
            raise RequestError(
                f"{shown_address(url)} did not finish its answer in time; raise the timeout", transient=True
            )
    return b"".join(parts)


def _refusal(url: str, answer: Answer, timeout_s: float) -> RequestError:
    """The error for an answer that is one, with the beginning of what the server says."""
    raw, deadline = b"", time.monotonic() + timeout_s
    # the status is what counts, whatever becomes of the rest
    with suppress(RequestError):
        for piece in answer.pieces():
            raw += piece
            if len(raw) >= _SAID_BYTES or time.monotonic() > deadline:
                break
    said = " ".join(raw[:_SAID_BYTES].decode("utf-8", "replace").split())[:160]
    return RequestError(
        f"{shown_address(url)} answered {answer.status} {answer.reason}{f': {said}' if said else ''}",
        status=answer.status,
        transient=answer.status in _TRANSIENT,
        wait_s=_wait_s(answer.headers.get("Retry-After")),
    )


def _wait_s(given: str | None) -> float | None:
    """Seconds of a Retry-After header; dates are not read."""
    try:
        return None if given is None else max(0.0, float(given))
    except ValueError:
        return None
