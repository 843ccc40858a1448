"""Ways out, what is sent by them, and alerts as feed and table."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Body, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from crisislens.alerts.feeds import atom_feed, hxl_table
from crisislens.alerts.mail import mailboxes
from crisislens.alerts.webhooks import check_target
from crisislens.serve.access import Admin, Reviewer, Viewer
from crisislens.serve.addresses import service_url
from crisislens.serve.service import Service, service_of
from crisislens.store.outbox import KINDS, USUAL_KINDS
from crisislens.store.records import DeliveryRow, OutletRow

__all__ = ["DeliveryId", "OutletId", "checked_target", "router"]

router = APIRouter(tags=["alerts"])
OutletId = Annotated[int, Path(ge=1, le=2**31 - 1)]
DeliveryId = Annotated[int, Path(ge=1, le=2**53)]
_NEWEST: Final = 200
_KINDS: Final = ", ".join(f"`{kind}`" for kind in KINDS)
_EXAMPLES: Final[dict[str, Any]] = {
    "webhook": {
        "value": {"name": "control room", "kind": "webhook", "target": "https://hooks.example.org/in"}
    },
    "mail": {"value": {"name": "on duty", "kind": "mail", "target": "duty@example.org", "rules": [1]}},
}


class NewOutlet(BaseModel):
    """A way out to add."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=80)
    kind: Literal["webhook", "mail"]
    target: str = Field(max_length=2_000, description="An address of https, or mailboxes with commas between")
    kinds: list[str] = Field(default=list(USUAL_KINDS), max_length=10, description=f"Of {_KINDS}")
    rules: list[Annotated[int, Field(ge=1, le=2**31 - 1)]] = Field(
        default=[], max_length=100, description="Only alerts of these rules"
    )


class OutletMade(BaseModel):
    """A new way out; the secret of a webhook is shown this once."""

    secret: str | None
    row: OutletRow


class NewSecret(BaseModel):
    """A new secret; it is shown this once."""

    secret: str


class OutletChange(BaseModel):
    """What to change of a way out."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool


def checked_target(service: Service, kind: str, target: str) -> str:
    """An address that messages may be sent to.

    Raises:
        CrisisLensError: If it is none; the sentence says why.
    """
    if kind == "mail":
        return ", ".join(mailboxes(target))
    check_target(target.strip(), service.settings.guard)
    return target.strip()


@router.get("/v1/outlets", summary="Ways out")
def outlets(request: Request, visitor: Admin) -> list[OutletRow]:
    """All of them, with what failed last; without their secrets."""
    return list(service_of(request).store.outlets.all())


@router.post("/v1/outlets", status_code=201, summary="Add a way out")
def add_outlet(
    request: Request, visitor: Admin, new: Annotated[NewOutlet, Body(openapi_examples=_EXAMPLES)]
) -> OutletMade:
    """Messages are signed as Standard Webhooks says; the secret is in this answer and nowhere else."""
    service = service_of(request)
    target = checked_target(service, new.kind, new.target)
    secret, row = service.store.outlets.add(
        new.name, new.kind, target, kinds=new.kinds, rules=new.rules, actor=visitor.actor
    )
    return OutletMade(secret=secret, row=row)


@router.patch("/v1/outlets/{outlet_id}", summary="Switch a way out on or off")
def switch_outlet(request: Request, visitor: Admin, outlet_id: OutletId, change: OutletChange) -> OutletRow:
    """What waits meanwhile is sent afterwards."""
    return service_of(request).store.outlets.switch(outlet_id, change.enabled, actor=visitor.actor)


@router.post("/v1/outlets/{outlet_id}/rotate", summary="Renew the secret")
def rotate(request: Request, visitor: Admin, outlet_id: OutletId) -> NewSecret:
    """Messages are signed with both for a day."""
    return NewSecret(secret=service_of(request).store.outlets.rotate(outlet_id, actor=visitor.actor))


@router.post("/v1/outlets/{outlet_id}/ping", status_code=202, summary="Send a trial message")
def ping(request: Request, visitor: Admin, outlet_id: OutletId) -> OutletRow:
    """Also where it is switched off; `/v1/deliveries` tells what became of it."""
    store = service_of(request).store
    store.outlets.ping(outlet_id, actor=visitor.actor)
    return store.outlets.get(outlet_id)


@router.delete("/v1/outlets/{outlet_id}", status_code=204, summary="Remove a way out")
def remove_outlet(request: Request, visitor: Admin, outlet_id: OutletId) -> Response:
    """What waits for it is given up."""
    service_of(request).store.outlets.remove(outlet_id, actor=visitor.actor)
    return Response(status_code=204)


@router.get("/v1/deliveries", summary="What was sent, and what was not")
def deliveries(
    request: Request,
    visitor: Admin,
    outlet: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    alert: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    state: Literal["waiting", "leased", "sent", "failed"] | None = None,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> list[DeliveryRow]:
    """The newest first, each with the last answer or why there was none."""
    found = service_of(request).store.deliveries.list(
        outlet_id=outlet, alert_id=alert, state=state, before_id=before, most=limit
    )
    return list(found)


@router.post("/v1/deliveries/{delivery_id}/redeliver", status_code=202, summary="Send a message again")
def redeliver(request: Request, visitor: Reviewer, delivery_id: DeliveryId) -> DeliveryRow:
    """With its id and its body, so that a receiver that had it knows it."""
    return service_of(request).store.deliveries.redeliver(delivery_id, actor=visitor.actor)


@router.get(
    "/v1/alerts.atom",
    summary="Alerts as an Atom feed",
    response_class=Response,
    responses={200: {"content": {"application/atom+xml": {}}, "description": "The feed"}},
)
def feed(request: Request, visitor: Viewer) -> Response:
    """The newest 200; an alert that changes is the same entry, updated."""
    alerts = service_of(request).store.alerts.list(most=_NEWEST)
    return Response(atom_feed(alerts, service_url(request)), media_type="application/atom+xml; charset=utf-8")


@router.get(
    "/v1/alerts.hxl.csv",
    summary="Alerts as a table with HXL tags",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}}, "description": "The table"}},
)
def table(request: Request, visitor: Viewer) -> Response:
    """The newest 200, one a row."""
    store = service_of(request).store
    store.audit.add(visitor.actor, "export", "alerts", after={"format": "hxl.csv"})
    headers = {"Content-Disposition": 'attachment; filename="crisislens-alerts.hxl.csv"'}
    text = hxl_table(store.alerts.list(most=_NEWEST))
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)
