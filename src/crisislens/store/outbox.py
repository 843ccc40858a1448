"""What is to be sent, written in the transaction that has something to tell."""

import json
import secrets
from typing import Any

from sqlalchemy import insert, select

from crisislens.store.models import Delivery, Outlet, table_of
from crisislens.store.records import AlertRow
from crisislens.store.transaction import Transaction

__all__ = ["KINDS", "USUAL_KINDS", "alert_data", "enqueue"]

KINDS = ("alert.opened", "alert.escalated", "alert.closed", "bulletin.released")
"""The events that a way out may be given."""
USUAL_KINDS = ("alert.opened", "alert.escalated")


def alert_data(alert: AlertRow) -> dict[str, Any]:
    """An alert as messages tell it: numbers of posts, never their texts, which are their authors'."""
    left_out = {"closed_by", "note", "changed_at"}
    return {
        **alert.model_dump(mode="json", exclude=left_out),
        "path": f"/alerts/{alert.id}",
        "basis": "counted from a model's answers, not verified",
    }


def enqueue(
    tx: Transaction, kind: str, alert: AlertRow | None, *, only: int | None = None, **more: Any
) -> None:
    """One message for each way out that wants it.

    Arguments:
        tx: The transaction in which it happened.
        kind: What happened, as in `alert.opened`.
        alert: Which alert; None of a trial message.
        only: This way out alone, whatever it wants.
        **more: Beside the alert.
    """
    open_ways = select(Outlet.id, Outlet.kinds, Outlet.rules).where(Outlet.removed_at.is_(None))
    open_ways = open_ways.where(Outlet.enabled if only is None else Outlet.id == only)
    data = {**({} if alert is None else {"alert": alert_data(alert)}), **more}
    body = json.dumps({"type": kind, "timestamp": tx.now.isoformat(), "data": data}, ensure_ascii=False)
    rows = []
    for number, kinds, rules in tx.connection.execute(open_ways).all():
        meant = only is not None or (kind in kinds and (not rules or (alert and alert.rule_id in rules)))
        if meant:
            rows.append(_row(tx, number, kind, alert, body))
    if rows:
        tx.connection.execute(insert(table_of(Delivery)), rows)


def _row(tx: Transaction, outlet: int, kind: str, alert: AlertRow | None, body: str) -> dict[str, Any]:
    return {
        "uid": f"msg_{secrets.token_hex(12)}",
        "outlet_id": outlet,
        "alert_id": None if alert is None else alert.id,
        "kind": kind,
        "body": body,
        "state": "waiting",
        "tries": 0,
        "next_at": tx.now,
        "made_at": tx.now,
    }
