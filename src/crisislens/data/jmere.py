"""JMERE: entities and their relations together, as quintuples (head, its type, tail, its type,
relation) of tweets with a photo.

Yuan et al., AAAI 2023, https://arxiv.org/abs/2211.15028: `train.json`, `val.json` and `test.json`,
each a JSON list of tweets with `token`, `img_id` and `label_list`; an entry of `label_list` is a
list of one object with `beg_ent`, `sec_ent` (each `name`, `pos`, `tags`) and `relation` (without
the types: `place_of_residence`). The files could not be had here: the reader follows the fields
that the authors' public code reads and was tested on made-up files only. Published: 3617/495/474
tweets with 9006/1248/1280 entities.

`joined_stand_in` makes posts of the same shape from what is to be had, the pairs of MNRE version 1
and the entities of Twitter-2015/2017. It is a stand-in, with other splits and other numbers, and
must be called one wherever it is reported.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crisislens.core.errors import DataError
from crisislens.core.fingerprint import fingerprint, fingerprint_file
from crisislens.data.by_split import count_by_split, frequencies, shared_between, values_by_split
from crisislens.data.contexts import image_key
from crisislens.data.shared_texts import shared_texts
from crisislens.domain.extraction import NO_RELATION, AnnotatedPost, Link, Mention

__all__ = ["JMERE", "JMERECheck", "joined_stand_in"]

_FILES = {"train": "train.json", "dev": "val.json", "test": "test.json"}
EXPECTED_POSTS = {"train": 3617, "dev": 495, "test": 474}
"""Tweets of the published splits."""
EXPECTED_ENTITIES = {"train": 9006, "dev": 1248, "test": 1280}
"""Entities of the published splits."""


@dataclass(frozen=True)
class JMERECheck:
    """What is there beside what was published; from split to count.

    Attributes:
        posts: Tweets.
        expected: The published counts.
        entities: Entities.
        expected_entities: The published counts.
        relations: Quintuples by relation over all splits.
        wrong_names: Entities whose name is not their words.
        shared_images: Pairs of splits and how many photos they share.
        shared_texts: Pairs of splits and how many tweets of the second stand in the first, in the
            same words but for case.
        photos_missing: Tweets whose photo is not in the image folder;
            None where no folder was given.
        unreadable: Tweets that are not as described: a position outside of the words, a field that
            is missing.
        first_unreadable: What is wrong with the first of them, by split;
            empty where all can be read.
    """

    posts: dict[str, int]
    expected: dict[str, int]
    entities: dict[str, int]
    expected_entities: dict[str, int]
    relations: dict[str, int]
    wrong_names: dict[str, int]
    shared_images: dict[str, int]
    shared_texts: dict[str, int]
    photos_missing: dict[str, int] | None
    unreadable: dict[str, int]
    first_unreadable: dict[str, str]

    @property
    def complete(self) -> bool:
        """True where tweets and entities are as published, all can be read, and no photo is shared
        or missing.
        """
        traps = (
            *self.shared_images.values(),
            *self.unreadable.values(),
            *(self.photos_missing or {}).values(),
        )
        return self.posts == self.expected and self.entities == self.expected_entities and not any(traps)

    def as_dict(self) -> dict[str, object]:
        """The same as plain values that JSON can hold."""
        return {**asdict(self), "complete": self.complete}


@dataclass(frozen=True)
class JMERE:
    """The data set.

    Arguments:
        root: The folder of the three files.
        image_root: The folder of photos, or None.

    Raises:
        DataError: If files are missing.
    """

    root: Path
    image_root: Path | None = None

    def __post_init__(self) -> None:
        missing = [file for file in _FILES.values() if not (Path(self.root) / file).is_file()]
        if missing:
            raise DataError(
                f"{self.root} lacks {', '.join(missing)}; ask the authors of JMERE (Yuan et al. 2023) for "
                f"the data"
            )

    def load(self, split: str) -> list[AnnotatedPost]:
        """The tweets of a split.

        Raises:
            DataError: If the split is unknown or a tweet is not as described.
        """
        return [_post(row, i, split) for i, row in enumerate(self._rows(split))]

    def _rows(self, split: str) -> list[Mapping[str, Any]]:
        if split not in _FILES:
            raise DataError(f"JMERE has no split {split!r}; there are {', '.join(_FILES)}")
        path = Path(self.root) / _FILES[split]
        try:
            rows = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, OSError, RecursionError) as error:
            raise DataError(f"{path.name} is not readable JSON ({str(error)[:100]}); get it again") from error
        # somebody else's copy may be one object a line, or wrapped
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise DataError(
                f"{path.name} is not a list of tweets; expected objects with token, img_id and label_list"
            )
        return rows

    def check(self) -> JMERECheck:
        """Counts tweets, entities, relations, wrong names, what splits share, missing photos and
        tweets that cannot be read.
        """
        rows = {split: self._rows(split) for split in _FILES}
        splits: dict[str, list[AnnotatedPost]] = {split: [] for split in _FILES}
        broken: dict[str, list[DataError]] = {split: [] for split in _FILES}
        wrong_names = dict.fromkeys(_FILES, 0)
        for split, tweets in rows.items():
            for number, row in enumerate(tweets):
                post = _parsed(row, number, split)
                if isinstance(post, DataError):
                    broken[split].append(post)
                else:
                    splits[split].append(post)
                    wrong_names[split] += _misnamed(row)
        images = values_by_split(splits, lambda post: post.image)
        every = [post for posts in splits.values() for post in posts]
        missing = count_by_split(splits, lambda post: not self._has_photo(post.image))
        return JMERECheck(
            posts={split: len(tweets) for split, tweets in rows.items()},
            expected=EXPECTED_POSTS,
            entities=count_by_split(splits, lambda post: len(post.mentions)),
            expected_entities=EXPECTED_ENTITIES,
            relations=frequencies(link.type for post in every for link in post.links),
            wrong_names=wrong_names,
            shared_images=shared_between(images),
            shared_texts=shared_texts(splits),
            photos_missing=missing if self.image_root else None,
            unreadable={split: len(errors) for split, errors in broken.items()},
            first_unreadable={split: str(errors[0]) for split, errors in broken.items() if errors},
        )

    def _has_photo(self, name: str | None) -> bool:
        return self.image_root is not None and name is not None and (Path(self.image_root) / name).is_file()

    def fingerprint(self) -> str:
        """16 hex digits over the files."""
        return fingerprint({s: fingerprint_file(Path(self.root) / f) for s, f in _FILES.items()})


def _quintuples(row: Mapping[str, Any]) -> list[tuple[Mapping[str, Any], Mapping[str, Any], str]]:
    entries = [entry[0] if isinstance(entry, list) else entry for entry in row["label_list"]]
    return [(entry["beg_ent"], entry["sec_ent"], str(entry["relation"])) for entry in entries]


def _post(row: Mapping[str, Any], number: int, split: str) -> AnnotatedPost:
    try:
        words = tuple(str(word) for word in row["token"])
        mentions: dict[Mention, int] = {}
        links = []
        for head, tail, relation in _quintuples(row):
            ends = [_mention(end, len(words)) for end in (head, tail)]
            # an entity of several quintuples is one mention
            places = [mentions.setdefault(m, len(mentions)) for m in ends]
            name = f"/{ends[0].type.lower()}/{ends[1].type.lower()}/{relation}"
            links.append(Link(places[0], places[1], NO_RELATION if relation.lower() == "none" else name))
        return AnnotatedPost(
            id=f"{split}-{number:06d}",
            words=words,
            mentions=tuple(mentions),
            links=tuple(links),
            image=str(row["img_id"]),
            split=split,
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError(
            f"tweet {number} of JMERE's {split} split is not as described ({type(error).__name__}: {error}); "
            "expected token, img_id, label_list"
        ) from error


def _parsed(row: Mapping[str, Any], number: int, split: str) -> AnnotatedPost | DataError:
    """A tweet, or what is wrong with it."""
    try:
        return _post(row, number, split)
    except DataError as error:
        return error


def _mention(end: Mapping[str, Any], words: int) -> Mention:
    start, stop = end["pos"]
    if not 0 <= int(start) < int(stop) <= words:
        raise ValueError(f"position {start}-{stop} is outside of {words} words")
    return Mention(int(start), int(stop), str(end["tags"]).upper())


def _misnamed(row: Mapping[str, Any]) -> int:
    words: Sequence[str] = row["token"]
    ends = {(tuple(e["pos"]), str(e.get("name"))) for q in _quintuples(row) for e in q[:2]}
    return sum(" ".join(words[slice(*pos)]) != name for pos, name in ends)


def joined_stand_in(tagged: Iterable[AnnotatedPost], pairs: Iterable[AnnotatedPost]) -> list[AnnotatedPost]:
    """Posts with entities and relations, joined by photo and text: a stand-in for JMERE.

    A pair joins where the photo's id and the text are equal, without blanks and links and with one
    kind of quotation mark (the two data sets cut words differently), and both of its mentions cover
    whole words. Entities are the tagged post's, and the pair's mentions where the tags do not have
    them; pairs without a relation add nothing. Splits are those of the tagged posts; posts without
    a relation are left out.

    Arguments:
        tagged: Posts of Twitter-2015 or Twitter-2017.
        pairs: Rows of MNRE version 1.
    """
    rows: dict[tuple[str, str], list[AnnotatedPost]] = {}
    for pair in pairs:
        rows.setdefault(_join_key(pair), []).append(pair)
    joined = (_joined(post, rows[key]) for post in tagged if (key := _join_key(post)) in rows)
    return [post for post in joined if post.links]


def _join_key(post: AnnotatedPost) -> tuple[str, str]:
    return image_key(post.image or ""), "".join(map(_plain, post.words))


def _plain(word: str) -> str:
    """A word as both data sets have it: links are left out of some posts of MNRE, and quotation
    marks differ.
    """
    return "" if word.lower().startswith(("http:", "https:")) else word.replace("``", '"').replace("''", '"')


def _joined(post: AnnotatedPost, pairs: Sequence[AnnotatedPost]) -> AnnotatedPost:
    starts, ends = _edges(post.words)
    by_span = {(m.start, m.end): i for i, m in enumerate(post.mentions)}
    mentions, links = list(post.mentions), set[Link]()
    for pair in pairs:
        if pair.links[0].type == NO_RELATION:
            continue
        places = []
        theirs = _edges(pair.words)
        for m in pair.mentions:
            # from their words to characters, from characters to our words
            start, end = theirs[0][m.start], theirs[1][m.end - 1]
            if start not in starts or end not in ends:
                continue
            # a link takes no characters and may stand at either edge: the last word that starts
            # there, the first that ends there
            span = (len(starts) - 1 - starts[::-1].index(start), ends.index(end) + 1)
            if span not in by_span and not any(span[0] < o.end and o.start < span[1] for o in mentions):
                by_span[span] = len(mentions)
                mentions.append(Mention(*span, m.type))
            places.append(by_span.get(span, -1))
        if len(places) == 2 and -1 not in places and places[0] != places[1]:
            links.add(Link(places[0], places[1], pair.links[0].type))
    return AnnotatedPost(
        id=post.id,
        words=post.words,
        mentions=tuple(mentions),
        links=tuple(sorted(links)),
        image=post.image,
        split=post.split,
    )


def _edges(words: Sequence[str]) -> tuple[list[int], list[int]]:
    """Where words start and end in the text without blanks."""
    ends: list[int] = []
    for word in words:
        ends.append((ends[-1] if ends else 0) + len(_plain(word)))
    return [0, *ends[:-1]], ends
