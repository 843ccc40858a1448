"""Posts that ask for something at a place, for tests of alerts."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import update

from crisislens.domain.place import Place
from crisislens.store import Store
from crisislens.store.models import Post
from crisislens.store.records import RuleSpec
from store_posts import PONCE, fill, new

NOW = datetime(2026, 9, 20, 12, tzinfo=UTC)
WATER = RuleSpec(task="needs", label="water", least=3, window_min=30)
CAGUAS = Place(id="city:4563008", name="Caguas", kind="city", country="PR", lat=18.23, lon=-66.03)
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "inlet", "jetty", "knoll")

__all__ = ["CAGUAS", "NOW", "PONCE", "WATER", "ask", "at", "heard_when_posted"]

_count = 0


def at(minute: float) -> datetime:
    """So many minutes before `NOW`, where the number is negative."""
    return NOW + timedelta(minutes=minute)


def ask(
    store: Store,
    *minutes: float,
    needs: Sequence[str] = ("water",),
    place: Place | None = PONCE,
    text: str | None = None,
    author: str | None = None,
    source: str = "radio",
    **answer: Any,
) -> list[int]:
    """Posts of different words, so many minutes from `NOW`, answered alike; their numbers."""
    global _count
    posts = []
    for minute in minutes:
        _count += 1
        # words that share nothing: near-duplicates are found by their shingles
        said = " ".join(WORDS[(_count * k + k * k) % len(WORDS)] + str(_count * k) for k in range(1, 9))
        posts.append(new(f"a{_count}", said if text is None else text, created_at=at(minute), author=author))
    return fill(store, *posts, source=source, needs=needs, place=place, **answer)


def heard_when_posted(store: Store) -> None:
    """As if each post had been received when it was posted: a source that is heard all the time."""
    heard = update(Post).values(received_at=Post.at)
    store.database.write(lambda tx: tx.connection.execute(heard).rowcount)
