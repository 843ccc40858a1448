"""One call: how what is sent is written, when it is tried again, and what a refusal is.

A call is tried again where the service could not be reached, was full or had no store; how long to wait it
may say itself.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import httpx2

from crisislens.client.records import ServiceError
from crisislens.core.errors import ConflictError, CrisisLensError, InputError, NotFoundError, StoreError

__all__ = ["AGAIN", "asked_pause_s", "body_of", "detail", "has_rows", "pause_s", "query_of", "refusal"]

AGAIN: Final = frozenset({429, 502, 503, 504, 507})
"""The statuses after which a call is tried again."""
_LONGEST_WAIT_S: Final = 60.0


def body_of(post: Mapping[str, Any]) -> bytes:
    """A post as JSON; times as ISO 8601.

    Raises:
        InputError: If it holds what JSON cannot.
    """

    def other(value: object) -> str:
        if isinstance(value, datetime):
            return value.isoformat()
        raise TypeError(f"a post holds text, numbers and times, not {type(value).__name__}")

    try:
        return json.dumps(dict(post), default=other, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"this is no post: {error}") from error


def query_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as an address has them; what is None or empty is left out."""

    def text(value: Any) -> Any:
        if isinstance(value, bool):
            return "true" if value else "false"
        return value.isoformat() if isinstance(value, datetime) else value

    return {name: text(value) for name, value in values.items() if value not in (None, "", [])}


def pause_s(attempt: int) -> float:
    """How long to wait after a try, in seconds: twice as long after each, at most a minute.

    Arguments:
        attempt: Counted from 0.
    """
    return min(_LONGEST_WAIT_S, 0.5 * 2.0**attempt)


def asked_pause_s(answer: httpx2.Response, attempt: int) -> float:
    """How long to wait in seconds: what the answer asks for, else as after any try."""
    asked = answer.headers.get("retry-after", "")
    return min(_LONGEST_WAIT_S, float(asked)) if asked.isdecimal() else pause_s(attempt)


def has_rows(answer: httpx2.Response) -> bool:
    """Whether an answer says of each row what became of it."""
    try:
        return "results" in answer.json()
    except ValueError:
        return False


def detail(answer: httpx2.Response) -> str:
    """The service's own sentence, or its status where it has none."""
    try:
        return str(answer.json()["detail"])[:500]
    except (ValueError, KeyError, TypeError):
        return f"the service answered {answer.status_code}"


def refusal(answer: httpx2.Response) -> CrisisLensError:
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
        return kind(detail(answer))
    return ServiceError(detail(answer), status=answer.status_code)
