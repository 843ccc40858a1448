"""Events by the names that sources give them, and which names people call one event.

A decision is about a pair, so that it can be taken back; names that are joined by pairs are one event. Posts
keep the name that they came with.
"""

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import Connection, delete, func, select

from crisislens.core.errors import InputError, NotFoundError
from crisislens.store.database import Database
from crisislens.store.models import EventPair, Post
from crisislens.store.records import EventName, NamePair
from crisislens.store.transaction import Transaction, upsert

__all__ = ["EventNames", "names_of"]

_MOST_NAMES = 200
_PLACES = 5


class EventNames:
    """Made by the store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> tuple[EventName, ...]:
        """The names with most posts, with when and where those are."""
        counted = select(Post.event, func.count().label("posts"), func.min(Post.at), func.max(Post.at))
        counted = counted.where(Post.event.is_not(None)).group_by(Post.event)
        counted = counted.order_by(func.count().desc(), Post.event).limit(_MOST_NAMES)
        with self._database.read() as connection:
            rows = connection.execute(counted).all()
            places = _places(connection, [str(row[0]) for row in rows])
        found = []
        for name, posts, first, last in rows:
            where = places[str(name)]
            found.append(EventName(name=str(name), posts=posts, first_at=first, last_at=last, places=where))
        return tuple(found)

    def pairs(self) -> tuple[NamePair, ...]:
        """What people decided."""
        wanted = select(EventPair.__table__).order_by(EventPair.one, EventPair.other)
        with self._database.read() as connection:
            return tuple(NamePair(**row) for row in connection.execute(wanted).mappings())

    def decide(self, one: str, other: str, same: bool, *, actor: str) -> NamePair:
        """Says whether two names are one event; a later word on the pair takes the place of this.

        Raises:
            InputError: If they are one name.
            NotFoundError: If no post has one of them.
        """
        first, second = sorted((one, other))
        if first == second:
            raise InputError("a name is one event with itself; give two names")

        def keep(tx: Transaction) -> NamePair:
            there = select(Post.event).where(Post.event.in_((first, second))).distinct()
            known = set(tx.connection.execute(there).scalars())
            if {first, second} - known:
                raise NotFoundError("no post has one of these names; the page of events lists them")
            row = {"one": first, "other": second, "same": same, "by": actor, "at": tx.now}
            statement = upsert(tx.connection, EventPair).values(row)
            new = {"same": same, "by": actor, "at": tx.now}
            keys = [EventPair.one, EventPair.other]
            tx.connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=new))
            tx.audit(
                actor, "event.same" if same else "event.apart", "events", after={"names": [first, second]}
            )
            return NamePair(one=first, other=second, same=same, by=actor, at=tx.now)

        return self._database.write(keep)

    def take_back(self, one: str, other: str, *, actor: str) -> None:
        """Takes a decision back; the pair is suggested again.

        Raises:
            NotFoundError: If nobody decided on it.
        """
        first, second = sorted((one, other))

        def remove(tx: Transaction) -> None:
            gone = delete(EventPair).where(EventPair.one == first, EventPair.other == second)
            if not tx.connection.execute(gone).rowcount:
                raise NotFoundError("nobody has decided on this pair of names")
            tx.audit(actor, "event.undecided", "events", before={"names": [first, second]})

        self._database.write(remove)


def names_of(connection: Connection, name: str) -> list[str]:
    """All names of an event that people joined, this one among them."""
    wanted = select(EventPair.one, EventPair.other).where(EventPair.same)
    beside: dict[str, set[str]] = defaultdict(set)
    for one, other in connection.execute(wanted):
        beside[one].add(other)
        beside[other].add(one)
    found, waiting = {name}, [name]
    while waiting:
        more = beside[waiting.pop()] - found
        found |= more
        waiting += more
    return sorted(found)


def _places(connection: Connection, names: Sequence[str]) -> "dict[str, dict[str, int]]":
    """The most frequent places of each name."""
    counted = select(Post.event, Post.place, func.count()).where(Post.event.in_(names))
    counted = counted.where(Post.place.is_not(None)).group_by(Post.event, Post.place)
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for name, place, posts in connection.execute(counted):
        found[str(name)].append((-int(posts), str(place)))
    kept: dict[str, dict[str, int]] = defaultdict(dict)
    for name, rows in found.items():
        kept[name] = {place: -posts for posts, place in sorted(rows)[:_PLACES]}
    return kept
