"""Ways out and what was sent by them, and the messages of an alert; forms over what the API does."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from crisislens.alerts.cap import CHOICES, CapFields
from crisislens.core.errors import CrisisLensError
from crisislens.serve.access import Admin, Reviewer, Viewer, Visitor
from crisislens.serve.api.alerts import AlertId
from crisislens.serve.api.bulletins import BulletinId, draft_bulletin, release_bulletin
from crisislens.serve.api.outlets import DeliveryId, OutletId, checked_target
from crisislens.serve.pages.render import page
from crisislens.serve.service import service_of
from crisislens.store.outbox import KINDS, USUAL_KINDS

__all__ = ["router"]

router = APIRouter()
_SHOWN = 50
_HERE = "/alerts/outlets"


@router.get(_HERE)
def outlets(
    request: Request,
    visitor: Admin,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    tried: bool = False,
) -> Response:
    """The ways out, what failed, and the newest messages; after a trial, that it was sent."""
    said = "A trial message is on its way; load the page again to see." if tried else ""
    return _outlets(request, visitor, before=before, said=said)


@router.post(_HERE)
def add(
    request: Request,
    visitor: Admin,
    name: Annotated[str, Form(min_length=1, max_length=80)],
    kind: Annotated[Literal["webhook", "mail"], Form()],
    target: Annotated[str, Form(max_length=2_000)],
    kinds: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Adds a way out; the page shows the secret of a webhook this once."""
    service = service_of(request)
    try:
        where = checked_target(service, kind, target)
        secret, _ = service.store.outlets.add(name, kind, where, kinds=kinds or (), actor=visitor.actor)
    except CrisisLensError as error:
        return _outlets(request, visitor, problem=str(error))
    said = (
        "Give this secret to the receiver now; it is not shown again:" if secret else "Mail goes there now."
    )
    return _outlets(request, visitor, said=said, once=secret or "")


@router.post("/alerts/outlets/{outlet_id}/switch")
def switch(
    request: Request, visitor: Admin, outlet_id: OutletId, enabled: Annotated[bool, Form()] = False
) -> Response:
    """Switches a way out on or off."""
    service_of(request).store.outlets.switch(outlet_id, enabled, actor=visitor.actor)
    return RedirectResponse(_HERE, 303)


@router.post("/alerts/outlets/{outlet_id}/rotate")
def rotate(request: Request, visitor: Admin, outlet_id: OutletId) -> Response:
    """Makes a new secret and shows it this once."""
    secret = service_of(request).store.outlets.rotate(outlet_id, actor=visitor.actor)
    said = "The new secret; for a day messages are signed with the former one too:"
    return _outlets(request, visitor, said=said, once=secret)


@router.post("/alerts/outlets/{outlet_id}/ping")
def ping(request: Request, visitor: Admin, outlet_id: OutletId) -> Response:
    """Sends a trial message."""
    service_of(request).store.outlets.ping(outlet_id, actor=visitor.actor)
    # an address of its own, since who loads the answer to a form again sends the form again
    return RedirectResponse(f"{_HERE}?tried=true", 303)


@router.post("/alerts/outlets/{outlet_id}/remove")
def remove(request: Request, visitor: Admin, outlet_id: OutletId) -> Response:
    """Removes a way out."""
    service_of(request).store.outlets.remove(outlet_id, actor=visitor.actor)
    return RedirectResponse(_HERE, 303)


@router.post("/alerts/deliveries/{delivery_id}/redeliver")
def redeliver(request: Request, visitor: Admin, delivery_id: DeliveryId) -> Response:
    """Sends a message again."""
    service_of(request).store.deliveries.redeliver(delivery_id, actor=visitor.actor)
    return RedirectResponse(_HERE, 303)


@router.post("/alerts/{alert_id}/bulletins")
def draft(
    request: Request,
    visitor: Reviewer,
    alert_id: AlertId,
    changes: Annotated[int | None, Form(ge=1, le=2**53)] = None,
    cancel: Annotated[bool, Form()] = False,
) -> Response:
    """Drafts a message for the public."""
    row = draft_bulletin(service_of(request), visitor, alert_id, changes=changes, cancel=cancel)
    return RedirectResponse(f"/alerts/bulletins/{row.id}", 303)


@router.get("/alerts/bulletins/{bulletin_id}")
def bulletin(request: Request, visitor: Viewer, bulletin_id: BulletinId) -> Response:
    """A message, and what is to be decided of a draft."""
    return _bulletin(request, visitor, bulletin_id)


@router.post("/alerts/bulletins/{bulletin_id}/release")
async def release(request: Request, visitor: Reviewer, bulletin_id: BulletinId) -> Response:
    """Releases a message with what was decided."""
    form = await request.form(max_fields=40, max_files=0)
    given = {name: str(value).strip() for name, value in form.items() if name in CapFields.model_fields}
    # a field that was left empty was not decided; texts may be emptied
    values: dict[str, Any] = {name: value for name, value in given.items() if value or name in _TEXTS}
    if given.get("radius_km") == "":
        # no radius is no circle; without this the draft's would be released
        values |= {"lat": None, "lon": None}
    try:
        await run_in_threadpool(release_bulletin, service_of(request), visitor, bulletin_id, values)
    except CrisisLensError as error:
        return await run_in_threadpool(_bulletin, request, visitor, bulletin_id, str(error), values)
    return RedirectResponse(f"/alerts/bulletins/{bulletin_id}", 303)


@router.post("/alerts/bulletins/{bulletin_id}/withdraw")
def withdraw(request: Request, visitor: Reviewer, bulletin_id: BulletinId) -> Response:
    """Throws a draft away."""
    row = service_of(request).store.bulletins.withdraw(bulletin_id, actor=visitor.actor)
    return RedirectResponse(f"/alerts/{row.alert_id}", 303)


_TEXTS = ("headline", "description", "instruction", "sender_name", "note", "restriction", "addresses")


def _outlets(
    request: Request,
    visitor: Visitor,
    *,
    before: int | None = None,
    said: str = "",
    once: str = "",
    problem: str = "",
) -> Response:
    store = service_of(request).store
    sent = store.deliveries.list(before_id=before, most=_SHOWN)
    return page(
        request,
        "outlets.html",
        visitor,
        422 if problem else 200,
        here="/alerts",
        title="Ways out",
        outlets=store.outlets.all(),
        deliveries=sent,
        older=sent[-1].id if len(sent) == _SHOWN else None,
        kinds=KINDS,
        usual=USUAL_KINDS,
        said=said,
        once=once,
        problem=problem,
    )


def _bulletin(
    request: Request,
    visitor: Visitor,
    bulletin_id: int,
    problem: str = "",
    values: dict[str, Any] | None = None,
) -> Response:
    row = service_of(request).store.bulletins.get(bulletin_id)
    fields = {**row.fields, **(values or {})}
    return page(
        request,
        "bulletin.html",
        visitor,
        422 if problem else 200,
        here="/alerts",
        title=f"Message {row.identifier}",
        bulletin=row,
        fields=fields,
        decided=values or {},
        choices=CHOICES,
        problem=problem,
    )
