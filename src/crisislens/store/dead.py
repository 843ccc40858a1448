"""Keeping what could not become a post, and taking it out with the post or the person that it names."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, insert, or_, select

from crisislens.store.models import DeadLetter
from crisislens.store.records import Unread
from crisislens.store.transaction import Transaction
from crisislens.store.types import without_nul

__all__ = ["drop_letters", "drop_old_letters", "insert_dead", "letters_naming"]

_MOST_RAW_BYTES = 65_536
_MOST_REASON = 500
_STEP = 200
_FEW = 50
_WORD = re.compile(r"[A-Za-z0-9]+")
_TELLING, _TELLING_DIGITS = 6, 16
# keys as `_is_naming` reads them: their letters alone, in lower case
_IDS = ("id", "postid", "tweetid", "idstr", "statusid", "messageid", "externalid", "instanceid", "uid", "uri")
_MORE_IDS = ("uuid", "guid", "did", "rkey")
_PEOPLE = (
    "author",
    "acct",
    "from",
    "handle",
    "screenname",
    "sender",
    "user",
    "username",
    "userid",
    "authorid",
)
_NAMING = frozenset((*_IDS, *_MORE_IDS, *_PEOPLE))


def insert_dead(tx: Transaction, source: int, name: str, letters: Sequence[Unread]) -> None:
    """Inserts dead letters of a source, in their order."""
    if not letters:
        return
    rows = []
    for letter in letters:
        kept = letter.raw.encode("utf-8", "replace")[:_MOST_RAW_BYTES].decode("utf-8", "ignore")
        rows.append(
            {
                "source_id": source,
                "raw": without_nul(kept),
                "reason": without_nul(letter.reason[:_MOST_REASON]),
                "at": tx.now,
            }
        )
    tx.connection.execute(insert(DeadLetter), rows)
    tx.event("source.changed", name=name)


def drop_old_letters(tx: Transaction, before: datetime) -> int:
    """Deletes the letters that came before a time; how many there were."""
    return tx.connection.execute(delete(DeadLetter).where(DeadLetter.at < before)).rowcount


def letters_naming(connection: Connection, source: int | None, names: Collection[str]) -> list[int]:
    """The numbers of the letters that name a post or a person. There may be many letters, so this is asked
    before a transaction that writes.

    Arguments:
        connection: Of the database.
        source: The number of the source; None looks at the letters of all.
        names: Ids that the source gave, or authors.
    """
    sought = _by_word(names)
    found: list[int] = []
    last = 0
    while sought:
        wanted = select(DeadLetter.id, DeadLetter.raw).where(DeadLetter.id > last)
        if source is not None:
            wanted = wanted.where(DeadLetter.source_id == source)
        if len(sought) <= _FEW and "" not in sought:
            # a stream takes back a post or two each second: the database looks through most letters
            wanted = wanted.where(or_(*(DeadLetter.raw.contains(word) for word in sought)))
        # in steps: a letter may have 64 kB, and there may be many
        rows = connection.execute(wanted.order_by(DeadLetter.id).limit(_STEP)).all()
        if not rows:
            break
        last = rows[-1].id
        found += [row.id for row in rows if _says(row.raw, sought)]
    return found


def drop_letters(tx: Transaction, ids: Sequence[int]) -> int:
    """Deletes letters by their numbers; how many there were."""
    dropped = 0
    for start in range(0, len(ids), _STEP):
        part = ids[start : start + _STEP]
        dropped += tx.connection.execute(delete(DeadLetter).where(DeadLetter.id.in_(part))).rowcount
    return dropped


def _by_word(names: Collection[str]) -> dict[str, set[str]]:
    """Names by the longest word of each, which a letter must hold to name it. Where JSON may have written a
    name in another way that word is empty.
    """
    found: dict[str, set[str]] = {}
    for name in names:
        plain = name.isascii() and name.isprintable()
        word = max(_WORD.findall(name), key=len, default="") if plain else ""
        if name:
            found.setdefault(word, set()).add(name)
    return found


def _says(raw: str, sought: Mapping[str, set[str]]) -> bool:
    """Whether a letter says one of some names: as a value of its JSON, or as a word of another text."""
    words = {"", *_WORD.findall(raw)}
    names = set[str]().union(*(sought[word] for word in sought.keys() & words))
    if not names:
        return False
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, (dict, list)):
        # some streams write the id alone into the first line
        first = raw.partition("\n")[0].strip()
        return first in names or any(_stands_in(raw, name) for name in names if _is_telling(name))
    return any(leaf in names and (_is_telling(leaf) or _is_naming(key)) for key, leaf in _leaves(value))


def _stands_in(raw: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", raw) is not None


def _is_telling(name: str) -> bool:
    """Whether a name can hardly stand for anything else: a short one, or a number, may count or measure."""
    return len(name) >= (_TELLING_DIGITS if name.isdigit() else _TELLING)


def _is_naming(key: str) -> bool:
    """Whether a field holds ids or people, as `_id`, `post_id`, `meta/instanceID` and `user.screen_name`."""
    last = re.split(r"[./]", key)[-1]
    return re.sub(r"[^a-z]", "", last.lower()) in _NAMING


def _leaves(value: object) -> Iterator[tuple[str, str]]:
    """The texts and numbers of a JSON value, as texts, each with the key that it stands under."""
    waiting = [("", value)]
    while waiting:
        key, one = waiting.pop()
        if isinstance(one, dict):
            waiting += one.items()
        elif isinstance(one, list):
            waiting += [(key, each) for each in one]
        elif one is not None:
            yield key, str(one)
