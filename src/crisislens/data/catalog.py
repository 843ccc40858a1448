"""Labeled data by name: what a run file's `data` section means, and who reads it.

A reader is a function from a `DataConfig` (and the user's own task, if the run file has one) to
`LabeledData`. It is found here by name, or as an entry point of the group `crisislens.data` in any
installed package, which needs nothing else.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from crisislens.core.config import Config
from crisislens.core.registry import Registry
from crisislens.data.labeled import LabeledData, with_photo

__all__ = ["CATALOG", "DataConfig", "DataReader", "OwnTask", "load_labeled"]


class OwnTask(Config):
    """A label space of one's own."""

    name: str = Field(default="", pattern=r"^[a-z0-9_]*$")
    """What is asked; the key in `Assessment.tasks`. Empty takes the name of the label column."""
    classes: tuple[str, ...] = ()
    """The labels in the order of the answers; empty takes those of the label column,
    by the alphabet.
    """
    several: bool | None = None
    """Whether several labels may hold of one post; null says yes where a
    cell of the column holds several.
    """
    ordered: bool = False
    """Whether the classes are a scale, the first the least."""
    titles: dict[str, str] = Field(default_factory=dict)
    """What a person reads instead of a label."""
    urgency: dict[str, float] = Field(default_factory=dict)
    """How much each label counts when posts are sorted for reading, from 0 (the default) to 1."""


class DataConfig(Config):
    """Which labeled posts."""

    source: str = "crisismmd"
    """`crisismmd`; `table`, a table of one's own; `folders`, photos in a folder for each class;
    `synthetic`, the made-up crisis, for tests and tries, whose numbers mean nothing;
    or a name that a plug-in brings.
    """
    root: Path
    """The folder of the data set, or the file of a table;
    for `synthetic` a folder to write it into.
    """
    setting: Literal["A1", "A2", "A3", "B2"] | None = None
    """The task and its classes, see `domain.tasks`; data of one's own has none."""
    variant: Literal["agreed", "settingA", "full"] = "agreed"
    """Which rows of CrisisMMD: those whose labels agree, those of arXiv 2507.05165, or all;
    see `data.crisismmd`.
    """
    posts: int = Field(default=60, ge=10)
    """Posts of the synthetic crisis."""
    clean_test: bool = False
    """Whether the test is scored once more without posts that share a
    tweet or its words with another split.
    """
    with_photo: bool = False
    """Whether only posts are taken whose photo is in the image folder; such numbers stand beside no
    published one.
    """
    columns: dict[str, str] = Field(default_factory=dict)
    """Of a table: from a field of a post, `label` or `split` to its column,
    where its name does not say it.
    """
    labels: dict[Annotated[str, Field(pattern=r"^[a-z0-9_]+$")], str] = Field(default_factory=dict)
    """Of a table with several label columns: from the name of a task to its column; one model is
    trained for each.
    """
    images: Path | None = None
    """The folder that the photos of a table start from; null takes the table's own."""
    split_seed: int = Field(default=0, ge=0)
    """Of the splits that are made where a table has none."""
    only_measured: bool = False
    """Whether a table or a folder is only measured on: no splits are made, and posts without one
    are test posts.
    """


DataReader = Callable[[DataConfig, OwnTask], LabeledData]
"""Reads labeled posts; an `OwnTask` without values where the run file has none.

Raises `DataError` where the data is not there or not as expected.
"""

CATALOG: Registry[DataReader] = Registry(
    "data set",
    "crisislens.data",
    ours={
        "crisismmd": "crisislens.data.crisismmd:read_labeled",
        "table": "crisislens.data.own_labels:read_table",
        "folders": "crisislens.data.own_labels:read_folders",
        # by name alone: the room of the made-up crisis stands above this one
        "synthetic": "crisislens.demo:read_labeled",
    },
)


def load_labeled(config: DataConfig, task: OwnTask | None = None) -> LabeledData:
    """Reads the labeled posts that a run file names.

    Arguments:
        config: Which ones.
        task: The user's own label space, if any.

    Raises:
        NotRegisteredError: If there is no such data set, with the names that exist.
        DataError: If the data is not there or not as expected, or no post of a split has its photo
            where photos are asked for.
    """
    data = CATALOG[config.source](config, OwnTask() if task is None else task)
    return with_photo(data) if config.with_photo else data
