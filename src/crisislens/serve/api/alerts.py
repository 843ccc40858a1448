"""Alerts and the rules that raise them."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Body, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from crisislens.alerts.evaluate import Trial, try_rule
from crisislens.domain.samples import RULES
from crisislens.serve.access import Admin, Reviewer, Viewer
from crisislens.serve.service import service_of
from crisislens.store.records import AlertRow, AlertState, RuleRow, RuleSpec

__all__ = ["AlertId", "RuleId", "router"]

router = APIRouter(tags=["alerts"])
AlertId = Annotated[int, Path(ge=1, le=2**53)]
RuleId = Annotated[int, Path(ge=1, le=2**31 - 1)]
_RESCUE: Final = RULES["rescue"]._asdict()
_EXAMPLES: Final[dict[str, Any]] = {
    "rescue": {
        "summary": "Five calls for rescue in half an hour",
        "value": {"name": "rescue", "spec": _RESCUE},
    }
}


class NewRule(BaseModel):
    """A rule to add."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=80)
    spec: RuleSpec


class RuleChange(BaseModel):
    """What to change of a rule."""

    model_config = ConfigDict(extra="forbid")

    spec: RuleSpec | None = None
    enabled: bool | None = None


class Closing(BaseModel):
    """What a person decided on an alert."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["answered", "dismissed"] = Field(
        description="Somebody takes care of it, or it was a false alarm"
    )
    note: str | None = Field(default=None, max_length=2_000)


@router.get("/v1/alerts", summary="Alerts, the newest first")
def alerts(
    request: Request,
    visitor: Viewer,
    state: AlertState | None = None,
    place: Annotated[str | None, Query(max_length=200, description="Id of a place")] = None,
    before: Annotated[int | None, Query(ge=1, le=2**53, description="Alerts before this one")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
) -> list[AlertRow]:
    """Each names the posts that it rests on."""
    store = service_of(request).store
    return list(store.alerts.list(state=state, place=place, before_id=before, most=limit))


@router.get("/v1/alerts/{alert_id}", summary="One alert")
def alert(request: Request, visitor: Viewer, alert_id: AlertId) -> AlertRow:
    """With the rule as it was when it was raised."""
    return service_of(request).store.alerts.get(alert_id)


@router.post("/v1/alerts/{alert_id}/close", summary="Answer an alert, or call it a false alarm")
def close(
    request: Request,
    visitor: Reviewer,
    alert_id: AlertId,
    closing: Annotated[
        Closing,
        Body(openapi_examples={"answered": {"value": {"state": "answered", "note": "team 3 is there"}}}),
    ],
) -> AlertRow:
    """Its posts count for no rule any more, or, of a false alarm, not for its own."""
    store = service_of(request).store
    return store.alerts.close(alert_id, closing.state, note=closing.note, actor=visitor.actor)


@router.get("/v1/alert-rules", summary="Rules of alerts")
def rules(request: Request, visitor: Viewer) -> list[RuleRow]:
    """All of them, by name."""
    return list(service_of(request).store.alert_rules.all())


@router.post("/v1/alert-rules", status_code=201, summary="Add a rule")
def add_rule(
    request: Request, visitor: Admin, new: Annotated[NewRule, Body(openapi_examples=_EXAMPLES)]
) -> RuleRow:
    """It looks at the posts of its last window at once."""
    return service_of(request).store.alert_rules.add(new.name, new.spec, actor=visitor.actor)


@router.post("/v1/alert-rules/test", summary="What a rule would have raised")
def try_a_rule(
    request: Request,
    visitor: Viewer,
    spec: Annotated[RuleSpec, Body(openapi_examples={"rescue": {"value": _RESCUE}})],
    hours: Annotated[float, Query(gt=0, le=24 * 366, description="How far back")] = 168,
) -> Trial:
    """Over the past, with posts as they stand now; nothing is written or sent."""
    store, until = service_of(request).store, datetime.now(UTC)
    store.vocabulary.check_counted(spec.task, spec.label)
    return try_rule(store, spec, until - timedelta(hours=hours), until)


@router.patch("/v1/alert-rules/{rule_id}", summary="Change a rule")
def change_rule(request: Request, visitor: Admin, rule_id: RuleId, change: RuleChange) -> RuleRow:
    """Alerts that it raised keep the rule as it was."""
    store = service_of(request).store
    return store.alert_rules.change(rule_id, spec=change.spec, enabled=change.enabled, actor=visitor.actor)


@router.delete("/v1/alert-rules/{rule_id}", status_code=204, summary="Remove a rule")
def remove_rule(request: Request, visitor: Admin, rule_id: RuleId) -> Response:
    """Its alerts stay."""
    service_of(request).store.alert_rules.remove(rule_id, actor=visitor.actor)
    return Response(status_code=204)
