"""Entities and relations in the text of posts: the extractors that ship, or a user's own.

A post's text is cut into words where it stands (`data.post_words`), so that an entity's characters are those
of the post as posted. Entities below the extractor's threshold are left out. Relations are asked for every
ordered pair of the first `MOST_ENTITIES` entities whose kinds some relation joins, and answered among the
relations that fit these kinds, where one has the probability, among all, that the extractor asks for.

Which relations are told, its extractor says (`ExtractorMeta.tells`): the one that ships tells only that a
place contains another, because its other relations did not hold on crisis posts
(docs/benchmarks-extraction.md); `all_relations` tells them too. Two places named in one post are nearly
always one in the other in MNRE, so the model says so of Iran and Iraq as well; it is told where the gazetteer
knows it too (`ExtractorMeta.gazetteer`; a user's own extractor is believed). A named person's race, religion
and nationality are never told, whoever trained the extractor: it serves no response, and a wrong guess harms
somebody.

An extractor of the task `joint` finds both by itself. Texts that are surely in another language than an
extractor learned are left alone.

An extractor that was trained with contexts of pictures (`context_pieces`) reads them here where they are
given; without them it reads the text alone.

A post's result is equal bit for bit whoever stands beside it (`pipeline.extractor_groups`). Scores are
rounded to four digits.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path

from crisislens.core.errors import DataError, InputError, ModelError
from crisislens.core.fingerprint import fingerprint
from crisislens.data.language import detect_language
from crisislens.data.mnre import types_of_relation
from crisislens.data.post_words import PlacedWord, placed_words
from crisislens.data.text import clean_text
from crisislens.domain.extraction import MOST_ENTITIES, Entity, Mention, Relation
from crisislens.features.words import EncodedWords, WordReader
from crisislens.knowledge.gazetteer import load_gazetteer
from crisislens.knowledge.geonames import data_version
from crisislens.knowledge.storm_entities import NameRules
from crisislens.models.extractor_artifact import LoadedExtractor
from crisislens.pipeline.extractor_groups import predictions, relations_of_pairs
from crisislens.pipeline.extractors import DEFAULT_ENTITIES, DEFAULT_RELATIONS, find_extractor

__all__ = [
    "CONTAINS",
    "Finder",
    "Found",
]

CONTAINS = "/loc/loc/contain"
# what is never told of anybody: relations with one of these in their name
_WITHHELD = re.compile(r"religio|nationalit|ethnic|racial|(?<![a-z])races?(?![a-z])")
# of a relation whose name does not say which kinds it joins
_ANY = ("", "")
_COMMA = re.compile(r"[ \t]*,?[ \t]*")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_REVISION = 8


@dataclass(frozen=True)
class Found:
    """What was found in one text.

    Attributes:
        entities: In the order of the text.
        relations: Between them, the most probable first.
        read: False where the text was left alone: it is empty, or in a language that the extractors do not
            know.
        relations_read: False where no relations were looked for: their extractor does not know the language,
            or there is none.
    """

    entities: tuple[Entity, ...] = ()
    relations: tuple[Relation, ...] = ()
    read: bool = True
    relations_read: bool = True


@dataclass(frozen=True)
class _Named:
    """The entities of a post, and the relations that an extractor of both found between them: head, tail,
    name, probability.
    """

    mentions: list[Mention]
    scores: list[float]
    links: list[tuple[int, int, str, float]]


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
        entities: An extractor of the task `entities`, or of `joint`.
        relations: One of the task `relations`, or None to find none but those of a `joint` one.
        languages: ISO 639-1 codes of the languages that they know; empty reads every text, None takes what
            each says of itself.
        all_relations: Whether relations are told that their extractor does not tell by default.
        no_relations: Whether none are told, those of a `joint` extractor neither.

    Raises:
        ModelError: If an extractor is of another task, or relations are to come from two.
    """

    def __init__(
        self,
        entities: LoadedExtractor,
        relations: LoadedExtractor | None = None,
        *,
        languages: tuple[str, ...] | None = None,
        all_relations: bool = False,
        no_relations: bool = False,
    ) -> None:
        for loaded, tasks in ((entities, ("entities", "joint")), (relations, ("relations",))):
            if loaded is not None and loaded.extractor.spec.task not in tasks:
                raise ModelError(
                    f"{loaded.meta.name} is an extractor of {loaded.extractor.spec.task}, here one of "
                    f"{tasks[0]} is needed"
                )
        if relations is not None and entities.extractor.spec.task == "joint":
            raise ModelError(
                f"{entities.meta.name} finds relations itself; leave {relations.meta.name} out, or name "
                f"another for entities"
            )
        self.entities, self.relations = entities, relations
        self._relating = (
            None if no_relations else entities if entities.extractor.spec.task == "joint" else relations
        )
        known = self._relating.extractor.spec.relations[1:] if self._relating else ()
        told = self._relating.meta.tells if self._relating and not all_relations else ()
        self.tells = frozenset(name for name in told or known if not _withheld(name))
        used = [entities, *([relations] if relations is not None and not no_relations else [])]
        self._readers = [_reader(loaded) for loaded in used]
        self._languages = [loaded.meta.languages if languages is None else languages for loaded in used]

    @classmethod
    def load(
        cls, entities: str | Path = DEFAULT_ENTITIES, relations: str | Path | None = DEFAULT_RELATIONS
    ) -> "Finder":
        """A finder of extractors by the names of packaged ones or their folders; relations are not looked for
        where that is None.

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
            "languages": self._languages,
        }
        return fingerprint(
            {
                **parts,
                "tells": sorted(self.tells),
                "revision": _REVISION,
                "geonames": data_version(),
            }
        )

    @property
    def idle_relations(self) -> tuple[str, ...]:
        """Relations that are told but join kinds that these entities never are, so that none will be found;
        not of a `joint` extractor.
        """
        if self._relating is not self.relations:
            return ()
        types = {kind.upper() for kind in self.entities.extractor.spec.types}
        return tuple(
            sorted(
                name
                for name in self.tells
                if (kinds := types_of_relation(name)) != _ANY and not types.issuperset(kinds)
            )
        )

    @property
    def seeks_relations(self) -> bool:
        """Whether relations are looked for at all."""
        return self._relating is not None

    @property
    def reads_contexts(self) -> bool:
        """Whether one of the extractors reads the contexts of pictures."""
        return any(reader.context_pieces for reader in self._readers)

    def find(self, texts: Sequence[str], contexts: Sequence[str] = ()) -> list[Found]:
        """What each text names, in their order; a text that stands there often, with one context, is read
        once.

        Arguments:
            texts: The texts of b posts.
            contexts: The context of each one's picture, empty where there is none; none at all for posts
                without.

        Raises:
            InputError: If there are contexts, but not b.
        """
        contexts = contexts or [""] * len(texts)
        if len(contexts) != len(texts):
            raise InputError(
                f"{len(contexts)} contexts were given for {len(texts)} texts; give one each, empty where "
                f"there is none"
            )
        asked = list(zip(texts, contexts, strict=True))
        texts_read = {text: self._reads(text) for text, _ in asked if text.strip()}
        words = {
            post: found
            for post in dict.fromkeys(asked)
            if texts_read.get(post[0], (False,))[0] and (found := placed_words(post[0]))
        }
        read = [_Read(text, found, context) for (text, context), found in words.items()]
        named = dict(zip(words, self._entities(read), strict=True))
        related = dict(zip(named, self._relations(read, list(named.values()), texts_read), strict=True))
        return [
            Found(
                tuple(_entity(post[0], words[post], m, s) for m, s in zip(n.mentions, n.scores, strict=True)),
                related[post],
                relations_read=self.seeks_relations and all(texts_read[post[0]]),
            )
            if (n := named.get(post))
            else Found(read=False)
            for post in asked
        ]

    def _reads(self, text: str) -> tuple[bool, ...]:
        """Whether each extractor knows a text's language, or nobody can tell which it is."""
        language = detect_language(clean_text(text)) if any(self._languages) else None
        return tuple(not known or language is None or language in known for known in self._languages)

    def _entities(self, posts: Sequence[_Read]) -> list[_Named]:
        encoded = [self._readers[0].read(post.spelled, context=post.context) for post in posts]
        meta = self.entities.meta
        types = self.entities.extractor.spec.types
        found = []
        for post, prediction in zip(posts, predictions(self.entities.extractor, encoded), strict=True):
            kept = prediction.above(meta.accept_above, meta.accept_relations_above)
            rules = NameRules(post.text, types)
            mentions = [
                replace(m, type=rules.type_of(m.type, " ".join(post.spelled[m.start : m.end])))
                for m in kept.mentions
            ]
            links = zip(kept.links, kept.link_scores, strict=True)
            found.append(
                _Named(mentions, [*kept.scores], [(x.head, x.tail, x.type, score) for x, score in links])
            )
        return found

    def _relations(
        self, posts: Sequence[_Read], named: Sequence[_Named], texts_read: Mapping[str, tuple[bool, ...]]
    ) -> list[tuple[Relation, ...]]:
        if self._relating is None:
            return [() for _ in posts]
        said = (
            self._asked_of_pairs(posts, named, texts_read)
            if self._relating is self.relations
            else [n.links for n in named]
        )
        return [
            tuple(
                sorted(
                    (
                        Relation(type=name, head=a, tail=b, score=round(p, 4))
                        for a, b, name, p in links
                        if self._tells(name, post, n.mentions[a], n.mentions[b])
                    ),
                    key=lambda r: (-r.score, r.head, r.tail),
                )
            )
            for post, n, links in zip(posts, named, said, strict=True)
        ]

    def _asked_of_pairs(
        self, posts: Sequence[_Read], named: Sequence[_Named], texts_read: Mapping[str, tuple[bool, ...]]
    ) -> list[list[tuple[int, int, str, float]]]:
        """What the extractor of relations says of each pair that one of them may join."""
        assert self.relations is not None
        extractor = self.relations.extractor
        kinds = {types_of_relation(name) for name in self.tells}
        asked: list[tuple[int, int, int]] = []
        encoded: list[EncodedWords] = []
        for row, (post, n) in enumerate(zip(posts, named, strict=True)):
            mentions = n.mentions if texts_read[post.text][1] else []
            for a, b in permutations(range(min(len(mentions), MOST_ENTITIES)), 2):
                if not kinds & {_kinds(mentions[a], mentions[b]), _ANY}:
                    continue
                try:
                    encoded.append(
                        self._readers[1].read(
                            post.spelled, context=post.context, pair=(mentions[a], mentions[b])
                        )
                    )
                except DataError:
                    # the pair stands behind what the encoder reads of a very long text
                    continue
                asked.append((row, a, b))
        fitting = [{_kinds(named[row].mentions[a], named[row].mentions[b]), _ANY} for row, a, b in asked]
        names = extractor.spec.relations
        allowed = [
            [0, *(i for i, name in enumerate(names) if i and types_of_relation(name) in fits)]
            for fits in fitting
        ]
        answers: list[list[tuple[int, int, str, float]]] = [[] for _ in posts]
        for (row, a, b), (name, p) in zip(
            asked, relations_of_pairs(extractor, encoded, allowed), strict=True
        ):
            if name and p >= self.relations.meta.accept_above:
                answers[row].append((a, b, name, p))
        return answers

    def _tells(self, name: str, post: _Read, head: Mention, tail: Mention) -> bool:
        """Whether a relation that the model is sure of is told."""
        assert self._relating is not None
        if name not in self.tells or name not in self._relating.meta.gazetteer:
            return name in self.tells
        follows = tail.end <= head.start and _COMMA.fullmatch(
            post.text[post.words[tail.end - 1].end : post.words[head.start].start]
        )
        # as posted (Coeur d'Alene), and in the words that the model read (St.Louis)
        spellings = dict.fromkeys(zip(*(_spellings(post, m) for m in (head, tail)), strict=True))
        return any(
            load_gazetteer().contains(outer, inner, adjacent=bool(follows)) for outer, inner in spellings
        )


