"""Sources with their cursors, and what they sent that could not become a post."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from crisislens.core.errors import NotFoundError
from crisislens.store.database import Database
from crisislens.store.dead import insert_dead
from crisislens.store.inserting import source_id
from crisislens.store.models import DeadLetter, Source
from crisislens.store.reading import pairs
from crisislens.store.records import DeadLetterRow, SourceRow, Unread
from crisislens.store.transaction import Transaction
from crisislens.store.types import without_nul

__all__ = ["DeadLetters", "Sources"]


class Sources:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ensure(self, name: str, kind: str, config: Mapping[str, Any] | None = None) -> SourceRow:
        """The source of a name, made where there is none; a given configuration is kept."""

        def make(tx: Transaction) -> SourceRow:
            number = source_id(tx, without_nul(name), kind)
            if config is not None:
                tx.connection.execute(update(Source).where(Source.id == number).values(config=dict(config)))
            return _rows(tx.connection, name)[0]

        return self._database.write(make)

    def all(self) -> tuple[SourceRow, ...]:
        """All of them, by name; `last_at` tells the lag."""
        with self._database.read() as connection:
            return tuple(_rows(connection))

    def by_name(self, name: str) -> SourceRow | None:
        """The source of a name."""
        with self._database.read() as connection:
            return next(iter(_rows(connection, name)), None)

    def change(
        self, name: str, *, enabled: bool | None = None, config: Mapping[str, Any] | None = None, actor: str
    ) -> SourceRow:
        """Changes a source.

        Raises:
            NotFoundError: If there is none.
        """

        def set_values(tx: Transaction) -> SourceRow:
            before = _rows(tx.connection, name)
            if not before:
                raise NotFoundError(f"there is no source {name!r:.80}; the sources page lists them")
            values: dict[str, Any] = {} if enabled is None else {"enabled": enabled}
            values |= {} if config is None else {"config": dict(config)}
            if values:
                tx.connection.execute(update(Source).where(Source.id == before[0].id).values(values))
                # a configuration may hold a secret, so only that it changed is noted
                noted: dict[str, Any] = {"enabled": enabled, "config": "changed" if config else "as it was"}
                was: dict[str, Any] = {"enabled": before[0].enabled}
                if config is not None and config.get("filters") != before[0].config.get("filters"):
                    # filters hold none, and which posts are taken is what one wants to know later
                    noted["filters"], was["filters"] = config.get("filters"), before[0].config.get("filters")
                tx.audit(actor, "source.change", f"source:{name}", before=was, after=noted)
                tx.event("source.changed", name=name)
            return _rows(tx.connection, name)[0]

        return self._database.write(set_values)


class DeadLetters:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, source: str, raw: str, reason: str) -> None:
        """Keeps what could not become a post, its first 64 kB."""

        def keep(tx: Transaction) -> None:
            number = source_id(tx, without_nul(source), "api")
            insert_dead(tx, number, source, [Unread(raw=raw, reason=reason)])

        self._database.write(keep)

    def list(
        self, *, source: str | None = None, before_id: int | None = None, most: int = 100
    ) -> tuple[DeadLetterRow, ...]:
        """The newest first."""
        wanted = _letters().order_by(DeadLetter.id.desc()).limit(most)
        if source is not None:
            wanted = wanted.where(Source.name == source)
        if before_id is not None:
            wanted = wanted.where(DeadLetter.id < before_id)
        with self._database.read() as connection:
            return tuple(DeadLetterRow(**row) for row in connection.execute(wanted).mappings())

    def get(self, letter_id: int) -> DeadLetterRow:
        """One of them.

        Raises:
            NotFoundError: If there is none.
        """
        with self._database.read() as connection:
            row = connection.execute(_letters().where(DeadLetter.id == letter_id)).mappings().first()
        if row is None:
            raise NotFoundError(f"there is no dead letter {letter_id}; it may have been replayed")
        return DeadLetterRow(**row)

    def remove(self, letter_id: int, *, actor: str) -> None:
        """Takes one out, when it was replayed or thrown away.

        Raises:
            NotFoundError: If there is none.
        """

        def take_out(tx: Transaction) -> None:
            gone = tx.connection.execute(delete(DeadLetter).where(DeadLetter.id == letter_id)).rowcount
            if not gone:
                raise NotFoundError(f"there is no dead letter {letter_id}; it may have been replayed")
            tx.audit(actor, "dead_letter.remove", f"dead_letter:{letter_id}")

        self._database.write(take_out)


def _letters() -> Any:
    columns = (DeadLetter.id, Source.name.label("source"), DeadLetter.raw, DeadLetter.reason, DeadLetter.at)
    return select(*columns).join(Source, Source.id == DeadLetter.source_id)


def _rows(connection: Connection, name: str | None = None) -> list[SourceRow]:
    wanted = select(Source.__table__).order_by(Source.name)
    if name is not None:
        wanted = wanted.where(Source.name == without_nul(name))
    dead = select(DeadLetter.source_id, func.count()).group_by(DeadLetter.source_id)
    counts = pairs(connection, dead)
    return [SourceRow(**row, dead=counts.get(row["id"], 0)) for row in connection.execute(wanted).mappings()]
