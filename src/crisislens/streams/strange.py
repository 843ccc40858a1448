"""Reading an item that somebody else shaped: what nobody expected costs that item, never the stream."""

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from crisislens.data import cells
from crisislens.store.records import Unread
from crisislens.streams.letters import written_row

__all__ = ["read_one"]

_Made = TypeVar("_Made")
_STRANGE: Final = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError)


def read_one(item: object, read: Callable[[], _Made]) -> _Made | Unread:
    """What an item becomes, or a dead letter where it cannot be read at all.

    Arguments:
        item: As it came, for the letter.
        read: What makes something of it.
    """
    try:
        return read()
    except _STRANGE as error:
        reason = f"it has a shape that nobody expected ({type(error).__name__})"
        return Unread(raw=_shown(item), reason=reason)


def _shown(item: object) -> str:
    # whole: what is cut is no JSON any more, and cannot be replayed; the store has a limit of its own
    try:
        return written_row(item) if isinstance(item, Mapping) else cells.valid_unicode(str(item))
    except (TypeError, ValueError):
        # JSON has no such keys, and no circles
        return cells.valid_unicode(str(item))
    except RecursionError:
        return f"a {type(item).__name__} that is nested too deep to be shown"
