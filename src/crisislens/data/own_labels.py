"""Posts and labels of one's own: a table with a label column, or a folder of photos for each class.

A label cell holds one label, or several with `;` or `|` between them, or a JSON list. An empty cell
leaves the row out, but for tasks where several may hold: there it says that none does if the row
has a split or the column's other cells hold several.

Splits: a column `split` (or `set`, `fold`) with `train`, `dev` (also `val`, `valid`, `validation`,
`development`) and `test`. Where there is none, or no dev or test rows, they are made without leaks:
posts with one id, near-duplicate texts or photos, or chains of them, stay together (`data.splits`).
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from crisislens.core.errors import DataError, InputError
from crisislens.core.fingerprint import fingerprint
from crisislens.core.optional import require
from crisislens.data.catalog import DataConfig, OwnTask
from crisislens.data.columns import FIELDS, choose_columns
from crisislens.data.image_paths import EXTENSIONS
from crisislens.data.labeled import PARTS, LabeledData
from crisislens.data.lines import BrokenRow
from crisislens.data.source import LabeledPost
from crisislens.data.split_making import make_splits
from crisislens.data.tabular import read_posts, table_rows
from crisislens.domain.assessment import FailedPost
from crisislens.domain.post import ImageRef, Post
from crisislens.domain.tasks import Task, own_task

__all__ = [
    "LABEL_COLUMNS",
    "MADE_PARTS",
    "MADE_SPLITS",
    "SPLIT_COLUMNS",
    "labels_of",
    "read_folders",
    "read_labels",
    "read_table",
]

LABEL_COLUMNS: tuple[str, ...] = ("label", "labels", "class", "category", "target")
"""The names that a label column is found by, the preferred first."""
SPLIT_COLUMNS: tuple[str, ...] = ("split", "set", "fold")
"""The same for the column of splits."""
MADE_SPLITS = "made without leaks"
"""What `description["splits"]` says where not all of them are the source's own."""
MADE_PARTS = "splits that were made"
"""Where `description` lists those that are not the source's own, such as a `dev` cut from its `train`."""
_PART_NAMES = {
    **{part: part for part in PARTS},
    **dict.fromkeys(("training",), "train"),
    **dict.fromkeys(("val", "valid", "validation", "development"), "dev"),
    **dict.fromkeys(("testing", "eval", "evaluation"), "test"),
}
_HEIC = (".heic", ".heif")
# what an archive that was made on a Mac holds beside each photo
_MAC_FOLDER = "__MACOSX"
# more are a column of texts or ids that was taken for labels
_MOST_CLASSES = 200
# where a sentence about columns turns to advice; a ";" alone may stand in a file's or a column's name
_ADVICE = re.compile("; (?:likely|name one with) ")


@dataclass(frozen=True)
class _Row:
    """A post with what its label and split cells say;
    `part` is empty where the table has no splits.
    """

    post: Post
    labels: tuple[str, ...]
    part: str


def labels_of(cell: object) -> tuple[str, ...]:
    """The labels in a cell.

    >>> labels_of("water; food"), labels_of('["water"]'), labels_of(" "), labels_of(2)
    (('water', 'food'), ('water',), (), ('2',))
    """
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        # what is no JSON after all is a label that begins with a bracket
        with suppress(ValueError, RecursionError):
            cell = json.loads(cell)
    if isinstance(cell, list | tuple):
        parts = [_said(part) for part in cell]
    else:
        parts = _said(cell).replace("|", ";").split(";")
    return tuple(dict.fromkeys(name for part in parts if (name := " ".join(part.split()))))


