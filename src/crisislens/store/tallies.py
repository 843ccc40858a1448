"""What of a post is counted: by hour and label, by hour, label and place, and by day for drift.

All of it stands in the table `tally`, so that the situation of a week over a million posts is some thousand
rows. Names that begin with a colon are no tasks: `:day` holds the posts of a place in a day, `:meant` those
that have any of several labels that mean nearly the same, `:language` and `:confidence:TASK` what drift looks
at. The place `*` is everywhere.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from crisislens.domain.meanings import MEANINGS

__all__ = [
    "BINS",
    "CONFIDENCE",
    "DAY",
    "EVERY",
    "EVERYWHERE",
    "LANGUAGE",
    "MEANT",
    "PHOTO",
    "UNREAD",
    "Counted",
    "count_post",
    "is_task",
]

EVERY = ""
"""The task, or label, under which every post is counted, or those without a sure label."""
EVERYWHERE = "*"
"""The place under which posts of all places are counted."""
DAY = ":day"
MEANT = ":meant"
LANGUAGE, UNREAD, PHOTO, CONFIDENCE = ":language", ":unread", ":photo", ":confidence:"
BINS = 10

Add = Callable[[datetime, str, str, str, int], None]
"""Adds to the count of an hour, a task, a label and a place."""


@dataclass(frozen=True)
class Counted:
    """What of a post is counted.

    Attributes:
        at: When it was posted.
        place: The id of its place.
        language: Its language.
        unread: Whether no model read it.
        photo: Whether it has one.
        answers: Task, label, confidence and whether it is only a leaning.
    """

    at: datetime
    place: str | None
    language: str | None
    unread: bool
    photo: bool
    answers: Sequence[tuple[str, str, float, bool]]


def is_task(name: str) -> bool:
    """Whether a name is that of a task, or stands for all posts."""
    return not name.startswith(":")


def count_post(add: Add, post: Counted, by: int) -> None:
    """Counts a post, or takes it off with `by` -1."""
    said = [(EVERY, EVERY)]
    said += [(task, EVERY if leaning else label) for task, label, _, leaning in post.answers]
    # a post that has two of the labels is one post
    said += [(MEANT, meaning.name) for meaning in MEANINGS if meaning.among(said)]
    for task, label in said:
        add(post.at, task, label, EVERYWHERE, by)
        if post.place:
            add(post.at, task, label, post.place, by)
    day = post.at.replace(hour=0)
    if post.place:
        add(day, DAY, EVERY, post.place, by)
    add(day, LANGUAGE, post.language or "", EVERYWHERE, by)
    flags = ((UNREAD, post.unread), (PHOTO, post.photo))
    for name in (name for name, holds in flags if holds):
        add(day, name, EVERY, EVERYWHERE, by)
    for task, _, confidence, _ in post.answers:
        step = max(0, min(BINS - 1, int(confidence * BINS)))
        add(day, CONFIDENCE + task, str(step), EVERYWHERE, by)
