"""A step without models."""

import json
from collections.abc import Sequence

from crisislens.domain.post import Post

__all__ = ["Shout", "line"]


class Shout:
    """Posts in capitals; some break it, as a bug in a model would.

    Attributes:
        asked: How many posts each call was for.
    """

    name = "shout"
    failure = "could not be shouted"

    def __init__(self) -> None:
        self.asked: list[int] = []

    def fingerprint(self) -> str:
        return "0" * 16

    def map(self, posts: Sequence[Post]) -> list[dict[str, object]]:
        self.asked.append(len(posts))
        for post in posts:
            if "poison" in post.text:
                raise RuntimeError("boom")
        return [{"id": post.id, "said": _unwritable(post) or post.text.upper()} for post in posts]


def _unwritable(post: Post) -> object:
    """What JSON cannot hold, for a post that asks for it."""
    return object() if "unwritable" in post.text else None


def line(record: dict[str, object]) -> str:
    """A record as a line, with half characters as they are."""
    return json.dumps(record)
