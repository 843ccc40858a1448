"""Taking posts out for good, and taking out what is old.

Everything that was made of a post goes: its row, answers, evidence, names, signature, search words, reviews
and events; then its photos, where no other post has them. So do the dead letters that name it or its author,
which hold the same words. SQLite overwrites what it deletes
(`secure_delete`, the same for the index of words), and the write-ahead log is written back and cut, so that
the text stands nowhere in its files. PostgreSQL frees the rows; `VACUUM`, which is run as well, frees their
room, and its write-ahead log and backups keep what they hold until they are recycled. A tombstone keeps the
key, so that a source that sends the post again is refused, and the audit trail who asked for it.
"""

import time
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, select, text, update

from crisislens.store.blobs import Blobs
from crisislens.store.database import Database
from crisislens.store.dead import drop_letters, drop_old_letters, letters_naming
from crisislens.store.finish import take_off_tallies
from crisislens.store.inserting import source_id
from crisislens.store.joining import refresh_clusters
from crisislens.store.models import (
    AlertPost,
    Answer,
    Assessment,
    Band,
    Claim,
    Delivery,
    Event,
    Media,
    Mention,
    Post,
    Rationale,
    Review,
    Session,
    Signature,
    Source,
    Tombstone,
    Witness,
)
from crisislens.store.records import Swept
from crisislens.store.schema import SEARCH_TABLE
from crisislens.store.transaction import Transaction, upsert
from crisislens.store.twins import renew_witnesses
from crisislens.store.types import without_nul

__all__ = ["Erasure", "Retention", "erase_posts"]

_STEP = 200
_SCRUB_EVERY_S = 30.0
_ANSWERED = (AlertPost, Answer, Assessment, Mention, Rationale)
_MADE_OF_A_POST = (*_ANSWERED, Band, Claim, Media, Review, Signature, Witness)