def _said(cell: object) -> str:
    """What a cell, or one of the list in it, says; nothing where it is empty."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        # other programs keep an empty cell among numbers as NaN, and whole numbers as floats
        if math.isnan(cell):
            return ""
        return str(int(cell)) if cell.is_integer() else str(cell)
    return str(cell)


def read_table(config: DataConfig, task: OwnTask) -> LabeledData:
    """The labeled posts of a CSV, TSV, JSONL or Parquet file.

    Raises:
        DataError: If the file, the label column or a label is not as expected,
            or no row has a label.
    """
    return _table(config, task, option="data.root", to_name="data.columns.label=COLUMN")


def read_labels(path: Path, column: str = "") -> LabeledData:
    """The labels in a table by the ids of their posts, which analyses are compared against; neither text nor
    photo need stand beside them.

    Arguments:
        path: The file.
        column: Its label column; empty finds it by its usual names.

    Raises:
        DataError: As of `read_table`.
    """
    columns = {"label": column} if column else {}
    try:
        ids = choose_columns(table_rows(path, [])[0], None, where=path.name).get("id")
    except InputError as error:
        raise DataError(f"--labels: {error}") from error
    if ids:
        # what a post says is not looked at here, and an id stands in every row
        columns["text"] = ids[0]
    config = DataConfig(source="table", root=path, columns=columns, only_measured=True)
    return _table(config, OwnTask(), option="--labels", to_name="--label COLUMN")


def _table(config: DataConfig, task: OwnTask, *, option: str, to_name: str) -> LabeledData:
    """The labeled posts of a table.

    Arguments:
        config: Which table, and its columns.
        task: What the labels are.
        option: What the user named the table with, for messages.
        to_name: How the label column is named, for messages.
    """
    path = Path(config.root)
    post_columns = {field: name for field, name in config.columns.items() if field in FIELDS}
    strange = sorted(set(config.columns) - {*FIELDS, "label", "split"})
    if strange:
        known = ", ".join((*FIELDS, "label", "split"))
        raise DataError(f"data.columns names {', '.join(strange)}; a labeled table has {known}")
    try:
        source = read_posts(path, post_columns or None)
        names, _ = table_rows(path, [])
    except InputError as error:
        said = _without_map(str(error), settable=not config.only_measured)
        raise DataError(f"{option}: {said}") from error
    label = _column("label", config, names, LABEL_COLUMNS, path)
    if label is None:
        raise DataError(
            f"{path.name} has no label column ({', '.join(LABEL_COLUMNS)}); its columns are "
            f"{', '.join(names[:40])}; name one with {to_name}"
        )
    split = _column("split", config, names, SPLIT_COLUMNS, path)
    rows, lost, reason = _rows(path, source, label, split)
    image_root = Path(config.images) if config.images else path.resolve().parent
    identity = {"table": source.fingerprint(), "label": label, "split": split, "seed": config.split_seed}
    described: dict[str, object] = {"kind": "table", "file": path.name, "label column": label}
    described["rows that failed"] = lost
    if not lost:
        return _labeled(rows, task, label, image_root, config, identity, described)
    # in a list, as it may quote the table, and what is nested does not go into a model's card
    described["why rows failed"] = [reason]
    try:
        return _labeled(rows, task, label, image_root, config, identity, described)
    except DataError as error:
        # often the labels that are missing stand in the rows that failed
        why = f"{lost} rows could not be read; the first because {reason}"
        raise DataError(f"{error}; {why}") from error


def _without_map(said: str, *, settable: bool) -> str:
    """What is wrong with a table, without the option `--map`, which only commands that read posts have.

    Arguments:
        said: The sentence.
        settable: Whether the user can set `data.columns`.
    """
    if "--map" not in said:
        return said
    if settable:
        return said.replace("--map '", "--set 'data.columns.").replace("--map ", "--set data.columns.")
    wrong = _ADVICE.split(said)[0]
    return f"{wrong}; give its columns the names that they had in training, or usual ones such as id and text"


def read_folders(config: DataConfig, task: OwnTask) -> LabeledData:
    """Photos in a folder for each class: `ROOT/CLASS/photo.jpg`,
    or `ROOT/train/CLASS/photo.jpg` and so on.

    Raises:
        DataError: If there is no such folder, it holds no photos in folders, or one of its folders holds
            files and no photo.
        MissingExtraError: If photos are HEIC and what reads them is not installed.
    """
    root = Path(config.root)
    if not root.is_dir():
        raise DataError(f"no folder at {root}; data.root names the folder that holds a folder for each class")
    rows: list[_Row] = []
    # files that are no photos, by the folder of the class that they lie in
    others = Counter[str]()
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        steps = path.relative_to(root).parts[:-1]
        # a Mac writes `._a.jpg` beside a photo, which is none
        hidden = any(step.startswith(".") or step == _MAC_FOLDER for step in (*steps, path.name))
        if not steps or hidden:
            continue
        part = _PART_NAMES.get(steps[0].lower(), "") if len(steps) > 1 else ""
        label = steps[1] if part else steps[0]
        if path.suffix.lower() not in EXTENSIONS:
            others[label] += 1
            continue
        name = path.relative_to(root).as_posix()
        rows.append(_Row(Post(id=name, image=ImageRef(path=name)), (label,), part))
    if not rows:
        kinds = ", ".join(sorted(EXTENSIONS))
        raise DataError(f"{root} holds no photos ({kinds}) in folders; make a folder for each class")
    classes = {row.labels[0] for row in rows}
    if lacking := [name for name in others if name not in classes and name.lower() not in _PART_NAMES]:
        raise DataError(
            f"the folder {lacking[0]} in {root} holds files and no photo, so it would be no class; give its "
            f"photos as one of {', '.join(sorted(EXTENSIONS))}, or move the folder away"
        )
    if any(row.post.id.lower().endswith(_HEIC) for row in rows):
        # without it a model would learn their classes from nothing
        require("pillow_heif", extra="heif")
    identity = {
        "folders": [(row.post.id, (root / row.post.id).stat().st_size) for row in rows],
        "seed": config.split_seed,
    }
    described: dict[str, object] = {"kind": "folders of photos", "folder": root.name}
    if others:
        described["files that are no photos"] = others.total()
    return _labeled(rows, task, "kind", root, config, identity, described)


def _column(
    field: str, config: DataConfig, names: Sequence[str], usual: Iterable[str], path: Path
) -> str | None:
    wanted = config.columns.get(field)
    if wanted is not None:
        if wanted not in names:
            raise DataError(
                f"{path.name} has no column {wanted!r} for {field}; its columns are {', '.join(names[:40])}"
            )
        return wanted
    # reversed, so that of columns with equal names the first counts
    lower = {name.strip().lower(): name for name in reversed(names)}
    return next((lower[name] for name in usual if name in lower), None)


def _rows(path: Path, source: Iterable[object], label: str, split: str | None) -> tuple[list[_Row], int, str]:
    """The posts with their cells, how many rows could not be read, and why the first could not."""
    wanted = [label] if split is None else [label, split]
    rows: list[_Row] = []
    lost, reason = 0, ""
    for post, cells in zip(source, table_rows(path, wanted)[1], strict=False):
        if not isinstance(post, Post) or isinstance(cells, BrokenRow):
            lost += 1
            if isinstance(post, FailedPost):
                reason = reason or post.reason
            continue
        rows.append(_Row(post, labels_of(cells.get(label)), _part(cells, split, post.id, path)))
    return rows, lost, reason


def _part(cells: Mapping[str, object], split: str | None, post_id: str, path: Path) -> str:
    cell = "" if split is None else cells.get(split)
    # an empty cell of other programs, see `labels_of`
    empty = not cell or (isinstance(cell, float) and math.isnan(cell))
    raw = "" if empty else str(cell).strip().lower()
    if not raw:
        return ""
    if raw not in _PART_NAMES:
        raise DataError(
            f"{path.name}, post {post_id!r:.60}: column {split} says {raw!r:.40}; expected one of "
            f"{', '.join(_PART_NAMES)}"
        )
    return _PART_NAMES[raw]


def _labeled(
    rows: Sequence[_Row],
    task: OwnTask,
    column: str,
    image_root: Path,
    config: DataConfig,
    identity: Mapping[str, object],
    described: Mapping[str, object],
) -> LabeledData:
    """The posts of a task in three parts."""
    read, rows = len(rows), [row for row in rows if row.post.text.strip() or row.post.image]
    if config.only_measured:
        rows = _as_known(rows, task.classes)
    several = any(len(row.labels) > 1 for row in rows) if task.several is None else task.several
    if not several and (row := next((r for r in rows if len(r.labels) > 1), None)):
        raise DataError(
            f"post {row.post.id!r:.60} has the labels {', '.join(row.labels)}, and the task allows one; set "
            "task.several to true, or correct the cell"
        )
    space = _space(rows, task, column, several=several)
    # where several may hold, an empty cell is an answer: none does
    kept = [row for row in rows if row.labels or several]
    if not any(row.labels for row in kept):
        raise DataError(f"no row has a label in {column}; fill the column, or name another")
    if config.only_measured:
        parts = [row.part or "test" for row in kept]
    else:
        parts = _parts(kept, image_root, config.split_seed)
    splits: dict[str, list[LabeledPost]] = {part: [] for part in PARTS}
    for row, part in zip(kept, parts, strict=True):
        first, *rest = row.labels or ("",)
        splits[part].append(LabeledPost(row.post, first, part, also=tuple(rest)))
    # a dev part that is cut from rows that the table calls train is made as well
    made = {part for row, part in zip(kept, parts, strict=True) if row.part != part}
    if config.only_measured:
        made = set()
    facts = {
        **described,
        # nothing could be learned from them but how frequent a label is
        "rows without text or photo": read - len(rows),
        "rows without a label": len(rows) - len(kept),
        "splits": MADE_SPLITS if made else "from the source",
        MADE_PARTS: sorted(made),
    }
    if config.only_measured:
        identity = {**identity, "only measured": True}
    if read > len(rows):
        identity = {**identity, "left out": read - len(rows)}
    mark = fingerprint({**identity, "task": space.model_dump(mode="json")})
    return LabeledData(space, splits, image_root, mark, facts)


def _as_known(rows: Sequence[_Row], classes: Sequence[str]) -> list[_Row]:
    """Rows whose whole numbers are spelled as the classes of a model are: to earlier versions a label that
    another program kept as a float was "2.0", and now it is "2".
    """
    earlier = {name.removesuffix(".0"): name for name in classes if name.endswith(".0")}
    known = {short: name for short, name in earlier.items() if short not in classes}
    return [replace(row, labels=tuple(known.get(label, label) for label in row.labels)) for row in rows]


def _space(rows: Sequence[_Row], task: OwnTask, column: str, *, several: bool) -> Task:
    counts = Counter(chain.from_iterable(row.labels for row in rows))
    if len(counts) > _MOST_CLASSES and not task.classes:
        raise DataError(
            f"column {column} holds {len(counts)} different labels; is it the label column? name it with "
            "data.columns.label=COLUMN, or list task.classes"
        )
    if not task.classes:
        _refuse_capitals(counts, column)
    classes = task.classes or tuple(sorted(counts))
    if strange := sorted(set(counts) - set(classes)):
        raise DataError(
            f"column {column} holds {', '.join(strange[:10])}, which task.classes does not list; add them or "
            "correct the cells"
        )
    name = task.name or "".join(c if c.isalnum() else "_" for c in column.strip().lower())
    return own_task(
        name, classes, several=several, titles=task.titles, urgency=task.urgency, ordered=task.ordered
    )


def _refuse_capitals(labels: Iterable[str], column: str) -> None:
    """Stops where two labels differ in capitals alone: typed by hand they are one, and would be two classes.

    Raises:
        DataError: If there are such labels.
    """
    seen: dict[str, str] = {}
    for label in sorted(labels):
        other = seen.setdefault(label.casefold(), label)
        if other != label:
            both = f"{other[:60]!r} and {label[:60]!r}"
            raise DataError(
                f"column {column} holds {both}, which differ in capitals alone; write them alike, or list "
                "both in task.classes"
            )


def _parts(rows: Sequence[_Row], image_root: Path, seed: int) -> list[str]:
    """The part of each row: what the table says, and for the others what `make_splits` chooses."""
    given = {row.part for row in rows}
    if given == set(PARTS):
        # a row without a split in a table that has all three belongs to none
        # of them by the table's own word
        if unsaid := sum(not row.part for row in rows):
            raise DataError(
                f"{unsaid} rows have a label and no split; fill the split column, or empty it all"
            )
        return [row.part for row in rows]
    wanted = [part for part in PARTS if part not in given]
    labels = [row.labels[0] if row.labels else "" for row in rows]
    # test rows that the table names are never touched; train rows may become dev
    free = [i for i, row in enumerate(rows) if row.part in ("", "train")]
    if "train" not in given and given - {""}:
        said = ", ".join(sorted(given - {""}))
        raise DataError(f"the split column names {said} rows and no train rows; add them, or empty it all")
    posts = [rows[i].post for i in free]
    made = make_splits(posts, [labels[i] for i in free], image_root=image_root, parts=wanted, seed=seed)
    found = [row.part for row in rows]
    for i, part in zip(free, made, strict=True):
        found[i] = part
    return found
