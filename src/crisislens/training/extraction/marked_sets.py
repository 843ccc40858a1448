"""Posts with marked entities and relations, by the name of their data set.

A reader is a function from a folder to the training, development and test posts. Ours stand below;
an installed package adds others by entry points of the group `crisislens.marked_posts`.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from crisislens.core.errors import DataError
from crisislens.core.registry import Registry
from crisislens.data.annotated import AnnotatedTable, one_row_a_pair
from crisislens.data.conll import ConllFile
from crisislens.data.jmere import JMERE, joined_stand_in
from crisislens.data.mner import TwitterMNER
from crisislens.data.mnre import MNRE
from crisislens.data.own_files import SPLITS, read_own
from crisislens.domain.extraction import NO_RELATION, AnnotatedPost

__all__ = ["MARKED_POSTS", "MarkedPosts", "MarkedReader", "relations_read"]

MarkedPosts = tuple[list[AnnotatedPost], list[AnnotatedPost], list[AnnotatedPost]]
"""Training, development and test posts."""
MarkedReader = Callable[[Path, bool], MarkedPosts]
"""Reads the posts in a folder; the second argument says whether entities and relations are learned
from the same posts, so that those in which nobody looked for relations must be left out.
"""
MARKED_POSTS: Registry[MarkedReader] = Registry("set of marked posts", "crisislens.marked_posts")


def _twitter(name: str, root: Path, joint: bool) -> MarkedPosts:
    source = TwitterMNER(root, name)
    return source.load("train"), source.load("dev"), source.load("test")


def _mnre(version: str, root: Path, joint: bool) -> MarkedPosts:
    source = MNRE(root, version)
    return source.load("train"), source.load("dev"), source.load("test")


for _name in ("twitter2015", "twitter2017"):
    MARKED_POSTS.register(_name)(partial(_twitter, _name))
for _name in ("v1", "v2"):
    MARKED_POSTS.register(f"mnre-{_name}")(partial(_mnre, _name))


@MARKED_POSTS.register("twitter-both")
def _both(root: Path, joint: bool) -> MarkedPosts:
    """Twitter-2015 and Twitter-2017 together."""
    first, second = (_twitter(name, root, joint) for name in ("twitter2015", "twitter2017"))
    return first[0] + second[0], first[1] + second[1], first[2] + second[2]


@MARKED_POSTS.register("jmere")
def _jmere(root: Path, joint: bool) -> MarkedPosts:
    source = JMERE(root)
    return source.load("train"), source.load("dev"), source.load("test")


@MARKED_POSTS.register("stand-in")
def _stand_in(root: Path, joint: bool) -> MarkedPosts:
    """MNRE v1 joined with the entities of Twitter-2015 and Twitter-2017."""
    pairs: list[AnnotatedPost] = []
    tagged: list[AnnotatedPost] = []
    for split in ("train", "dev", "test"):
        pairs += MNRE(root / "mnre", "v1").load(split)
    for name in ("twitter2015", "twitter2017"):
        for split in ("train", "dev", "test"):
            tagged += TwitterMNER(root / "mner", name).load(split)
    joined = joined_stand_in(tagged, pairs)
    # by the tagged posts' splits: the two data sets split the same tweets differently
    parts: dict[str, list[AnnotatedPost]] = {"train": [], "dev": [], "test": []}
    for post in joined:
        parts[post.split].append(post)
    return parts["train"], parts["dev"], parts["test"]


@MARKED_POSTS.register("conll")
def _conll(root: Path, joint: bool) -> MarkedPosts:
    """CoNLL files of one's own."""
    train, dev, test = (read_own(root, split, "conll").posts for split in SPLITS)
    return train, dev, test


@MARKED_POSTS.register("table")
def _table(root: Path, joint: bool) -> MarkedPosts:
    """Tables of one's own."""
    files = [read_own(root, split, "table") for split in SPLITS]
    if not joint:
        train, dev, test = (file.posts for file in files)
        return train, dev, test
    train, dev, test = (relations_read(file) for file in files)
    _check_related((train, dev, test), root, "set extractor.task to entities")
    return train, dev, test


@MARKED_POSTS.register("table-pairs")
def _table_pairs(root: Path, joint: bool) -> MarkedPosts:
    """The same with one relation a row, for extractors of relations."""
    files = [read_own(root, split, "table") for split in SPLITS]
    train, dev, test = (one_row_a_pair(relations_read(file)) for file in files)
    _check_related((train, dev, test), root, "take data.name=table")
    return train, dev, test


def _check_related(parts: MarkedPosts, root: Path, mend: str) -> None:
    bare = [split for split, part in zip(SPLITS, parts, strict=True) if not _related(part)]
    if bare:
        raise DataError(
            f"no relation is marked in the files for {', '.join(bare)} in {root}; mark some, or {mend}"
        )


def _related(posts: list[AnnotatedPost]) -> bool:
    """Whether a relation is marked in any of them."""
    return any(link.type != NO_RELATION for post in posts for link in post.links)


def relations_read(file: ConllFile | AnnotatedTable) -> list[AnnotatedPost]:
    """The posts of a file without those in which nobody looked for relations: having none there
    says nothing.

    Raises:
        DataError: If a post has two relations between the same two entities, of which an extractor
            could learn one.
    """
    unread = file.relations_unread if isinstance(file, AnnotatedTable) else frozenset()
    posts = [p for place, p in enumerate(file.posts) if place not in unread]
    for post in posts:
        if len({(link.head, link.tail) for link in post.links}) < len(post.links):
            raise DataError(
                f"post {post.id} has two relations from one entity to the same other one; an extractor "
                f"learns one, keep that"
            )
    return posts
