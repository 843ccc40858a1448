"""How good an extractor is on posts that somebody marked: what it tells there, counted as the
benchmark counts.

The extractor may be one that ships, or one of a user's own, and the posts need not be split:
nothing is learned. What is below the extractor's threshold is left out, as in the product.
Languages are not looked at, and of relations every one that the extractor knows is asked of the
pairs that people had before them; the product tells fewer (`pipeline.finder`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crisislens.core.errors import DataError, InputError
from crisislens.data.annotated import one_row_a_pair, read_annotated
from crisislens.data.conll import read_conll
from crisislens.data.contexts import Contexts, context_of
from crisislens.data.post_words import cut_anew
from crisislens.domain.extraction import AnnotatedPost
from crisislens.evaluation.extraction import ExtractionReport
from crisislens.models.extractor_artifact import LoadedExtractor
from crisislens.training.extraction.acceptance import Items, report_above
from crisislens.training.extraction.data import encode_posts
from crisislens.training.extraction.evaluate import predict_examples
from crisislens.training.extraction.fit import word_reader
from crisislens.training.extraction.marked_sets import relations_read

__all__ = ["Scored", "read_marked", "score_extractor"]

_TABLES = (".jsonl", ".ndjson", ".csv", ".tsv")


@dataclass(frozen=True)
class Scored:
    """What scoring an extractor came to.

    Attributes:
        reports: Scores of what is counted: `entities`, the `relations` of given pairs, or of an
            extractor of both `entities` and `quintuples`.
        unknown: Types or relations that people marked and the extractor does not know; they count
            as missed.
        out_of_reach: Pairs behind what the extractor reads of a long post; they count as said to
            have no relation.
    """

    reports: dict[Items, ExtractionReport]
    unknown: tuple[str, ...]
    out_of_reach: int


def read_marked(path: Path, *, relations: bool) -> list[AnnotatedPost]:
    """Marked posts of one file, their words cut as the product cuts them.

    Arguments:
        path: A table as `data.annotated` reads it (JSONL, CSV or TSV), or words with tags (any
            other suffix).
        relations: Whether relations are looked at: posts in which nobody looked for them are left
            out then.

    Raises:
        DataError: If the file is missing or not as described, or nothing of what is looked at is
            marked in it.
    """
    if path.suffix.lower() in _TABLES:
        table = read_annotated(path, split=path.stem)
        posts = relations_read(table) if relations else table.posts
    else:
        posts = [cut for post in read_conll(path, split=path.stem).posts if (cut := cut_anew(post)).words]
    if not any(p.links if relations else p.mentions for p in posts):
        raise DataError(
            f"no {'relation' if relations else 'entity'} is marked in {path}; there is nothing to be right "
            f"about"
        )
    return posts


def score_extractor(
    loaded: LoadedExtractor, posts: Sequence[AnnotatedPost], *, contexts: Contexts | None = None
) -> Scored:
    """Scores an extractor with its own thresholds.

    Arguments:
        loaded: The extractor.
        posts: Marked posts, as `read_marked` gives them; for an extractor of relations every
            ordered pair of their entities is asked about.
        contexts: From a picture's id to its context, for extractors that read them.

    Raises:
        InputError: If there are no posts, or the contexts belong to none of them, or to an
            extractor that reads none.
    """
    reads = loaded.extractor.spec.context_pieces > 0
    if contexts is not None and not (reads and any(context_of(contexts, p.image) for p in posts)):
        reason = (
            "none of them belongs to a marked post's image" if reads else f"{loaded.meta.name} reads none"
        )
        raise InputError(
            f"{len(contexts)} contexts were given, and {reason}; leave them out, or give those of the posts"
        )
    extractor, meta = loaded.extractor, loaded.meta
    spec = extractor.spec
    rows = one_row_a_pair([*posts]) if spec.task == "relations" else [*posts]
    # labels are not learned from, and those that the extractor does not know would have no number
    bare = rows if spec.task == "relations" else [replace(p, mentions=(), links=()) for p in rows]
    examples = [
        replace(e, post=post)
        for e, post in zip(
            encode_posts(bare, extractor, word_reader(extractor), contexts or {}), rows, strict=True
        )
    ]
    found = predict_examples(extractor, examples, with_scores=True)
    counted: dict[str, tuple[Items, ...]] = {
        "entities": ("entities",),
        "relations": ("relations",),
        "joint": ("entities", "quintuples"),
    }
    types = {m.type for p in posts for m in p.mentions} - {*spec.types} if spec.task != "relations" else set()
    kinds = (
        {link.type for p in rows for link in p.links} - {*spec.relations}
        if spec.task != "entities"
        else set()
    )
    return Scored(
        reports={
            x: report_above(examples, found, x, meta.accept_above, meta.accept_relations_above)
            for x in counted[spec.task]
        },
        unknown=tuple(sorted(types | kinds)),
        out_of_reach=sum(e.out_of_reach for e in examples),
    )
