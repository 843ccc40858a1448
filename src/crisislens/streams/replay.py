"""Trying dead letters again, after a column was named or a reader mended."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crisislens.core.errors import InputError
from crisislens.store.records import NewPost, Unread
from crisislens.streams.batch import Batch
from crisislens.streams.letters import letters_of
from crisislens.streams.rows import RowMaker, content_id
from crisislens.streams.service_target import ServiceTarget

if TYPE_CHECKING:
    from crisislens.store import Store

__all__ = ["Replayed", "replay", "replay_to"]

_STEP = 100


@dataclass
class Replayed:
    """How many became posts, were there already, and stay."""

    taken: int = 0
    there: int = 0
    left: int = 0


def replay(
    store: "Store", rows: RowMaker, *, source: str | None = None, trial: bool = False, actor: str = "cli"
) -> Replayed:
    """Reads dead letters again; those that are posts now are taken in and removed, the others stay.

    Arguments:
        store: Where they are.
        rows: How lines become posts.
        source: Only those of one source.
        trial: Only count.
        actor: Who does it.
    """
    if source is not None and store.sources.by_name(source) is None:
        names = ", ".join(row.name for row in store.sources.all()) or "none"
        raise InputError(f"there is no source {source!r:.80}; there are {names}")
    done = Replayed()
    before: int | None = None
    while letters := store.dead_letters.list(source=source, before_id=before, most=_STEP):
        before = letters[-1].id
        for letter in letters:
            posts = _posts(rows, letter.raw)
            if not posts:
                done.left += 1
                continue
            if trial:
                done.taken += len(posts)
                continue
            outcomes = [answer.outcome for answer in store.posts.accept(letter.source, posts)]
            if "conflict" in outcomes:
                done.left += 1
                continue
            done.taken += outcomes.count("created")
            done.there += len(outcomes) - outcomes.count("created")
            # a crash before this has it replayed once more, and then it is there
            store.dead_letters.remove(letter.id, actor=actor)
    return done


@dataclass
class _Named:
    """A source of which only the name counts; its conflicts are no new letters."""

    name: str
    kind: str = "replay"
    every_s: float = 0.0
    edits: bool = True

    def look(self, cursor: dict[str, Any] | None) -> Iterator[Batch]:
        return iter(())

    def ended(self) -> bool:
        return True


def replay_to(target: ServiceTarget, rows: RowMaker, *, source: str, trial: bool = False) -> Replayed:
    """The same for the letters that lie beside the place of a stream that sends to a service.

    The file is set aside while it is read, since the stream may add to it; what is left is put back. Stopped
    between, the next replay takes up the file that was set aside.

    Raises:
        InputError: If there are none.
    """
    named, done = _Named(source), Replayed()
    file = target.letters(named)
    aside = file.with_suffix(".replaying")
    if not aside.exists():
        if not file.is_file():
            raise InputError(f"there are no dead letters of {source!r:.80}; check --state and --source")
        if trial:
            aside = file
        else:
            file.rename(aside)
    left: list[Unread] = []
    for letter in list(letters_of(aside)):
        posts = _posts(rows, letter.raw)
        if trial or not posts:
            done.taken, done.left = done.taken + len(posts), done.left + (not posts)
            left.append(letter)
            continue
        taken = target.resend(named, posts)
        if taken.conflict or taken.refused:
            done.left += 1
            left.append(letter)
            continue
        done.taken += taken.created
        done.there += taken.same + taken.erased
    if not trial:
        target.bury(named, left)
        aside.unlink()
    return done


def _posts(rows: RowMaker, raw: str) -> list[NewPost]:
    """The posts of a letter; none where any part of it cannot be read."""
    found = list(rows.line(raw, content_id(raw)))
    if any(isinstance(each, Unread) for each in found) or _names_a_row(raw):
        return []
    return [each for each in found if isinstance(each, NewPost)]


def _names_a_row(raw: str) -> bool:
    """Whether it only says where a row of a table stood, which cannot be read again from it."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and set(value) <= {"file", "row", "id"}
