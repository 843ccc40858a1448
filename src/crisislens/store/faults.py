"""What a database raises, as one sentence of ours: what holds, and what to do. No statement, value or
password of it is repeated.
"""

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from crisislens.core.errors import StoreError, StoreFullError

__all__ = ["KEPT", "again", "as_store_error"]

# SQLSTATE of serialization failures and deadlocks
_AGAIN = frozenset({"40001", "40P01"})
_DISK_FULL = "53100"
KEPT = "what was accepted before is kept"


def again(error: BaseException) -> bool:
    """Whether the same job may come through when it is run once more."""
    return isinstance(error, DBAPIError) and _state(error) in _AGAIN


def as_store_error(error: SQLAlchemyError | UnicodeDecodeError, url: URL) -> StoreError:
    """The sentence for a database's fault.

    Arguments:
        error: What SQLAlchemy raised, or the driver: SQLite quotes names of a damaged file in its
            sentence, which Python then cannot read.
        url: The database's address; its password is hidden.
    """
    where = url.database if url.drivername == "sqlite" else url.render_as_string(hide_password=True)
    damaged = f"{where} is damaged or no store; restore a backup (crisislens store restore)"
    if isinstance(error, UnicodeDecodeError):
        return StoreError(damaged)
    if isinstance(error, PoolTimeout):
        return StoreError(
            f"all connections of the store {where} are in use; come again, or use fewer clients"
        )
    if not isinstance(error, DBAPIError):
        return StoreError(f"the store {where} cannot be used ({type(error).__name__}); {KEPT}")
    text = " ".join(str(error.orig).split())
    if "disk is full" in text or _state(error) == _DISK_FULL:
        return StoreFullError(f"the disk of the store {where} is full; free some room; {KEPT}", status=507)
    if "readonly" in text or "read-only" in text:
        return StoreError(f"the store {where} cannot be written, it is read-only; mend that; {KEPT}")
    if "unable to open" in text:
        return StoreError(
            f"the store {where} cannot be opened: also who reads writes a file beside it, so is the disk "
            f"read-only? Copy the store to where crisislens may write; {KEPT}"
        )
    if "locked" in text:
        return StoreError(f"the store {where} is locked by another process; end that one; {KEPT}")
    if "malformed" in text or "not a database" in text:
        return StoreError(damaged)
    if "no such table" in text or _state(error) == "42P01":
        return StoreError(f"{where} holds no store of this version; run: crisislens store upgrade")
    kind = type(error.orig).__name__
    return StoreError(f"the store {where} cannot be used ({kind}: {text[:160]}); {KEPT}")


def _state(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", "") or "")
