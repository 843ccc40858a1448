"""A stream of server-sent events, read as a browser reads it: block after block, each of which may have the
number to go on after.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from crisislens.client.records import Event

__all__ = ["Block", "blocks_of"]


@dataclass(frozen=True)
class Block:
    """What stands between two empty lines of a stream.

    Attributes:
        seq: The number to go on after, where it has one.
        event: What happened, if anything: a block may only say where the stream is.
    """

    seq: int | None = None
    event: Event | None = None


def blocks_of(lines: Iterable[str]) -> Iterator[Block]:
    """The blocks of a stream; one that was cut off is none, since it comes again."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        else:
            yield _block(fields)
            fields = {}


def _block(fields: dict[str, str]) -> Block:
    event = _event(fields)
    number = fields.get("id", "")
    if number.isascii() and number.isdecimal():
        return Block(int(number), event)
    return Block(event.seq if event else None, event)


def _event(fields: dict[str, str]) -> Event | None:
    if "data" not in fields:
        return None
    data = json.loads(fields["data"])
    if fields.get("event") == "gap":
        # the newest of those that are gone: who goes on after it misses no more than was said
        return Event(seq=data["before"] - 1, kind="gap", data=data)
    return Event.model_validate({**data, "data": data}) if "seq" in data else None
