"""Entities and relations in the text of posts: the extractors that ship, or a user's own.

A post's text is cut into words where it stands (`data.post_words`), so that an entity's characters
are those of the post as posted. Entities below the extractor's threshold are left out. Relations
are asked for pairs of entities (`pipeline.pairs`), and answered where one has the probability,
among all, that the extractor asks for.

Which relations are told, `pipeline.telling` says: the extractor that ships tells only that a place
contains another, because its other relations did not hold on crisis posts
(docs/benchmarks-extraction.md); `all_relations` tells them too.

A post that is longer than the extractor of entities reads at once is read in windows
(`pipeline.word_windows`).

An extractor of the task `joint` finds both by itself. Texts that are surely in another language
than an extractor learned are left alone.

An extractor that was trained with contexts of pictures (`context_pieces`) reads them here where
they are given; without them it reads the text alone.

A post's result is equal bit for bit whoever stands beside it (`pipeline.extractor_groups`). Scores
are rounded to four digits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crisislens.core.errors import InputError, ModelError
from crisislens.core.fingerprint import fingerprint
from crisislens.data.language import detect_language
from crisislens.data.language_tags import primary_language
from crisislens.data.post_words import placed_words
from crisislens.data.text import clean_text
from crisislens.domain.extraction import Entity, Mention, Relation
from crisislens.features.words import WordReader
from crisislens.knowledge.geonames import data_version
from crisislens.knowledge.storm_entities import NameRules
from crisislens.models.extraction import Prediction
from crisislens.models.extractor_artifact import LoadedExtractor
from crisislens.pipeline.extractor_groups import predictions
from crisislens.pipeline.extractors import DEFAULT_ENTITIES, DEFAULT_RELATIONS, find_extractor
from crisislens.pipeline.pairs import Link, PairQuestions
from crisislens.pipeline.telling import ReadPost, Telling, is_withheld
from crisislens.pipeline.word_windows import MOST_WORDS, WordWindow, joined, word_windows

__all__ = [
    "Finder",
    "Found",
]

# counts the changes of this code that change what is found: part of the fingerprint
_REVISION = 10
# a text, the context of its picture, and the language that it came with
_Asked = tuple[str, str, str | None]


@dataclass(frozen=True)
class Found:
    """What was found in one text.

    Attributes:
        entities: In the order of the text.
        relations: Between them, the most probable first.
        read: False where the text was left alone: it is empty, or in a language that the extractors
            do not know.
        relations_read: False where no relations were looked for: their extractor does not know the
            language, or there is none.
        read_to: The character behind the last word that was read, where a text is longer than all
            windows of the extractor of entities; None where it was read whole.
    """

    entities: tuple[Entity, ...] = ()
    relations: tuple[Relation, ...] = ()
    read: bool = True
    relations_read: bool = True
    read_to: int | None = None


@dataclass(frozen=True)
class _Named:
    """The entities of a post, and the relations that an extractor of both found between them."""

    mentions: list[Mention]
    scores: list[float]
    links: list[Link]
    read_to: int | None


class Finder:
    """Finds entities and relations in texts.

    Arguments:
        entities: An extractor of the task `entities`, or of `joint`.
        relations: One of the task `relations`, or None to find none but those of a `joint` one.
        languages: ISO 639-1 codes of the languages that they know; empty reads every text, None
            takes what each says of itself.
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
        _check_task(entities, "entities", "joint")
        if relations is not None:
            _check_task(relations, "relations")
        joint = entities.extractor.spec.task == "joint"
        if relations is not None and joint:
            raise ModelError(
                f"{entities.meta.name} finds relations itself; leave {relations.meta.name} out, or "
                "name another for entities"
            )
        self.entities, self.relations = entities, relations
        self._relating = None if no_relations else entities if joint else relations
        self._telling = _telling(self._relating, everything=all_relations)
        used = [entities] if relations is None or no_relations else [entities, relations]
        self._readers = [_reader(loaded) for loaded in used]
        self._languages = [loaded.meta.languages if languages is None else languages for loaded in used]

    @classmethod
    def load(
        cls,
        entities: str | Path = DEFAULT_ENTITIES,
        relations: str | Path | None = DEFAULT_RELATIONS,
    ) -> "Finder":
        """A finder of extractors by the names of packaged ones or their folders; relations are not
        looked for where that is None.

        Raises:
            NotRegisteredError: If there is no such extractor.
            ModelError: If one is damaged or of another task.
        """
        return cls(find_extractor(entities), None if relations is None else find_extractor(relations))

    def fingerprint(self) -> str:
        """16 hex digits over the extractors and the languages."""
        return fingerprint(
            {
                "entities": self.entities.fingerprint,
                "relations": self.relations and self.relations.fingerprint,
                "languages": self._languages,
                "tells": sorted(self.tells),
                "revision": _REVISION,
                "geonames": data_version(),
            }
        )

    @property
    def tells(self) -> frozenset[str]:
        """The relations that are told where they are found."""
        return frozenset(self._telling.names)

    @property
    def idle_relations(self) -> tuple[str, ...]:
        """Relations that are told but join kinds that these entities never are, so that none will
        be found; not of a `joint` extractor.
        """
        if self._relating is not self.relations:
            return ()
        return self._telling.idle(self.entities.extractor.spec.types)

    @property
    def seeks_relations(self) -> bool:
        """Whether relations are looked for at all."""
        return self._relating is not None

    @property
    def reads_contexts(self) -> bool:
        """Whether one of the extractors reads the contexts of pictures."""
        return any(reader.context_pieces for reader in self._readers)

    def find(
        self, texts: Sequence[str], contexts: Sequence[str] = (), *, languages: Sequence[str | None] = ()
    ) -> list[Found]:
        """What each text names, in their order; a text that stands there often, with one context,
        is read once.

        Arguments:
            texts: The texts of b posts.
            contexts: The context of each one's picture, empty where there is none; none at all for
                posts without.
            languages: The language tag that each post came with, None where it has none; none at all
                for posts without. What it says comes before what is detected.

        Raises:
            InputError: If there are contexts or languages, but not b.
        """
        contexts = contexts or [""] * len(texts)
        if len(contexts) != len(texts):
            raise InputError(
                f"{len(contexts)} contexts were given for {len(texts)} texts; give one each, empty "
                "where there is none"
            )
        languages = languages or [None] * len(texts)
        if len(languages) != len(texts):
            raise InputError(f"{len(languages)} languages were given for {len(texts)} texts; give one each")
        asked = list(zip(texts, contexts, languages, strict=True))
        texts_read = {(text, said): self._reads(text, said) for text, _, said in asked if text.strip()}
        posts = _to_read(asked, texts_read)
        read = list(posts.values())
        known = [texts_read[text, said] for text, _, said in posts]
        named = self._entities(read)
        related = self._relations(read, named, known)
        found: dict[_Asked, Found] = {}
        for key, post, names, relations, by in zip(posts, read, named, related, known, strict=True):
            entities = [
                _entity(post, m, score) for m, score in zip(names.mentions, names.scores, strict=True)
            ]
            looked_for = self.seeks_relations and all(by)
            found[key] = Found(tuple(entities), relations, relations_read=looked_for, read_to=names.read_to)
        return [found.get(key, Found(read=False)) for key in asked]

    def _reads(self, text: str, said: str | None) -> tuple[bool, ...]:
        """Whether each extractor knows a text's language, or nobody can tell which it is."""
        language = None
        if any(self._languages):
            language = primary_language(said) or detect_language(clean_text(text))
        return tuple(not known or language is None or language in known for known in self._languages)

    def _entities(self, posts: Sequence[ReadPost]) -> list[_Named]:
        reader = self._readers[0]
        by_post = [word_windows(reader, post.text, post.words, post.context) for post in posts]
        windows = [window for own in by_post for window in own]
        meta = self.entities.meta
        said = predictions(self.entities.extractor, [window.encoded for window in windows])
        sure = iter([answer.above(meta.accept_above, meta.accept_relations_above) for answer in said])
        return [
            self._kept(post, own, joined(own, [next(sure) for _ in own]))
            for post, own in zip(posts, by_post, strict=True)
        ]

    def _kept(self, post: ReadPost, windows: Sequence[WordWindow], kept: Prediction) -> _Named:
        """What the extractor is sure enough of, storms and the like put right by rules."""
        rules = NameRules(post.text, self.entities.extractor.spec.types)
        mentions = [replace(m, type=rules.type_of(m.type, post.as_read(m))) for m in kept.mentions]
        links = [(x.head, x.tail, x.type, p) for x, p in zip(kept.links, kept.link_scores, strict=True)]
        return _Named(mentions, [*kept.scores], links, _read_to(post, windows))

    def _relations(
        self,
        posts: Sequence[ReadPost],
        named: Sequence[_Named],
        known: Sequence[tuple[bool, ...]],
    ) -> list[tuple[Relation, ...]]:
        if self._relating is None:
            return [() for _ in posts]
        if self._relating is self.relations:
            said = self._asked_of_pairs(posts, named, known)
        else:
            said = [n.links for n in named]
        return [self._told(post, n, links) for post, n, links in zip(posts, named, said, strict=True)]

    def _told(self, post: ReadPost, named: _Named, links: Sequence[Link]) -> tuple[Relation, ...]:
        """Those of a post's relations that are told, the most probable first."""
        found = []
        for a, b, name, p in links:
            if self._telling.tells(name, post, named.mentions[a], named.mentions[b]):
                found.append(Relation(type=name, head=a, tail=b, score=round(p, 4)))
        return tuple(sorted(found, key=lambda r: (-r.score, r.head, r.tail)))

    def _asked_of_pairs(
        self,
        posts: Sequence[ReadPost],
        named: Sequence[_Named],
        known: Sequence[tuple[bool, ...]],
    ) -> list[list[Link]]:
        """What the extractor of relations says of each pair that one of them may join."""
        assert self.relations is not None
        questions = PairQuestions(self.relations.extractor, self._readers[1], self.tells)
        for row, (post, n, by) in enumerate(zip(posts, named, known, strict=True)):
            # its languages may be fewer than those of the extractor of entities
            if by[1]:
                questions.add(row, post, n.mentions)
        answers: list[list[Link]] = [[] for _ in posts]
        for row, link in questions.ask(self.relations.meta.accept_above):
            answers[row].append(link)
        return answers


