"""Posts with the kind of place that they were made at: from a table, from POI-type ids joined to
text, and from captioned photos.

SG-MFT's own data is not public. Nearest to it is POI-type prediction (Sánchez Villegas & Aletras
2021), whose release has tweet ids and categories but no text: `read_poi` joins them to texts that
the user has. What can be had without anybody's leave are captioned photos: `captioned_photos` makes
a **stand-in** of them, with distant labels (`data.place_words`); it is not the paper's data, and
its numbers say nothing of the paper's.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from crisislens.core.errors import DataError, InputError
from crisislens.data.place_words import label_by_words, majority_label, mask_places
from crisislens.data.source import LabeledPost
from crisislens.data.tabular import read_posts, table_rows
from crisislens.domain.assessment import FailedPost
from crisislens.domain.place_types import PLACE_CRISIS, PLACE_POI, PLACE_SCENE, map_place
from crisislens.domain.post import ImageRef, Post
from crisislens.domain.tasks import Task

__all__ = [
    "all_captions",
    "captioned_photos",
    "labeled_tweets",
    "read_placed",
    "read_poi",
    "scene_photos",
]

_SEPARATOR = " || "
_POI_SPLITS = {
    "train": "train",
    "dev": "dev",
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "test": "test",
}


def read_placed(
    path: Path,
    space: Task,
    *,
    label: str = "place",
    split: str | None = "split",
    columns: Mapping[str, str] | None = None,
) -> tuple[list[LabeledPost], list[FailedPost]]:
    """Posts of a table (formats as of `data.tabular`) with a column that names the kind of place.

    Arguments:
        path: The table.
        space: The taxonomy; classes are compared without case,
            and `&` and spaces stand for `and` and `_`.
        label: The column of the place.
        split: The column of the split; where the table has none, every post is `train`.
        columns: As of `data.tabular.read_posts`.

    Returns:
        The posts, and the rows that could not become one.

    Raises:
        InputError: If the table cannot be read or lacks the column of the place.
    """
    there = table_rows(path, [])[0]
    if label not in there:
        raise InputError(
            f"{path.name} has no column {label!r} with the kind of place; it has {', '.join(there[:40])}"
        )
    wanted = [label, *([split] if split is not None and split in there else [])]
    posts: list[LabeledPost] = []
    failed: list[FailedPost] = []
    for row, (post, values) in enumerate(
        zip(read_posts(path, columns), table_rows(path, wanted)[1], strict=True)
    ):
        if isinstance(post, FailedPost):
            failed.append(post)
            continue
        # a row that is broken for one reader is so for the other; then the post has failed already
        cells = values if isinstance(values, Mapping) else {}
        raw = str(cells.get(label) or "")
        name = _class_name(raw)
        if name not in space.classes:
            failed.append(FailedPost(row=row, id=post.id, reason=_strange_place(raw, space)))
            continue
        part = str(cells.get(wanted[-1]) or "train").lower() if len(wanted) > 1 else "train"
        posts.append(LabeledPost(post, name, _POI_SPLITS.get(part, part)))
    return posts, failed


def _strange_place(raw: str, space: Task) -> str:
    return f"its place {raw[:60]!r} is not in {space.name}; expected one of {', '.join(space.classes)}"


def read_poi(
    ids: Path, posts: Sequence[Post], *, id_column: str = "tweet_id", label: str = "category_name"
) -> tuple[list[LabeledPost], int]:
    """POI-type data: a table of tweet ids, categories and splits,
    joined to posts that the user supplies.

    Arguments:
        ids: The released table.
        posts: The posts, by whatever way they were had; their ids are the tweets'.
        id_column: The column of the ids.
        label: The column of the categories.

    Returns:
        The labeled posts in the table's order, and how many ids no post was given for.

    Raises:
        InputError: If the table cannot be read or lacks a column.
        DataError: If a category is not one of the eight, or no id has a post.
    """
    there = table_rows(ids, [])[0]
    lacking = [name for name in (id_column, label) if name not in there]
    if lacking:
        raise InputError(
            f"{ids.name} lacks the columns {', '.join(lacking)}; expected the table of tweet ids and POI "
            f"categories"
        )
    by_id, found, missing = {post.id: post for post in posts}, [], 0
    for row in table_rows(ids, [id_column, label, *(["split"] if "split" in there else [])])[1]:
        if not isinstance(row, Mapping):
            continue
        name, post = _class_name(str(row[label])), by_id.get(str(row[id_column]).strip())
        if name not in PLACE_POI.classes:
            raise DataError(
                f"{ids.name} has the category {row[label]!r}; expected one of {', '.join(PLACE_POI.classes)}"
            )
        if post is None:
            missing += 1
            continue
        found.append(
            LabeledPost(post, name, _POI_SPLITS.get(str(row.get("split", "train")).lower(), "train"))
        )
    if not found:
        raise DataError(
            f"none of the {missing} ids of {ids.name} has a post; give posts whose ids are the tweets'"
        )
    return found, missing


def all_captions(manifest: Path) -> list[tuple[str, list[str]]]:
    """The captioned photos: the file of each and all of its captions; photos with fewer captions than
    the most that any has are left out.

    Arguments:
        manifest: As of `captioned_photos`.

    Raises:
        DataError: If the table is not there, not as described, or has no captioned photo.
    """
    read = [(row["file"], row["text"].split(_SEPARATOR)) for row in _manifest(manifest, "captioned")]
    if not read:
        raise DataError(f"{manifest} has no row of the set captioned; give a manifest with captioned photos")
    most = max(len(captions) for _, captions in read)
    return [(file, captions) for file, captions in read if len(captions) == most]


def captioned_photos(manifest: Path, *, seed: int = 0) -> list[LabeledPost]:
    """The stand-in: photos with five captions each; one caption is the text, masked, the others
    vote for the label.

    Arguments:
        manifest: A table with the columns file, set, label and text; rows of the set `captioned`
            have captions joined by ` || `.
        seed: Which caption becomes the text.

    Returns:
        Posts whose label at least two of the other captions agree on;
        all in split `train`, see `folds`.

    Raises:
        DataError: If the table is not there or not as described.
    """
    random, found = np.random.default_rng(seed), []
    for row in _manifest(manifest, "captioned"):
        captions = row["text"].split(_SEPARATOR)
        at = int(random.integers(len(captions)))
        label = majority_label([c for i, c in enumerate(captions) if i != at])
        if label is not None:
            found.append(LabeledPost(_photo(row, mask_places(captions[at])), label, "train"))
    return found


def labeled_tweets(manifest: Path) -> list[LabeledPost]:
    """Everyday tweets with a photo, labeled by the place words of their text,
    which are then masked.
    """
    found = []
    for row in _manifest(manifest, "everyday"):
        label = label_by_words(row["text"])
        if label is not None:
            found.append(LabeledPost(_photo(row, mask_places(row["text"])), label, "train"))
    return found


def scene_photos(manifest: Path, *, most: int | None = None) -> list[LabeledPost]:
    """Photos of scenes without a text, with the class of `place_crisis` that their scene maps to.

    Arguments:
        manifest: As of `captioned_photos`.
        most: How many of each scene class at most, the first in the table.
    """
    taken: dict[str, int] = {}
    found = []
    for row in _manifest(manifest, "scene"):
        taken[row["label"]] = taken.get(row["label"], 0) + 1
        label = map_place(row["label"], PLACE_SCENE, PLACE_CRISIS)
        if label is not None and (most is None or taken[row["label"]] <= most):
            found.append(LabeledPost(_photo(row, ""), label, "train"))
    return found


def _class_name(raw: str) -> str:
    return re.sub(r"[\s/-]+", "_", raw.strip().casefold().replace("&", " and "))


def _manifest(path: Path, kind: str) -> Iterator[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            lacking = {"file", "set", "label", "text"} - set(rows.fieldnames or ())
            if lacking:
                raise DataError(
                    f"{path} lacks the columns {', '.join(sorted(lacking))}; expected a manifest of photos"
                )
            yield from (row for row in rows if row["set"] == kind)
    except OSError as error:
        raise DataError(
            f"no manifest of photos at {path}; give a table with the columns file, set, label and text"
        ) from error


def _photo(row: Mapping[str, str], text: str) -> Post:
    return Post(id=row["file"], text=text, image=ImageRef(path=row["file"]))
