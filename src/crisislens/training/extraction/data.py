"""From posts that people marked to what a training step eats."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from crisislens.core.errors import ConfigError, DataError
from crisislens.data.contexts import Contexts, context_of
from crisislens.domain.extraction import AnnotatedPost, Mention
from crisislens.encoders.base import ImageEncoder
from crisislens.encoders.language import load_language
from crisislens.encoders.vision import VisionSpec, load_vision
from crisislens.features.words import EncodedWords, WordReader, collate_words
from crisislens.models.extraction import Extractor
from crisislens.nn.words import WordBatch
from crisislens.training.batches import EPOCH_STRIDE, Batches, batch_count, similar_batches
from crisislens.training.extraction.locked import locked_states
from crisislens.training.extraction.pictures import frozen_patches, photo_of, pixel_batch

__all__ = ["Example", "collate_examples", "encode_posts", "length_batches"]


@dataclass(frozen=True)
class Example:
    """A post as numbers.

    Attributes:
        words: Its words and context.
        y: Tags (w), a relation (scalar) or labels of pairs (w, w).
        post: What people marked.
        image: Patches of its picture, or None.
        context: The states of its context's pieces where they do not learn, or None.
        photo: The picture's file, for an image encoder inside the graph, or None.
        out_of_reach: Whether its pair stands behind what the encoder reads of a long text: nothing
            is learned from it, and where scores are made it counts as said to have no relation.
    """

    words: EncodedWords
    y: Tensor
    post: AnnotatedPost
    image: Tensor | None = None
    context: Tensor | None = None
    photo: Path | None = None
    out_of_reach: bool = False


def encode_posts(
    posts: Sequence[AnnotatedPost],
    extractor: Extractor,
    reader: WordReader,
    contexts: Contexts,
    *,
    image_root: Path | None = None,
    locked_contexts: bool = False,
) -> list[Example]:
    """Posts as numbers; words that the encoder does not read have no label.

    Arguments:
        posts: The posts.
        extractor: Whose labels and encoders.
        reader: Of its words.
        contexts: From a picture's id to its context.
        image_root: The folder of the photos; without one, no picture is read.
        locked_contexts: Whether contexts are read here, by the language model as it comes.

    Raises:
        DataError: If a post does not fit the extractor's labels.
        ConfigError: If the extractor takes patches of another width than the frozen encoder's.
    """
    examples = [_example(post, extractor, reader, context_of(contexts, post.image)) for post in posts]
    if locked_contexts:
        states = locked_states([e.words.context_ids for e in examples], load_language(extractor.spec.encoder))
        examples = [replace(e, context=x) for e, x in zip(examples, states, strict=True)]
    if image_root is None:
        return examples
    photos = [photo_of(post, image_root) for post in posts]
    if extractor.trunk.image_encoder is not None:
        return [replace(e, photo=photo) for e, photo in zip(examples, photos, strict=True)]
    frozen = load_vision(VisionSpec())
    if extractor.spec.image_width != frozen.width:
        raise ConfigError(
            f"photos give patches of width {frozen.width}; set extractor.image_width to it, or name an "
            f"image_encoder"
        )
    patches = frozen_patches(photos, frozen)
    return [replace(e, image=x) for e, x in zip(examples, patches, strict=True)]


def _example(post: AnnotatedPost, extractor: Extractor, reader: WordReader, context: str) -> Example:
    spec = extractor.spec
    if spec.task == "relations":
        if len(post.links) != 1:
            raise DataError(
                f"post {post.id} has {len(post.links)} links; the task relations takes posts with one pair "
                f"each"
            )
        [link] = post.links
        pair = (post.mentions[link.head], post.mentions[link.tail])
        # a relation of the development or test split that training never saw counts as missed, not as an
        # error
        y = torch.tensor(spec.relations.index(link.type) if link.type in spec.relations else 0)
        try:
            return Example(reader.read(post.words, context=context, pair=pair), y, post)
        except DataError:
            # the product does not ask about such a pair either
            return Example(reader.read(post.words, context=context), y, post, out_of_reach=True)
    encoded = reader.read(post.words, context=context)
    n = len(encoded.starts)
    if spec.task == "joint":
        # a relation that training never saw has no label; it counts as missed where scores are made
        known = [link for link in post.links if link.type in spec.relations]
        grid = extractor.pairs.encode(post.mentions, known, words=len(post.words))
        return Example(encoded, torch.from_numpy(grid[:n, :n]), post)
    # an entity that goes on behind what is read ends there, or its tags would be none that may end
    read = [Mention(m.start, min(m.end, n), m.type) for m in _apart(post) if m.start < n]
    return Example(
        encoded,
        torch.tensor([extractor.tags.numbers[tag] for tag in extractor.tags.encode(read, words=n)]),
        post,
    )


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
        # patches of the image encoder come out of the graph; the batch only says how many there
        # will be
        mask = torch.tensor(there)[:, None].expand(-1, encoder.patches)
        batch = batch.replace(
            pixels=pixels, image=torch.zeros(len(examples), encoder.patches, encoder.width), image_mask=mask
        )
    if any(e.context is not None for e in examples):
        batch = batch.replace(context_states=_states(examples, batch))
    # one task a batch, so the first example tells the shape of all
    if examples[0].y.ndim == 0:
        return batch, torch.stack([e.y for e in examples])
    w = batch.starts.shape[1]
    y = torch.zeros(len(examples), *[w] * examples[0].y.ndim, dtype=torch.long)
    for row, e in enumerate(examples):
        n = len(e.y)
        y[row, :n] = e.y if e.y.ndim == 1 else torch.nn.functional.pad(e.y, (0, w - n))
    return batch, y


def _states(examples: Sequence[Example], batch: WordBatch) -> Float[Tensor, "b n d"]:
    """What was made of the contexts before, padded with zeros as the batch is."""
    width = next(e.context.shape[1] for e in examples if e.context is not None)
    states = torch.zeros(*batch.context_ids.shape, width)
    for row, e in enumerate(examples):
        if e.context is not None:
            states[row, : len(e.context)] = e.context
    return states


def length_batches(
    examples: Sequence[Example], *, size: int, seed: int, extractor: Extractor
) -> Batches[tuple[WordBatch, Tensor]]:
    """Batches of posts whose texts are of similar length in random order, other ones in each epoch;
    they depend on seed and epoch alone.

    Arguments:
        examples: The posts.
        size: Posts a batch.
        seed: Of the order.
        extractor: For which they are made.
    """
    lengths = np.array([len(e.words) for e in examples])

    def order(epoch: int) -> list[Int[np.ndarray, " b"]]:
        generator = torch.Generator().manual_seed(EPOCH_STRIDE * seed + epoch)
        return similar_batches(lengths, size, generator)

    def collate(rows: Int[np.ndarray, " b"]) -> tuple[WordBatch, Tensor]:
        return collate_examples([examples[i] for i in rows.tolist()], extractor)

    return Batches(order, collate, count=batch_count(len(examples), size))
