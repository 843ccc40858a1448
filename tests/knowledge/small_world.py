"""A gazetteer of a dozen places, for rules that are about names and not about the world."""

from crisislens.knowledge.gazetteer import Gazetteer
from crisislens.knowledge.geonames import Entry
from crisislens.knowledge.readings import Context
from crisislens.knowledge.spans import Span, known_tag, name_spans
from crisislens.knowledge.tokens import split_words
from crisislens.knowledge.toponyms import place_evidence

__all__ = ["ENTRIES", "context_of", "evidence_of", "small_gazetteer", "spans_of"]

ENTRIES = (
    Entry("country:US", "United States", "country", "US", "", 39.0, -98.0, 330_000_000),
    Entry("country:NP", "Nepal", "country", "NP", "", 28.0, 84.0, 29_000_000),
    Entry("country:IT", "Italy", "country", "IT", "", 42.0, 12.0, 60_000_000),
    Entry("state:TX", "Texas", "state", "US", "TX", 31.0, -99.0, 29_000_000),
    Entry("state:FL", "Florida", "state", "US", "FL", 28.0, -82.0, 21_000_000),
    Entry("county:48201", "Harris County", "county", "US", "TX"),
    Entry("city:1", "Houston", "city", "US", "TX", 29.76, -95.37, 2_300_000),
    Entry("city:2", "Naples", "city", "IT", "04", 40.85, 14.27, 960_000),
    Entry("city:3", "Naples", "city", "US", "FL", 26.14, -81.79, 19_000),
    Entry("city:4", "Cox’s Bāzār", "city", "BD", "84", 21.44, 91.97, 250_000),
    Entry("city:5", "Port-au-Prince", "city", "HT", "11", 18.54, -72.34, 1_200_000),
    Entry("city:6", "Winterfell", "city", "GB", "ENG", 54.0, -1.5, 4_000),
    Entry("city:7", "San Marcos", "city", "US", "TX", 29.88, -97.94, 60_000),
)


def small_gazetteer() -> Gazetteer:
    """Each place with its own name alone."""
    return Gazetteer([(entry, (entry.name,)) for entry in ENTRIES])


def spans_of(text: str, gazetteer: Gazetteer) -> list[Span]:
    """The names in a text."""
    return name_spans(split_words(text, lambda name: known_tag(name, gazetteer)), gazetteer)


def evidence_of(text: str, name: str, gazetteer: Gazetteer, storms: frozenset[str] = frozenset()) -> float:
    """The evidence that the first place of a name in a text is one."""
    words = split_words(text, lambda piece: known_tag(piece, gazetteer))
    spans = name_spans(words, gazetteer)
    [at, *_] = [i for i, span in enumerate(spans) if span.key == name]
    behind = spans[at + 1] if at + 1 < len(spans) and spans[at + 1].first == spans[at].last + 1 else None
    return place_evidence(spans[at], words, text, behind, storms)


def context_of(text: str, **fields: object) -> Context:
    """What the rest of a text says, nothing but what is given."""
    plain: dict[str, object] = {"english": False, "point": None, "anchors": ()}
    return Context(text=text, words=split_words(text, lambda _: False), **{**plain, **fields})  # type: ignore[arg-type]
