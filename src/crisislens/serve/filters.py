"""Which posts somebody wants, from the query of an address: one reading for API, pages and exports, so that
an export holds what the page shows.

Fields that are given empty, as forms send them, are fields that are not given.
"""

import difflib
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from inspect import signature
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Query
from pydantic import ValidationError
from starlette.requests import Request

from crisislens.domain.meanings import MEANINGS, meaning_named
from crisislens.serve.problems import ProblemError
from crisislens.serve.service import service_of
from crisislens.store.records import Box, PostFilter

__all__ = ["FilterQuery", "Wanted", "filter_query", "known_filter", "query_of"]

_TRUE, _FALSE = frozenset({"1", "true", "yes"}), frozenset({"0", "false", "no"})
_MOST_ID = 2**53
# what routes with a filter take beside it
_BESIDE = ("authors",)
_PLACE = re.compile(r"[a-z]+:\S+")
Text = Annotated[str | None, Query(max_length=200)]


class FilterQuery:
    """The query of an address as it came, and the filter that it means.

    Arguments:
        values: From field to what was given, without what was given empty.

    Raises:
        ProblemError: 422 where a value cannot be used, with what was expected.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.filter = _read(values)

    def but(self, **changes: Any) -> str:
        """The query as text with some fields changed; None takes a field out.

        >>> FilterQuery({"q": "flood"}).but(source="radio")
        'q=flood&source=radio'
        """
        return query_of({**self.values, **changes})

    def get(self, name: str) -> Any:
        """What was given for a field."""
        return self.values.get(name)

    @property
    def set(self) -> int:
        """How many fields choose posts."""
        return len(self.values.keys() - {"order", "limit", "after"})


def query_of(values: dict[str, Any]) -> str:
    """Fields as the query of an address."""
    return urlencode({k: v for k, v in values.items() if v not in (None, "", [])}, doseq=True)


def filter_query(
    q: Annotated[str | None, Query(max_length=200, description="All of these words")] = None,
    task: Annotated[Text, Query(description="The task of `label` where that names none")] = None,
    label: Annotated[
        list[str] | None, Query(description="`damage:severe_damage`, or a label of `task`; all must hold")
    ] = None,
    meaning: Annotated[
        Text, Query(description="`calls_for_help`, `missing_people` or `warnings`: any label that means so")
    ] = None,
    not_sure: Annotated[Text, Query(description="A task that the model abstained on")] = None,
    min_urgency: Annotated[Text, Query(description="From 0 to 1")] = None,
    place: Annotated[Text, Query(description="Id of a place, as in `city:4568127`")] = None,
    bbox: Annotated[Text, Query(description="`west,south,east,north` in degrees")] = None,
    since: Annotated[Text, Query(description="Posted at or after; ISO 8601, UTC without a zone")] = None,
    until: Annotated[Text, Query(description="Posted before")] = None,
    language: Annotated[Text, Query(description="Detected language, ISO 639-1")] = None,
    source: Annotated[Text, Query(description="Name of the source")] = None,
    event: Text = None,
    state: Annotated[Text, Query(description="`queued`, `leased`, `done` or `failed`")] = None,
    unread: Annotated[Text, Query(description="`true`: what no model could read")] = None,
    reviewed: Annotated[Text, Query(description="Whether a person has judged it")] = None,
    cluster: Annotated[Text, Query(description="Only the posts of one cluster")] = None,
    folded: Annotated[Text, Query(description="`true`: of near-duplicates the first only")] = None,
    order: Annotated[Text, Query(description="`urgency`, `time`, `uncertainty` or `diverse`")] = None,
    after: Annotated[Text, Query(description="`next` of the page before")] = None,
    limit: Annotated[Text, Query(description="Rows a page, at most 200")] = None,
) -> FilterQuery:
    """The dependency of routes that choose posts."""
    return FilterQuery({name: value for name, value in locals().items() if value})


def known_filter(request: Request, wanted: Annotated[FilterQuery, Depends(filter_query)]) -> FilterQuery:
    """The same, where its answers exist: a name that is mistyped finds nothing, and nothing looks like good
    news. For programs its fields must exist too: without the one that was meant, everything is found, and
    looks as if it had been asked for.

    Raises:
        InputError: 422 where nobody asks the question or gives the answer.
        ProblemError: 422 where a program gives a field that there is not.
    """
    if request.url.path.startswith("/v1/"):
        _refuse_unknown(request.query_params)
    vocabulary = service_of(request).store.vocabulary
    for task, label in wanted.filter.labels:
        vocabulary.check(task, label)
    if wanted.filter.not_sure is not None:
        vocabulary.check(wanted.filter.not_sure)
    return wanted


def _refuse_unknown(given: Iterable[str]) -> None:
    known = [*signature(filter_query).parameters, *_BESIDE]
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            # what was sent is not repeated: it may be anything
            raise ProblemError(422, f"a field of the query is no filter; {hint}")


Wanted = Annotated[FilterQuery, Depends(known_filter)]


def _read(values: dict[str, Any]) -> PostFilter:
    fields: dict[str, Any] = {}
    readers: dict[str, tuple[str, Callable[[str], Any]]] = {
        "q": ("words", _words),
        "meaning": ("any_label", _meaning),
        "not_sure": ("not_sure", str),
        "min_urgency": ("min_urgency", _number),
        "place": ("place", _place),
        "bbox": ("box", _box),
        "since": ("since", _time),
        "until": ("until", _time),
        "language": ("language", str),
        "source": ("source", str),
        "event": ("event", str),
        "state": ("states", lambda text: (text,)),
        "unread": ("unread", _flag),
        "reviewed": ("reviewed", _flag),
        "cluster": ("cluster", _whole),
        "folded": ("folded", _flag),
        "order": ("order", str),
        "after": ("after", str),
        "limit": ("limit", _whole),
    }
    for name, (field, read) in readers.items():
        if name in values:
            try:
                fields[field] = read(values[name])
            except (ValueError, OverflowError) as error:
                raise ProblemError(422, f"{name}: {_sentence(error)}") from None
    if "label" in values:
        fields["labels"] = _labels(values["label"], values.get("task"))
    try:
        return PostFilter(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise ProblemError(422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:300]) from None


def _sentence(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return str(error.errors()[0]["msg"])[:200]
    return str(error)[:200]


def _labels(given: list[str], task: str | None) -> tuple[tuple[str, str], ...]:
    pairs = []
    for one in given:
        if not one:
            continue
        name, colon, label = one.partition(":")
        if not colon and not task:
            raise ProblemError(422, "label: give it as TASK:LABEL, or name the task with task=")
        pairs.append((name, label) if colon else (task or "", one))
    return tuple(pairs)


def _place(text: str) -> str:
    # a name would find nothing, and nothing looks like good news
    if not _PLACE.fullmatch(text):
        raise ValueError("expected the id of a place, as in city:4568127; posts and the situation have them")
    return text


def _meaning(text: str) -> tuple[tuple[str, str], ...]:
    meaning = meaning_named(text)
    if meaning is None:
        raise ValueError(f"expected one of {', '.join(one.name for one in MEANINGS)}")
    return meaning.answers


def _words(text: str) -> str:
    return text.strip()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("expected a number") from None


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > _MOST_ID:
        raise ValueError("expected a whole number")
    return int(text)


def _flag(text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise ValueError("expected true or false")


def _time(text: str) -> datetime:
    try:
        when = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("expected a time such as 2026-03-06T14:00") from None


def _box(text: str) -> Box:
    parts = text.split(",")
    if len(parts) != 4:
        raise ValueError("expected west,south,east,north in degrees")
    west, south, east, north = (_number(part) for part in parts)
    return Box(west=west, south=south, east=east, north=north)
