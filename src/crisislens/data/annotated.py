"""Posts of one's own with their entities and relations marked by characters: what
`crisislens extract` writes, corrected by a person.

A table (JSONL, CSV or TSV; in the latter two `entities` and `relations` are cells of JSON) has a
row a post:

    {"id": "1", "text": "Flood in Ponce", "image": "1.jpg", "entities": [{"type": "LOC", "start": 9,
    "end": 14}], "relations": []}

`start` and `end` count characters of `text`, end exclusive (in CSV a line break is one);
`relations` name `type`, `head` and `tail`, these by their places in `entities`, and leave out pairs
without a relation. An entity whose `type` is null is struck out: it keeps its place in the list, so
that relations go on meaning what they meant, and goes with the relations that it had. Further
fields are left alone. Words are cut as the product cuts them (`data.post_words`). An entity that
begins or ends within a word takes all of it and is counted; one whose places are not in the text,
hold no word, or hold another `text` than the entity says, is an error:
they are those of another text.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path

from crisislens.core.errors import DataError
from crisislens.data.post_words import PlacedWord, placed_words
from crisislens.data.sidecar import sidecar_rows
from crisislens.domain.extraction import MOST_ENTITIES, NO_RELATION, AnnotatedPost, Link, Mention

__all__ = ["AnnotatedTable", "one_row_a_pair", "read_annotated"]

_EXPECTED = "expected text, entities with type, start and end, and relations with type, head and tail"


@dataclass(frozen=True)
class AnnotatedTable:
    """One file, read.

    Attributes:
        posts: Its posts, in order; those without a word, and rows that `extract` marked as failed
            or not read, are left out.
        widened: Entities that began or ended within a word.
        without_words: How many were left out.
        relations_unread: Places, among the posts, of those in which `extract` did not look for
            relations and nobody marked one; having none there says nothing.
    """

    posts: list[AnnotatedPost]
    widened: int = 0
    without_words: int = 0
    relations_unread: frozenset[int] = frozenset()


def read_annotated(path: Path, *, split: str = "train") -> AnnotatedTable:
    """Reads a table of posts with entities and relations.

    Arguments:
        path: JSONL, CSV or TSV.
        split: What its posts are filed under.

    Raises:
        DataError: If the file is missing or of another kind, or a row is not as described.
    """
    if not path.is_file():
        raise DataError(
            f"no table of marked posts at {path}; give a .jsonl, .csv or .tsv with text, entities and "
            f"relations"
        )
    posts, relations_unread, widened, empty = list[AnnotatedPost](), set[int](), 0, 0
    for number, row in enumerate(sidecar_rows(path), start=1):
        where = f"row {number} of {path.name}"
        if row is None:
            raise DataError(f"{where} cannot be read; {_EXPECTED}")
        text = "" if _left_out(row, where) else _text(row, where)
        words = placed_words(text)
        if not words:
            empty += 1
            continue
        mentions, links, wide = _marks(row, text, words, where)
        widened += wide
        image = row.get("image")
        posts.append(
            AnnotatedPost(
                id=str(row.get("id") or f"{split}-{number - 1:06d}"),
                words=tuple(word.text for word in words),
                mentions=mentions,
                links=links,
                image=str(image) if image else None,
                split=split,
            )
        )
        if (_denied(row.get("relations_read")) or _denied(row.get("read"))) and not links:
            relations_unread.add(len(posts) - 1)
    if not posts:
        raise DataError(f"{path} holds no words; {_EXPECTED}")
    return AnnotatedTable(posts, widened, empty, frozenset(relations_unread))


def _left_out(row: Mapping[str, object], where: str) -> bool:
    """Whether `extract` marked a row as failed or not read, and nobody filled it in since."""
    # a person may have filled in what was not read
    unread = _denied(row.get("read")) and not _list({"entities": [], **row}, "entities", where)
    return unread or not _denied(row.get("failed") or False)


def _marks(
    row: Mapping[str, object], text: str, words: list[PlacedWord], where: str
) -> tuple[tuple[Mention, ...], tuple[Link, ...], int]:
    """The mentions and links of a row, and how many mentions began or ended within a word."""
    entities = _list(row, "entities", where)
    # a type of null is how people strike an entity out without renumbering the relations
    kept = [i for i, entity in enumerate(entities) if entity.get("type", "") is not None]
    found = [_mention(entities[i], text, words, where) for i in kept]
    links: list[Link] = []
    for relation in _list({"relations": [], **row}, "relations", where):
        link = _link(relation, len(entities), where)
        if {link.head, link.tail} <= {*kept}:
            # ends are counted among all entities of the row, links among those that are kept
            links.append(Link(kept.index(link.head), kept.index(link.tail), link.type))
    return tuple(mention for mention, _ in found), tuple(links), sum(wide for _, wide in found)


def _denied(value: object) -> bool:
    """Whether a field says no, in JSON or as a cell of a table."""
    if isinstance(value, str):
        return value.strip().lower() in {"false", "no", "0", "0.0"}
    # libraries of tables make 0.0 of it where other rows have none
    return isinstance(value, int | float) and value == 0


def one_row_a_pair(posts: list[AnnotatedPost], *, most_entities: int = MOST_ENTITIES) -> list[AnnotatedPost]:
    """Each ordered pair of entities as a post of its own with two mentions and one link, as the
    task `relations` takes them.

    Pairs that nobody marked have no relation (`NO_RELATION`), or an extractor would learn that
    every pair has one.

    Arguments:
        posts: Posts with entities and relations.
        most_entities: Of how many entities of a post pairs are made, as the product asks for them;
            marked pairs are always there.
    """
    return [
        replace(
            p,
            id=f"{p.id}#{head}-{tail}",
            mentions=(p.mentions[head], p.mentions[tail]),
            links=(Link(0, 1, kind),),
        )
        for p in posts
        for (head, tail), kind in _pairs(p, most_entities).items()
    ]


def _pairs(post: AnnotatedPost, most_entities: int) -> dict[tuple[int, int], str]:
    none = dict.fromkeys(permutations(range(min(len(post.mentions), most_entities)), 2), NO_RELATION)
    return none | {(link.head, link.tail): link.type for link in post.links}


def _text(row: Mapping[str, object], where: str) -> str:
    text = row.get("text")
    if not isinstance(text, str):
        raise DataError(f"{where} has no text; {_EXPECTED}")
    return text


def _list(row: Mapping[str, object], name: str, where: str) -> list[Mapping[str, object]]:
    if name not in row:
        raise DataError(f"{where} has no {name}, not even an empty list; {_EXPECTED}")
    value = row[name]
    if isinstance(value, str):
        try:
            value = json.loads(value) if value.strip() else []
        except (ValueError, RecursionError):
            raise DataError(f"{where}: {name} is not JSON; {_EXPECTED}") from None
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise DataError(f"{where}: {name} is not a list of objects; {_EXPECTED}")
    return value


def _mention(
    entity: Mapping[str, object], text: str, words: list[PlacedWord], where: str
) -> tuple[Mention, bool]:
    kind, start, end = entity.get("type"), entity.get("start"), entity.get("end")
    if not isinstance(kind, str) or not kind or not isinstance(start, int) or not isinstance(end, int):
        raise DataError(f"{where}: the entity {str(dict(entity))[:80]} lacks type, start or end; {_EXPECTED}")
    inside = [i for i, word in enumerate(words) if word.start < end and start < word.end]
    said = entity.get("text")
    if not inside or not 0 <= start < end <= len(text) or (isinstance(said, str) and text[start:end] != said):
        what = "no word stands" if not isinstance(said, str) else f"not {said[:40]!r} stands"
        raise DataError(f"{where}: {what} at the characters {start} to {end}; count them in the row's text")
    first, last = words[inside[0]], words[inside[-1]]
    return Mention(inside[0], inside[-1] + 1, kind), first.start < start or last.end > end


def _link(relation: Mapping[str, object], entities: int, where: str) -> Link:
    kind, head, tail = relation.get("type"), relation.get("head"), relation.get("tail")
    ends = [end for end in (head, tail) if isinstance(end, int) and 0 <= end < entities]
    if not isinstance(kind, str) or not kind or len(ends) != 2 or head == tail:
        raise DataError(
            f"{where}: {str(dict(relation))[:80]} does not join two of the row's {entities} entities by a "
            f"type (a text); {_EXPECTED}"
        )
    return Link(ends[0], ends[1], kind)
