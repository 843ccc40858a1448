"""From the posts of a run to what its network trains on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from crisislens.data.text import clean_text
from crisislens.domain.post import Post
from crisislens.encoders.base import EncoderPair
from crisislens.features.cache import FeatureCache
from crisislens.features.encode import PostEncoder
from crisislens.features.extract import extract
from crisislens.nn.widths import FeatureWidths
from crisislens.training.config import RunConfig
from crisislens.training.data import TaskData
from crisislens.training.inputs import CachedInputs, Inputs, TokenInputs

__all__ = ["Prepared", "prepare"]

_SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class Prepared:
    """The inputs of all splits.

    Attributes:
        inputs: By split.
        widths: The widths of the features.
        encoder_fingerprint: Of the encoders as loaded.
        features_fingerprint: Of encoders, cleaning rules and image limits.
    """

    inputs: Mapping[str, Inputs]
    widths: FeatureWidths
    encoder_fingerprint: str
    features_fingerprint: str


def prepare(
    run: RunConfig, data: TaskData, encoders: EncoderPair, cache: Path, *, progress: Callable[[int, int], None] | None = None
) -> Prepared:
    """Extracts features, or opens those that are there, and holds them in memory; texts to be trained on stay tokens.

    Arguments:
        run: Which modalities, token states and rules.
        data: The posts.
        encoders: The encoders.
        cache: The root of feature caches.
        progress: Called with the posts that are done and all posts.
    """
    encoder = PostEncoder(
        encoders,
        rules=run.rules,
        limits=run.limits,
        image_root=data.image_root if "image" in run.modalities else None,
        keep_tokens=[m for m in run.keep_tokens if m in run.modalities],
    )
    total = sum(len(posts) for posts in data.splits.values())
    done, inputs = 0, dict[str, Inputs]()
    for split in _SPLITS:
        posts = [p.post for p in data.splits[split]]
        cached = extract(
            [_given(post, run) for post in posts],
            encoder,
            cache,
            source_fingerprint=data.fingerprint,
            progress=None if progress is None else lambda n, _, before=done: progress(before + n, total),  # type: ignore[misc]
        )
        done += len(posts)
        inputs[split] = _inputs(run, encoders, posts, cached)
    return Prepared(inputs, encoders.widths(), encoders.fingerprint(), encoder.fingerprint())


def _given(post: Post, run: RunConfig) -> Post:
    """The post without what the run does not read from the cache."""
    text = post.text if "text" in run.modalities and run.mode == "frozen" else ""
    return post.model_copy(update={"text": text, "image": post.image if "image" in run.modalities else None})


def _inputs(run: RunConfig, encoders: EncoderPair, posts: list[Post], cached: FeatureCache) -> Inputs:
    features = CachedInputs(cached)
    if run.mode == "frozen":
        return features
    texts = [clean_text(post.text, run.rules) for post in posts]
    return TokenInputs(encoders.text.tokenize(texts), encoders.text.pad_id, features)
