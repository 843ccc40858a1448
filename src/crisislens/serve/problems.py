"""Errors as a client reads them: RFC 9457, `application/problem+json`, one sentence each.

What was sent is never repeated in an error: it may be a post, a password or a key, and errors end in other
people's logs.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from crisislens.core.errors import CrisisLensError, StoreFullError
from crisislens.store.types import without_nul

__all__ = ["PROBLEMS", "Problem", "ProblemError", "problem", "refusal_of"]

MEDIA_TYPE = "application/problem+json"
_MOST_FAULTS = 20


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    where: str = Field(description="The field, as a path with dots")
    what: str = Field(description="What was expected there")


class Problem(BaseModel):
    """An error as RFC 9457 writes it."""

    type: str = Field(default="about:blank", description="Always `about:blank`: the status says the kind")
    title: str = Field(description="The status in words")
    status: int = Field(description="The HTTP status")
    detail: str = Field(description="What was given, what was expected and what to do, one sentence")
    request_id: str = Field(default="", description="Stands in the server's log too")
    errors: list[Fault] = Field(default_factory=list, description="What is wrong with which field")


class ProblemError(HTTPException):
    """An error that a route raises on purpose.

    Arguments:
        status: The HTTP status.
        detail: One sentence for the client; holds nothing of what was sent.
        headers: Further headers, such as `Retry-After`.
        errors: What is wrong with which field.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[Fault] = (),
    ) -> None:
        super().__init__(status, detail, dict(headers) if headers else None)
        self.errors = errors


_MEANINGS = {
    401: "Nobody is signed in, or the key is not known",
    403: "The role does not allow this, or the proof against forged requests is missing",
    404: "There is nothing of that name",
    409: "It contradicts what is stored",
    413: "The body is too large",
    415: "The media type is not one that is read here",
    422: "The request cannot be used as it is",
    429: "Too many requests, or too many posts wait; `Retry-After` says how many seconds to wait",
    503: "The store cannot be reached or written",
    507: "The disk is nearly full; `Retry-After` says when to try again",
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": words, "content": {MEDIA_TYPE: {}}}
    for status, words in _MEANINGS.items()
}
"""For the OpenAPI document: what each status means here."""


def problem(
    request: Request,
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Fault] = (),
) -> Response:
    """The answer to a request that cannot be done."""
    body = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        request_id=request.scope.get("request_id", ""),
        errors=list(errors),
    )
    return JSONResponse(
        body.model_dump(), status, headers=dict(headers) if headers else None, media_type=MEDIA_TYPE
    )


def faults(error: RequestValidationError) -> list[Fault]:
    """What is wrong with which field, without the value that was sent."""
    found = []
    for each in error.errors()[:_MOST_FAULTS]:
        # a name of a field may hold half a surrogate pair, which cannot be written
        where = without_nul(".".join(str(part) for part in each["loc"]))
        found.append(Fault(where=where[:200], what=str(each["msg"])[:300]))
    return found


def refusal_of(error: CrisisLensError | RequestValidationError) -> ProblemError:
    """An error of ours as a refusal, with the seconds to wait where it names some; what cannot be read, with
    its fields.
    """
    if isinstance(error, RequestValidationError):
        found = faults(error)
        said = f"{found[0].where}: {found[0].what}" if found else "the request cannot be read"
        return ProblemError(422, said, errors=found)
    if isinstance(error, StoreFullError):
        return ProblemError(error.status, str(error), {"Retry-After": str(error.retry_after_s)})
    return ProblemError(error.http_status, str(error))
