"""Server-sent events, as the HTML standard defines their lines."""

from collections.abc import Iterable, Iterator
from typing import Final

from crisislens.core.guarded_rules import RefusedError

__all__ = ["events_of"]

_MOST_EVENT: Final = 2 << 20


def events_of(lines: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """Names and data of events; comments, which only say that the server lives, are left out.

    >>> list(events_of([b":thump", b"event: delete", b"data: 12", b"", b"data: a", b"", b"data: cut"]))
    [('delete', '12'), ('message', 'a')]

    Raises:
        RefusedError: If an event has more than two megabytes.
    """
    name, data, size = "message", list[str](), 0
    for line in lines:
        if not line:
            if data:
                yield name, "\n".join(data)
            name, data, size = "message", [], 0
            continue
        field, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value[:100]
        elif field == "data":
            size += len(value)
            if size > _MOST_EVENT:
                raise RefusedError(f"an event of more than {_MOST_EVENT:,} characters came")
            data.append(value)
