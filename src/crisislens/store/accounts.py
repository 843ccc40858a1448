"""People, their passwords and roles. Passwords are argon2id (pwdlib), a fifth of a second of CPU a check."""

from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from crisislens.core.errors import ConflictError, InputError, NotFoundError
from crisislens.core.optional import require
from crisislens.store.database import Database
from crisislens.store.models import Session, User
from crisislens.store.records import Role, UserRow
from crisislens.store.transaction import Transaction, upsert

__all__ = ["LEAST_PASSWORD", "ROLES", "Users", "role_of", "user_row"]

ROLES: tuple[Role, ...] = ("viewer", "reviewer", "admin")
"""Each may do what those before it may."""
LEAST_PASSWORD = 12
"""Characters of a password, at least."""
_MOST_PASSWORD = 1_000
_MOST_NAME = 80


class Users:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._nobody: str | None = None

    def add(self, name: str, role: Role, *, password: str | None = None, actor: str) -> UserRow:
        """Adds a person; without a password only a link logs in.

        Raises:
            ConflictError: If the name is taken.
            InputError: If the name, the role or the password (at least 12 characters) will not do.
        """
        _check_name(name)
        role_of(role)
        hashed = None if password is None else _hashed(password)

        def insert_user(tx: Transaction) -> UserRow:
            row = {"name": name, "role": role, "password": hashed, "active": True, "made_at": tx.now}
            # the database decides: two processes may add the same name at once
            statement = upsert(tx.connection, User).on_conflict_do_nothing().returning(User.id)
            number = tx.connection.execute(statement, row).scalar()
            if number is None:
                raise ConflictError(f"there is a user {name!r:.80} already; choose another name")
            tx.audit(actor, "user.add", f"user:{name}", after={"role": role})
            return _get(tx.connection, number)

        return self._database.write(insert_user)

    def check(self, name: str, password: str) -> UserRow | None:
        """The active person whose password this is. Takes as long for a name that nobody has (0.2 s CPU)."""
        wanted = select(User.__table__).where(User.name == name)
        with self._database.read() as connection:
            row = connection.execute(wanted).mappings().first()
        stored = row["password"] if row is not None else None
        right = _matches(password[:_MOST_PASSWORD], stored or self._somebody())
        if row is None or not stored or not right or not row["active"]:
            return None
        return user_row(row)

    def of_subject(self, subject: str, name: str, role: Role) -> UserRow:
        """The person whom a provider of identities knows by a subject; added where there is none.

        Arguments:
            subject: Issuer and subject.
            name: A name to show; where somebody has it, a number is put behind it.
            role: The role of somebody new.
        """
        role_of(role)
        found = select(User.id).where(User.subject == subject)

        def find_or_add(tx: Transaction) -> UserRow:
            number = tx.connection.execute(found).scalar()
            free, tried = name, 1
            while number is None:
                row = {"name": free, "role": role, "password": None, "active": True, "made_at": tx.now}
                statement = upsert(tx.connection, User).on_conflict_do_nothing().returning(User.id)
                number = tx.connection.execute(statement, {**row, "subject": subject}).scalar()
                if number is not None:
                    tx.audit("oidc", "user.add", f"user:{free}", after={"role": role})
                    break
                # either the name is taken, or another process was quicker with this very person
                number = tx.connection.execute(found).scalar()
                tried += 1
                free = f"{name} ({tried})"
            return _get(tx.connection, number)

        return self._database.write(find_or_add)

    def get(self, user_id: int) -> UserRow:
        """One person.

        Raises:
            NotFoundError: If there is none.
        """
        with self._database.read() as connection:
            return _get(connection, user_id)

    def by_name(self, name: str) -> UserRow | None:
        """The person of a name."""
        with self._database.read() as connection:
            wanted = select(User.__table__).where(User.name == name)
            row = connection.execute(wanted).mappings().first()
        return None if row is None else user_row(row)

    def all(self) -> tuple[UserRow, ...]:
        """Everybody, by name."""
        with self._database.read() as connection:
            rows = connection.execute(select(User.__table__).order_by(User.name)).mappings()
            return tuple(user_row(row) for row in rows)

    def change(
        self,
        user_id: int,
        *,
        role: Role | None = None,
        active: bool | None = None,
        password: str | None = None,
        actor: str,
    ) -> UserRow:
        """Changes a person; a new password or role, and being inactive, ends their sessions.

        Raises:
            NotFoundError: If there is none.
            ConflictError: If no active admin would be left.
        """
        if role is not None:
            role_of(role)
        values: dict[str, Any] = {} if password is None else {"password": _hashed(password)}
        values |= {} if role is None else {"role": role}
        values |= {} if active is None else {"active": active}

        def set_values(tx: Transaction) -> UserRow:
            before = _get(tx.connection, user_id)
            if not values:
                return before
            tx.connection.execute(update(User).where(User.id == user_id).values(values))
            if before.role == "admin" and before.active:
                _keep_an_admin(tx.connection)
            tx.connection.execute(delete(Session).where(Session.user_id == user_id))
            told = {name: value for name, value in values.items() if name != "password"}
            told |= {"password": "changed"} if password is not None else {}
            was = {"role": before.role, "active": before.active}
            tx.audit(actor, "user.change", f"user:{before.name}", before=was, after=told)
            return _get(tx.connection, user_id)

        return self._database.write(set_values)

    def _somebody(self) -> str:
        """The hash of a password that nobody has, so that a name tells nothing by the time it takes."""
        if self._nobody is None:
            self._nobody = _hashed("x" * LEAST_PASSWORD)
        return self._nobody


def user_row(row: Any) -> UserRow:
    """A person from a row of `user`."""
    names = ("id", "name", "role", "active", "made_at")
    return UserRow(**{name: row[name] for name in names}, has_password=row["password"] is not None)


def _get(connection: Connection, user_id: int) -> UserRow:
    row = connection.execute(select(User.__table__).where(User.id == user_id)).mappings().first()
    if row is None:
        raise NotFoundError(f"there is no user {user_id}")
    return user_row(row)


def _keep_an_admin(connection: Connection) -> None:
    left = select(func.count()).select_from(User).where(User.role == "admin", User.active.is_(True))
    if not connection.execute(left).scalar_one():
        raise ConflictError("this is the last active admin; make somebody else one first")


def _check_name(name: str) -> None:
    if not name.strip() or name != name.strip() or len(name) > _MOST_NAME or not name.isprintable():
        raise InputError(
            f"{name!r:.80} is no name for a user; give 1 to {_MOST_NAME} visible characters, no space at the "
            "ends"
        )


def role_of(name: str) -> Role:
    """The role of a name.

    Raises:
        InputError: If there is none.
    """
    for role in ROLES:
        if role == name:
            return role
    raise InputError(f"{name!r:.40} is no role; give one of {', '.join(ROLES)}")


def _hashed(password: str) -> str:
    if not LEAST_PASSWORD <= len(password) <= _MOST_PASSWORD:
        raise InputError(
            f"a password has {LEAST_PASSWORD} to {_MOST_PASSWORD} characters; choose another one"
        )
    return str(_hasher().hash(password))


def _matches(password: str, stored: str) -> bool:
    return bool(_hasher().verify(password, stored))


def _hasher() -> Any:
    return require("pwdlib", extra="serve").PasswordHash.recommended()
