"""A data set with what people marked in it, in its three parts, and the contexts of its pictures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from crisislens.core.errors import ConfigError, DataError
from crisislens.core.fingerprint import fingerprint_lines
from crisislens.data.contexts import Contexts, context_of, read_contexts, shuffled_contexts
from crisislens.data.mner import TwitterMNER
from crisislens.data.mnre import MNRE
from crisislens.data.own_files import SPLITS
from crisislens.data.post_words import cut_anew
from crisislens.domain.extraction import NO_RELATION, AnnotatedPost
from crisislens.training.extraction.config import ExtractionData
from crisislens.training.extraction.marked_sets import MARKED_POSTS
from crisislens.training.extraction.pictures import photo_of

__all__ = ["ExtractionSplits", "load_splits"]


@dataclass(frozen=True)
class ExtractionSplits:
    """A data set in its three parts, with the contexts of its pictures.

    Attributes:
        train: Posts to learn from.
        dev: Posts that decide when to stop.
        test: Posts to measure on.
        contexts: From a picture's id to its context.
        relations: The relations that the data set has, `None` first; empty without relations.
        types: The types of its entities.
    """

    train: list[AnnotatedPost]
    dev: list[AnnotatedPost]
    test: list[AnnotatedPost]
    contexts: Contexts
    relations: tuple[str, ...]
    types: tuple[str, ...]

    def part(self, split: str) -> list[AnnotatedPost]:
        """The posts of `train`, `dev` or `test`."""
        return {"train": self.train, "dev": self.dev, "test": self.test}[split]

    def posts(self) -> Iterator[AnnotatedPost]:
        """The posts of all parts, one after the other."""
        yield from (*self.train, *self.dev, *self.test)

    def described(self, split: str) -> str:
        """How many posts a part has, and how many of them a context: contexts that belong to one
        part only are easily not noticed.
        """
        posts = self.part(split)
        # a part without contexts trains or measures something else than its name says
        beside = sum(1 for post in posts if context_of(self.contexts, post.image))
        return f"{len(posts)} rows" + (f", {beside} with a context" if self.contexts else "")

    def posts_fingerprint(self) -> str:
        """16 hex digits over the posts of all parts with what people marked in them; contexts and
        photos are not in it.
        """
        return fingerprint_lines(repr(post) for post in self.posts())

    def fingerprint(self) -> str:
        """16 hex digits over posts, contexts and labels; photos are not in it."""
        contexts = (f"{image}\t{context}" for image, context in sorted(self.contexts.items()))
        return fingerprint_lines([self.posts_fingerprint(), repr((self.relations, self.types)), *contexts])


def load_splits(data: ExtractionData, *, joint: bool = False) -> ExtractionSplits:
    """Reads a data set with its contexts.

    Arguments:
        data: Which one, and where.
        joint: Whether entities and relations are learned from the same posts: of a table, those in
            which nobody looked for relations are left out then, since having none there says
            nothing. Where entities alone are learned they stay.

    Raises:
        DataError: If files are missing or not as described, if a part has no post, or if no post
            has an entity, one of the contexts, or a photo.
        ConfigError: If contexts are asked for that the data set does not have.
    """
    posts, contexts = MARKED_POSTS[data.name](Path(data.root), joint), _contexts(data)
    if data.cut_anew:
        train, dev, test = (_cut_anew(part) for part in posts)
        posts = train, dev, test
    if empty := [split for split, part in zip(SPLITS, posts, strict=True) if not part]:
        raise DataError(
            f"no post with words for {', '.join(empty)} of {data.name} in {data.root}; {', '.join(SPLITS)} "
            f"need some each"
        )
    everyone = [post for part in posts for post in part]
    # labels are those of the whole data set, so that a sample has the same
    types = tuple(sorted({m.type for post in everyone for m in post.mentions if m.type}))
    if data.name in {"conll", "table", "table-pairs"} and not types:
        raise DataError(
            f"no entity is marked in the files in {data.root}; a line of CoNLL ends in its tag (B-PER, O), a "
            f"row has entities"
        )
    _check_pictures(data, everyone, contexts)
    if data.train_posts is not None:
        posts = (_sample(posts[0], data.train_posts), *posts[1:])
    if data.shuffled_contexts:
        measured = {post.image for part in posts[1:] for post in part}
        learned = {post.image for post in posts[0]} - measured
        contexts = shuffled_contexts(contexts, learned, data.shuffled_contexts)
    return ExtractionSplits(*posts, contexts=contexts, relations=_relations(data, everyone), types=types)


def _cut_anew(part: list[AnnotatedPost]) -> list[AnnotatedPost]:
    """The posts with words cut as the product cuts them; one that was all links has none left."""
    cut = [cut_anew(post) for post in part]
    return [post for post in cut if post.words]


def _relations(data: ExtractionData, posts: list[AnnotatedPost]) -> tuple[str, ...]:
    if data.name == "mnre-v2":
        # the published list and order, whichever of them the files at hand have
        return MNRE(Path(data.root), "v2").relations()
    found = {link.type for post in posts for link in post.links}
    return (NO_RELATION, *sorted(found - {NO_RELATION})) if found else ()


def _check_pictures(data: ExtractionData, posts: list[AnnotatedPost], contexts: Contexts) -> None:
    """Contexts and photos must belong to somebody: without any, a run would train on text alone and
    call itself otherwise.
    """
    pictures = {post.image for post in posts if post.image}
    if data.contexts != "none" and not any(context_of(contexts, image) for image in pictures):
        raise DataError(
            f"none of the {len(contexts)} contexts belongs to one of the {len(pictures)} pictures of "
            f"{data.name}; "
            "both go by the name of the picture's file (IMGID:name before a post of CoNLL files)"
        )
    if data.image_root is None or any(photo_of(post, Path(data.image_root)) for post in posts):
        return
    what = "no post names a picture that could be"
    if pictures:
        what = f"none of the {len(pictures)} pictures that posts of {data.name} name is"
    raise DataError(
        f"{what} in {data.image_root}; name pictures by file (image, IMGID:name) and give the folder "
        f"that holds them"
    )


def _sample(posts: list[AnnotatedPost], count: int) -> list[AnnotatedPost]:
    """At most `count` of the posts, in their order."""
    order = torch.randperm(len(posts), generator=torch.Generator().manual_seed(0))
    return [posts[i] for i in sorted(order[:count].tolist())]


def _contexts(data: ExtractionData) -> Contexts:
    if data.contexts == "none":
        return {}
    if data.contexts == "file":
        if data.context_file is None:
            raise ConfigError("contexts: file needs context_file, the path of a table of contexts")
        return read_contexts([Path(data.context_file)])
    long = data.contexts == "long"
    if data.name in {"twitter2015", "twitter2017"}:
        return TwitterMNER(Path(data.root), data.name).contexts(long=long)
    if data.name in {"mnre-v1", "stand-in", "twitter-both"}:
        # version 1 takes its tweets from both data sets, and their captions with them
        folder = {"stand-in": Path(data.root) / "mner", "mnre-v1": Path(data.root).parent / "mner"}.get(
            data.name, Path(data.root)
        )
        both = [TwitterMNER(folder, name).contexts(long=long) for name in ("twitter2015", "twitter2017")]
        return {**both[1], **both[0]}
    raise ConfigError(
        f"there are no contexts beside {data.name}; give contexts: file and a context_file, or none"
    )
