"""What an extractor says of posts that people marked, and how well; and whether texts and images
find their contexts.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from crisislens.core.errors import InputError
from crisislens.domain.extraction import NO_RELATION, AnnotatedPost, Link
from crisislens.evaluation.extraction import (
    ExtractionReport,
    as_items,
    entity_report,
    post_counts,
    quintuple_report,
    quintuples,
    relation_report,
)
from crisislens.models.extraction import Extractor, Prediction
from crisislens.nn.words import WordBatch
from crisislens.training.extraction.data import Example, collate_examples

__all__ = [
    "Measured",
    "evaluate_extractor",
    "post_of_pair",
    "predict_examples",
    "retrieval",
    "retrieval_chance",
]

_BATCH = 64
_NOTHING = Prediction(links=(Link(0, 1, NO_RELATION),), link_scores=(1.0,))


@dataclass(frozen=True)
class Measured:
    """Predictions with their scores.

    Attributes:
        report: Micro F1 and what belongs to it: of entities, relations, or quintuples for the task
            `joint`.
        counts: Per post (all pairs of one together) the items in both, marked and found, for the
            paired bootstrap.
        entities: Of the task `joint`, the entities by themselves.
        predictions: What was said of each post.
    """

    report: ExtractionReport
    counts: Int[np.ndarray, "s 3"]
    entities: ExtractionReport | None
    predictions: list[Prediction]


def predict_examples(
    extractor: Extractor, examples: Sequence[Example], *, with_scores: bool = False
) -> list[Prediction]:
    """What an extractor says of posts, in their order; sorted by length inside, which changes
    nothing but speed.

    Of a pair out of reach it says that there is no relation.
    """
    extractor.eval()
    in_reach = [i for i, e in enumerate(examples) if not e.out_of_reach]
    order = sorted(in_reach, key=lambda i: len(examples[i].words))
    # the product does not ask about such a pair, which is to say that it has no relation
    found: list[Prediction] = [_NOTHING if e.out_of_reach else Prediction() for e in examples]
    for start in range(0, len(order), _BATCH):
        rows = order[start : start + _BATCH]
        batch = _batch(extractor, [examples[i] for i in rows])
        for i, prediction in zip(rows, extractor.predict(batch, with_scores=with_scores), strict=True):
            found[i] = prediction
    return found


def evaluate_extractor(
    extractor: Extractor, examples: Sequence[Example], *, resamples: int = 2000
) -> Measured:
    """Scores an extractor on posts that people marked.

    Arguments:
        extractor: The extractor; left in evaluation mode.
        examples: The posts.
        resamples: Of the interval.
    """
    found, posts = predict_examples(extractor, examples), [e.post for e in examples]
    if extractor.spec.task == "relations":
        gold, said = [p.links[0].type for p in posts], [x.links[0].type for x in found]
        of = [post_of_pair(p) for p in posts]
        report = relation_report(gold, said, posts=of, resamples=resamples)
        return Measured(report, post_counts(as_items(gold), as_items(said), of), None, found)
    entities = entity_report([p.mentions for p in posts], [x.mentions for x in found], resamples=resamples)
    if extractor.spec.task == "entities":
        return Measured(
            entities, post_counts([p.mentions for p in posts], [x.mentions for x in found]), None, found
        )
    gold_q = [quintuples(p.mentions, p.links) for p in posts]
    said_q = [quintuples(x.mentions, x.links) for x in found]
    return Measured(
        quintuple_report(gold_q, said_q, resamples=resamples), post_counts(gold_q, said_q), entities, found
    )


def post_of_pair(post: AnnotatedPost) -> Hashable:
    """What all rows of one post have in common: its picture, or its words where it has none.

    A photo that two posts share makes them one here, which as a rule widens an interval.
    """
    return post.image or post.words


@torch.inference_mode()
def retrieval(
    extractor: Extractor, examples: Sequence[Example], *, batch_posts: int = 64, ranks: Sequence[int] = (1, 5)
) -> dict[str, float]:
    """How often the right context is among the k most similar of a batch, for texts and for images,
    by the alignment's projections.

    Every text and every context is encoded by itself, so that nothing but the alignment can have
    told them apart. Posts without a context are left out, and the last batch where it is not full.
    Without an alignment the encoder's own means are compared. A context that several posts of a
    batch share is right for each of them (`retrieval_chance` says what that is worth).

    Arguments:
        extractor: The extractor; left in evaluation mode.
        examples: Posts, at least `batch_posts` of them with a context.
        batch_posts: How many contexts stand to choice.
        ranks: The k.

    Raises:
        InputError: If there are fewer posts with a context than stand to choice.
    """
    extractor.eval()
    usable = [e for e in examples if e.words.context_ids and not e.out_of_reach]
    if len(usable) < batch_posts:
        raise InputError(
            f"{len(usable)} posts have a context, {batch_posts} are needed; read contexts by themselves, or "
            f"lower batch_posts"
        )
    places: dict[str, list[Tensor]] = {"text": [], "image": []}
    for start in range(0, len(usable) - batch_posts + 1, batch_posts):
        batch = usable[start : start + batch_posts]
        fused = extractor.trunk(_batch(extractor, batch))
        kind = torch.tensor(_kinds([e.words.context_ids for e in batch]), device=fused.context.device)
        align = extractor.trunk.alignment
        context = align.context(fused.context) if align else fused.context
        text = align.text(fused.text) if align else fused.text
        places["text"].append(_rank(text, context, kind)[fused.has_context])
        # without an alignment, patches and contexts share no space
        if align is not None and bool(fused.has_image.any()):
            places["image"].append(_rank(align.image(fused.image), context, kind)[fused.has_image])
    found = {side: torch.cat(rows) for side, rows in places.items() if rows}
    return {f"{side}_r@{k}": float((rank < k).float().mean()) for side, rank in found.items() for k in ranks}


def retrieval_chance(
    contexts: Sequence[Hashable],
    *,
    batch_posts: int = 64,
    ranks: Sequence[int] = (1, 5),
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, float]:
    """What `retrieval` comes to on average where similarities are drawn at random: above k /
    `batch_posts` where contexts repeat.

    >>> retrieval_chance(["a", "b", "c", "d"], batch_posts=4, ranks=(4,), draws=5)
    {'chance_r@4': 1.0}

    Arguments:
        contexts: The context of each post that has one, in the order of the posts.
        batch_posts: How many stand to choice.
        ranks: The k.
        draws: How often similarities are drawn.
        seed: Of the draws.

    Raises:
        InputError: If there are fewer posts than stand to choice.
    """
    if len(contexts) < batch_posts:
        raise InputError(f"{len(contexts)} posts have a context, {batch_posts} are needed; lower batch_posts")
    # similarities are drawn for distinct contexts, since equal ones are as similar as each other
    random, hits = np.random.default_rng(seed), []
    for start in range(0, len(contexts) - batch_posts + 1, batch_posts):
        batch = contexts[start : start + batch_posts]
        kind = np.array(_kinds(batch))
        count = np.bincount(kind)
        order = np.argsort(random.random((draws, len(count))), axis=1)
        sizes = count[order]
        # how many posts' contexts come before each distinct one
        before = np.empty_like(sizes)
        np.put_along_axis(before, order, sizes.cumsum(1) - sizes, axis=1)
        hits.append([(before[:, kind] < k).mean() for k in ranks])
    return {f"chance_r@{k}": float(p) for k, p in zip(ranks, np.mean(hits, axis=0), strict=True)}


def _kinds(contexts: Sequence[Hashable]) -> list[int]:
    """A number for each context, equal where contexts are, counted in the order of their first
    posts.
    """
    numbers = {context: i for i, context in enumerate(dict.fromkeys(contexts))}
    return [numbers[context] for context in contexts]


def _rank(
    queries: Float[Tensor, "b w"], contexts: Float[Tensor, "b w"], kind: Int[Tensor, " b"]
) -> Int[Tensor, " b"]:
    """For each query how many other contexts of the batch are as similar as its own or more; equal
    ones (of one kind) do not count.
    """
    s = torch.nn.functional.normalize(queries, dim=-1) @ torch.nn.functional.normalize(contexts, dim=-1).T
    # by their words and not by their similarity, which padding changes in its last bits
    return ((s >= s.diagonal()[:, None]) & (kind != kind[:, None])).sum(1)


def _batch(extractor: Extractor, examples: Sequence[Example]) -> WordBatch:
    batch, _ = collate_examples(examples, extractor)
    return batch.to(next(extractor.parameters()).device)
