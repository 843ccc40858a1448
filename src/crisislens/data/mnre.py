"""MNRE: pairs of entities in tweets with a photo, and the relation between them (Zheng et al., ICME
and ACM MM 2021).

Version 2 (`mnre_train.txt`, …, 23 relations with `None`) and version 1 (`ours_train.txt`, …; `none`
there is `None` here), a Python literal of a dict a line, which is read as a literal and never
evaluated. A row is one ordered pair; the same tweet stands in as many rows as it has pairs. The
types of a pair stand in its relation's name (`/per/loc/place_of_residence`) and are unknown where
there is no relation.

Facts, counted: names and positions agree in version 2 and disagree in 400/33/94 rows of version 1
(the positions count); in 59/3/5 and 37/5/11 rows the two mentions overlap, as in
`RT @FarmingPhotos` and `@FarmingPhotos` (such rows stay: both are marked). Version 1 takes its
tweets from Twitter-2015/2017 in part and shares their photo ids; some of its ids are bare numbers,
the others file names.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crisislens.core.errors import DataError
from crisislens.core.fingerprint import fingerprint, fingerprint_file
from crisislens.data.by_split import count_by_split, frequencies, shared_between, values_by_split
from crisislens.data.lines import BrokenRow, read_lines
from crisislens.data.mnre_rows import (
    is_misnamed,
    overlaps,
    parsed_row,
    photo_of,
    post_of,
    relation_of,
    types_of_relation,
)
from crisislens.data.shared_texts import shared_texts
from crisislens.domain.extraction import NO_RELATION, AnnotatedPost

__all__ = ["MNRE", "MNRE_RELATIONS", "MNRECheck", "types_of_relation"]

MNRE_RELATIONS: tuple[str, ...] = (
    NO_RELATION,
    "/per/per/parent",
    "/per/per/siblings",
    "/per/per/couple",
    "/per/per/neighbor",
    "/per/per/peer",
    "/per/per/charges",
    "/per/per/alumi",
    "/per/per/alternate_names",
    "/per/org/member_of",
    "/per/loc/place_of_residence",
    "/per/loc/place_of_birth",
    "/org/org/alternate_names",
    "/org/org/subsidiary",
    "/org/loc/locate_at",
    "/loc/loc/contain",
    "/per/misc/present_in",
    "/per/misc/awarded",
    "/per/misc/race",
    "/per/misc/religion",
    "/per/misc/nationality",
    "/misc/misc/part_of",
    "/misc/loc/held_on",
)
"""The 23 relations of version 2, `None` among them, spelled as in the files (`alumi`)."""
_FILES = {
    "v1": {"train": "ours_train.txt", "dev": "ours_val.txt", "test": "ours_test.txt"},
    "v2": {"train": "mnre_train.txt", "dev": "mnre_val.txt", "test": "mnre_test.txt"},
}
EXPECTED_ROWS: dict[str, dict[str, int]] = {
    "v1": {"train": 7824, "dev": 975, "test": 1282},
    "v2": {"train": 12247, "dev": 1624, "test": 1614},
}
"""Rows of the published splits."""
EXPECTED_RELATIONS: dict[str, int] = dict(
    zip(
        MNRE_RELATIONS,
        (
            9718,
            21,
            17,
            153,
            12,
            1236,
            27,
            9,
            186,
            1103,
            288,
            80,
            99,
            193,
            410,
            810,
            562,
            69,
            7,
            8,
            125,
            110,
            242,
        ),
        strict=True,
    )
)
"""Rows of version 2 by relation, over all splits."""
_EXPECTED_IMAGES = {"train": 7356, "dev": 931, "test": 914}


@dataclass(frozen=True)
class MNRECheck:
    """What is there of a version beside what was published; from split to count.

    Attributes:
        rows: Rows, one ordered pair each.
        expected: The published counts.
        relations: Rows by relation over all splits.
        images: Photos.
        wrong_names: Rows where a mention's name is not its words.
        overlaps: Rows whose two mentions share a word.
        shared_images: Pairs of splits and how many photos they share.
        shared_texts: Pairs of splits and how many rows of the second have a tweet of the first, in
            the same words but for case.
        photos_missing: Photos that are not in the image folder; None where no folder was given.
        bare_numbers: Rows whose photo is a bare number without `.jpg`.
        unreadable: Lines that are no row: a position outside of the words, a field that is missing.
        first_unreadable: What is wrong with the first of them, by split;
            empty where all can be read.
    """

    rows: dict[str, int]
    expected: dict[str, int]
    relations: dict[str, int]
    images: dict[str, int]
    wrong_names: dict[str, int]
    overlaps: dict[str, int]
    shared_images: dict[str, int]
    shared_texts: dict[str, int]
    photos_missing: dict[str, int] | None
    bare_numbers: dict[str, int]
    unreadable: dict[str, int]
    first_unreadable: dict[str, str]

    @property
    def complete(self) -> bool:
        """True where the rows are as published (of version 2 also by relation, and the photos) and
        no photo is shared or missing.
        """
        alike = self.expected != EXPECTED_ROWS["v2"] or (
            self.relations == EXPECTED_RELATIONS and self.images == _EXPECTED_IMAGES
        )
        traps = (
            *self.shared_images.values(),
            *self.unreadable.values(),
            *(self.photos_missing or {}).values(),
        )
        return self.rows == self.expected and alike and not any(traps)

    def as_dict(self) -> dict[str, object]:
        """The same as plain values that JSON can hold."""
        return {**asdict(self), "complete": self.complete}


@dataclass(frozen=True)
class MNRE:
    """One version of the data set.

    Arguments:
        root: The folder that holds `v1` and `v2`.
        version: `v1` or `v2`.
        image_root: The folder of photos, or None.

    Raises:
        DataError: If there is no such version, or files are missing.
    """

    root: Path
    version: str = "v2"
    image_root: Path | None = None

    def __post_init__(self) -> None:
        if self.version not in _FILES:
            raise DataError(f"MNRE has no version {self.version!r}; there are {', '.join(_FILES)}")
        missing = [file for file in _FILES[self.version].values() if not (self.folder / file).is_file()]
        if missing:
            raise DataError(
                f"{self.folder} lacks {', '.join(missing)}; get the text files of MNRE and give the folder "
                f"above"
            )

    @property
    def folder(self) -> Path:
        """The folder of its files."""
        return Path(self.root) / self.version

    def relations(self) -> tuple[str, ...]:
        """The relations, `None` first: the 23 of version 2,
        or those of version 1's train split by name.
        """
        if self.version == "v2":
            return MNRE_RELATIONS
        found = {p.links[0].type for p in self.load("train")}
        return (NO_RELATION, *sorted(found - {NO_RELATION}))

    def load(self, split: str) -> list[AnnotatedPost]:
        """The rows of a split, each a post with two mentions and one link,
        in the order of the file.

        Raises:
            DataError: If the split is unknown or a line is not as described.
        """
        return [post_of(row, f"{split}-{i:06d}", split) for i, row in enumerate(self._rows(split))]

    def _rows(self, split: str) -> Iterator[Mapping[str, Any]]:
        for row in self._parsed(split):
            if isinstance(row, DataError):
                raise row
            yield row

    def _parsed(self, split: str) -> Iterator[Mapping[str, Any] | DataError]:
        """The rows of a split, and in place of each line that is none what is wrong with it."""
        if split not in _FILES[self.version]:
            raise DataError(f"MNRE has no split {split!r}; there are {', '.join(_FILES[self.version])}")
        path = self.folder / _FILES[self.version][split]
        for number, line in enumerate(read_lines(path), start=1):
            where = f"line {number} of {path.name}"
            if isinstance(line, BrokenRow):
                yield DataError(f"{where} cannot be read: {line.reason}")
            elif line.strip():
                try:
                    yield parsed_row(line, where)
                except DataError as error:
                    yield error

    def check(self) -> MNRECheck:
        """Counts rows, relations, photos, wrong names, overlaps, what splits share and lines that
        are no row.
        """
        splits: dict[str, list[Mapping[str, Any]]] = {split: [] for split in _FILES[self.version]}
        broken: dict[str, list[DataError]] = {split: [] for split in _FILES[self.version]}
        for split, rows in splits.items():
            for row in self._parsed(split):
                if isinstance(row, DataError):
                    broken[split].append(row)
                else:
                    rows.append(row)
        posts: dict[str, list[AnnotatedPost]] = {}
        for split, rows in splits.items():
            posts[split] = [post_of(row, "row", split) for row in rows]
        images = values_by_split(splits, photo_of)
        missing = count_by_split(
            {split: list(names) for split, names in images.items()}, lambda name: not self._has_photo(name)
        )
        return MNRECheck(
            rows={split: len(rows) for split, rows in splits.items()},
            expected=EXPECTED_ROWS[self.version],
            relations=frequencies(relation_of(row) for rows in splits.values() for row in rows),
            images={split: len(names) for split, names in images.items()},
            wrong_names=count_by_split(splits, is_misnamed),
            overlaps=count_by_split(posts, overlaps),
            shared_images=shared_between(images),
            shared_texts=shared_texts(posts),
            photos_missing=missing if self.image_root else None,
            bare_numbers=count_by_split(splits, lambda row: isinstance(row["img_id"], int)),
            unreadable={split: len(errors) for split, errors in broken.items()},
            first_unreadable={split: str(errors[0]) for split, errors in broken.items() if errors},
        )

    def _has_photo(self, name: str) -> bool:
        return self.image_root is not None and (Path(self.image_root) / name).is_file()

    def fingerprint(self) -> str:
        """16 hex digits over the files."""
        files = _FILES[self.version]
        return fingerprint(
            {
                "version": self.version,
                "files": {s: fingerprint_file(self.folder / f) for s, f in files.items()},
            }
        )

    def describe(self) -> dict[str, object]:
        """What the source is, for reports and model cards."""
        return {
            "kind": f"MNRE {self.version}",
            "license": "none stated, research",
            "fingerprint": self.fingerprint(),
        }
