"""The answers of a run, or of an analysis, beside the labels: what `evaluation.compare` compares.

A run is the folder of a seed (`OUT/NAME/seed-N`) or of all its seeds (`OUT/NAME`), with the
predictions that `train` left. An analysis is an `assessments.jsonl`; its labels come from a table
with ids.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from crisislens.core.errors import CacheError, DataError, InputError
from crisislens.data.labeled import LabeledData
from crisislens.data.own_labels import labels_of
from crisislens.data.splits import tweet_id
from crisislens.domain.post import Post
from crisislens.evaluation.compare import Answers
from crisislens.evaluation.several import HOLDS

__all__ = ["answers_of_analysis", "answers_of_run", "labels_by_id"]


def answers_of_run(folder: Path, split: str = "test") -> Answers:
    """What the seeds of a run say of its labeled posts.

    Arguments:
        folder: A seed's folder, or the run's with all its seeds.
        split: `dev` or `test`.

    Raises:
        CacheError: If there are no predictions, or seeds answered different posts.
    """
    # people name what `analyze --model` takes, too
    folder = folder.parent if folder.name == "artifact" else folder
    own = folder / "predictions.parquet"
    files = [own] if own.is_file() else sorted(folder.glob("seed-*/predictions.parquet"))
    if not files:
        raise CacheError(
            f"{folder} holds no predictions.parquet; give the folder OUT/NAME or OUT/NAME/seed-N of a run "
            f"that finished"
        )
    tables = [_predictions(path, split) for path in files]
    first = tables[0]
    # seeds are averaged post by post, so their rows must be the same posts in the same order
    if any(table["id"] != first["id"] or table["label"] != first["label"] for table in tables):
        raise CacheError(f"the seeds in {folder} answered different posts; train them on one data set")
    ids = tuple(str(post) for post in first["id"])
    return Answers(
        name=" ".join(folder.resolve().parts[-2:]) if folder.name.startswith("seed-") else folder.name,
        ids=ids,
        truth=_sets(first["label"]),
        said=tuple(_sets(table["answer"]) for table in tables),
        events=tuple(str(event) for event in first["event"]),
        clusters=tuple(tweet_id(Post(id=post)) for post in ids),
    )


def answers_of_analysis(path: Path, data: LabeledData, question: str = "") -> Answers:
    """What an analysis says of the posts that have labels; where it is not sure, what it leans to.

    Arguments:
        path: The `assessments.jsonl`.
        data: The posts with their labels, by their ids.
        question: The key in `tasks`; empty where the assessments have one task.

    Raises:
        InputError: If the file cannot be read, has no such task, or none of its posts has a label.
    """
    labels = labels_by_id(data)
    ids, said, events = [], [], []
    for record in _records(path):
        post = record["post"]
        # an analysis may be of far more posts than somebody labeled
        if str(post["id"]) not in labels:
            continue
        answer = record["tasks"][_question(record, question, path)]
        ids.append(str(post["id"]))
        said.append(_leaning(answer, several=data.space.several))
        events.append(str(post.get("event") or "unknown"))
    if not ids:
        raise InputError(f"no post of {path} has a label in the table; do the ids of both belong together?")
    return Answers(
        name=path.resolve().parent.name,
        ids=tuple(ids),
        truth=tuple(labels[post] for post in ids),
        said=(tuple(said),),
        events=tuple(events),
        clusters=tuple(tweet_id(Post(id=post)) for post in ids),
    )


def _leaning(answer: Mapping[str, Any], *, several: bool) -> frozenset[str]:
    """The labels that an answer gives, or would give if it were sure."""
    if several and answer["abstained"]:
        # an abstained answer names no labels; without it every doubt would count as "none holds"
        return frozenset(name for name, p in answer["probabilities"].items() if p >= HOLDS)
    if several:
        return frozenset(answer.get("labels", [answer["label"]]))
    return frozenset([answer["label"]])


def labels_by_id(data: LabeledData) -> dict[str, frozenset[str]]:
    """The labels of all posts of a data set, as its task resolves them."""
    found: dict[str, frozenset[str]] = {}
    for posts in data.splits.values():
        for labeled in posts:
            resolved = [data.space.resolve(name) for name in labeled.labels]
            found[labeled.post.id] = frozenset(name for name in resolved if name is not None)
    return found


def _sets(cells: Iterable[object]) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(labels_of(cell)) for cell in cells)


def _predictions(path: Path, split: str) -> dict[str, list[object]]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, columns=["id", "split", "event", "label", "answer"])
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise CacheError(f"{path} cannot be read as predictions ({error}); train the run again") from error
    rows = table.filter(pc.equal(table["split"], split))
    if rows.num_rows == 0:
        raise CacheError(f"{path} holds no {split} posts; it has dev and test")
    return {name: rows[name].to_pylist() for name in ("id", "event", "label", "answer")}


def _records(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8", newline="\n") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    record = json.loads(line)
                    # looked at here, so that a foreign line is named by its number and not by a
                    # KeyError later
                    record["post"]["id"], record["tasks"].items()
                except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                    raise DataError(
                        f"line {number} of {path} is no assessment; give the assessments.jsonl of analyze"
                    ) from error
                yield record
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give an assessments.jsonl") from error


def _question(record: Mapping[str, Any], question: str, path: Path) -> str:
    tasks = record["tasks"]
    assert isinstance(tasks, dict)
    if question in tasks:
        return question
    if not question and len(tasks) == 1:
        return str(next(iter(tasks)))
    raise InputError(
        f"{path} answers {', '.join(tasks)}; name one of them with --task"
        + (f", not {question!r}" if question else "")
    )
