"""From the posts of a run to what its network trains on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from crisislens.data.labeled import LabeledData
from crisislens.data.sidecar import Sidecar
from crisislens.data.text import CleaningRules, clean_text
from crisislens.domain.post import Post
from crisislens.encoders.base import EncoderPair
from crisislens.features.cache import FeatureCache
from crisislens.features.encode import PostEncoder
from crisislens.features.extract import extract
from crisislens.nn.widths import FeatureWidths
from crisislens.training.config import KnowledgeConfig, RunConfig
from crisislens.training.graph import GraphInputs, PixelSource
from crisislens.training.inputs import CachedInputs, Inputs, TokenInputs

__all__ = ["Prepared", "informed_text", "prepare", "read_knowledge"]

_SPLITS = ("train", "dev", "test")
# which command makes the texts of a name; all others come from a captioner
_MAKERS = {"wiki": "knowledge", "local": "knowledge"}


@dataclass(frozen=True)
class Prepared:
    """The inputs of all splits.

    Attributes:
        inputs: By split.
        widths: The widths of the features.
        encoder_fingerprint: Of the encoders as loaded.
        features_fingerprint: Of encoders, cleaning rules and image limits.
        knowledge_fingerprint: Of the texts beside the posts; empty where there are none.
    """

    inputs: Mapping[str, Inputs]
    widths: FeatureWidths
    encoder_fingerprint: str
    features_fingerprint: str
    knowledge_fingerprint: str = ""


def prepare(
    run: RunConfig,
    data: LabeledData,
    encoders: EncoderPair,
    cache: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Extracts features, or opens those that are there, and holds them in memory; texts to be
    trained on stay tokens.

    Arguments:
        run: Which modalities, token states and rules.
        data: The posts.
        encoders: The encoders.
        cache: The root of feature caches.
        progress: Called with the posts that are done and all posts.
    """
    # read once for all splits: it is a file of every post
    beside = None if run.knowledge is None else read_knowledge(run.knowledge)
    encoder = _encoder(run, encoders, data.image_root if "image" in run.modalities else None)
    apart = run.knowledge is not None and run.knowledge.join == "apart"
    # captions are texts without a photo, so their encoder has no folder of photos
    reader = _encoder(run, encoders, None)
    total = sum(len(posts) for posts in data.splits.values()) * (2 if apart else 1)
    done, inputs = 0, dict[str, Inputs]()

    def cached(posts: list[Post], maker: PostEncoder) -> FeatureCache:
        nonlocal done
        before = done
        found = extract(
            posts,
            maker,
            cache,
            source_fingerprint=data.fingerprint,
            progress=None if progress is None else lambda n, _: progress(before + n, total),
        )
        done += len(posts)
        return found

    for split in _SPLITS:
        posts = [_informed(p.post, run, beside) for p in data.splits[split]]
        features = cached([_given(post, run) for post in posts], encoder)
        captions = None
        if apart and beside is not None:
            captions = cached(_captions(data, split, beside), reader)
        inputs[split] = _inputs(run, encoders, posts, CachedInputs(features, captions), data.image_root)
    mark = "" if beside is None else beside.fingerprint()
    return Prepared(inputs, encoders.widths(), encoders.fingerprint(), encoder.fingerprint(), mark)


def _captions(data: LabeledData, split: str, beside: Sidecar) -> list[Post]:
    """What stands beside each post as a post of its own, so that neither cuts the other short."""
    return [Post(id=p.post.id, text=beside.of(p.post)) for p in data.splits[split]]


def read_knowledge(config: KnowledgeConfig) -> Sidecar:
    """The texts beside the posts of a run.

    Raises:
        DataError: If the file is missing or cannot be used.
    """
    return Sidecar.read(
        config.table,
        max_characters=config.max_characters,
        made_by=f"crisislens {_MAKERS.get(config.name, 'caption')}",
    )


def informed_text(text: str, beside: str, config: KnowledgeConfig, rules: CleaningRules) -> str:
    """The text that a model reads where tweet and knowledge share one sequence,
    $x'' = \\operatorname{concat}(x, x')$ (Eq. 2).

    Both are cleaned apart: a rule that deletes from a link to the end of the line must not delete
    what stands beside the tweet, as it did in the authors' code.

    Arguments:
        text: The tweet.
        beside: What stands beside it; empty for nothing.
        config: How they are joined.
        rules: How both are cleaned.
    """
    # the encoder cleans it, as it does the text of every post
    if config.join == "replace":
        return beside
    parts = [clean_text(text, rules), clean_text(beside, rules)]
    return config.separator.join(part for part in parts if part)


def _encoder(run: RunConfig, encoders: EncoderPair, image_root: Path | None) -> PostEncoder:
    tokens = [m for m in run.keep_tokens if m in run.modalities]
    return PostEncoder(
        encoders, rules=run.rules, limits=run.limits, image_root=image_root, keep_tokens=tokens
    )


def _informed(post: Post, run: RunConfig, beside: Sidecar | None) -> Post:
    """The post with what stands beside it in its text, where they share one sequence."""
    if beside is None or run.knowledge is None or run.knowledge.join == "apart":
        return post
    return post.model_copy(
        update={"text": informed_text(post.text, beside.of(post), run.knowledge, run.rules)}
    )


def _given(post: Post, run: RunConfig) -> Post:
    """The post without what the run does not read from the cache."""
    # what is trained is read anew in every step; cached features of it would be of the untrained
    # encoder
    tuned = run.tune if run.mode == "finetune" else ()
    text = post.text if "text" in run.modalities and "text" not in tuned else ""
    return post.model_copy(
        update={
            "text": text,
            "image": post.image if "image" in run.modalities and "image" not in tuned else None,
        }
    )


def _inputs(
    run: RunConfig, encoders: EncoderPair, posts: list[Post], features: CachedInputs, image_root: Path
) -> Inputs:
    if run.mode == "frozen":
        return features
    texts = None
    if "text" in run.tune:
        texts = encoders.text.tokenize([clean_text(post.text, run.rules) for post in posts])
        if run.tune == ("text",):
            return TokenInputs(texts, encoders.text.pad_id, features)
    pixels = PixelSource([post.image for post in posts], image_root, run.limits, encoders.image)
    return GraphInputs(features, pixels, texts, encoders.text.pad_id)
