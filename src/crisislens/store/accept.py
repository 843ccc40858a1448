"""Taking posts in: once, in order, and many callers in one transaction.

Callers that wait are joined: one look at what is there, one insert and one commit for all of them. A post's
key is its source and the source's own id, so whoever is unsure whether a post arrived sends it again.
"""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

from sqlalchemy import func, select, text

from crisislens.core.errors import StoreFullError
from crisislens.core.fingerprint import fingerprint
from crisislens.store.database import Database
from crisislens.store.dead import insert_dead
from crisislens.store.erasure import erase_posts
from crisislens.store.inserting import (
    Key,
    erased_keys,
    insert_posts,
    known_posts,
    mark_source,
    source_id,
    version_of,
    versions_of,
)
from crisislens.store.models import Post, Review
from crisislens.store.records import Accepted, NewPost, Unread
from crisislens.store.transaction import Transaction
from crisislens.store.types import without_nul

__all__ = ["TAKEN", "Inbox", "post_digest"]

_MOST_POSTS = 1_000
_COUNT_EVERY = 500
TAKEN = "its id is here with other content; give every post an id of its own"
"""The reason of a dead letter that is a conflict."""


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
    actor: str = "system"
    keep_reviewed: bool = False
    answer: "Future[list[Accepted]]" = field(default_factory=Future)


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
        self.loose: list[str] = []
        """Photos of posts whose later version took their place; dropped when no other post has them."""
        self.edited = False

    def send(
        self,
        source: str,
        posts: Sequence[NewPost],
        *,
        kind: str,
        cursor: str | None,
        dead: Sequence[Unread] = (),
        keep_conflicts: bool = False,
        actor: str = "system",
        keep_reviewed: bool = False,
    ) -> "Future[list[Accepted]]":
        """Hands posts over; see `Posts.accept_soon`."""
        clean = without_nul(source)
        letter = _Letter(clean, kind, posts, cursor, dead, keep_conflicts, actor, keep_reviewed)
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
        known, erased = known_posts(tx, keys), erased_keys(tx, keys)
        fresh: dict[Key, tuple[NewPost, str]] = {}
        digests = []
        replaced = self._take_out_older(tx, letters, sources, known)
        for source, post in sent:
            key = (source, without_nul(post.external_id))
            digests.append(post_digest(post))
            if key in known or key in erased:
                continue
            # of several versions in one call the latest is the post
            if key not in fresh or version_of(fresh[key][0]) < version_of(post):
                fresh[key] = (post, digests[-1])
        made = insert_posts(tx, fresh)
        # another process may have been faster
        lost = [key for key in fresh if key not in made]
        known.update(known_posts(tx, lost))
        self._since_count += len(made)
        self._queued += len(made)
        answers = _Answers(made, known, erased, replaced)
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
            created[letter.source] += sum(answer.outcome in ("created", "replaced") for answer in part)
            insert_dead(tx, source, letter.source, [*letter.dead, *_conflicts(letter, part)])
        for name, number in sources.items():
            mark_source(tx, number, created[name], cursors.get(name))
        return results

    def _take_out_older(
        self,
        tx: Transaction,
        letters: Sequence[_Letter],
        sources: Mapping[str, int],
        known: dict[Key, tuple[int, str, str]],
    ) -> set[Key]:
        """Erases posts of which a later version came, takes them out of `known`, and returns their keys. An
        earlier version that comes late, from a page that was old, changes nothing, and no more does one of a
        post that people reviewed, by who may not take their reviews out.
        """
        latest: dict[Key, tuple[str, _Letter]] = {}
        for letter in letters:
            for post in letter.posts:
                key = (sources[letter.source], without_nul(post.external_id))
                if post.edited_at is None or key not in known or known[key][1] == post_digest(post):
                    continue
                version = version_of(post)
                if key not in latest or latest[key][0] < version:
                    latest[key] = (version, letter)
        if not latest:
            return set()
        numbers = [known[key][0] for key in latest]
        there, reviewed = versions_of(tx, numbers), _reviewed(tx, numbers)
        older: dict[Key, str] = {}
        for key, (version, letter) in latest.items():
            number = known[key][0]
            if there.get(number, "") < version and not (letter.keep_reviewed and number in reviewed):
                older[key] = letter.actor
        for actor in sorted(set(older.values())):
            ids = [known.pop(key)[0] for key in sorted(older) if older[key] == actor]
            _, photos = erase_posts(tx, ids, actor, "changed at its source", graves=False)
            self.loose += photos
        self.edited = self.edited or bool(older)
        return set(older)

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
        replaced: set[Key],
    ) -> None:
        self._made, self._known, self._erased, self._replaced = made, known, erased, replaced
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
            new = "replaced" if key in self._replaced else "created"
            outcome: Any = new if first else "same" if made == digest else "conflict"
            return Accepted(external_id=name, id=number, outcome=outcome, state="queued")
        number, there, state = self._known[key]
        outcome = "same" if there == digest else "conflict"
        return Accepted(external_id=name, id=number, outcome=outcome, state=state)  # type: ignore[arg-type]


def _reviewed(tx: Transaction, ids: Sequence[int]) -> set[int]:
    """Those of some posts that a person said something of, be it undone."""
    wanted = select(Review.post_id).where(Review.post_id.in_(ids)).distinct()
    return set(tx.connection.execute(wanted).scalars())


def _conflicts(letter: _Letter, answers: Sequence[Accepted]) -> list[Unread]:
    """The posts whose id is taken by another content, where the caller wants them kept."""
    if not letter.keep_conflicts:
        return []
    taken = [post for post, answer in zip(letter.posts, answers, strict=True) if answer.outcome == "conflict"]
    return [Unread(raw=post.model_dump_json(exclude_defaults=True), reason=TAKEN) for post in taken]