class Erasure:
    """Made by the store."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database, self._blobs = database, blobs
        self._scrubbed_at, self._dirty = 0.0, False

    def posts(self, post_ids: Sequence[int], *, actor: str, reason: str = "") -> Swept:
        """Erases posts from tables, search, events, write-ahead log and blobs; a tombstone with the key stays
        and the audit trail says who, when and how many, with no text. Ids that are not there are left out.
        """
        ids = sorted(set(post_ids))
        # before the posts: after a crash between, who asks again has both taken out
        letters = [self._drop_letters(source, names) for source, names in self._names_of(ids).items()]
        total = self._erase(ids, actor, reason)
        if total.posts or any(letters):
            scrub(self._database)
        return total

    def _erase(self, ids: Sequence[int], actor: str, reason: str) -> Swept:
        """Erases posts, and leaves the letters that name them."""
        total = Swept()
        # in steps: posts that arrive meanwhile are not to wait for thousands that go
        for start in range(0, len(ids), _STEP):
            part = ids[start : start + _STEP]
            posts, photos = self._database.write(lambda tx, part=part: erase_posts(tx, part, actor, reason))  # type: ignore[misc]
            removed = sum(self._drop_if_last(name) for name in photos)
            total = Swept(posts=total.posts + posts, photos=total.photos + removed)
        return total

    def _names_of(self, ids: Sequence[int]) -> dict[int, list[str]]:
        """By source its own ids of some posts."""
        found: dict[int, list[str]] = {}
        for start in range(0, len(ids), _STEP):
            wanted = select(Post.source_id, Post.external_id).where(Post.id.in_(ids[start : start + _STEP]))
            with self._database.read() as connection:
                for row in connection.execute(wanted):
                    found.setdefault(row.source_id, []).append(row.external_id)
        return found

    def _drop_letters(self, source: int | None, names: Collection[str]) -> int:
        """Deletes the letters that name a post or a person; how many there were."""
        with self._database.read() as connection:
            found = letters_naming(connection, source, names)
        return self._database.write(lambda tx: drop_letters(tx, found)) if found else 0

    def key(self, source: str, external_id: str, *, actor: str, reason: str = "") -> bool:
        """Erases by the source's id, also before such a post ever came; whether there was one."""
        name = without_nul(external_id)

        def bury(tx: Transaction) -> tuple[int, int | None]:
            number = source_id(tx, without_nul(source), "api")
            row = {"source_id": number, "external_id": name, "at": tx.now}
            tx.connection.execute(upsert(tx.connection, Tombstone).values(row).on_conflict_do_nothing())
            wanted = select(Post.id).where(Post.source_id == number, Post.external_id == name)
            return number, tx.connection.execute(wanted).scalar()

        number, found = self._database.write(bury)
        letters = self._drop_letters(number, [name])
        swept = Swept() if found is None else self._erase([found], actor, reason)
        if letters or swept.posts:
            scrub(self._database)
        return bool(swept.posts)

    def author(self, author: str, *, actor: str, reason: str = "") -> Swept:
        """Erases everything of one author."""
        letters = self._drop_letters(None, [without_nul(author)])
        with self._database.read() as connection:
            wanted = select(Post.id).where(Post.author == author)
            ids = list(connection.execute(wanted).scalars())
        swept = self.posts(ids, actor=actor, reason=reason)
        if letters and not swept.posts:
            scrub(self._database)
        return swept

    def at_source(
        self,
        source: str,
        external_ids: Sequence[str],
        *,
        authors: Sequence[str] = (),
        remember: bool = True,
        actor: str | None = None,
    ) -> int:
        """Obeys a source that took posts back: erases those that are here, and remembers the others.

        Arguments:
            source: Its name.
            external_ids: The ids of the posts.
            authors: Of whom everything that came from this source goes.
            remember: Whether posts that are not here are to be refused if they come later; a source whose
                order can be trusted, and that takes back a million posts nobody kept, needs no such memory.
            actor: Who asked; None for the source itself. What somebody has refused from now on is in the
                audit trail too, while a source would fill it with posts that nobody kept; so would whoever
                has nothing erased and nothing refused.

        Returns:
            How many posts were erased.
        """
        if not external_ids and not authors:
            return 0
        names = [without_nul(name) for name in dict.fromkeys(external_ids)]
        reason = "taken back at its source"
        letters = self._letters_taken_back(without_nul(source), names, authors, remember)

        def bury(tx: Transaction) -> tuple[int, list[str], int]:
            number = source_id(tx, without_nul(source), "api")
            if remember and names:
                graves = [{"source_id": number, "external_id": name, "at": tx.now} for name in names]
                tx.connection.execute(upsert(tx.connection, Tombstone).on_conflict_do_nothing(), graves)
            here = _ids_of(tx.connection, number, names, authors)
            dropped = drop_letters(tx, letters)
            if actor is not None and (here or dropped or (remember and names)):
                asked = {"source": source, "ids": len(names), "authors": len(authors), "remember": remember}
                tx.audit(actor, "post.take_back", f"source:{source}", after={**asked, "posts": len(here)})
            return *erase_posts(tx, here, actor or f"source:{source}", reason), dropped

        count, photos, dropped = self._database.write(bury)
        self.tidy(photos, changed=bool(count or dropped))
        return count

    def _letters_taken_back(
        self, source: str, names: Sequence[str], authors: Sequence[str], remember: bool
    ) -> list[int]:
        """The letters that name what a source takes back. Of posts that nobody kept and that are not to be
        remembered there are none: a stream names hundreds of them in a second.
        """
        with self._database.read() as connection:
            number = connection.execute(select(Source.id).where(Source.name == source)).scalar()
            here = [] if number is None else _ids_of(connection, number, names, authors)
        if number is None:
            return []
        told = {*map(without_nul, authors), *(names if remember else ())}
        told.update(self._names_of(here).get(number, ()))
        with self._database.read() as connection:
            return letters_naming(connection, number, told)

    def tidy(self, photos: Iterable[str] = (), *, changed: bool = True) -> None:
        """Drops photos that no post has any more, and now and then has what was deleted overwritten in the
        files: a source may take back a post a second, and each time would cost a flush of the disk.
        """
        for name in photos:
            self._drop_if_last(name)
        self._dirty = self._dirty or changed
        now = time.monotonic()
        if self._dirty and (not self._scrubbed_at or now - self._scrubbed_at > _SCRUB_EVERY_S):
            self._scrubbed_at, self._dirty = now, False
            scrub(self._database)

    def _drop_if_last(self, sha256: str) -> bool:
        """Removes a photo that no post has any more."""
        with self._database.read() as connection:
            if (
                connection.execute(select(Media.id).where(Media.sha256 == sha256).limit(1)).scalar()
                is not None
            ):
                return False
        return self._blobs.remove(sha256)


class Retention:
    """Made by the store."""

    def __init__(self, database: Database, blobs: Blobs) -> None:
        self._database, self._blobs = database, blobs
        self._erasure = Erasure(database, blobs)

    def run(
        self,
        *,
        keep_days: float,
        media_days: float | None = None,
        now: datetime | None = None,
        actor: str = "system",
        trial: bool = False,
    ) -> Swept:
        """Erases posts received more than `keep_days` ago, photos after `media_days`, and old events, dead
        letters and sessions with them.

        Arguments:
            keep_days: Age of posts, in days.
            media_days: Age of photos; None keeps them with their posts.
            now: The time it is.
            actor: Who asked.
            trial: Only counts.
        """
        moment = now or datetime.now(UTC)
        old = Post.received_at < moment - timedelta(days=keep_days)
        with self._database.read() as connection:
            ids = list(connection.execute(select(Post.id).where(old)).scalars())
        photos = self._old_photos(moment, media_days)
        if trial:
            return Swept(posts=len(ids), photos=len(photos))
        # letters have an age of their own, and go by it
        swept = self._erasure._erase(sorted(ids), actor, f"older than {keep_days:g} days")
        removed = self._drop_photos(photos, actor)
        events, sessions, letters = self._database.write(
            lambda tx: _sweep(tx, moment, moment - timedelta(days=keep_days))
        )
        if swept.posts or events or removed or letters:
            scrub(self._database)
        return Swept(posts=swept.posts, photos=swept.photos + removed, events=events, sessions=sessions)

    def _old_photos(self, moment: datetime, media_days: float | None) -> list[tuple[int, str]]:
        if media_days is None:
            return []
        wanted = select(Media.id, Media.sha256).join(Post, Post.id == Media.post_id)
        wanted = wanted.where(
            Post.received_at < moment - timedelta(days=media_days), Media.sha256.is_not(None)
        )
        with self._database.read() as connection:
            return [(number, str(name)) for number, name in connection.execute(wanted)]

    def _drop_photos(self, photos: Iterable[tuple[int, str]], actor: str) -> int:
        """Takes photos out and leaves their posts, which say that they had one."""
        ids, names = [], set()
        for number, name in photos:
            ids.append(number)
            names.add(name)
        gone = {"state": "gone", "sha256": None, "origin": None, "reason": "its time was over"}

        def mark(tx: Transaction, part: Sequence[int]) -> None:
            tx.connection.execute(update(Media).where(Media.id.in_(part)).values(gone))
            tx.audit(actor, "media.retain", "media", after={"photos": len(part)})

        for start in range(0, len(ids), _STEP):
            self._database.write(lambda tx, part=ids[start : start + _STEP]: mark(tx, part))  # type: ignore[misc]
        return sum(self._erasure._drop_if_last(name) for name in sorted(names))


