"""Annotations on disk: one JSON object a line, one line a post, in the order of the posts; written
anew and atomically at each change.

    {"id": "7", "text": "Bridge is down", "label": "damage", "spans": [[0, 6]], "cells": [[0, 1]], "grid": [9,
    9], "done": true,
     "annotator": "ann"}

`spans` are characters of the text as posted, end exclusive; `cells` are row and column of marked
parts of the photo on a grid over the whole photo. `data.marked_rationales.read_annotations` reads
the file for training.
"""

import glob
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from crisislens.core.errors import DataError, InputError
from crisislens.core.files import atomic_write, sole_writer
from crisislens.core.lines import cut_lines
from crisislens.data.words import Span, merge_spans, word_labels, word_spans
from crisislens.domain.post import Post

__all__ = ["GRID", "AnnotationStore", "Marks", "sole_annotator"]

GRID = (9, 9)
"""Rows and columns of the grid over a photo: that of the embedded image encoder's patches."""


@contextmanager
def sole_annotator(path: Path) -> Iterator[None]:
    """Holds an annotation file against other annotators: the last one to save would undo what
    others saved.

    Half-written files that a killed annotator left beside it are removed.

    Arguments:
        path: The JSONL file; it need not be there.

    Raises:
        InputError: If another one holds it, or its folder cannot be written.
    """
    busy = f"{path} is being annotated already; end the other crisislens annotate, or give another --out"
    with sole_writer(path.parent, lock=f".{path.name}.lock", busy=busy):
        for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
            part.unlink(missing_ok=True)
        yield


class Marks(BaseModel):
    """What a person says of one post, as the page sends it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: tuple[int, ...] = Field(default=(), description="Indices of marked words")
    cells: tuple[tuple[int, int], ...] = Field(
        default=(), description="Row and column of marked parts of the photo"
    )
    label: str = Field(default="", max_length=200)
    done: bool = Field(default=False, description="Whether the person went on to the next post")


class AnnotationStore:
    """The annotations of some posts.

    Arguments:
        path: The JSONL file; annotations that it holds are kept.
        posts: The posts, in the order in which they are shown.
        labels: The labels that may be given; none for no labels.
        annotator: Who annotates; written into each line.

    Raises:
        InputError: If there are no posts.
        DataError: If the file is no annotation file, or its texts are not those of the posts.
    """

    def __init__(
        self, path: Path, posts: Sequence[Post], *, labels: Sequence[str] = (), annotator: str = ""
    ) -> None:
        if not posts:
            raise InputError("there is no post to annotate; give a file with at least one readable row")
        self.path, self.annotator = path, annotator
        self.posts, self.labels = list(posts), tuple(labels)
        self._lock = Lock()
        self._shown = {post.id for post in self.posts}
        self._lines: dict[str, dict[str, Any]] = self._read()

    def _read(self) -> dict[str, dict[str, Any]]:
        if not self.path.is_file():
            if self.path.exists():
                raise DataError(f"{self.path} is a folder, a pipe or a device; give another --out")
            return {}
        try:
            content = self.path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.path} is no annotation file: it is no UTF-8; give another --out"
            ) from error
        texts = {post.id: post.text for post in self.posts}
        found: dict[str, dict[str, Any]] = {}
        for number, line in enumerate(cut_lines(content), 1):
            try:
                values = json.loads(line)
                name, text, _ = str(values["id"]), values["text"], values["spans"]
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise DataError(
                    f"{self.path}, line {number} is no annotation ({error}); give another --out"
                ) from error
            if texts.get(name, text) != text:
                raise DataError(
                    f"{self.path} holds post {name!r} with another text; it belongs to other "
                    "posts, give another --out"
                )
            found[name] = values
        return found

    def first_open(self) -> int:
        """The first post that is not done; the last one where all are."""
        return next(
            (i for i, post in enumerate(self.posts) if not self._lines.get(post.id, {}).get("done")),
            len(self.posts) - 1,
        )

    def done(self) -> int:
        """How many posts are done."""
        return sum(bool(self._lines.get(post.id, {}).get("done")) for post in self.posts)

    def kept(self) -> int:
        """How many of the posts the file holds, done or not."""
        return sum(post.id in self._lines for post in self.posts)

    def show(self, index: int) -> dict[str, Any]:
        """A post with its words and marks, for the page."""
        post = self.posts[index]
        line, words = self._lines.get(post.id, {}), word_spans(post.text)
        spans = [(int(a), int(b)) for a, b in line.get("spans", [])]
        marked = word_labels(words, spans, post.text) if spans else [False] * len(words)
        return {
            "index": index,
            "total": len(self.posts),
            "done": self.done(),
            "id": post.id,
            # pieces instead of offsets: a browser counts characters otherwise
            "words": [post.text[a:b] for a, b in words],
            "gaps": [
                post.text[b:a]
                for (_, b), (a, _) in zip([(0, 0), *words], [*words, (len(post.text),) * 2], strict=True)
            ],
            "marked": [i for i, m in enumerate(marked) if m],
            "photo": post.image is not None,
            "cells": line.get("cells", []),
            "label": line.get("label", ""),
            "finished": bool(line.get("done")),
        }

    def save(self, index: int, values: object) -> dict[str, Any]:
        """Keeps what a person says of a post and writes the file; returns the line.

        Raises:
            InputError: If the values are no marks of this post.
            OSError: If the file cannot be written; then nothing is kept.
        """
        post = self.posts[index]
        words = word_spans(post.text)
        try:
            marks = Marks.model_validate(values)
        except ValidationError as error:
            raise InputError(f"these are no marks: {error.errors()[0]['msg']}") from error
        if any(not 0 <= w < len(words) for w in marks.words) or any(
            not (0 <= r < GRID[0] and 0 <= c < GRID[1]) for r, c in marks.cells
        ):
            raise InputError(f"a mark lies outside of post {post.id!r}; reload the page")
        if marks.label and self.labels and marks.label not in self.labels:
            raise InputError(f"the label {marks.label!r} is none of {', '.join(self.labels)}")
        chosen = set(marks.words)
        spans: list[Span] = merge_spans(words, [i in chosen for i in range(len(words))])
        line = {
            "id": post.id,
            "text": post.text,
            "label": marks.label,
            "spans": [list(span) for span in spans],
            "cells": sorted({(r, c) for r, c in marks.cells}),
            "grid": list(GRID),
            "done": marks.done,
            "annotator": self.annotator,
        }
        with self._lock:
            lines = {**self._lines, post.id: line}
            self._write(lines)
            # only now: what the page and the command say is saved must stand in the file
            self._lines = lines
        return line

    def _write(self, lines: dict[str, dict[str, Any]]) -> None:
        """The posts' lines in their order, then those of posts that are not shown today."""
        known = [lines[post.id] for post in self.posts if post.id in lines]
        other = [line for name, line in lines.items() if name not in self._shown]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in (*known, *other))
        atomic_write(self.path, text)
