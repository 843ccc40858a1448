"""A data set with what people marked in it, in its three parts, and the contexts of its pictures."""

from dataclasses import dataclass
from pathlib import Path

import torch

from crisislens.core.errors import ConfigError, DataError
from crisislens.core.fingerprint import fingerprint_lines
from crisislens.data.contexts import Contexts, context_of, read_contexts
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

    def described(self, split: str) -> str:
        """How many posts a part has, and how many of them a context: contexts that belong to one
        part only are easily not noticed.
        """
        posts = self.part(split)
        beside = sum(1 for post in posts if context_of(self.contexts, post.image))
        return f"{len(posts)} rows" + (f", {beside} with a context" if self.contexts else "")

    def posts_fingerprint(self) -> str:
        """16 hex digits over the posts of all parts with what people marked in them; contexts and
        photos are not in it.
        """
        return fingerprint_lines(repr(post) for part in (self.train, self.dev, self.test) for post in part)

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
        posts = tuple([cut for p in part if (cut := cut_anew(p)).words] for part in posts)  # type: ignore[assignment]
    if empty := [split for split, part in zip(SPLITS, posts, strict=True) if not part]:
        raise DataError(
            f"no post with words for {', '.join(empty)} of {data.name} in {data.root}; {', '.join(SPLITS)} "
            f"need some each"
        )
    found = {link.type for part in posts for p in part for link in p.links}
    relations = (NO_RELATION, *sorted(found - {NO_RELATION})) if found else ()
    if data.name == "mnre-v2":
        relations = MNRE(Path(data.root), "v2").relations()
    # labels are those of the whole data set, so that a sample has the same
    types = tuple(sorted({m.type for part in posts for p in part for m in p.mentions if m.type}))
    if data.name in {"conll", "table", "table-pairs"} and not types:
        raise DataError(
            f"no entity is marked in the files in {data.root}; a line of CoNLL ends in its tag (B-PER, O), a "
            f"row has entities"
        )
    pictures = {p.image for part in posts for p in part if p.image}
    if data.contexts != "none" and not any(context_of(contexts, image) for image in pictures):
        raise DataError(
            f"none of the {len(contexts)} contexts belongs to one of the {len(pictures)} pictures of "
            f"{data.name}; "
            "both go by the name of the picture's file (IMGID:name before a post of CoNLL files)"
        )
    if data.image_root is not None and not any(
        photo_of(p, Path(data.image_root)) for part in posts for p in part
    ):
        what = (
            f"none of the {len(pictures)} pictures that posts of {data.name} name is"
            if pictures
            else "no post names a picture that could be"
        )
        raise DataError(
            f"{what} in {data.image_root}; name pictures by file (image, IMGID:name) and give the folder "
            f"that holds them"
        )
    if data.train_posts is not None:
        posts = (_sample(posts[0], data.train_posts), *posts[1:])
    return ExtractionSplits(*posts, contexts=contexts, relations=relations, types=types)


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
