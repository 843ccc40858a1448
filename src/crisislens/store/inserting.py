"""What taking posts in reads and writes: which keys are there, new rows, and the sources' counts."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, text, update

from crisislens.store.models import Media, Post, Source, Tombstone, table_of
from crisislens.store.records import NewPost, Photo
from crisislens.store.schema import SEARCH_TABLE
from crisislens.store.transaction import Transaction, upsert
from crisislens.store.types import without_nul

__all__ = [
    "Key",
    "erased_keys",
    "insert_posts",
    "known_posts",
    "mark_source",
    "source_id",
    "version_of",
    "versions_of",
]

_INSERTED = 250
_POST = table_of(Post)
_SOURCE = table_of(Source)
_TOMBSTONE = table_of(Tombstone)
# statements that every transaction needs are made once: to make one costs ten times what SQLite takes for it
_SOURCE_ID = select(_SOURCE.c.id).where(_SOURCE.c.name == bindparam("name"))
_KNOWN = select(_POST.c.external_id, _POST.c.id, _POST.c.digest, _POST.c.state).where(
    _POST.c.source_id == bindparam("source"), _POST.c.external_id.in_(bindparam("names", expanding=True))
)
_ERASED = select(_TOMBSTONE.c.external_id).where(
    _TOMBSTONE.c.source_id == bindparam("source"),
    _TOMBSTONE.c.external_id.in_(bindparam("names", expanding=True)),
)
_WORDS = text(f"INSERT INTO {SEARCH_TABLE} (rowid, text) VALUES (:id, :text)")
_MARKED = (
    update(_SOURCE)
    .where(_SOURCE.c.id == bindparam("source"))
    .values(last_at=bindparam("at"), posts=_SOURCE.c.posts + bindparam("created"))
)
_CURSOR = (
    update(_SOURCE)
    .where(_SOURCE.c.id == bindparam("source"))
    .values(cursor=bindparam("place"), cursor_at=bindparam("at"))
)
_RETURNED = (_POST.c.id, _POST.c.source_id, _POST.c.external_id, _POST.c.digest)

Key = tuple[int, str]
"""A source's number and the source's own id of a post."""


def source_id(tx: Transaction, name: str, kind: str) -> int:
    """The number of a source, made where there is none."""
    found = tx.connection.execute(_SOURCE_ID, {"name": name}).scalar()
    if found is not None:
        return int(found)
    row = {"name": name, "kind": kind, "config": {}, "made_at": tx.now, "enabled": True, "posts": 0}
    tx.connection.execute(upsert(tx.connection, Source).on_conflict_do_nothing(), [row])
    tx.event("source.changed", name=name)
    return int(tx.connection.execute(_SOURCE_ID, {"name": name}).scalar_one())


def known_posts(tx: Transaction, keys: Sequence[Key]) -> dict[Key, tuple[int, str, str]]:
    """The number, digest and state of each key that is there."""
    found: dict[Key, tuple[int, str, str]] = {}
    for source, names in _by_source(keys).items():
        given = {"source": source, "names": names}
        for name, number, digest, state in tx.connection.execute(_KNOWN, given):
            found[source, name] = (number, digest, state)
    return found


def erased_keys(tx: Transaction, keys: Sequence[Key]) -> set[Key]:
    """Those of the keys whose posts were erased."""
    found: set[Key] = set()
    for source, names in _by_source(keys).items():
        gone = tx.connection.execute(_ERASED, {"source": source, "names": names})
        found.update((source, name) for name in gone.scalars())
    return found


def _by_source(keys: Sequence[Key]) -> dict[int, list[str]]:
    names: dict[int, list[str]] = {}
    for source, name in keys:
        names.setdefault(source, []).append(name)
    return names


def insert_posts(tx: Transaction, fresh: Mapping[Key, tuple[NewPost, str]]) -> dict[Key, tuple[int, str]]:
    """Inserts posts, with their words and photos; those that another process inserted are left out."""
    rows = [_row(tx, key, post, digest) for key, (post, digest) in fresh.items()]
    made: dict[Key, tuple[int, str]] = {}
    for start in range(0, len(rows), _INSERTED):
        part = rows[start : start + _INSERTED]
        # many rows through one statement that is compiled once
        statement = upsert(tx.connection, _POST).on_conflict_do_nothing().returning(*_RETURNED)
        for number, source, name, digest in tx.connection.execute(statement, part):
            made[source, name] = (number, digest)
    if made and tx.sqlite:
        words = [{"id": made[key][0], "text": without_nul(fresh[key][0].text)} for key in made]
        tx.connection.execute(_WORDS, words)
    photos = [_media(made[key][0], photo) for key in made for photo in fresh[key][0].photos]
    if photos:
        tx.connection.execute(insert(table_of(Media)), photos)
    for key in sorted(made, key=lambda key: made[key][0]):
        tx.event("post.accepted", made[key][0])
    return made


def _row(tx: Transaction, key: Key, post: NewPost, digest: str) -> dict[str, Any]:
    created: datetime | None = post.created_at
    reading: dict[str, Any] | None = None
    if post.remarks or post.doubt or post.edited_at:
        reading = {"remarks": list(post.remarks), "doubt": post.doubt}
    if reading is not None and post.edited_at is not None:
        reading["edited_at"] = version_of(post)
    return {
        "source_id": key[0],
        "external_id": key[1],
        "digest": digest,
        "url": post.url,
        "author": post.author,
        "text": post.text,
        "lang": post.lang,
        "created_at": created,
        "at": created or tx.now,
        "received_at": tx.now,
        "lat": post.lat,
        "lon": post.lon,
        "event": post.event,
        "remarks": reading,
        "state": "queued",
        "stage": 0,
        "tries": 0,
        "lead": True,
        "reviews": 0,
    }


def _media(post_id: int, photo: Photo) -> dict[str, Any]:
    mime = "image/jpeg" if photo.sha256 else None
    return {"post_id": post_id, "mime": mime, **photo.model_dump()}


def version_of(post: NewPost) -> str:
    """When a post was last changed at its source, a later one being greater; empty where it never was."""
    moment = post.edited_at
    if moment is None:
        return ""
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")


def versions_of(tx: Transaction, ids: Sequence[int]) -> dict[int, str]:
    """The versions of posts that are there, as `version_of` gives them."""
    found = tx.connection.execute(select(Post.id, Post.remarks).where(Post.id.in_(ids)))
    return {number: (reading or {}).get("edited_at") or "" for number, reading in found}


def mark_source(tx: Transaction, source: int, created: int, cursor: str | None) -> None:
    """Notes how many posts a source sent, and where it goes on."""
    if created:
        tx.connection.execute(_MARKED, {"source": source, "at": tx.now, "created": created})
    if cursor is not None:
        tx.connection.execute(_CURSOR, {"source": source, "at": tx.now, "place": cursor})
