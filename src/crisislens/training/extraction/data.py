"""From posts that people marked to what a training step eats."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from crisislens.core.errors import ConfigError, DataError
from crisislens.core.fingerprint import fingerprint_lines
from crisislens.data.annotated import AnnotatedTable, one_row_a_pair
from crisislens.data.conll import ConllFile
from crisislens.data.contexts import Contexts, context_of, read_contexts
from crisislens.data.jmere import JMERE, joined_stand_in
from crisislens.data.mner import TwitterMNER
from crisislens.data.mnre import MNRE
from crisislens.data.own_files import SPLITS, read_own
from crisislens.data.post_words import cut_anew
from crisislens.domain.extraction import NO_RELATION, AnnotatedPost, Mention
from crisislens.encoders.base import ImageEncoder
from crisislens.encoders.vision import VisionSpec, load_vision
from crisislens.features.words import EncodedWords, WordReader, collate_words
from crisislens.models.extraction import Extractor
from crisislens.nn.words import WordBatch
from crisislens.training.extraction.config import ExtractionData
from crisislens.training.extraction.pictures import frozen_patches, photo_of, pixel_batch

__all__ = ["Example", "ExtractionSplits", "LengthBatches", "collate_examples", "encode_posts", "load_splits"]

_POOL_BATCHES = 50


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
        """How many posts a part has, and how many of them a context: contexts that belong to one part only are easily not noticed."""
        posts = self.part(split)
        beside = sum(1 for post in posts if context_of(self.contexts, post.image))
        return f"{len(posts)} rows" + (f", {beside} with a context" if self.contexts else "")

    def posts_fingerprint(self) -> str:
        """16 hex digits over the posts of all parts with what people marked in them; contexts and photos are not in it."""
        return fingerprint_lines(repr(post) for part in (self.train, self.dev, self.test) for post in part)

    def fingerprint(self) -> str:
        """16 hex digits over posts, contexts and labels; photos are not in it."""
        contexts = (f"{image}\t{context}" for image, context in sorted(self.contexts.items()))
        return fingerprint_lines([self.posts_fingerprint(), repr((self.relations, self.types)), *contexts])


@dataclass(frozen=True)
class Example:
    """A post as numbers.

    Attributes:
        words: Its words and context.
        y: Tags (w), a relation (scalar) or labels of pairs (w, w).
        post: What people marked.
        image: Patches of its picture, or None.
        photo: The picture's file, for an image encoder inside the graph, or None.
        out_of_reach: Whether its pair stands behind what the encoder reads of a long text: nothing is learned from it, and where scores are
            made it counts as said to have no relation.
    """

    words: EncodedWords
    y: Tensor
    post: AnnotatedPost
    image: Tensor | None = None
    photo: Path | None = None
    out_of_reach: bool = False


def load_splits(data: ExtractionData, *, joint: bool = False) -> ExtractionSplits:
    """Reads a data set with its contexts.

    Arguments:
        data: Which one, and where.
        joint: Whether entities and relations are learned from the same posts: of a table, those in which nobody looked for relations
            are left out then, since having none there says nothing. Where entities alone are learned they stay.

    Raises:
        DataError: If files are missing or not as described, if a part has no post, or if no post has an entity, one of the contexts,
            or a photo.
        ConfigError: If contexts are asked for that the data set does not have.
    """
    posts, contexts = _posts(data, joint=joint), _contexts(data)
    if data.cut_anew:
        posts = tuple([cut for p in part if (cut := cut_anew(p)).words] for part in posts)  # type: ignore[assignment]
    if empty := [split for split, part in zip(SPLITS, posts, strict=True) if not part]:
        raise DataError(f"no post with words for {', '.join(empty)} of {data.name} in {data.root}; {', '.join(SPLITS)} need some each")
    found = {link.type for part in posts for p in part for link in p.links}
    relations = (NO_RELATION, *sorted(found - {NO_RELATION})) if found else ()
    if data.name == "mnre-v2":
        relations = MNRE(Path(data.root), "v2").relations()
    # labels are those of the whole data set, so that a sample has the same
    types = tuple(sorted({m.type for part in posts for p in part for m in p.mentions if m.type}))
    if data.name in {"conll", "table", "table-pairs"} and not types:
        raise DataError(f"no entity is marked in the files in {data.root}; a line of CoNLL ends in its tag (B-PER, O), a row has entities")
    pictures = {p.image for part in posts for p in part if p.image}
    if data.contexts != "none" and not any(context_of(contexts, image) for image in pictures):
        raise DataError(
            f"none of the {len(contexts)} contexts belongs to one of the {len(pictures)} pictures of {data.name}; "
            "both go by the name of the picture's file (IMGID:name before a post of CoNLL files)"
        )
    if data.image_root is not None and not any(photo_of(p, Path(data.image_root)) for part in posts for p in part):
        what = (
            f"none of the {len(pictures)} pictures that posts of {data.name} name is"
            if pictures
            else "no post names a picture that could be"
        )
        raise DataError(f"{what} in {data.image_root}; name pictures by file (image, IMGID:name) and give the folder that holds them")
    if data.train_posts is not None:
        posts = (_sample(posts[0], data.train_posts), *posts[1:])
    return ExtractionSplits(*posts, contexts=contexts, relations=relations, types=types)


def _sample(posts: list[AnnotatedPost], count: int) -> list[AnnotatedPost]:
    """At most `count` of the posts, in their order."""
    order = torch.randperm(len(posts), generator=torch.Generator().manual_seed(0))
    return [posts[i] for i in sorted(order[:count].tolist())]


def _posts(data: ExtractionData, *, joint: bool) -> tuple[list[AnnotatedPost], list[AnnotatedPost], list[AnnotatedPost]]:
    root = Path(data.root)
    if data.name in {"conll", "table", "table-pairs"}:
        files = [read_own(root, split, "conll" if data.name == "conll" else "table") for split in SPLITS]
        if data.name == "conll" or (data.name == "table" and not joint):
            train, dev, test = (file.posts for file in files)
            return train, dev, test
        pairs = data.name == "table-pairs"
        parts = [_relations_read(file) for file in files]
        train, dev, test = (one_row_a_pair(part) for part in parts) if pairs else parts
        if bare := [split for split, part in zip(SPLITS, (train, dev, test), strict=True) if not _related(part)]:
            raise DataError(
                f"no relation is marked in the files for {', '.join(bare)} in {data.root}; mark some, or "
                + ("take data.name=table" if pairs else "set extractor.task to entities")
            )
        return train, dev, test
    if data.name == "stand-in":
        return _stand_in(root)
    if data.name == "twitter-both":
        both = [TwitterMNER(root, name) for name in ("twitter2015", "twitter2017")]
        train, dev, test = ([p for source in both for p in source.load(split)] for split in ("train", "dev", "test"))
        return train, dev, test
    source: TwitterMNER | MNRE | JMERE
    if data.name == "jmere":
        source = JMERE(root)
    elif data.name in {"mnre-v1", "mnre-v2"}:
        source = MNRE(root, data.name[-2:])
    else:
        source = TwitterMNER(root, data.name)
    return source.load("train"), source.load("dev"), source.load("test")


def _relations_read(file: ConllFile | AnnotatedTable) -> list[AnnotatedPost]:
    """The posts without those in which nobody looked for relations: having none there says nothing."""
    unread = file.relations_unread if isinstance(file, AnnotatedTable) else frozenset()
    return [p for place, p in enumerate(file.posts) if place not in unread]


def _related(posts: list[AnnotatedPost]) -> bool:
    """Whether a relation is marked in any of them."""
    return any(link.type != NO_RELATION for p in posts for link in p.links)


def _stand_in(root: Path) -> tuple[list[AnnotatedPost], list[AnnotatedPost], list[AnnotatedPost]]:
    splits = ("train", "dev", "test")
    pairs = [p for split in splits for p in MNRE(root / "mnre", "v1").load(split)]
    tagged = [p for name in ("twitter2015", "twitter2017") for split in splits for p in TwitterMNER(root / "mner", name).load(split)]
    joined = joined_stand_in(tagged, pairs)
    train, dev, test = ([p for p in joined if p.split == split] for split in splits)
    return train, dev, test


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
        folder = {"stand-in": Path(data.root) / "mner", "mnre-v1": Path(data.root).parent / "mner"}.get(data.name, Path(data.root))
        both = [TwitterMNER(folder, name).contexts(long=long) for name in ("twitter2015", "twitter2017")]
        return {**both[1], **both[0]}
    raise ConfigError(f"there are no contexts beside {data.name}; give contexts: file and a context_file, or none")


def encode_posts(
    posts: Sequence[AnnotatedPost], extractor: Extractor, reader: WordReader, contexts: Contexts, *, image_root: Path | None = None
) -> list[Example]:
    """Posts as numbers; words that the encoder does not read have no label.

    Arguments:
        posts: The posts.
        extractor: Whose labels and encoders.
        reader: Of its words.
        contexts: From a picture's id to its context.
        image_root: The folder of the photos; without one, no picture is read.

    Raises:
        DataError: If a post does not fit the extractor's labels.
        ConfigError: If the extractor takes patches of another width than the frozen encoder's.
    """
    examples = [_example(post, extractor, reader, context_of(contexts, post.image)) for post in posts]
    if image_root is None:
        return examples
    photos = [photo_of(post, image_root) for post in posts]
    if extractor.trunk.image_encoder is not None:
        return [replace(e, photo=photo) for e, photo in zip(examples, photos, strict=True)]
    frozen = load_vision(VisionSpec())
    if extractor.spec.image_width != frozen.width:
        raise ConfigError(f"photos give patches of width {frozen.width}; set extractor.image_width to it, or name an image_encoder")
    patches = frozen_patches(photos, frozen)
    return [replace(e, image=x) for e, x in zip(examples, patches, strict=True)]


def _example(post: AnnotatedPost, extractor: Extractor, reader: WordReader, context: str) -> Example:
    spec = extractor.spec
    if spec.task == "relations":
        if len(post.links) != 1:
            raise DataError(f"post {post.id} has {len(post.links)} links; the task relations takes posts with one pair each")
        [link] = post.links
        pair = (post.mentions[link.head], post.mentions[link.tail])
        # a relation of the development or test split that training never saw counts as missed, not as an error
        y = torch.tensor(spec.relations.index(link.type) if link.type in spec.relations else 0)
        try:
            return Example(reader.read(post.words, context=context, pair=pair), y, post)
        except DataError:
            # the product does not ask about such a pair either
            return Example(reader.read(post.words, context=context), y, post, out_of_reach=True)
    encoded = reader.read(post.words, context=context)
    n = len(encoded.starts)
    if spec.task == "joint":
        known = [link for link in post.links if link.type in spec.relations]
        grid = extractor.pairs.encode(post.mentions, known, words=len(post.words))
        return Example(encoded, torch.from_numpy(grid[:n, :n]), post)
    # an entity that goes on behind what is read ends there, or its tags would be none that may end
    read = [Mention(m.start, min(m.end, n), m.type) for m in _apart(post) if m.start < n]
    return Example(encoded, torch.tensor([extractor.tags.numbers[tag] for tag in extractor.tags.encode(read, words=n)]), post)


def _apart(post: AnnotatedPost) -> list[Mention]:
    """Mentions without overlaps: of two that share words the first stays."""
    taken: list[Mention] = []
    for m in sorted(post.mentions):
        if not taken or taken[-1].end <= m.start:
            taken.append(m)
    return taken


def collate_examples(examples: Sequence[Example], extractor: Extractor) -> tuple[WordBatch, Tensor]:
    """A batch for an extractor and its labels, padded with 0."""
    batch = collate_words(
        [e.words for e in examples],
        pad_id=extractor.encoder.pad_id,
        images=[e.image for e in examples],
        image_width=extractor.patch_width,
    )
    encoder = extractor.trunk.image_encoder
    if isinstance(encoder, ImageEncoder):
        pixels, there = pixel_batch([e.photo for e in examples], encoder)
        mask = torch.tensor(there)[:, None].expand(-1, encoder.patches)
        batch = batch.replace(pixels=pixels, image=torch.zeros(len(examples), encoder.patches, encoder.width), image_mask=mask)
    if examples[0].y.ndim == 0:
        return batch, torch.stack([e.y for e in examples])
    w = batch.starts.shape[1]
    y = torch.zeros(len(examples), *[w] * examples[0].y.ndim, dtype=torch.long)
    for row, e in enumerate(examples):
        n = len(e.y)
        y[row, :n] = e.y if e.y.ndim == 1 else torch.nn.functional.pad(e.y, (0, w - n))
    return batch, y


class LengthBatches:
    """Batches of posts whose texts are of similar length in random order, other ones in each epoch; they depend on seed and epoch alone.

    Arguments:
        examples: The posts.
        size: Posts a batch.
        seed: Of the order.
        extractor: For which they are made.
    """

    def __init__(self, examples: Sequence[Example], *, size: int, seed: int, extractor: Extractor) -> None:
        self.examples, self.size, self.seed, self.extractor, self.epoch = examples, size, seed, extractor, 0
        self._lengths = torch.tensor([len(e.words) for e in examples])

    def __len__(self) -> int:
        return -(-len(self.examples) // self.size)

    def __iter__(self) -> Iterator[tuple[WordBatch, Tensor]]:
        generator = torch.Generator().manual_seed(1_000_003 * self.seed + self.epoch)
        order = torch.randperm(len(self.examples), generator=generator)
        pools = [pool[self._lengths[pool].argsort(stable=True)] for pool in torch.split(order, _POOL_BATCHES * self.size)]
        batches = [batch for pool in pools for batch in torch.split(pool, self.size)]
        for i in torch.randperm(len(batches), generator=generator).tolist():
            yield collate_examples([self.examples[j] for j in batches[i].tolist()], self.extractor)
