"""Trying dead letters again, after a column was named or a reader mended."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crisislens.core.errors import InputError
from crisislens.store.records import NewPost, Unread
from crisislens.streams.letterbox import Letterbox
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


def replay_to(
    target: ServiceTarget, rows: RowMaker, *, source: str | None = None, trial: bool = False
) -> Replayed:
    """The same for what was sent to a service, whose dead letters lie in a file here.

    Arguments:
        target: The service, with the folder of its letters.
        rows: How lines become posts.
        source: Only those of one source.
        trial: Only count.
    """
    boxes = target.letterboxes()
    if source is not None and source not in [box.source for box in boxes]:
        names = ", ".join(box.source for box in boxes) or "none"
        raise InputError(f"there are no dead letters of {source!r:.80} here; there are of {names}")
    done = Replayed()
    for box in boxes:
        if source in (None, box.source):
            _replay_box(target, rows, box, done, trial=trial)
    return done


def _replay_box(
    target: ServiceTarget, rows: RowMaker, box: Letterbox, done: Replayed, *, trial: bool
) -> None:
    left: list[Unread] = []
    for letter in box.read() if trial else box.take():
        posts = _posts(rows, letter.raw)
        if posts and trial:
            done.taken += len(posts)
            continue
        counts, dead = target.send(box.source, posts) if posts else ({}, [letter])
        done.taken += counts.get("created", 0)
        done.there += counts.get("same", 0) + counts.get("erased", 0)
        done.left += len(dead)
        left += dead
    if not trial:
        box.done(left)


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
