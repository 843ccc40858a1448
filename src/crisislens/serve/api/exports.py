"""Exports: what the page shows, as a file, streamed while it is read."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from crisislens.serve.access import Viewer, Visitor
from crisislens.serve.filters import FilterQuery, Wanted
from crisislens.serve.problems import ProblemError
from crisislens.serve.selection_report import write_selection
from crisislens.serve.service import Service, service_of
from crisislens.serve.tables import FORMATS, csv_text, geojson_text, jsonl_text, parquet_bytes
from crisislens.store.records import PostRow

__all__ = ["router"]

router = APIRouter(tags=["exports"])
_MOST_REPORTED: Final = 20_000
Authors = Annotated[bool, Query(description="Whether to name authors and addresses; needs the role reviewer")]


@router.get(
    "/v1/export.report.html", summary="The offline report of a selection", response_class=FileResponse
)
def report(request: Request, visitor: Viewer, wanted: Wanted) -> Response:
    """One HTML file for any browser, without a network; at most 20,000 posts."""
    service = service_of(request)
    count = service.store.posts.count(wanted.filter, most=_MOST_REPORTED + 1)
    if count > _MOST_REPORTED:
        raise ProblemError(422, f"a report takes at most {_MOST_REPORTED} posts; choose fewer by a filter")
    folder = tempfile.TemporaryDirectory(prefix="crisislens-report-")
    page = Path(folder.name) / "report.html"
    with ExitStack() as unless_sent:
        unless_sent.callback(folder.cleanup)
        write_selection(service.store, wanted, page)
        _note(service, visitor, "report.html", wanted, False)
        unless_sent.pop_all()
    return FileResponse(
        page,
        media_type="text/html; charset=utf-8",
        filename="crisislens-report.html",
        background=BackgroundTask(folder.cleanup),
    )


@router.get("/v1/export.assessments.jsonl", summary="The records, word for word", response_class=Response)
def assessments(request: Request, visitor: Viewer, wanted: Wanted) -> Response:
    """One record a line, as `crisislens analyze` writes them, for programs to read."""
    service = service_of(request)
    _note(service, visitor, "assessments.jsonl", wanted, False)
    lines = (document + "\n" for document in service.store.posts.documents(wanted.filter))
    return _download(lines, "application/x-ndjson", "assessments.jsonl")


def _add(name: str) -> None:
    """One route a format, so that each has its own address and media type."""
    form = FORMATS[name]

    def export(request: Request, visitor: Viewer, wanted: Wanted, authors: Authors = False) -> Response:
        service = service_of(request)
        if authors and visitor.role == "viewer":
            raise ProblemError(403, "to name authors needs the role reviewer")
        _note(service, visitor, name, wanted, authors)
        rows = service.store.posts.stream(wanted.filter)
        pieces = _pieces(service, name, rows, authors)
        return _download(pieces, form.media, f"posts.{form.ending}")

    export.__name__ = f"export_{name.replace('.', '_')}"
    export.__doc__ = f"{form.title}: the posts of the filter, all of them, in its order."
    route = router.get(
        f"/v1/export.{name}",
        summary=form.title,
        response_class=StreamingResponse,
        responses={200: {"content": {form.media.partition(";")[0]: {}}, "description": "The file"}},
    )
    route(export)


def _pieces(service: Service, name: str, rows: Iterator[PostRow], authors: bool) -> Iterator[Any]:
    if name == "jsonl":
        return jsonl_text(rows, authors=authors)
    if name == "geojson":
        return geojson_text(rows, authors=authors)
    # the columns of a table are written before its last row is read
    tasks = service.store.vocabulary.tasks()
    if name == "parquet":
        return parquet_bytes(rows, authors=authors, tasks=tasks)
    return csv_text(rows, authors=authors, hxl=name == "hxl.csv", tasks=tasks)


def _download(pieces: Iterator[Any], media: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="crisislens-{name}"'}
    # the first piece is made before the answer begins, so that what cannot be read is refused with a status
    begun = list(islice(pieces, 1))
    return StreamingResponse(chain(begun, pieces), media_type=media, headers=headers)


def _note(service: Service, visitor: Visitor, form: str, wanted: FilterQuery, authors: bool) -> None:
    """Data leave the house: the trail says who took them, by which filter, and nothing of what they say."""
    chosen = {name: value for name, value in wanted.values.items() if name not in ("q", "after")}
    after = {"format": form, "filter": chosen, "words": "q" in wanted.values, "authors": authors}
    service.store.audit.add(visitor.actor, "export", "posts", after=after)


for _name in FORMATS:
    _add(_name)
