"""Pairs for the study of shuffled contexts: posts and the contexts that may stand beside them, as frozen
features.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from crisislens.core.errors import DataError
from crisislens.core.fingerprint import fingerprint
from crisislens.data.contexts import context_of
from crisislens.data.images import ImageLimits
from crisislens.data.places import all_captions
from crisislens.data.text import CleaningRules
from crisislens.domain.post import ImageRef, Post
from crisislens.encoders.base import EncoderSpec, load_encoders
from crisislens.features.cache import FeatureCache
from crisislens.features.encode import PostEncoder
from crisislens.features.extract import extract
from crisislens.training.extraction.config import ExtractionData
from crisislens.training.extraction.splits import load_splits

__all__ = ["Pairs", "read_pairs"]


@dataclass(frozen=True)
class Pairs:
    """Frozen features of posts and of the contexts that may stand beside them.

    Attributes:
        own: Features of the posts.
        contexts: Features of all contexts.
        choices: For each post its contexts, as rows of `contexts`; the first is the one tested.
        text: For each context a number that equal contexts share.
        rows: The posts of `train`, `dev` and `test`.
    """

    own: Float[Tensor, "b d"]
    contexts: Float[Tensor, "c e"]
    choices: Int[np.ndarray, "b m"]
    text: Int[np.ndarray, " c"]
    rows: dict[str, Int[np.ndarray, " n"]]


def read_pairs(
    setting: str,
    data: Path,
    cache: Path,
    *,
    encoder: EncoderSpec,
    captioned: tuple[int, int],
    limit: int | None,
) -> tuple[Pairs, str]:
    """Reads and encodes pairs, or opens what was encoded before; with their fingerprint.

    Arguments:
        setting: `captions` or `twitter2017`.
        data: The folder with `photos` and `mner`.
        cache: The root of feature caches.
        encoder: What encodes them.
        captioned: How many photos of `captions` are for training and dev; the others are the test.
        limit: At most so many pairs of each part.

    Raises:
        DataError: If the data is not there.
    """
    posts, contexts, rows = _captioned(data, *captioned) if setting == "captions" else _tweets(data)
    if limit is not None:
        rows = {name: part[:limit] for name, part in rows.items()}
    encode = PostEncoder(
        load_encoders(encoder),
        rules=CleaningRules(),
        limits=ImageLimits(),
        image_root=data / "photos",
        keep_tokens=(),
    )
    texts = [text for several in contexts for text in several]
    made = [Post(id=f"c{i}", text=text) for i, text in enumerate(texts)]
    stored = [
        extract(some, encode, cache, source_fingerprint=fingerprint([p.id + p.text for p in some]))
        for some in (posts, made)
    ]
    own = _pooled(stored[0], image=setting == "captions")
    number: dict[str, int] = {}
    same = np.array([number.setdefault(text, len(number)) for text in texts])
    choices = np.arange(len(texts)).reshape(len(posts), -1)
    found = Pairs(own, _pooled(stored[1], image=False), choices, same, rows)
    return found, fingerprint([*(one.fingerprint for one in stored), limit])


Read = tuple[list[Post], list[Sequence[str]], dict[str, Int[np.ndarray, " n"]]]


def _captioned(data: Path, train: int, dev: int) -> Read:
    """Photos in the order of their file names: a name says nothing of its content."""
    manifest = data / "photos" / "manifest.tsv"
    read = sorted(all_captions(manifest))
    if len(read) <= train + dev:
        raise DataError(
            f"{manifest} has {len(read)} photos with captions; more than {train + dev} are needed to leave "
            f"some for the test"
        )
    posts = [Post(id=file, text="", image=ImageRef(path=file)) for file, _ in read]
    parts = {"train": (0, train), "dev": (train, train + dev), "test": (train + dev, len(read))}
    return posts, [texts for _, texts in read], {name: np.arange(*ends) for name, ends in parts.items()}


def _tweets(data: Path) -> Read:
    """Tweets whose photo has a caption, split as published."""
    splits = load_splits(ExtractionData(name="twitter2017", root=str(data / "mner"), contexts="captions"))
    posts: list[Post] = []
    contexts: list[Sequence[str]] = []
    rows = {}
    for part in ("train", "dev", "test"):
        beside = [(p, context_of(splits.contexts, p.image)) for p in splits.part(part)]
        having = [(p, text) for p, text in beside if text]
        rows[part] = np.arange(len(posts), len(posts) + len(having))
        posts += [Post(id=p.id, text=" ".join(p.words)) for p, _ in having]
        contexts += [[text] for _, text in having]
    return posts, contexts, rows


def _pooled(cache: FeatureCache, *, image: bool) -> Float[Tensor, "b d"]:
    """All pooled vectors of a cache, of length 1."""
    batch = cache.batch(np.arange(len(cache)))
    return functional.normalize((batch.image if image else batch.text).pooled.float(), dim=-1)
