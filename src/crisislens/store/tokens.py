"""Keys of programs, and sessions of people. Each is 256 random bits, of which only the SHA-256 is kept: a
guess is hopeless, so a slow hash would protect nothing and cost every request a fifth of a second.
"""

import hashlib
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from crisislens.core.errors import NotFoundError
from crisislens.store.accounts import role_of, user_row
from crisislens.store.database import Database
from crisislens.store.models import ApiKey, Session, User
from crisislens.store.records import KeyRow, Role, SessionRow
from crisislens.store.transaction import Transaction

__all__ = ["KEY_MARK", "Keys", "Sessions"]

KEY_MARK = "cl_"
"""What every key begins with, so that scanners of leaked secrets can know it."""
_PREFIX = 8
_NOTED_S = 60
_KEY = [ApiKey.__table__.c[name] for name in KeyRow.model_fields]


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


class Keys:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, name: str, role: Role, *, expires: datetime | None = None, actor: str
    ) -> tuple[str, KeyRow]:
        """Makes a key of 256 random bits; its text, `cl_…`, is given this once and never again.

        Raises:
            InputError: If there is no such role.
        """
        role_of(role)
        prefix = secrets.token_hex(_PREFIX // 2)
        secret = f"{KEY_MARK}{prefix}_{secrets.token_urlsafe(32)}"

        def keep(tx: Transaction) -> KeyRow:
            row = {
                "name": name,
                "prefix": prefix,
                "sha256": _sha256(secret),
                "role": role,
                "made_at": tx.now,
                "expires": expires,
            }
            tx.connection.execute(insert(ApiKey), row)
            tx.audit(actor, "key.add", f"key:{prefix}", after={"name": name, "role": role})
            return _key(tx.connection, ApiKey.prefix == prefix)

        return secret, self._database.write(keep)

    def check(self, key: str) -> KeyRow | None:
        """The row of a key that is good now; notes the use at most once a minute."""
        with self._database.read() as connection:
            wanted = select(*_KEY).where(ApiKey.sha256 == _sha256(key), ApiKey.revoked_at.is_(None))
            # looked up by a digest, of which a timing tells nothing that helps to find the key
            row = connection.execute(wanted).mappings().first()
        if row is None:
            return None
        found, now = KeyRow(**row), datetime.now(UTC)
        if found.expires is not None and found.expires <= now:
            return None
        if self._database.writable and (
            found.last_used is None or (now - found.last_used).total_seconds() > _NOTED_S
        ):
            self._database.write_soon(lambda tx: _note_use(tx, found.id))
        return found

    def all(self) -> tuple[KeyRow, ...]:
        """All keys, also revoked ones."""
        with self._database.read() as connection:
            rows = connection.execute(select(*_KEY).order_by(ApiKey.id)).mappings()
            return tuple(KeyRow(**row) for row in rows)

    def revoke(self, key_id: int, *, actor: str) -> None:
        """Ends a key.

        Raises:
            NotFoundError: If there is none.
        """

        def end(tx: Transaction) -> None:
            row = _key(tx.connection, ApiKey.id == key_id)
            if row.revoked_at is None:
                tx.connection.execute(update(ApiKey).where(ApiKey.id == key_id).values(revoked_at=tx.now))
                tx.audit(actor, "key.revoke", f"key:{row.prefix}")

        self._database.write(end)


def _key(connection: Connection, term: Any) -> KeyRow:
    row = connection.execute(select(*_KEY).where(term)).mappings().first()
    if row is None:
        raise NotFoundError("there is no such key; crisislens key list shows them")
    return KeyRow(**row)


def _note_use(tx: Transaction, key_id: int) -> None:
    tx.connection.execute(update(ApiKey).where(ApiKey.id == key_id).values(last_used=tx.now))


class Sessions:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, user_id: int, *, hours: float = 12) -> tuple[str, SessionRow]:
        """Logs a person in; the token, for the cookie, is given this once.

        Raises:
            NotFoundError: If there is no such active person.
        """
        return self._database.write(lambda tx: _start(tx, user_id, "session", timedelta(hours=hours)))

    def check(self, token: str) -> SessionRow | None:
        """The session of a token that is good now, of an active person."""
        with self._database.read() as connection:
            return _session(connection, token, "session")

    def end(self, token: str) -> None:
        """Logs out."""
        gone = delete(Session).where(Session.sha256 == _sha256(token))
        self._database.write(lambda tx: tx.connection.execute(gone).rowcount)

    def end_all(self, user_id: int) -> int:
        """Ends all sessions of a person; how many."""
        gone = delete(Session).where(Session.user_id == user_id)
        return self._database.write(lambda tx: tx.connection.execute(gone).rowcount)

    def link(self, user_id: int, *, minutes: float = 15) -> str:
        """A token that logs in once.

        Raises:
            NotFoundError: If there is no such active person.
        """
        return self._database.write(lambda tx: _start(tx, user_id, "link", timedelta(minutes=minutes)))[0]

    def redeem(self, token: str, *, hours: float = 12) -> tuple[str, SessionRow] | None:
        """Logs in by a link's token, which is good once."""

        def log_in(tx: Transaction) -> tuple[str, SessionRow] | None:
            link = _session(tx.connection, token, "link")
            # whoever deletes it has used it
            gone = tx.connection.execute(_gone(token)).rowcount
            if link is None or not gone:
                return None
            return _start(tx, link.user.id, "session", timedelta(hours=hours))

        return self._database.write(log_in)


def _gone(token: str) -> Any:
    return delete(Session).where(Session.sha256 == _sha256(token), Session.kind == "link")


def _start(tx: Transaction, user_id: int, kind: str, lasts: timedelta) -> tuple[str, SessionRow]:
    active = select(User.id).where(User.id == user_id, User.active.is_(True))
    if tx.connection.execute(active).scalar() is None:
        raise NotFoundError(f"there is no active user {user_id}")
    token = secrets.token_urlsafe(32)
    row = {
        "sha256": _sha256(token),
        "user_id": user_id,
        "kind": kind,
        "csrf": secrets.token_urlsafe(32),
        "made_at": tx.now,
        "expires": tx.now + lasts,
    }
    tx.connection.execute(insert(Session), row)
    person = tx.connection.execute(select(User.__table__).where(User.id == user_id)).mappings().one()
    return token, SessionRow(user=user_row(person), csrf=str(row["csrf"]), expires=tx.now + lasts)


def _session(connection: Connection, token: str, kind: str) -> SessionRow | None:
    user = User.__table__.c
    wanted = select(Session.csrf, Session.expires, Session.made_at, *user)
    wanted = wanted.join(User, User.id == Session.user_id)
    wanted = wanted.where(Session.sha256 == _sha256(token), Session.kind == kind, User.active.is_(True))
    row = connection.execute(wanted).mappings().first()
    if row is None or row["expires"] <= datetime.now(UTC):
        return None
    person = {name: row[user[name]] for name in user.keys()}  # noqa: SIM118 - not a mapping
    return SessionRow(user=user_row(person), csrf=row["csrf"], expires=row["expires"])