def _check_task(loaded: LoadedExtractor, *tasks: str) -> None:
    """Refuses an extractor of another task."""
    if loaded.extractor.spec.task not in tasks:
        raise ModelError(
            f"{loaded.meta.name} is an extractor of {loaded.extractor.spec.task}, here one of "
            f"{tasks[0]} is needed"
        )


def _telling(relating: LoadedExtractor | None, *, everything: bool) -> Telling:
    """What the extractor of relations tells by default, or everything but what is never told."""
    if relating is None:
        return Telling()
    # the first name is "no relation"
    known = relating.extractor.spec.relations[1:]
    names = known if everything else relating.meta.tells or known
    return Telling(frozenset(n for n in names if not is_withheld(n)), frozenset(relating.meta.gazetteer))


def _to_read(
    asked: Sequence[_Asked], texts_read: Mapping[tuple[str, str | None], tuple[bool, ...]]
) -> dict[_Asked, ReadPost]:
    """The different posts whose language the extractor of entities knows and that have a word."""
    posts = {}
    for text, context, said in dict.fromkeys(asked):
        by = texts_read.get((text, said))
        if by and by[0] and (words := placed_words(text, most=MOST_WORDS)):
            posts[text, context, said] = ReadPost(text, words, context)
    return posts


def _read_to(post: ReadPost, windows: Sequence[WordWindow]) -> int | None:
    """The character behind the last word that was read; None where nothing stands behind it."""
    words_read = windows[-1].ends if windows else 0
    read_to = post.words[words_read - 1].end if words_read else 0
    return read_to if post.text[read_to:].strip() else None


def _reader(loaded: LoadedExtractor) -> WordReader:
    spec = loaded.extractor.spec
    return WordReader(
        loaded.extractor.encoder,
        pieces_a_word=spec.pieces_a_word,
        context_pieces=spec.context_pieces,
        joint=spec.joint_sequence,
    )


def _entity(post: ReadPost, m: Mention, score: float) -> Entity:
    start, end = post.words[m.start].start, post.words[m.end - 1].end
    return Entity(type=m.type, text=post.text[start:end], start=start, end=end, score=round(score, 4))
