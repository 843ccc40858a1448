"""Users, keys of programs, and sessions. Passwords are argon2id; of keys and tokens only SHA-256 is kept."""

from datetime import datetime

from crisislens.store.database import Database
from crisislens.store.records import KeyRow, Role, SessionRow, UserRow

__all__ = ["Keys", "Sessions", "Users"]


class Users:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, role: Role, *, password: str | None = None, actor: str) -> UserRow:
        """Adds a person; without a password only a link logs in.

        Raises:
            ConflictError: If the name is taken.
            InputError: If the name or the password (at least 12 characters) will not do.
        """
        raise NotImplementedError

    def check(self, name: str, password: str) -> UserRow | None:
        """The active person whose password this is. Takes as long for a name that nobody has (0.2 s CPU)."""
        raise NotImplementedError

    def get(self, user_id: int) -> UserRow:
        """One person.

        Raises:
            NotFoundError: If there is none.
        """
        raise NotImplementedError

    def by_name(self, name: str) -> UserRow | None:
        """The person of a name."""
        raise NotImplementedError

    def all(self) -> tuple[UserRow, ...]:
        """Everybody, by name."""
        raise NotImplementedError

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
        raise NotImplementedError


class Keys:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, name: str, role: Role, *, expires: datetime | None = None, actor: str
    ) -> tuple[str, KeyRow]:
        """Makes a key of 256 random bits; its text, `cl_…`, is given this once and never again."""
        raise NotImplementedError

    def check(self, key: str) -> KeyRow | None:
        """The row of a key that is good now; notes the use at most once a minute."""
        raise NotImplementedError

    def all(self) -> tuple[KeyRow, ...]:
        """All keys, also revoked ones."""
        raise NotImplementedError

    def revoke(self, key_id: int, *, actor: str) -> None:
        """Ends a key.

        Raises:
            NotFoundError: If there is none.
        """
        raise NotImplementedError


class Sessions:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(self, user_id: int, *, hours: float = 12) -> tuple[str, SessionRow]:
        """Logs a person in; the token, for the cookie, is given this once."""
        raise NotImplementedError

    def check(self, token: str) -> SessionRow | None:
        """The session of a token that is good now, of an active person."""
        raise NotImplementedError

    def end(self, token: str) -> None:
        """Logs out."""
        raise NotImplementedError

    def end_all(self, user_id: int) -> int:
        """Ends all sessions of a person; how many."""
        raise NotImplementedError

    def link(self, user_id: int, *, minutes: float = 15) -> str:
        """A token that logs in once."""
        raise NotImplementedError

    def redeem(self, token: str, *, hours: float = 12) -> tuple[str, SessionRow] | None:
        """Logs in by a link's token, which is good once."""
        raise NotImplementedError
