"""Names that may be one event: offered to a person with the reasons, and never joined by themselves.

Two names are offered where all of this holds:

- one **hazard**: both names hold a word for it (`quake`, `terremoto` and `eq` are earthquakes);
- one **time**: their posts overlap, or lie at most three days apart, and no year in one name contradicts the
  other's;
- one **place**: a word of the names that is neither hazard nor year is shared (`nepal`), or three in ten
  posts of each are put at a place of the other's.

Storms have names of their own, and two of them may hit one coast in one week (Irma and Maria), so that a
storm is offered by a shared word alone, never by places. Our own rule; `benchmarks/same_events.py` holds it
against the names that public data sets give real events.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations
from typing import Final

from crisislens.store.records import EventName, NamePair

__all__ = ["Suggestion", "hazard_of", "proper_words", "suggestions"]

_WORDS: Final = re.compile(r"[^\W\d_]+|\d{4}")
_GAP: Final = timedelta(days=3)
_SHARE: Final = 0.3
_HAZARDS: Final[dict[str, str]] = {
    word: hazard
    for hazard, words in {
        "earthquake": "earthquake quake eq temblor terremoto sismo seisme tremor aftershock bhukamp",
        "flood": "flood floods flooding inundacion inundaciones inondation inondations enchente banjir baha",
        "storm": "storm storms hurricane huracan cyclone typhoon ouragan ciclone tropical bagyo",
        "fire": "fire fires wildfire wildfires bushfire bushfires incendio incendios incendie feu",
        "landslide": "landslide landslides mudslide mudslides deslave frana avalanche",
        "explosion": "explosion explosions blast refinery",
        "attack": "bombing bombings shooting shootings attack attacks",
        "crash": "crash crashes derailment train airline",
        "tornado": "tornado tornadoes twister",
        "volcano": "volcano eruption volcan",
        "drought": "drought sequia secheresse",
        "tsunami": "tsunami",
        "epidemic": "epidemic pandemic outbreak ebola cholera covid",
    }.items()
    for word in words.split()
}
_LITTLE: Final = (
    "the and of in at de del la le los las el a en es fr cl cf "
    "jan feb mar apr may jun jul aug sep oct nov dec north south east west new "
    "event crisis disaster response help update live breaking worldwide"
)
"""What stands in names of any event."""
_EMPTY: Final = frozenset(_LITTLE.split(" "))


@dataclass(frozen=True)
class Suggestion:
    """Two names that may be one event.

    Attributes:
        one: The name with more posts.
        other: The other one.
        reasons: Why, as sentences.
        weight: How much speaks for it; only for the order.
    """

    one: EventName
    other: EventName
    reasons: tuple[str, ...]
    weight: float


def suggestions(names: Sequence[EventName], decided: Iterable[NamePair]) -> list[Suggestion]:
    """Pairs that a person has not decided on, those with most reasons first.

    Arguments:
        names: The names.
        decided: What people said of pairs; none of those is offered again.
    """
    said = {(pair.one, pair.other) for pair in decided}
    found = []
    for one, other in combinations(names, 2):
        first, second = sorted((one.name, other.name))
        if (first, second) not in said and (reasons := _reasons(one, other)):
            larger, smaller = (one, other) if one.posts >= other.posts else (other, one)
            weight = len(reasons[1]) + _common(one, other)
            found.append(Suggestion(larger, smaller, tuple(reasons[0]), weight))
    return sorted(found, key=lambda each: (-each.weight, each.one.name, each.other.name))


def hazard_of(name: str) -> str | None:
    """The hazard that a name speaks of; None where it holds no word for one, or words for two.

    >>> hazard_of("2015_Nepal_eq"), hazard_of("Inundación en Kerala"), hazard_of("Savar building collapse")
    ('earthquake', 'flood', None)
    """
    found = {_HAZARDS[word] for word in _plain(name) if word in _HAZARDS}
    return found.pop() if len(found) == 1 else None


def proper_words(name: str) -> frozenset[str]:
    """The words of a name that are neither hazard nor year nor empty.

    >>> sorted(proper_words("ecuador_earthquake_2016_en"))
    ['ecuador']
    """
    words = (word for word in _plain(name) if not word.isdecimal() and len(word) > 2)
    return frozenset(word for word in words if word not in _HAZARDS and word not in _EMPTY)


def _plain(name: str) -> list[str]:
    """Words without accents, in lower case."""
    text = unicodedata.normalize("NFKD", name.casefold())
    return _WORDS.findall("".join(c for c in text if not unicodedata.combining(c)))


def _years(name: str) -> set[str]:
    return {word for word in _plain(name) if word.isdecimal() and "1900" <= word < "2100"}


def _reasons(one: EventName, other: EventName) -> tuple[list[str], frozenset[str]] | None:
    """Why two names may be one event, and the words that they share; None where they may not be."""
    hazard = hazard_of(one.name)
    if hazard is None or hazard != hazard_of(other.name):
        return None
    years = (_years(one.name), _years(other.name))
    if all(years) and not years[0] & years[1]:
        return None
    apart = max(one.first_at, other.first_at) - min(one.last_at, other.last_at)
    if apart > _GAP:
        return None
    shared = proper_words(one.name) & proper_words(other.name)
    common = _common(one, other)
    if not shared and (hazard == "storm" or common < _SHARE):
        return None
    said = [f"both speak of the hazard {hazard}"]
    said.append("their posts overlap in time" if apart <= timedelta(0) else f"{apart.days} days lie between")
    if shared:
        said.append(f"both names hold {', '.join(sorted(shared))}")
    if common >= _SHARE:
        said.append(f"{common:.0%} of the posts of each are at places that they share")
    return said, shared


def _common(one: EventName, other: EventName) -> float:
    """The smaller share of posts that are at places of both, in [0, 1]."""
    places = one.places.keys() & other.places.keys()
    shares = []
    for each in (one, other):
        whole = sum(each.places.values())
        shares.append(sum(each.places[place] for place in places) / whole if whole else 0.0)
    return min(shares)
