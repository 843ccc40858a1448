"""How good an extractor is on posts that somebody marked: what it tells there, counted as the
benchmark counts.

The extractor may be one that ships, or one of a user's own, and the posts need not be split:
nothing is learned. What is below the extractor's threshold is left out, as in the product.
The rules on storms and agencies are applied as in the product; the scores on cards are without them.
Languages are not looked at, and of relations every one that the extractor knows is asked of the
pairs that people had before them; the product tells fewer (`pipeline.finder`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crisislens.core.errors import DataError, InputError
from crisislens.data.annotated import AnnotatedTable, one_row_a_pair, read_annotated
from crisislens.data.conll import ConllFile, read_conll
from crisislens.data.contexts import Contexts, context_of
from crisislens.data.post_words import cut_anew
from crisislens.domain.extraction import AnnotatedPost
from crisislens.evaluation.extraction import ExtractionReport
from crisislens.knowledge.storm_entities import NameRules
from crisislens.models.extraction import Extractor, ExtractorSpec, Prediction
from crisislens.models.extractor_artifact import LoadedExtractor
from crisislens.training.extraction.acceptance import Items, report_above
from crisislens.training.extraction.data import Example, encode_posts
from crisislens.training.extraction.evaluate import predict_examples
from crisislens.training.extraction.fit import word_reader
from crisislens.training.extraction.marked_sets import relations_read

__all__ = ["Marked", "Scored", "read_marked", "read_marked_file", "score_extractor"]

_TABLES = (".jsonl", ".ndjson", ".csv", ".tsv")
# a blank behind a sign, which is cut from its word
_SIGN = re.compile(r"(?<![^ ])([#@]) ")


_COUNTED: dict[str, tuple[Items, ...]] = {
    "entities": ("entities",),
    "relations": ("relations",),
    "joint": ("entities", "quintuples"),
}


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


@dataclass(frozen=True)
class Marked:
    """One file of marked posts, read.

    Attributes:
        posts: What is scored.
        notes: What was left out or mended, a sentence each with its count.
    """

    posts: list[AnnotatedPost]
    notes: tuple[str, ...] = ()


def read_marked(path: Path, *, relations: bool) -> list[AnnotatedPost]:
    """The posts of `read_marked_file`.

    Arguments:
        path: See there.
        relations: See there.

    Raises:
        DataError: See there.
    """
    return read_marked_file(path, relations=relations).posts


def read_marked_file(path: Path, *, relations: bool) -> Marked:
    """Marked posts of one file, their words cut as the product cuts them, and what was left out.

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
        notes = _notes_of_table(table, len(table.posts) - len(posts))
    else:
        file = read_conll(path, split=path.stem)
        posts = [cut for post in file.posts if (cut := cut_anew(post)).words]
        notes = _notes_of_words(file, len(file.posts) - len(posts))
    if not any(p.links if relations else p.mentions for p in posts):
        raise DataError(
            f"no {'relation' if relations else 'entity'} is marked in {path}; there is nothing to be right "
            f"about"
        )
    return Marked(posts, notes)


def _notes_of_table(table: AnnotatedTable, unrelated: int) -> tuple[str, ...]:
    unread, widened = table.without_words, table.widened
    rows = f"{_many(unread, 'row')} without words, or that `extract` did not read,"
    entities = "1 entity" if widened == 1 else f"{widened} entities"
    return _said(
        (unread, f"{rows} {_were(unread)} left out"),
        (
            unrelated,
            f"{_many(unrelated, 'post')} in which nobody looked for relations {_were(unrelated)} left out",
        ),
        (widened, f"{entities} began or ended within a word and {_were(widened)} taken as the whole words"),
    )


def _notes_of_words(file: ConllFile, empty: int) -> tuple[str, ...]:
    tags, lone = file.mended_tags, file.lone_words
    return _said(
        (empty, f"{_many(empty, 'post')} without words {_were(empty)} left out"),
        (tags, f"{_many(tags, 'tag')} went on with nothing and {_were(tags)} taken to begin an entity"),
        (lone, f"{_many(lone, 'line')} without a tag {_were(lone)} taken to be in no entity"),
    )


def _said(*notes: tuple[int, str]) -> tuple[str, ...]:
    """What is said of the counts that are not 0."""
    return tuple(words for count, words in notes if count)


def _many(count: int, name: str) -> str:
    return f"{count} {name}{'' if count == 1 else 's'}"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


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
    if contexts is not None:
        _check_contexts(loaded, posts, contexts)
    extractor, meta = loaded.extractor, loaded.meta
    # an extractor of relations is asked about one pair at a time
    rows = one_row_a_pair([*posts]) if extractor.spec.task == "relations" else [*posts]
    examples = _examples(extractor, rows, contexts or {})
    found = predict_examples(extractor, examples, with_scores=True)
    if extractor.spec.task != "relations":
        found = [_with_rules(p, row, extractor.spec) for p, row in zip(found, rows, strict=True)]
    reports = {}
    for items in _COUNTED[extractor.spec.task]:
        reports[items] = report_above(examples, found, items, meta.accept_above, meta.accept_relations_above)
    return Scored(
        reports=reports,
        unknown=tuple(sorted(_unknown(extractor.spec, rows))),
        out_of_reach=sum(e.out_of_reach for e in examples),
    )


def _with_rules(found: Prediction, post: AnnotatedPost, spec: ExtractorSpec) -> Prediction:
    """What is found in a post, storms and agencies put right as the product does."""
    # the rules read hashtags, whose signs are words of their own here
    rules = NameRules(_SIGN.sub(r"\1", " ".join(post.words)), spec.types)
    mentions = [
        replace(m, type=rules.type_of(m.type, " ".join(post.words[m.start : m.end]))) for m in found.mentions
    ]
    return replace(found, mentions=tuple(mentions))


def _check_contexts(loaded: LoadedExtractor, posts: Sequence[AnnotatedPost], contexts: Contexts) -> None:
    reads = loaded.extractor.spec.context_pieces > 0
    if reads and any(context_of(contexts, post.image) for post in posts):
        return
    reason = f"{loaded.meta.name} reads none"
    if reads:
        reason = "none of them belongs to a marked post's image"
    raise InputError(
        f"{len(contexts)} contexts were given, and {reason}; leave them out, or give those of the posts"
    )


def _examples(extractor: Extractor, rows: Sequence[AnnotatedPost], contexts: Contexts) -> list[Example]:
    """What the extractor reads of each row, and beside it what people marked."""
    read = list(rows)
    if extractor.spec.task != "relations":
        # labels are not learned from, and those that the extractor does not know would have no number
        read = [replace(post, mentions=(), links=()) for post in rows]
    encoded = encode_posts(read, extractor, word_reader(extractor), contexts)
    return [replace(e, post=post) for e, post in zip(encoded, rows, strict=True)]


def _unknown(spec: ExtractorSpec, rows: Sequence[AnnotatedPost]) -> set[str]:
    """Marked types and relations that the extractor cannot find: they count as missed."""
    unknown: set[str] = set()
    if spec.task != "relations":
        unknown |= {m.type for post in rows for m in post.mentions} - {*spec.types}
    if spec.task != "entities":
        unknown |= {link.type for post in rows for link in post.links} - {*spec.relations}
    return unknown
