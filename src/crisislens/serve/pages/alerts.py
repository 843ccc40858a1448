"""Alerts, the posts that each rests on, and the rules; forms over what the API does."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from crisislens.alerts.evaluate import Trial, try_rule
from crisislens.alerts.rules import EXAMPLES, rule_in_words, what_is_counted
from crisislens.core.errors import CrisisLensError
from crisislens.domain.asked import asked_tasks
from crisislens.domain.meanings import ANY_OF, MEANINGS
from crisislens.serve.access import Admin, Reviewer, Viewer, Visitor
from crisislens.serve.api.alerts import AlertId, RuleId
from crisislens.serve.pages.render import page
from crisislens.serve.service import service_of
from crisislens.store.records import AlertRow, AlertState, PostFilter, RuleSpec

__all__ = ["router"]

router = APIRouter()
_SHOWN = 50
_MOST_POSTS = 200
_TRIAL_H = 168
Text = Annotated[str, Form(max_length=200)]


@router.get("/alerts")
def alerts(
    request: Request,
    visitor: Viewer,
    state: AlertState | Literal[""] = "open",
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    rule: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> Response:
    """Those that wait for a person first, and the rules; one of them in the form, to be changed."""
    form = None
    if rule is not None:
        found = service_of(request).store.alert_rules.get(rule)
        form = {
            "rule_id": found.id,
            "name": found.name,
            **found.spec.model_dump(),
            "place": found.spec.place or "",
        }
    return _alerts(request, visitor, state=state or None, before=before, form=form)


@router.get("/alerts/{alert_id}")
def alert(request: Request, visitor: Viewer, alert_id: AlertId) -> Response:
    """One alert with all its posts."""
    return _alert(request, visitor, alert_id)


@router.post("/alerts/{alert_id}/close")
def close(
    request: Request,
    visitor: Reviewer,
    alert_id: AlertId,
    state: Annotated[Literal["answered", "dismissed"], Form()],
    note: Annotated[str, Form(max_length=2_000)] = "",
) -> Response:
    """Says what was decided."""
    service_of(request).store.alerts.close(alert_id, state, note=note or None, actor=visitor.actor)
    return RedirectResponse(f"/alerts/{alert_id}", 303)


@router.post("/alerts/rules")
def add_rule(
    request: Request,
    visitor: Admin,
    name: Annotated[str, Form(min_length=1, max_length=80)],
    said: Text,
    least: Annotated[int, Form()],
    window_min: Annotated[int, Form()],
    place: Text = "",
    unanswered: Annotated[bool, Form()] = False,
    trial: Annotated[bool, Form()] = False,
    rule_id: Annotated[int, Form(ge=0, le=2**31 - 1)] = 0,
) -> Response:
    """Adds a rule or changes one, or shows what it would have raised."""
    task, _, label = said.partition("=")
    rules = service_of(request).store.alert_rules
    values = {"task": task, "label": label, "least": least, "window_min": window_min}
    form = {**values, "name": name, "place": place, "unanswered": unanswered, "rule_id": rule_id}
    try:
        # what the form does not show stays as it was
        kept = rules.get(rule_id).spec.model_dump() if rule_id else {}
        spec = RuleSpec(**{**kept, **values, "place": place.strip() or None, "unanswered": unanswered})
        if trial:
            service_of(request).store.vocabulary.check_counted(task, label)
            until = datetime.now(UTC)
            tried = try_rule(service_of(request).store, spec, until - timedelta(hours=_TRIAL_H), until)
            return _alerts(request, visitor, tried=(spec, tried), form=form)
        if rule_id:
            rules.change(rule_id, spec=spec, actor=visitor.actor)
        else:
            rules.add(name, spec, actor=visitor.actor)
    except ValidationError as error:
        first = error.errors()[0]
        problem = f"{first['loc'][0]}: {first['msg']}"
        return _alerts(request, visitor, problem=problem, form=form)
    except CrisisLensError as error:
        return _alerts(request, visitor, problem=str(error), form=form)
    return RedirectResponse("/alerts#rules-title", 303)


@router.post("/alerts/rules/{rule_id}")
def change_rule(
    request: Request, visitor: Admin, rule_id: RuleId, enabled: Annotated[bool, Form()] = False
) -> Response:
    """Switches a rule on or off."""
    service_of(request).store.alert_rules.change(rule_id, enabled=enabled, actor=visitor.actor)
    return RedirectResponse("/alerts#rules-title", 303)


@router.post("/alerts/rules/{rule_id}/remove")
def remove_rule(request: Request, visitor: Admin, rule_id: RuleId) -> Response:
    """Removes a rule; its alerts stay."""
    service_of(request).store.alert_rules.remove(rule_id, actor=visitor.actor)
    return RedirectResponse("/alerts#rules-title", 303)


def _alerts(
    request: Request,
    visitor: Visitor,
    *,
    state: AlertState | None = "open",
    before: int | None = None,
    problem: str = "",
    tried: tuple[RuleSpec, Trial] | None = None,
    form: dict[str, Any] | None = None,
) -> Response:
    store = service_of(request).store
    found = store.alerts.list(state=state, before_id=before, most=_SHOWN)
    usual = {"rule_id": 0, "name": "rescue", **EXAMPLES["rescue"].model_dump(), "place": ""}
    return page(
        request,
        "alerts.html",
        visitor,
        422 if problem else 200,
        here="/alerts",
        title="Alerts",
        alerts=[(one, what_is_counted(one.spec)) for one in found],
        states=_states(state),
        state=state or "",
        older=found[-1].id if len(found) == _SHOWN else None,
        rules=[(rule, rule_in_words(rule.spec)) for rule in store.alert_rules.all()],
        labels=_labels(),
        form=usual | (form or {}),
        tried=tried and (rule_in_words(tried[0]), tried[1]),
        trial_days=_TRIAL_H // 24,
        problem=problem,
    )


def _alert(request: Request, visitor: Visitor, alert_id: int) -> Response:
    store = service_of(request).store
    found = store.alerts.get(alert_id)
    ids = found.post_ids[:_MOST_POSTS]
    rows = store.posts.find(PostFilter(ids=ids, order="time", limit=_MOST_POSTS)).rows if ids else ()
    return page(
        request,
        "alert.html",
        visitor,
        here="/alerts",
        title=_title(found),
        alert=found,
        rule=rule_in_words(found.spec),
        posts=rows,
        bulletins=store.bulletins.list(alert_id=alert_id),
        left_out=len(found.post_ids) - len(rows),
    )


def _title(alert: AlertRow) -> str:
    return f"{what_is_counted(alert.spec)} – {alert.place_name or alert.place}"


def _states(chosen: AlertState | None) -> list[tuple[str, str, bool]]:
    """Links to alerts by what became of them: words, address, whether it is this one."""
    words = {"open": "Open", "answered": "Answered", "dismissed": "False alarms", "": "All"}
    return [(said, f"/alerts?state={name}", name == (chosen or "")) for name, said in words.items()]


def _labels() -> list[tuple[str, list[tuple[str, str]]]]:
    """What a rule may count, by question."""
    meant = [(f"{ANY_OF}={meaning.name}", meaning.title) for meaning in MEANINGS]
    found = [("Of either question", meant)]
    for question, task in asked_tasks().items():
        labels = [(f"{question}={label.name}", label.words) for label in task.labels if not label.nothing]
        found.append((task.heading, labels))
    return found
