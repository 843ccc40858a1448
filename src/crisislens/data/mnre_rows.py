"""One row of MNRE: a Python literal of a dict, read as a literal and never evaluated, and what is said
of it. See `data.mnre`.
"""

import ast
from collections.abc import Mapping
from typing import Any

from crisislens.core.errors import DataError
from crisislens.domain.extraction import NO_RELATION, AnnotatedPost, Link, Mention

__all__ = ["is_misnamed", "overlaps", "parsed_row", "photo_of", "post_of", "relation_of", "types_of_relation"]


def types_of_relation(relation: str) -> tuple[str, str]:
    """The types of a relation's head and tail; empty where there is no relation.

    >>> types_of_relation("/per/loc/place_of_birth")
    ('PER', 'LOC')
    """
    parts = relation.split("/")
    return (parts[1].upper(), parts[2].upper()) if len(parts) == 4 else ("", "")


def parsed_row(line: str, where: str) -> Mapping[str, Any]:
    try:
        # values alone: no name is looked up and nothing is called
        row = ast.literal_eval(line)
        words, size = row["token"], len(row["token"])
        spans = [row[side]["pos"] for side in "ht"]
        fits = all(isinstance(w, str) for w in words) and all(0 <= a < b <= size for a, b in spans)
        if not fits or not isinstance(row["relation"], str) or not isinstance(row["img_id"], (str, int)):
            raise ValueError("a position is outside of the words, or a value is of another kind")
    except (ValueError, SyntaxError, KeyError, TypeError, MemoryError, RecursionError) as error:
        raise DataError(
            f"{where} is not a row of MNRE ({type(error).__name__}: {str(error)[:100]}); expected token, h, "
            f"t, relation, img_id"
        ) from error
    return dict(row)


def post_of(row: Mapping[str, Any], name: str, split: str) -> AnnotatedPost:
    relation = relation_of(row)
    head, tail = (
        Mention(row[side]["pos"][0], row[side]["pos"][1], kind)
        for side, kind in zip("ht", types_of_relation(relation), strict=True)
    )
    return AnnotatedPost(
        id=name,
        words=tuple(row["token"]),
        mentions=(head, tail),
        links=(Link(0, 1, relation),),
        image=photo_of(row),
        split=split,
    )


def photo_of(row: Mapping[str, Any]) -> str:
    """The photo's file name; version 1 has bare numbers too."""
    name = row["img_id"]
    return f"{name}.jpg" if isinstance(name, int) else str(name)


def relation_of(row: Mapping[str, Any]) -> str:
    name = str(row["relation"])
    return NO_RELATION if name.lower() == "none" else name


def is_misnamed(row: Mapping[str, Any]) -> bool:
    words: list[str] = row["token"]
    return any(" ".join(words[slice(*row[side]["pos"])]) != row[side].get("name") for side in "ht")


def overlaps(post: AnnotatedPost) -> bool:
    head, tail = post.mentions
    return head.start < tail.end and tail.start < head.end
