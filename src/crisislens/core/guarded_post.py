"""Sending to an address that somebody named, under the rules of `core.guarded`.

One request, no redirects: what is sent is meant for the server that was named. Any status is an answer; of
its body the first bytes are kept, for the person who looks why nothing arrives.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Final

import httpcore2

from crisislens.core.errors import InputError
from crisislens.core.guarded_backend import Deadline, GuardedBackend
from crisislens.core.guarded_rules import Guard, certificates, parsed_address
from crisislens.core.http_answers import RequestError, shown_address

__all__ = ["Posted", "post"]

_MOST_SAID: Final = 2_000


@dataclass(frozen=True)
class Posted:
    """An answer to what was sent.

    Attributes:
        status: The HTTP status, whichever.
        headers: By names in lower case.
        said: The first 2,000 bytes of the body as text.
    """

    status: int
    headers: Mapping[str, str]
    said: str


def post(url: str, body: bytes, *, headers: Mapping[str, str], guard: Guard | None = None) -> Posted:
    """Sends a body by POST.

    Arguments:
        url: http or https.
        body: What is sent.
        headers: Its headers.
        guard: Where may be sent to, and the deadline of the whole exchange.

    Raises:
        RefusedError: If the address is none that may be asked; nothing was sent.
        RequestError: If there is no answer in time.
        InputError: If a header holds what no header may.
    """
    guard = guard or Guard()
    deadline = Deadline(guard.seconds)
    shown = shown_address(url)
    scheme, host, port, target = parsed_address(url)
    backend = GuardedBackend(
        guard.addresses(scheme, host, port, within_s=guard.seconds), deadline, dial=guard.dial
    )
    where = httpcore2.URL(scheme=scheme, host=host, port=port, target=target)
    sent = {"User-Agent": "crisislens", "Accept-Encoding": "identity", **headers, "Connection": "close"}
    context = certificates() if scheme == "https" else None
    try:
        with (
            closing(httpcore2.ConnectionPool(ssl_context=context, network_backend=backend)) as pool,
            pool.stream("POST", where, headers=list(sent.items()), content=body) as answer,
        ):
            return _posted(answer)
    except httpcore2.TimeoutException:
        raise RequestError(f"{shown} did not answer within {guard.seconds:g} s", transient=True) from None
    except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.UnsupportedProtocol) as error:
        raise RequestError(f"{shown} cannot be reached or speaks no HTTP ({error})", transient=True) from None
    except UnicodeEncodeError:
        raise InputError(f"a header for {shown} holds characters that no header may") from None


def _posted(answer: httpcore2.Response) -> Posted:
    said = b""
    try:
        for piece in answer.iter_stream():
            said += piece
            if len(said) >= _MOST_SAID:
                break
    except (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError):
        # the status is what counts, whatever becomes of the rest
        pass
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
    return Posted(answer.status, headers, said[:_MOST_SAID].decode("utf-8", "replace"))
