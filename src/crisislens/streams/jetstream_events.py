"""Frames of Jetstream, gathered to a batch.

After a break the last events come again. What was written and taken back among them is written once more
before it is taken back once more, and the connection may break in between: so the cursor holds what was taken
back lately, and an older event cannot bring it back.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from crisislens.store.records import NewPost, Unread
from crisislens.streams.batch import Batch
from crisislens.streams.jetstream_posts import (
    COLLECTION,
    GONE_ACCOUNTS,
    address_of,
    event_moment,
    record_post,
)
from crisislens.streams.strange import read_one

__all__ = ["BACK_EVENTS", "HeardEvents"]

BACK_EVENTS = 20
"""So many events before the last one are asked for again, as two may have changed places."""


class HeardEvents:
    """Events that are taken in together."""

    def __init__(self, host: str, cursor: Mapping[str, Any] | None) -> None:
        self._host, self._cursor = host, cursor
        known = cursor.get("seq") if cursor and cursor.get("host") == host else None
        self._after = known if isinstance(known, int) else -1
        # posts and accounts that were taken back, with the number of that event
        self._ended: dict[str, int] = {}
        if cursor is not None and self._after >= 0:
            self._ended |= cursor.get("ended", {})
        self._came = False
        self._last: Mapping[str, Any] | None = None
        self._posts: dict[str, NewPost] = {}
        self._dead: list[Unread] = []
        self._gone: dict[str, None] = {}
        self._authors: dict[str, None] = {}
        self._note: str | None = None

    @property
    def posts(self) -> int:
        """How many posts there are."""
        return len(self._posts)

    @property
    def any(self) -> bool:
        """Whether anything is to be kept, if only how far we are."""
        return self._came or self._note is not None or bool(self._dead)

    def message(self, message: str) -> str | None:
        """Takes a frame; returns what is wrong with the connection, if it says so."""
        try:
            frame = json.loads(message)
        except (ValueError, RecursionError):
            self._dead.append(Unread(raw=message, reason="the frame holds no JSON"))
            return None
        kind = frame.get("$type") if isinstance(frame, dict) else None
        if kind == "error":
            return f"ended: {frame.get('error')!r:.60}"
        payload = frame.get("payload") if kind == "message" else None
        if not isinstance(payload, dict):
            # a newer server may say more than we know
            return None
        name = str(payload.get("$type", "")).rpartition("#")[2]
        if name == "info":
            self._note = f"{self._host}: {payload.get('name')!r:.40}; posts may be missing"
            return None
        seq = payload.get("seq")
        if not isinstance(seq, int):
            return None
        # where two events changed places, the cursor stays at the later one; see `_start`
        self._came = True
        if seq > self._after:
            self._after, self._last = seq, payload
        if name == "commit":
            self._commit(payload)
        elif name == "account":
            self._account(payload)
        return None

    def _commit(self, event: Mapping[str, Any]) -> None:
        if event.get("collection") != COLLECTION:
            return
        if event.get("operation") == "delete":
            name = address_of(event)
            if name is not None:
                self._posts.pop(name, None)
                self._gone[name] = None
                self._end(name, event)
            return
        if self._is_ended(event):
            return
        # a letter that is replayed is to be the post that its author and the network can take back
        named = {**event, "uri": address_of(event), "author": event.get("did")}
        made = read_one(named, partial(record_post, event))
        if isinstance(made, Unread):
            self._dead.append(made)
        else:
            self._posts[made.external_id] = made
            # taken back and written anew under the same key
            self._gone.pop(made.external_id, None)

    def _account(self, event: Mapping[str, Any]) -> None:
        account, did = event.get("account"), event.get("did")
        if not isinstance(account, dict) or account.get("active") is not False or not isinstance(did, str):
            return
        status = account.get("status")
        if isinstance(status, str) and status in GONE_ACCOUNTS and 0 < len(did) <= 500 and did.isascii():
            self._authors[did] = None
            self._end(did, event)
            self._posts = {name: post for name, post in self._posts.items() if post.author != did}

    def _end(self, name: str, event: Mapping[str, Any]) -> None:
        self._ended[name] = max(event["seq"], self._ended.get(name, -1))

    def _is_ended(self, event: Mapping[str, Any]) -> bool:
        """Whether a later event has taken back what this one writes, or its account."""
        names = (address_of(event), event.get("did"))
        return any(event["seq"] < self._ended.get(name, -1) for name in names if isinstance(name, str))

    def batch(self) -> Batch:
        """All of it, and where to go on."""
        cursor = None if self._last is None else _cursor(self._host, self._last)
        lately = {name: seq for name, seq in self._ended.items() if seq > self._after - BACK_EVENTS}
        if cursor is not None and lately:
            cursor["ended"] = lately
        return Batch(
            tuple(self._posts.values()),
            tuple(self._dead),
            cursor,
            self._note,
            gone=tuple(self._gone),
            gone_authors=tuple(self._authors),
            remember=False,
        )


def _cursor(host: str, event: Mapping[str, Any]) -> dict[str, Any]:
    moment = event_moment(event)
    return {"host": host, "seq": event["seq"], "us": None if moment is None else _microseconds(moment)}


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)
