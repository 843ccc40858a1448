"""Taking posts in: once, in order, and many callers in one transaction.

Callers that wait are joined: one look at what is there, one insert and one commit for all of them. A post's
key is its source and the source's own id, so whoever is unsure whether a post arrived sends it again.
"""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, insert, select, text, update

from crisislens.core.errors import StoreFullError
from crisislens.core.fingerprint import fingerprint
from crisislens.store.database import Database
from crisislens.store.dead import insert_dead
from crisislens.store.models import Media, Post, Source, Tombstone, table_of
from crisislens.store.records import Accepted, NewPost, Photo, Unread
from crisislens.store.schema import SEARCH_TABLE
from crisislens.store.transaction import Transaction, upsert
from crisislens.store.types import without_nul

__all__ = ["TAKEN", "Inbox", "post_digest", "source_id"]

_MOST_POSTS = 1_000
_INSERTED = 250
_COUNT_EVERY = 500
TAKEN = "its id is here with other content; give every post an id of its own"
"""The reason of a dead letter that is a conflict."""
_POST = table_of(Post)
_RETURNED = (_POST.c.id, _POST.c.source_id, _POST.c.external_id, _POST.c.digest)


def post_digest(post: NewPost) -> str:
    """16 hex digits over everything that was sent: the same key with another digest is a conflict."""
    moment = post.created_at
    if moment is not None:
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    content = {
        "text": without_nul(post.text),
        "url": post.url,
        "author": post.author,
        "created_at": None if moment is None else moment.isoformat(),
        "lang": post.lang,
        "lat": post.lat,
        "lon": post.lon,
        "event": post.event,
        "photos": [photo.origin or photo.url or photo.reason for photo in post.photos],
    }
    return fingerprint(content)


@dataclass
class _Letter:
    """What one caller sent."""

    source: str
    kind: str
    posts: Sequence[NewPost]
    cursor: str | None
    dead: Sequence[Unread] = ()
    keep_conflicts: bool = False
    answer: "Future[list[Accepted]]" = field(default_factory=Future)


Key = tuple[int, str]


class Inbox:
    """Where callers' posts wait for the writer.

    Arguments:
        database: Where they go.
        most_queued: Waiting posts from which on no more are accepted.
    """

    def __init__(self, database: Database, *, most_queued: int) -> None:
        self._database, self._most_queued = database, most_queued
        self._lock = threading.Lock()
        self._waiting: list[_Letter] = []
        self._queued, self._since_count = 0, _COUNT_EVERY

    def send(
        self,
        source: str,
        posts: Sequence[NewPost],
        *,
        kind: str,
        cursor: str | None,
        dead: Sequence[Unread] = (),
        keep_conflicts: bool = False,
    ) -> "Future[list[Accepted]]":
        """Hands posts over; see `Posts.accept_soon`."""
        letter = _Letter(without_nul(source), kind, posts, cursor, dead, keep_conflicts)
        with self._lock:
            self._waiting.append(letter)
            first = len(self._waiting) == 1
        if first:
            self._collect()
        return letter.answer

    def _collect(self) -> None:
        """Has the writer take what waits by the time it comes to it."""
        taken: list[_Letter] = []

        def take(tx: Transaction) -> list[list[Accepted]]:
            if not taken:
                taken.extend(self._next())
            return self._accept(tx, taken)

        def tell(done: "Future[list[list[Accepted]]]") -> None:
            error = done.exception()
            if error is not None and not taken:
                taken.extend(self._next())
            for i, letter in enumerate(taken):
                if error is not None:
                    letter.answer.set_exception(error)
                else:
                    letter.answer.set_result(done.result()[i])

        try:
            job = self._database.write_soon(take)
        except Exception as error:
            failed: Future[list[list[Accepted]]] = Future()
            failed.set_exception(error)
            tell(failed)
        else:
            job.add_done_callback(tell)

    def _next(self) -> list[_Letter]:
        """The letters of the next transaction; the rest is collected by another one."""
        with self._lock:
            chosen, posts = 0, 0
            while chosen < len(self._waiting) and (not chosen or posts < _MOST_POSTS):
                posts += len(self._waiting[chosen].posts)
                chosen += 1
            taken, self._waiting = self._waiting[:chosen], self._waiting[chosen:]
            more = bool(self._waiting)
        if more:
            self._collect()
        return taken

    # in the writer's thread

    def _accept(self, tx: Transaction, letters: Sequence[_Letter]) -> list[list[Accepted]]:
        self._refuse_when_full(tx, sum(len(letter.posts) for letter in letters))
        kinds = {letter.source: letter.kind for letter in letters}
        sources = {name: source_id(tx, name, kind) for name, kind in kinds.items()}
        sent = [(sources[letter.source], post) for letter in letters for post in letter.posts]
        keys = list(dict.fromkeys((source, without_nul(post.external_id)) for source, post in sent))
        known, erased = _known(tx, keys), _erased(tx, keys)
        fresh: dict[Key, tuple[NewPost, str]] = {}
        digests = []
        for source, post in sent:
            key = (source, without_nul(post.external_id))
            digests.append(post_digest(post))
            if key not in known and key not in erased and key not in fresh:
                fresh[key] = (post, digests[-1])
        made = _insert(tx, fresh)
        # another process may have been faster
        lost = [key for key in fresh if key not in made]
        known.update(_known(tx, lost))
        self._since_count += len(made)
        self._queued += len(made)
        answers = _Answers(made, known, erased)
        results, i = [], 0
        created: Counter[str] = Counter()
        cursors = {letter.source: letter.cursor for letter in letters if letter.cursor is not None}
        for letter in letters:
            source = sources[letter.source]
            part = []
            for post in letter.posts:
                part.append(answers.of((source, without_nul(post.external_id)), digests[i]))
                i += 1
            results.append(part)
            created[letter.source] += sum(answer.outcome == "created" for answer in part)
            insert_dead(tx, source, letter.source, [*letter.dead, *_conflicts(letter, part)])
        for name, number in sources.items():
            _mark_source(tx, number, created[name], cursors.get(name))
        return results

    def _refuse_when_full(self, tx: Transaction, coming: int) -> None:
        """Counting what waits is not free, so it is done once in a while."""
        if self._since_count >= _COUNT_EVERY or self._queued + coming > self._most_queued:
            waiting = (
                select(func.count())
                .select_from(Post)
                .where(
                    text("post.state IN ('queued','leased','failed')"), Post.state == "queued", Post.stage < 2
                )
            )
            self._queued, self._since_count = tx.connection.execute(waiting).scalar_one(), 0
        if self._queued + coming > self._most_queued:
            raise StoreFullError(
                f"{self._queued:,} posts wait to be assessed, and {self._most_queued:,} may; come again in a "
                "while; nothing of this call was accepted"
            )


