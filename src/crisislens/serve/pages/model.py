"""The model: which one answers, how often people agree, and whether posts drift away from it."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from crisislens.serve.access import Viewer
from crisislens.serve.drift import agreement, drift
from crisislens.serve.pages.render import page
from crisislens.serve.service import service_of
from crisislens.serve.task_views import asked_tasks

__all__ = ["router"]

router = APIRouter()
_REVIEWS = 1_000
_DAYS = 30


@router.get("/model")
def model(request: Request, visitor: Viewer) -> Response:
    """The page."""
    store = service_of(request).store
    models = store.statistics.models()
    order = sorted(models, key=lambda name: -models[name])
    named = store.statistics.model_names(order)
    same = store.statistics.agreement(order[:2]) if len(order) > 1 else {}
    tasks = {name: task.heading for name, task in asked_tasks().items()}
    rows = drift(store.statistics.days(_DAYS))
    return page(
        request,
        "model.html",
        visitor,
        models=[(name, named.get(name, ""), models[name]) for name in order],
        same=same,
        agreement=agreement(store.reviews.newest(_REVIEWS)),
        newest=_REVIEWS,
        days=rows,
        columns=sorted({task for row in rows for task in row.labels}),
        tasks=tasks,
    )
