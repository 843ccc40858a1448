"""Files of a user's own with entities and relations, in three splits:
where they are, and what is in them.

A folder holds `train`, `dev` (or `valid`, `val`) and `test`, as words with tags (`data.conll`) or
as tables (`data.annotated`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from crisislens.core.errors import DataError
from crisislens.data.annotated import AnnotatedTable, read_annotated
from crisislens.data.by_split import count_by_split, frequencies
from crisislens.data.conll import ConllFile, read_conll
from crisislens.data.shared_texts import shared_texts
from crisislens.domain.extraction import AnnotatedPost

__all__ = ["SPLITS", "OwnCheck", "OwnKind", "check_own", "read_own"]

OwnKind = Literal["conll", "table"]
"""Words with tags, or rows with places."""
SPLITS = ("train", "dev", "test")
_NAMES = {"train": ("train",), "dev": ("dev", "valid", "val"), "test": ("test",)}
_SUFFIXES = {"conll": (".txt", ".conll", ".bio", ".tsv"), "table": (".jsonl", ".ndjson", ".csv", ".tsv")}
_WHAT = {"conll": "a word and its tag a line", "table": "text, entities and relations"}


def read_own(root: Path, split: str, kind: OwnKind) -> ConllFile | AnnotatedTable:
    """Reads the file of a split.

    Arguments:
        root: The folder.
        split: `train`, `dev` or `test`.
        kind: What the files are.

    Raises:
        DataError: If there is none, or it is not as described.
    """
    names, suffixes = _NAMES[split], _SUFFIXES[kind]
    # in the order of the names and suffixes above: the first file that is there counts
    for path in (root / f"{name}{suffix}" for name in names for suffix in suffixes):
        if path.is_file():
            return read_conll(path, split=split) if kind == "conll" else read_annotated(path, split=split)
    raise DataError(f"{root} has no {' or '.join(names)} file ({', '.join(suffixes)}) with {_WHAT[kind]}")


@dataclass(frozen=True)
class OwnCheck:
    """What is in the files; from split to count.

    Attributes:
        posts: Posts.
        entities: Entities by type.
        relations: Relations by type.
        with_picture: Posts that name a picture.
        mended_tags: Of words with tags, those that went on with nothing.
        lone_words: Of words with tags, lines without one, read as `O`.
        repeated_ids: Of words with tags, pictures that named an earlier post too.
        widened: Of tables, entities that began or ended within a word.
        without_words: Of tables, posts that were left out.
        shared_texts: Pairs of splits and how many posts of the second stand in the first, in the
            same words but for case.
    """

    posts: dict[str, int]
    entities: dict[str, dict[str, int]]
    relations: dict[str, dict[str, int]]
    with_picture: dict[str, int]
    mended_tags: dict[str, int]
    lone_words: dict[str, int]
    repeated_ids: dict[str, int]
    widened: dict[str, int]
    without_words: dict[str, int]
    shared_texts: dict[str, int]

    def as_dict(self) -> dict[str, object]:
        """The same as plain values that JSON can hold."""
        return asdict(self)


def check_own(root: Path, kind: OwnKind) -> OwnCheck:
    """Counts what is in the files of a folder, with their traps.

    Arguments:
        root: The folder.
        kind: What the files are.

    Raises:
        DataError: If one is missing, or not as described.
    """
    files = {split: read_own(root, split, kind) for split in SPLITS}
    posts = {split: file.posts for split, file in files.items()}

    def of(name: str) -> dict[str, int]:
        return {split: getattr(file, name, 0) for split, file in files.items()}

    return OwnCheck(
        posts={split: len(some) for split, some in posts.items()},
        entities={split: _types_of_entities(some) for split, some in posts.items()},
        relations={split: _types_of_relations(some) for split, some in posts.items()},
        with_picture=count_by_split(posts, lambda post: post.image is not None),
        mended_tags=of("mended_tags"),
        lone_words=of("lone_words"),
        repeated_ids=of("repeated_ids"),
        widened=of("widened"),
        without_words=of("without_words"),
        shared_texts=shared_texts(posts),
    )


def _types_of_entities(posts: Sequence[AnnotatedPost]) -> dict[str, int]:
    return frequencies(mention.type for post in posts for mention in post.mentions)


def _types_of_relations(posts: Sequence[AnnotatedPost]) -> dict[str, int]:
    return frequencies(link.type for post in posts for link in post.links)
