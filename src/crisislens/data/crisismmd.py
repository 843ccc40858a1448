"""CrisisMMD v2.0: seven disasters of 2017, tweets with photos, three tasks
(Alam et al., ICWSM 2018).

The official files, as `data fetch` or unpacking by hand lays them, hold the tables of all rows
(`crisismmd_datasplit_all`), those of the rows whose text and photo labels agree (`agreed`, or
`crisismmd_datasplit_agreed_label` as it is packed) and the photos (`data_image`). Tables are
tab-separated without quoting. Three variants are read from them:

- `agreed`, the default: the rows whose labels agree. Read for B2 the humanitarian task has
  `not_humanitarian` (Ofli et al. 2020, https://arxiv.org/abs/2004.11838), for A2 it has not.
  Damage (A3) is judged from the photo alone, so it has one label and the table of all rows counts.
- `settingA`: the rows of Munia et al. 2025 (https://arxiv.org/abs/2507.05165, Table 1). Where the
  folder `settingA` with the authors' own tables is there, it is read; else the setting is made from
  the official files: A1 without the two training rows that their tables lack (`NOT_IN_THE_PAPER`),
  A2 and A3 with the same rows as `agreed`. Their labels are the official ones, row by row; the
  characters of some texts differ (343 of 12,706 in A1), since the authors decoded them otherwise.
- `full`: all rows. Text and photo labels may differ there; the column `label` counts. This is
  written from how public code reads the release and was tested on a made-up folder only.

Facts of the tables, counted: 13 % of the different texts are mojibake (`data.text` repairs it;
posts carry it as it stands), every text has a link, and the damage split shares tweets between
train and test (`data.splits` reports it).
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from crisislens.core.errors import DataError
from crisislens.core.fingerprint import fingerprint, fingerprint_file
from crisislens.data.by_split import count_by_split
from crisislens.data.catalog import DataConfig, OwnTask
from crisislens.data.delimited import split_header, tsv_records
from crisislens.data.labeled import LabeledData, has_photo
from crisislens.data.lines import BrokenRow, read_lines
from crisislens.data.source import LabeledPost
from crisislens.domain.post import ImageRef, Post
from crisislens.domain.tasks import SETTINGS, Task

__all__ = ["EXPECTED_ROWS", "NOT_IN_THE_PAPER", "SPLITS", "VARIANTS", "CrisisMMD", "CrisisMMDCheck"]

SPLITS: tuple[str, ...] = ("train", "dev", "test")
EXPECTED_ROWS: dict[tuple[str, str], dict[str, int]] = {
    ("settingA", "A1"): {"train": 9599, "dev": 1573, "test": 1534},
    ("settingA", "A2"): {"train": 2874, "dev": 477, "test": 451},
    ("settingA", "A3"): {"train": 2468, "dev": 529, "test": 529},
    ("agreed", "A1"): {"train": 9601, "dev": 1573, "test": 1534},
    ("agreed", "A2"): {"train": 2874, "dev": 477, "test": 451},
    ("agreed", "A3"): {"train": 2468, "dev": 529, "test": 529},
    ("agreed", "B2"): {"train": 6126, "dev": 998, "test": 955},
}
"""Rows by variant and setting: Munia et al. 2025, Table 1, and the release's agreed-label split.
Nothing is claimed for `full`.
"""

VARIANTS: dict[str, tuple[str, ...]] = {
    "agreed": ("A1", "A2", "A3", "B2"),
    "settingA": ("A1", "A2", "A3"),
    "full": ("A1", "A2", "A3", "B2"),
}
"""The settings of each variant, the default one first."""
NOT_IN_THE_PAPER = frozenset({"910700764808564736_0", "912341945430798336_0"})
"""Training rows of A1 with agreed labels that the tables of Munia et al. 2025 lack; found by
comparing both.
"""

_ALL_ROWS = "crisismmd_datasplit_all/task_{task}_text_img_{split}.tsv"
_AGREED = (
    "agreed/task_{task}_text_img_agreed_lab_{split}.tsv",
    "crisismmd_datasplit_agreed_label/task_{task}_text_img_agreed_lab_{split}.tsv",
)
_AUTHORS = "settingA/task_{task}_text_img_{split}.tsv"


def _layouts(variant: str, setting: str) -> tuple[str, ...]:
    """Where the tables of a setting may lie, the best first."""
    if variant == "full":
        return (_ALL_ROWS,)
    official = (_ALL_ROWS,) if setting == "A3" else _AGREED
    if variant == "settingA":
        return (_AUTHORS, *official)
    # the damage tables of the authors are the official ones
    return (*official, _AUTHORS) if setting == "A3" else official


_COLUMNS = ("event_name", "image_id", "tweet_text", "image", "label")
# the day is all that the tables say of the time of a post: data_image/EVENT/DAY_MONTH_YEAR/
_FOLDER_DATE = re.compile(r"/(\d{1,2})_(\d{1,2})_(\d{4})/")


@dataclass(frozen=True)
class CrisisMMDCheck:
    """What is there of a setting beside what should be.

    Attributes:
        rows: Rows of the setting by split.
        expected: The published counts; empty where none are claimed.
        classes: Rows of each class by split.
        photos_missing: Rows by split whose photo is not in the image folder.
    """

    rows: dict[str, int]
    expected: dict[str, int]
    classes: dict[str, dict[str, int]]
    photos_missing: dict[str, int]

    @property
    def complete(self) -> bool:
        """True where the counts are as published (or none are claimed) and every photo is there."""
        return (not self.expected or self.rows == self.expected) and not any(self.photos_missing.values())

    def as_dict(self) -> dict[str, object]:
        """The same as plain values that JSON can hold."""
        return {**asdict(self), "complete": self.complete}


@dataclass(frozen=True)
class CrisisMMD:
    """One setting of the data set.

    Arguments:
        root: The folder that holds the tables' folder and `data_image`.
        setting: The task and its classes, as `domain.tasks` names them: `A1`, `A2`, `A3` or `B2`.
        variant: Which rows: `agreed`, `settingA` or `full`.

    Raises:
        DataError: If the variant does not have the setting, or the folder not the tables.
    """

    root: Path
    setting: str
    variant: str = "agreed"

    def __post_init__(self) -> None:
        if self.variant not in VARIANTS or self.setting not in VARIANTS[self.variant]:
            offers = "; ".join(f"{name}: {', '.join(settings)}" for name, settings in VARIANTS.items())
            raise DataError(
                f"CrisisMMD variant {self.variant!r} has no setting {self.setting!r}; there are {offers}"
            )
        # at the start, so that nothing is encoded before a missing table is seen
        missing = [path for split in SPLITS if not (path := self._table(split)).is_file()]
        if missing:
            raise DataError(
                f"{missing[0].parent} lacks {', '.join(path.name for path in missing)}; get CrisisMMD v2.0 "
                f"with: crisislens data fetch crisismmd --to FOLDER, and give that folder"
            )

    @property
    def space(self) -> Task:
        """The classes of the setting."""
        return SETTINGS[self.setting]

    @property
    def image_root(self) -> Path:
        """The folder that the posts' image paths start from."""
        return self.root

    @property
    def note(self) -> str | None:
        """What a person should know of how the rows came about; None where there is nothing."""
        if not self._made:
            return None
        table = self._table("train").relative_to(self.root)
        fewer = f", {len(NOT_IN_THE_PAPER)} training rows fewer" if self.setting == "A1" else ""
        return f"the paper's rows, made from the official tables in {table.parent}{fewer}"

    @property
    def _made(self) -> bool:
        """Whether the paper's setting is made from the official files."""
        return self.variant == "settingA" and self._layout != _AUTHORS

    def load(self, split: str) -> list[LabeledPost]:
        """The rows of a split (`train`, `dev` or `test`) in the order of its table; rows whose
        label the setting drops are left out.

        A post's id is the `image_id` (the tweet's id, `_` and the photo's number), its time the day
        in the path of its photo.

        Raises:
            DataError: If the split is unknown or the table is not as described.
        """
        if split not in SPLITS:
            raise DataError(f"CrisisMMD has no split {split!r}; there are {', '.join(SPLITS)}")
        rows = (row for row in self._rows(split) if self._belongs(row, split))
        return [LabeledPost(self._post(row, split), row["label"], split) for row in rows]

    def check(self) -> CrisisMMDCheck:
        """Counts rows, classes and missing photos of all splits; looks at files, decodes none."""
        found = {split: self.load(split) for split in SPLITS}
        return CrisisMMDCheck(
            rows={split: len(posts) for split, posts in found.items()},
            expected=dict(EXPECTED_ROWS.get((self.variant, self.setting), {})),
            classes={split: self._classes(posts) for split, posts in found.items()},
            photos_missing=count_by_split(found, lambda labeled: not has_photo(labeled, self.image_root)),
        )

    def _classes(self, posts: Sequence[LabeledPost]) -> dict[str, int]:
        return dict(Counter(self.space.resolve(labeled.label) or "" for labeled in posts))

    def fingerprint(self) -> str:
        """16 hex digits over the tables and the setting; photos have their own."""
        tables = {split: fingerprint_file(self._table(split)) for split in SPLITS}
        return fingerprint({"setting": self.setting, "variant": self.variant, "tables": tables})

    def describe(self) -> dict[str, object]:
        """What the source is, for reports and model cards."""
        return {
            "kind": "CrisisMMD v2.0",
            "license": "CC BY-NC-SA 4.0",
            "setting": self.setting,
            "variant": self.variant,
            "classes": list(self.space.classes),
            "fingerprint": self.fingerprint(),
            **({"note": self.note} if self.note else {}),
        }

    @property
    def _layout(self) -> str:
        """The first layout of which a table is there; the official one where none is."""
        layouts = _layouts(self.variant, self.setting)
        there = [name for name in layouts if any(self._path(name, split).is_file() for split in SPLITS)]
        official = [layout for layout in layouts if layout != _AUTHORS]
        return (there or official)[0]

    def _path(self, layout: str, split: str) -> Path:
        return Path(self.root) / layout.format(task=self.space.settings[self.setting], split=split)

    def _table(self, split: str) -> Path:
        return self._path(self._layout, split)

    def _rows(self, split: str) -> Iterator[dict[str, str]]:
        path = self._table(split)
        lines = read_lines(path)
        first = next(lines, "")
        names = split_header(first, quoted=False)[0] if isinstance(first, str) else []
        lacking = [name for name in _COLUMNS if name not in names]
        if lacking:
            raise DataError(
                f"{path.name} lacks the columns {', '.join(lacking)}; expected the tables of CrisisMMD v2.0"
            )
        for number, record in enumerate(tsv_records(lines, len(names))):
            if isinstance(record, BrokenRow):
                raise DataError(f"row {number} of {path.name} is broken: {record.reason}")
            yield dict(zip(names, record, strict=True))

    def _belongs(self, row: dict[str, str], split: str) -> bool:
        if self._made and self.setting == "A1" and row["image_id"] in NOT_IN_THE_PAPER:
            return False
        try:
            return self.space.resolve(row["label"]) is not None
        except DataError as error:
            raise DataError(f"{self._table(split).name}, {row['image_id']}: {error}") from error

    def _post(self, row: dict[str, str], split: str) -> Post:
        date = _FOLDER_DATE.search(row["image"])
        try:
            return Post(
                id=row["image_id"],
                text=row["tweet_text"],
                image=ImageRef(path=row["image"]),
                created_at=datetime(int(date[3]), int(date[2]), int(date[1]), tzinfo=UTC) if date else None,
                event=row["event_name"] or None,
            )
        except ValueError as error:
            raise DataError(
                f"a row of {self._table(split).name} is no post ({row['image_id'] or 'no id'}): {error}"
            ) from error


def read_labeled(config: DataConfig, task: OwnTask) -> LabeledData:
    """One setting of the data set, for the catalog.

    Raises:
        DataError: If no setting is named, a task of one's own is, or the tables are not there or
            not as expected.
    """
    if config.setting is None:
        raise DataError(f"CrisisMMD has the settings {', '.join(VARIANTS['full'])}; name one in data.setting")
    if task != OwnTask():
        raise DataError("CrisisMMD brings its own labels; leave task out, or set data.source to table")
    source = CrisisMMD(config.root, setting=config.setting, variant=config.variant)
    splits = {name: source.load(name) for name in SPLITS}
    return LabeledData(source.space, splits, source.image_root, source.fingerprint(), source.describe())