class _Answers:
    """What to say of each post; a key that was sent twice is created once."""

    def __init__(
        self,
        made: Mapping[Key, tuple[int, str]],
        known: Mapping[Key, tuple[int, str, str]],
        erased: set[Key],
    ) -> None:
        self._made, self._known, self._erased = made, known, erased
        self._told: set[Key] = set()

    def of(self, key: Key, digest: str) -> Accepted:
        """What became of a post."""
        name = key[1]
        if key in self._erased:
            return Accepted(external_id=name, id=None, outcome="erased")
        if key in self._made:
            number, made = self._made[key]
            first = key not in self._told
            self._told.add(key)
            outcome: Any = "created" if first else "same" if made == digest else "conflict"
            return Accepted(external_id=name, id=number, outcome=outcome, state="queued")
        number, there, state = self._known[key]
        outcome = "same" if there == digest else "conflict"
        return Accepted(external_id=name, id=number, outcome=outcome, state=state)  # type: ignore[arg-type]


def _conflicts(letter: _Letter, answers: Sequence[Accepted]) -> list[Unread]:
    """The posts whose id is taken by another content, where the caller wants them kept."""
    if not letter.keep_conflicts:
        return []
    taken = [post for post, answer in zip(letter.posts, answers, strict=True) if answer.outcome == "conflict"]
    return [Unread(raw=post.model_dump_json(exclude_defaults=True), reason=TAKEN) for post in taken]


def source_id(tx: Transaction, name: str, kind: str) -> int:
    """The number of a source, made where there is none."""
    found = tx.connection.execute(select(Source.id).where(Source.name == name)).scalar()
    if found is not None:
        return int(found)
    row = {"name": name, "kind": kind, "config": {}, "made_at": tx.now, "enabled": True, "posts": 0}
    tx.connection.execute(upsert(tx.connection, Source).on_conflict_do_nothing(), [row])
    tx.event("source.changed", name=name)
    return int(tx.connection.execute(select(Source.id).where(Source.name == name)).scalar_one())


def _known(tx: Transaction, keys: Sequence[Key]) -> dict[Key, tuple[int, str, str]]:
    found: dict[Key, tuple[int, str, str]] = {}
    for source, names in _by_source(keys).items():
        wanted = select(Post.external_id, Post.id, Post.digest, Post.state).where(
            Post.source_id == source, Post.external_id.in_(names)
        )
        for name, number, digest, state in tx.connection.execute(wanted):
            found[source, name] = (number, digest, state)
    return found


def _erased(tx: Transaction, keys: Sequence[Key]) -> set[Key]:
    found: set[Key] = set()
    for source, names in _by_source(keys).items():
        wanted = select(Tombstone.external_id).where(
            Tombstone.source_id == source, Tombstone.external_id.in_(names)
        )
        found.update((source, name) for name in tx.connection.execute(wanted).scalars())
    return found


def _by_source(keys: Sequence[Key]) -> dict[int, list[str]]:
    names: dict[int, list[str]] = {}
    for source, name in keys:
        names.setdefault(source, []).append(name)
    return names


def _insert(tx: Transaction, fresh: Mapping[Key, tuple[NewPost, str]]) -> dict[Key, tuple[int, str]]:
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
        tx.connection.execute(text(f"INSERT INTO {SEARCH_TABLE} (rowid, text) VALUES (:id, :text)"), words)
    photos = [_media(made[key][0], photo) for key in made for photo in fresh[key][0].photos]
    if photos:
        tx.connection.execute(insert(table_of(Media)), photos)
    for key in sorted(made, key=lambda key: made[key][0]):
        tx.event("post.accepted", made[key][0])
    return made


def _row(tx: Transaction, key: Key, post: NewPost, digest: str) -> dict[str, Any]:
    created: datetime | None = post.created_at
    reading = {"remarks": list(post.remarks), "doubt": post.doubt} if post.remarks or post.doubt else None
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


def _mark_source(tx: Transaction, source: int, created: int, cursor: str | None) -> None:
    values: dict[str, Any] = {}
    if created:
        values = {"last_at": tx.now, "posts": Source.posts + created}
    if cursor is not None:
        values |= {"cursor": cursor, "cursor_at": tx.now}
    if values:
        tx.connection.execute(update(Source).where(Source.id == source).values(values))
