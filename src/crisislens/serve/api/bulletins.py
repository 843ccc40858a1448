"""Messages of the Common Alerting Protocol: anybody who reviews drafts them, a person releases them."""

import secrets
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Path
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from crisislens.alerts.cap import CapFields, cap_xml, decided, draft_of, reference_to
from crisislens.core.errors import ConflictError, InputError
from crisislens.serve.access import Reviewer, Viewer, Visitor
from crisislens.serve.api.alerts import AlertId
from crisislens.serve.problems import ProblemError
from crisislens.serve.service import Service, service_of
from crisislens.store.records import BulletinRow

__all__ = ["BulletinId", "draft_bulletin", "release_bulletin", "router"]

router = APIRouter(tags=["alerts"])
BulletinId = Annotated[int, Path(ge=1, le=2**53)]
_EXAMPLES: Final[dict[str, Any]] = {
    "new": {"value": {}},
    "cancel": {"value": {"changes": 3, "cancel": True}},
}
_DECIDED: Final = {"status": "Exercise", "urgency": "Expected", "severity": "Severe", "certainty": "Possible"}


class NewBulletin(BaseModel):
    """A message to draft."""

    model_config = ConfigDict(extra="forbid")

    changes: int | None = Field(
        default=None, ge=1, le=2**53, description="A released message that this one changes"
    )
    cancel: bool = Field(default=False, description="Take that one back")


class Decision(BaseModel):
    """What a person decided, field by field; see `CapFields`."""

    model_config = ConfigDict(extra="forbid")

    fields: dict[str, Any] = Field(max_length=40)


def draft_bulletin(
    service: Service, visitor: Visitor, alert_id: int, *, changes: int | None = None, cancel: bool = False
) -> BulletinRow:
    """A draft of an alert, or of what changes an earlier message.

    Raises:
        InputError: If it shall take a message back, and none is named.
        ConflictError: If the message that it changes was not released for this alert.
    """
    if cancel and changes is None:
        raise InputError("a message of type Cancel takes a released one back; give its number as `changes`")
    store = service.store
    alert = store.alerts.get(alert_id)
    fields = draft_of(alert, sender=service.settings.cap_sender, at=store.statistics.point_of(alert.place))
    if changes is not None:
        before = store.bulletins.get(changes)
        if before.xml is None or before.alert_id != alert_id:
            raise ConflictError(f"message {changes} was not released for this alert, so none can change it")
        was = CapFields.model_validate(before.fields)
        again = reference_to(before.xml)
        kind = "Cancel" if cancel else "Update"
        fields = was.model_copy(
            update={
                "msg_type": kind,
                "references": (*was.references, again),
                "status": "Draft",
                "expires": None,
            }
        )
    identifier = f"crisislens-{alert_id}-{secrets.token_hex(6)}"
    # what cannot be a message is refused now, and not when it is urgent
    cap_xml(fields, identifier, datetime.now(UTC))
    return store.bulletins.draft(alert_id, identifier, fields.model_dump(mode="json"), actor=visitor.actor)


def release_bulletin(
    service: Service, visitor: Visitor, bulletin_id: int, values: dict[str, Any]
) -> BulletinRow:
    """Releases a draft with what a person decided."""
    if not visitor.may_review:
        raise ProblemError(403, "a person releases a message, so sign in; a key cannot")
    draft = service.store.bulletins.get(bulletin_id)
    fields = decided(CapFields.model_validate(draft.fields), values)
    xml = cap_xml(fields, draft.identifier, datetime.now(UTC))
    return service.store.bulletins.release(
        bulletin_id, fields.model_dump(mode="json"), xml, actor=visitor.actor
    )


@router.get("/v1/alerts/{alert_id}/bulletins", summary="Messages of an alert")
def bulletins(request: Request, visitor: Viewer, alert_id: AlertId) -> list[BulletinRow]:
    """The newest first."""
    return list(service_of(request).store.bulletins.list(alert_id=alert_id))


@router.post("/v1/alerts/{alert_id}/bulletins", status_code=201, summary="Draft a message (CAP 1.2)")
def draft(
    request: Request,
    visitor: Reviewer,
    alert_id: AlertId,
    new: Annotated[NewBulletin, Body(openapi_examples=_EXAMPLES)],
) -> BulletinRow:
    """Status Draft, scope Restricted; urgency, severity and certainty are left to a person."""
    return draft_bulletin(service_of(request), visitor, alert_id, changes=new.changes, cancel=new.cancel)


@router.post("/v1/bulletins/{bulletin_id}/release", summary="Release a message")
def release(
    request: Request,
    visitor: Reviewer,
    bulletin_id: BulletinId,
    decision: Annotated[Decision, Body(openapi_examples={"decided": {"value": {"fields": _DECIDED}}})],
) -> BulletinRow:
    """Checked against the schema of OASIS; afterwards it is never changed."""
    return release_bulletin(service_of(request), visitor, bulletin_id, decision.fields)


@router.post("/v1/bulletins/{bulletin_id}/withdraw", summary="Throw a draft away")
def withdraw(request: Request, visitor: Reviewer, bulletin_id: BulletinId) -> BulletinRow:
    """One that was released is taken back by a Cancel."""
    return service_of(request).store.bulletins.withdraw(bulletin_id, actor=visitor.actor)


@router.get(
    "/v1/bulletins/{bulletin_id}.xml",
    summary="A message as XML",
    response_class=Response,
    responses={200: {"content": {"application/cap+xml": {}}, "description": "The message"}},
)
def xml(request: Request, visitor: Viewer, bulletin_id: BulletinId) -> Response:
    """As it was released; a draft as it would be now, with status Draft."""
    row = service_of(request).store.bulletins.get(bulletin_id)
    text = row.xml
    if text is None:
        fields = CapFields.model_validate(row.fields).model_copy(update={"status": "Draft"})
        text = cap_xml(fields, row.identifier, row.made_at)
    return Response(text, media_type="application/cap+xml; charset=utf-8")
