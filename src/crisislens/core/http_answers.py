"""Answers of servers, open for reading, and the typed failures of asking. See `core.http`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from urllib.parse import urlsplit

import httpx2

from crisislens.core.errors import CrisisLensError

__all__ = ["Answer", "CutOffError", "RequestError", "shown_address", "translated"]


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


class CutOffError(RequestError):
    """An answer that ended before it was whole."""


class Answer:
    """An answer that is open for reading, to be used as a context manager.

    Arguments:
        client: Closed with it.
        response: The opened response.
        timeout_s: Deadline of each piece, for messages, in seconds.

    Attributes:
        status: The HTTP status.
        reason: The word for it that the server gave.
        headers: Its headers, by names in any case.
        url: Where it came from, after redirects.
    """

    def __init__(self, client: httpx2.Client, response: httpx2.Response, timeout_s: float) -> None:
        self._client, self._response, self._timeout_s = client, response, timeout_s
        self.status: int = response.status_code
        self.reason = response.reason_phrase
        self.headers: Mapping[str, str] = response.headers
        self.url = str(response.url)

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives, as it was sent (no coding is undone).

        Raises:
            CutOffError: If it ends too early.
            RequestError: If nothing more arrives in time, or the connection is lost.
        """
        # also while reading: a connection may break in the middle of a body
        with translated(self.url, self._timeout_s):
            yield from self._response.iter_raw()

    def close(self) -> None:
        """Ends the connection."""
        self._response.close()
        self._client.close()

    def __enter__(self) -> "Answer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def shown_address(url: str) -> str:
    """Scheme, host and path of an address: neither a password nor a key of the query belongs into a
    message.
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@contextmanager
def translated(url: str, timeout_s: float) -> Iterator[None]:
    """Turns what httpx2 raises while asking or reading into `RequestError`."""
    shown = shown_address(url)
    try:
        yield
    except httpx2.TimeoutException:
        raise RequestError(
            f"{shown} did not answer within {timeout_s:g} s; raise the timeout", transient=True
        ) from None
    except httpx2.RemoteProtocolError as error:
        raise CutOffError(f"{shown} cut its answer off or speaks no HTTP ({error})", transient=True) from None
    except (httpx2.HTTPError, httpx2.StreamError, OSError) as error:
        raise RequestError(
            f"{shown} cannot be reached ({error}); is it running, is there a network?", transient=True
        ) from None
