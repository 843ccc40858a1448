"""Every post of a run in few bytes, for the page to search: one row a post, the most urgent first, as JSON,
compressed and written in the 64 characters that HTML cannot misread.

A row is a list in the order of `FIELDS`. What repeats (languages, events, places, notes) is a number into a
table of its own. An answer is the position of its label, a list of positions where several may hold, or,
where the model is "not sure", -1 minus the position of the label that it leans to. Beside it stands the
probability in percent, of several labels a list of them in the same order. Of a text of more than 4,000
characters a row holds the start, and how many are left out. Measured on 10,000 real posts, a post takes
about 110 bytes of the file.

Posts are kept as bytes while they pass, and the least urgent give way where a run has more than fit: the page
says how many these are.
"""

import base64
import heapq
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from crisislens.domain.assessment import Assessment, TaskAssessment
from crisislens.domain.tasks import Task
from crisislens.report.display import lines_of, utc, visible
from crisislens.report.geography import Geography
from crisislens.report.groups import Groups
from crisislens.report.model import ReportTask
from crisislens.report.naming import BY_TEXT, Naming, is_person

__all__ = ["FIELDS", "MOST_POSTS", "Archive", "Packed", "photo_state"]

MOST_POSTS = 100_000
MOST_BYTES = 64_000_000
"""Of rows before they are compressed: what a browser still takes in at once."""
_KEPT_CHARACTERS = 4_000
_DECIMALS = 4

FIELDS = (
    "id", "text", "seconds", "urgency", "language", "event", "photo", "unread", "fresh", "lat", "lon",
    "place", "message", "picture", "notes", "answers", "url", "cut",
)  # fmt: skip


@dataclass(frozen=True)
class Packed:
    """What the page unpacks.

    Attributes:
        data: The rows and tables: JSON, zlib, base64.
        held: How many posts it holds.
        left_out: How many less urgent posts it does not.
        row_of: From the position of a post in the run, counted from 1, to its row.
    """

    data: str
    held: int
    left_out: int
    row_of: Mapping[int, int]


class _Numbers:
    """A number for each different value, in the order in which they come."""

    def __init__(self) -> None:
        self.of: dict[str, int] = {}

    def number(self, value: str) -> int:
        return self.of.setdefault(value, len(self.of))

    def table(self) -> list[str]:
        return list(self.of)


class Archive:
    """Takes posts as they pass.

    Arguments:
        tasks: The questions, in the order of the page.
        groups: Near-duplicates of the run.
        most_posts: How many posts to hold at most.
        most_bytes: How many bytes of rows to hold at most.
        naming: What places are called.
    """

    def __init__(
        self,
        tasks: Sequence[ReportTask],
        groups: Groups,
        *,
        most_posts: int = MOST_POSTS,
        most_bytes: int = MOST_BYTES,
        naming: Naming = BY_TEXT,
    ) -> None:
        self._naming = naming
        self._tasks = [task.task for task in tasks]
        self._most_posts, self._most_bytes = most_posts, most_bytes
        self._groups = groups
        self._languages, self._events, self._places, self._notes = (_Numbers() for _ in range(4))
        self._heap: list[tuple[float, int, bytes]] = []
        self._bytes = 0
        self._passed = 0

    def add(self, assessment: Assessment, *, fresh: bool) -> int:
        """Takes one post; returns its position in the run, counted from 1.

        Arguments:
            assessment: What is said of it.
            fresh: Whether it is new since the time or run that the report compares with.
        """
        self._passed += 1
        row = json.dumps(self._row(assessment, fresh), ensure_ascii=False, separators=(",", ":")).encode()
        # of equally urgent posts the earlier one stays
        heapq.heappush(self._heap, (assessment.urgency, -self._passed, row))
        self._bytes += len(row)
        while len(self._heap) > self._most_posts or self._bytes > self._most_bytes:
            self._bytes -= len(heapq.heappop(self._heap)[2])
        return self._passed

    def packed(self, geography: Geography) -> Packed:
        """The rows and their tables.

        Arguments:
            geography: Which places are doubtful.
        """
        order = sorted(self._heap, reverse=True)
        doubtful, regions = geography.doubtful(), geography.region_names()
        tables = {
            "fields": FIELDS,
            "languages": self._languages.table(),
            "events": self._events.table(),
            "places": [[name, int(name in doubtful), int(name in regions)] for name in self._places.table()],
            "notes": self._notes.table(),
        }
        head = json.dumps(tables, ensure_ascii=False, separators=(",", ":")).encode()
        squeeze = zlib.compressobj(9)
        parts = [squeeze.compress(head[:-1] + b',"rows":[')]
        for i, (_, _, row) in enumerate(order):
            parts.append(squeeze.compress(b"," + row if i else row))
        parts += [squeeze.compress(b"]}"), squeeze.flush()]
        return Packed(
            base64.b64encode(b"".join(parts)).decode("ascii"),
            len(order),
            self._passed - len(order),
            {-position: row for row, (_, position, _) in enumerate(order)},
        )

    def _row(self, assessment: Assessment, fresh: bool) -> list[object]:
        post = assessment.post
        name = visible(self._naming.of(assessment))
        # a person is nowhere on the map
        where = None if is_person(assessment) else assessment.location
        return [
            visible(post.id),
            visible(lines_of(post.text[:_KEPT_CHARACTERS])),
            int(utc(post.created_at).timestamp()) if post.created_at else None,
            round(100 * assessment.urgency),
            self._languages.number(assessment.language or ""),
            self._events.number(visible(post.event or "")),
            ("none", "yes", "unusable").index(photo_state(assessment)),
            int(assessment.unread is not None),
            int(fresh),
            round(where.lat, _DECIMALS) if where else None,
            round(where.lon, _DECIMALS) if where else None,
            self._places.number(name) if name else -1,
            self._groups.messages.get(post.id, -1),
            self._groups.pictures.get(post.id, -1),
            self._notes.number(visible("\n".join(assessment.notes))),
            list(self._answers(assessment)),
            visible(post.url or ""),
            max(0, len(post.text) - _KEPT_CHARACTERS),
        ]

    def _answers(self, assessment: Assessment) -> Iterable[object]:
        """Per task the answer and how probable it is."""
        for task in self._tasks:
            found = assessment.tasks.get(task.question)
            answer = _answer(task, found)
            yield answer
            yield 0 if found is None else _percents(task, found, answer)


def photo_state(assessment: Assessment) -> str:
    """`none`, `yes`, or `unusable` where a photo was posted and could not be used."""
    if assessment.post.image is None:
        return "none"
    return "yes" if "image" in assessment.modalities else "unusable"


def _answer(task: Task, found: TaskAssessment | None) -> int | list[int]:
    """See the head of the module; a label that the task does not have counts as "not sure"."""
    places = {name: i for i, name in enumerate(task.classes)}
    if found is None or found.abstained:
        return -1 - places.get(found.label, 0) if found else -1
    if task.several:
        return [places[name] for name in found.labels if name in places]
    return places.get(found.label, -1)


def _percents(task: Task, found: TaskAssessment, answer: int | list[int]) -> int | list[int]:
    """The probability of each of several labels, or the one number of any other answer, in percent."""
    if isinstance(answer, int) or not answer:
        return round(100 * found.surest)
    names = task.classes
    each = [round(100 * found.probabilities[names[i]]) for i in answer]
    return each if len(each) > 1 else each[0]