def scrub(database: Database) -> None:
    """Has nothing that was deleted stand in the files any longer."""

    def tidy(connection: Any) -> None:
        if database.sqlite:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            tables = "post, answer, assessment, rationale, mention, event, signature, band, dead_letter"
            connection.execute(f"VACUUM {tables}")

    database.outside(tidy)


def _ids_of(connection: Connection, source: int, names: Sequence[str], authors: Sequence[str]) -> list[int]:
    """The posts of a source by its ids or by their authors."""
    found: list[int] = []
    mine = select(Post.id).where(Post.source_id == source)
    for start in range(0, len(names), _STEP):
        wanted = mine.where(Post.external_id.in_(names[start : start + _STEP]))
        found += connection.execute(wanted).scalars()
    if authors:
        found += connection.execute(mine.where(Post.author.in_(authors))).scalars()
    return sorted(set(found))


def erase_posts(
    tx: Transaction, ids: Sequence[int], actor: str, reason: str, *, graves: bool = True
) -> tuple[int, list[str]]:
    """Erases posts, and leaves dead letters; returns how many there were, and the names of their photos.

    Arguments:
        tx: The transaction.
        ids: Numbers of posts; those that are not there are left out.
        actor: Who asked.
        reason: Why, for the audit trail.
        graves: Whether the keys are refused from now on; not where another version of the post follows.
    """
    columns = (Post.id, Post.source_id, Post.external_id, Post.cluster_id, Post.shown_id)
    wanted = select(*columns, Post.text).where(Post.id.in_(ids)).order_by(Post.id).with_for_update()
    rows = tx.connection.execute(wanted).all()
    if not rows:
        return 0, []
    found = [row.id for row in rows]
    photos = select(Media.sha256).where(Media.post_id.in_(found), Media.sha256.is_not(None)).distinct()
    names = [str(name) for name in tx.connection.execute(photos).scalars()]
    take_off_tallies(tx, found)
    stood_for = select(Witness.cluster_id).where(Witness.post_id.in_(found)).distinct()
    orphaned = set(tx.connection.execute(stood_for).scalars())
    if tx.sqlite:
        words = text(
            f"INSERT INTO {SEARCH_TABLE} ({SEARCH_TABLE}, rowid, text) VALUES ('delete', :id, :text)"
        )
        tx.connection.execute(words, [{"id": row.id, "text": row.text} for row in rows])
    for table in _MADE_OF_A_POST:
        tx.connection.execute(delete(table).where(table.post_id.in_(found)))
    tx.connection.execute(delete(Event).where(Event.post_id.in_(found)))
    if graves:
        keys = [{"source_id": row.source_id, "external_id": row.external_id, "at": tx.now} for row in rows]
        tx.connection.execute(upsert(tx.connection, Tombstone).on_conflict_do_nothing(), keys)
    tx.connection.execute(delete(Post).where(Post.id.in_(found)))
    groups = {number for row in rows for number in (row.shown_id, row.cluster_id) if number is not None}
    renew_witnesses(tx, orphaned)
    refresh_clusters(tx, groups)
    tx.audit(actor, "post.erase", "post", after={"posts": len(found), "ids": found, "reason": reason[:200]})
    for number in found:
        tx.event("post.erased", number)
    return len(found), names


def _sweep(tx: Transaction, now: datetime, before: datetime) -> tuple[int, int, int]:
    """How many events, sessions and dead letters went."""
    events = tx.connection.execute(delete(Event).where(Event.at < before)).rowcount
    tx.connection.execute(delete(Delivery).where(Delivery.made_at < before, Delivery.state != "leased"))
    sessions = tx.connection.execute(delete(Session).where(Session.expires < now)).rowcount
    return events, sessions, drop_old_letters(tx, before)
