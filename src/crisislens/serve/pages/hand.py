"""What a reviewer is given: posts that nobody else holds, in the order that was asked for."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from crisislens.core.errors import ConflictError, NotFoundError
from crisislens.serve.filters import FilterQuery
from crisislens.store import Store
from crisislens.store.records import Order, PostFilter, PostRow

__all__ = ["in_hand", "queue_filter", "take_some"]

_MOST_A_PAGE = 200


def queue_filter(wanted: FilterQuery, lane: str) -> PostFilter:
    """What waits for a person: assessed, not judged yet, of near-duplicates the first."""
    base: dict[str, Any] = {"states": ("done",), "reviewed": False, "folded": True}
    if "order" not in wanted.values:
        base["order"] = "urgency"
    if lane == "unread":
        base["unread"] = True
    return wanted.filter.model_copy(update=base)


def in_hand(store: Store, user_id: int, wanted: PostFilter) -> tuple[tuple[PostRow, ...], int]:
    """What a person holds of a filter, in its order, and how many posts they hold beside it."""
    ids = tuple(held.post_id for held in store.reviews.held() if held.user_id == user_id)
    if not ids:
        return (), 0
    order: Order = "uncertainty" if wanted.order == "diverse" else wanted.order
    narrowed = {"ids": ids, "order": order, "limit": 200, "after": None}
    rows = store.posts.find(wanted.model_copy(update=narrowed)).rows
    return rows, len(ids) - len(rows)


def take_some(
    store: Store, user_id: int, wanted: PostFilter, *, most: int, seconds: int, without: Sequence[int] = ()
) -> list[PostRow]:
    """Holds the first posts of a filter that nobody holds.

    Arguments:
        store: Where they are.
        user_id: Who will review them.
        wanted: Which posts.
        most: How many.
        seconds: How long they are held.
        without: Posts that are not given, since this person put them off.
    """
    if wanted.order == "diverse":
        return _take_unlike(store, user_id, wanted, most=most, seconds=seconds, without=without)
    return store.reviews.hold_some(user_id, wanted, most=most, seconds=seconds, without=without)


def _take_unlike(
    store: Store, user_id: int, wanted: PostFilter, *, most: int, seconds: int, without: Sequence[int]
) -> list[PostRow]:
    """Holds posts that are unlike each other, and unlike those that this person holds already."""
    mine = {held.post_id for held in store.reviews.held() if held.user_id == user_id}
    passed_over = mine.union(without)
    limit = min(_MOST_A_PAGE, most + len(passed_over))
    wanted = wanted.model_copy(update={"free_for": user_id, "limit": limit, "after": None})
    rows: list[PostRow] = []
    for row in store.posts.find(wanted).rows:
        if len(rows) == most or row.id in passed_over:
            continue
        # another reviewer may have been quicker; then the next one is taken
        with suppress(ConflictError, NotFoundError):
            store.reviews.hold(row.id, user_id, seconds=seconds)
            rows.append(row)
    return rows
