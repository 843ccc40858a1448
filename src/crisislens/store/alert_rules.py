"""Rules of alerts: data that administrators change, each change in the audit trail."""

from typing import Any

from sqlalchemy import Connection, insert, select, update

from crisislens.core.errors import ConflictError, InputError, NotFoundError
from crisislens.store.database import Database
from crisislens.store.models import AlertRule
from crisislens.store.records import RuleRow, RuleSpec
from crisislens.store.transaction import Transaction
from crisislens.store.types import without_nul
from crisislens.store.vocabulary import Vocabulary

__all__ = ["AlertRules", "rule_rows"]

_MOST_RULES = 100
_MOST_NAME = 80


class AlertRules:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database, self._vocabulary = database, Vocabulary(database)

    def all(self) -> tuple[RuleRow, ...]:
        """Those that were not removed, by name."""
        with self._database.read() as connection:
            return tuple(rule_rows(connection, AlertRule.removed_at.is_(None)))

    def get(self, rule_id: int) -> RuleRow:
        """One of them.

        Raises:
            NotFoundError: If there is none.
        """
        with self._database.read() as connection:
            return _get(connection, rule_id)

    def by_name(self, name: str) -> RuleRow:
        """One of them.

        Raises:
            NotFoundError: If there is none; the message names those that are.
        """
        rules = self.all()
        found = next((rule for rule in rules if rule.name == name), None)
        if found is None:
            names = ", ".join(rule.name for rule in rules) or "none yet"
            raise NotFoundError(f"there is no rule {name!r:.90}; there are: {names:.500}")
        return found

    def add(self, name: str, spec: RuleSpec, *, actor: str) -> RuleRow:
        """Adds a rule; it looks at the posts of its last window at once.

        Raises:
            ConflictError: If the name is taken.
            InputError: If the name is empty or too long, there are a hundred rules, or nobody answers what
                the rule counts: it would be silent for ever.
        """
        self._vocabulary.check_counted(spec.task, spec.label)
        clean = without_nul(name).strip()
        if not 0 < len(clean) <= _MOST_NAME:
            raise InputError(f"a rule's name has 1 to {_MOST_NAME} characters; this one has {len(clean)}")

        def make(tx: Transaction) -> RuleRow:
            there = rule_rows(tx.connection, AlertRule.removed_at.is_(None))
            if any(rule.name == clean for rule in there):
                raise ConflictError(
                    f"there is a rule {clean!r} already; change that one, or take another name"
                )
            if len(there) >= _MOST_RULES:
                raise InputError(f"{_MOST_RULES} rules are all that are kept; remove one first")
            kept = spec.model_dump(mode="json")
            row = {"name": clean, "spec": kept, "enabled": True, "made_at": tx.now, "changed_at": tx.now}
            number = tx.connection.execute(insert(AlertRule).returning(AlertRule.id), row).scalar_one()
            tx.audit(actor, "rule.add", f"rule:{clean}", after=kept)
            tx.event("rule.changed", rule=number)
            return _get(tx.connection, number)

        return self._database.write(make)

    def change(
        self, rule_id: int, *, spec: RuleSpec | None = None, enabled: bool | None = None, actor: str
    ) -> RuleRow:
        """Changes a rule; alerts that it raised keep the rule as it was.

        Raises:
            NotFoundError: If there is none.
            InputError: If nobody answers what the rule counts.
        """
        if spec is not None:
            self._vocabulary.check_counted(spec.task, spec.label)

        def set_values(tx: Transaction) -> RuleRow:
            before = _get(tx.connection, rule_id)
            values: dict[str, Any] = {"changed_at": tx.now}
            values |= {} if enabled is None else {"enabled": enabled}
            values |= {} if spec is None else {"spec": spec.model_dump(mode="json")}
            tx.connection.execute(update(AlertRule).where(AlertRule.id == rule_id).values(values))
            after = _get(tx.connection, rule_id)
            tx.audit(actor, "rule.change", f"rule:{before.name}", before=_noted(before), after=_noted(after))
            tx.event("rule.changed", rule=rule_id)
            return after

        return self._database.write(set_values)

    def remove(self, rule_id: int, *, actor: str) -> None:
        """Removes a rule; its alerts stay.

        Raises:
            NotFoundError: If there is none.
        """

        def take_out(tx: Transaction) -> None:
            before = _get(tx.connection, rule_id)
            # the name is free again, and alerts still say which rule that was
            gone = {"removed_at": tx.now, "enabled": False, "name": f"{before.name} (removed {rule_id})"}
            tx.connection.execute(update(AlertRule).where(AlertRule.id == rule_id).values(gone))
            tx.audit(actor, "rule.remove", f"rule:{before.name}", before=_noted(before))

        self._database.write(take_out)


def rule_rows(connection: Connection, *terms: Any) -> list[RuleRow]:
    """Rules by name."""
    wanted = select(AlertRule.__table__).where(*terms).order_by(AlertRule.name)
    return [RuleRow.model_validate(dict(row)) for row in connection.execute(wanted).mappings()]


def _get(connection: Connection, rule_id: int) -> RuleRow:
    rows = rule_rows(connection, AlertRule.id == rule_id, AlertRule.removed_at.is_(None))
    if not rows:
        raise NotFoundError(f"there is no rule {rule_id}; the page of alerts lists them")
    return rows[0]


def _noted(rule: RuleRow) -> dict[str, Any]:
    return {"enabled": rule.enabled, **rule.spec.model_dump(mode="json")}