def _withheld(name: str) -> bool:
    """Whether a relation says of people what is never told.

    >>> [_withheld(name) for name in ("/per/misc/race", "PERReligion", "has_nationalities", "embraces")]
    [True, True, True, False]
    """
    return bool(_WITHHELD.search(_HUMP.sub(" ", name).lower()))


def _spellings(post: _Read, m: Mention) -> tuple[str, str]:
    as_posted = post.text[post.words[m.start].start : post.words[m.end - 1].end]
    return as_posted.lstrip("#"), " ".join(post.spelled[m.start : m.end]).lstrip("#")


def _kinds(head: Mention, tail: Mention) -> tuple[str, str]:
    """As `types_of_relation` spells them."""
    return head.type.upper(), tail.type.upper()


def _reader(loaded: LoadedExtractor) -> WordReader:
    spec = loaded.extractor.spec
    return WordReader(
        loaded.extractor.encoder,
        pieces_a_word=spec.pieces_a_word,
        context_pieces=spec.context_pieces,
        joint=spec.joint_sequence,
    )


def _entity(text: str, words: Sequence[PlacedWord], m: Mention, score: float) -> Entity:
    start, end = words[m.start].start, words[m.end - 1].end
    return Entity(type=m.type, text=text[start:end], start=start, end=end, score=round(score, 4))
