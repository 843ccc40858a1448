"""From a message of a broker to a post, a dead letter, or a post that is taken back."""

import json
from collections.abc import Callable
from typing import Any

from crisislens.store.records import NewPost, Unread
from crisislens.streams.batch import Batch
from crisislens.streams.rows import RowMaker

__all__ = ["Gathered"]


class Gathered:
    """Messages that are taken in together, in their order; of one post the last word counts.

    Arguments:
        rows: How messages become posts.
    """

    def __init__(self, rows: RowMaker) -> None:
        self._rows = rows
        self._posts: list[NewPost] = []
        self._dead: list[Unread] = []
        self._gone: dict[str, None] = {}

    def add(self, text: str, name: str) -> None:
        """Takes a message in JSON.

        Arguments:
            text: One object; `{"id": "7", "deleted": true}` takes a post back.
            name: The id of a post that has none.
        """
        gone = _taken_back(text)
        if gone is not None:
            self.take_back(gone)
            return
        for found in self._rows.line(text, name):
            if isinstance(found, Unread):
                self._dead.append(found)
            else:
                self._posts.append(found)
                self._gone.pop(found.external_id, None)

    def take_back(self, name: str) -> None:
        """Takes a post back."""
        self._gone[name] = None
        self._posts = [post for post in self._posts if post.external_id != name]

    def refuse(self, raw: str, reason: str) -> None:
        """Keeps what is no message."""
        self._dead.append(Unread(raw=raw, reason=reason))

    def batch(
        self, taken: Callable[[], None], cursor: dict[str, Any] | None, note: str | None = None
    ) -> Batch:
        """All of it."""
        gone = tuple(self._gone)
        return Batch(tuple(self._posts), tuple(self._dead), cursor, note, gone=gone, taken=taken)


def _taken_back(text: str) -> str | None:
    if '"deleted"' not in text:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or value.get("deleted") is not True or value.get("text"):
        return None
    name = value.get("id")
    if isinstance(name, bool) or not isinstance(name, (str, int)) or not str(name):
        return None
    return str(name) if len(str(name)) <= 500 else None
