r"""Which of the places of one name is meant.

The most populous one, unless the rest of the post says otherwise:

$$P(g) = \operatorname{softmax}_g\big(\ln n_g + b_g\big)$$

with $n_g$ inhabitants and $b_g$ the sum of: the kind of place; a state or country behind a comma;
countries and divisions that the post names anywhere, or that the name of its event holds; places
near by that only one place is called like; the post's own coordinates; the letters of its name; and
the sea whose storms are called hurricanes, typhoons or cyclones.

Who names a town beside another one mostly means the one next to it: of 224 pairs of towns that
people resolved in one post (IDRISI-D, development half), 39 % lie within 50 km of each other and 85
% within 300; of two towns of one name hardly any lie so near to a third.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from crisislens.domain.place import Place
from crisislens.knowledge.coordinates import distance_km
from crisislens.knowledge.spans import Span, contains
from crisislens.knowledge.tokens import Word
from crisislens.knowledge.word_lists import is_compass
from crisislens.knowledge.writing import at_home

__all__ = ["Context", "anchors_of", "beside", "readings"]

_ENGLISH = frozenset({"US", "GB", "CA", "AU", "NZ", "IE"})
_BETWEEN = re.compile(r"[\s,#.]*")
_NEAR_KM = 300.0
_BESIDE_KM = 50.0
# whoever writes Melbourne or Birmingham beside a town means the large one, unless the post says otherwise
_HOUSEHOLD_NAME = 1_000_000
_SMALLEST = 1_000
# people mean the city, where its division is called like it
_NAMESAKE = 100_000


@dataclass(frozen=True)
class Context:
    """What a post says beside a name.

    Attributes:
        text: The post's text.
        words: Its words.
        english: Whether it may be English.
        point: Its own latitude and longitude in degrees.
        anchors: Places that it names for certain.
        filed: Countries and divisions in the name of its event.
        basin: Countries where storms are called as this text calls one.
    """

    text: str
    words: Sequence[Word]
    english: bool
    point: tuple[float, float] | None
    anchors: tuple[Place, ...]
    filed: tuple[Place, ...] = ()
    basin: frozenset[str] = frozenset()

    @cached_property
    def regions(self) -> tuple[Place, ...]:
        """All countries and divisions of anchors and event."""
        return (*(place for place in self.anchors if place.kind in ("country", "state")), *self.filed)


def anchors_of(spans: Sequence[Span]) -> Iterator[Place]:
    """Countries and states that the post names, and cities that nothing else is called like: what
    others are judged by.

    Arguments:
        spans: The names in the text, with their evidence.
    """
    for span in spans:
        if is_compass(span.key):
            # nobody knows yet in which country
            continue
        best = span.places[0]
        rest = sum(place.population for place in span.places[1:])
        if span.evidence > 0 and (best.kind in ("country", "state") or best.population > 5 * rest):
            yield best


def readings(
    span: Span, ahead: Span | None, behind: Span | None, context: Context
) -> list[tuple[Place, float]]:
    """The places of a name with their probabilities, the likeliest first.

    Arguments:
        span: The name.
        ahead: The name that ends with the word before, if there is one.
        behind: The name that begins with the next word, if there is one.
        context: What the rest of the post says.
    """
    if len(span.places) == 1:
        return [(span.places[0], 1.0)]
    close: Sequence[Place] = ()
    if behind is not None:
        words = context.words
        between = context.text[words[span.last].end : words[behind.first].start]
        close = behind.places if _BETWEEN.fullmatch(between) else ()
    # a name must not be judged by itself: it is one of the anchors where it is certain
    own = {place.id for place in span.places}
    others = [anchor for anchor in context.anchors if anchor.id not in own]
    scores = [_score(place, span, ahead, close, others, context) for place in span.places]
    # shares do not change by what is taken out before exp, and exp stays within [0, 1]
    top = max(scores)
    weights = [math.exp(score - top) for score in scores]
    total = sum(weights)
    order = sorted(zip(span.places, weights, strict=True), key=lambda pair: -pair[1])
    return [(place, weight / total) for place, weight in order]


def _score(
    place: Place,
    span: Span,
    ahead: Span | None,
    close: Sequence[Place],
    others: Sequence[Place],
    context: Context,
) -> float:
    """$ln n + b$ of a place."""
    # 0 inhabitants mean that nobody counted
    b = math.log(max(place.population, _SMALLEST))
    # a country and a city of its name: people mean the country
    if place.kind == "country":
        b += 2.0
    elif place.kind in ("state", "county"):
        b += -1.0 if _outgrown(place, span.places) else 1.0
    if place.country != "US" and _holds_namesake(place, span.places):
        b -= 3.0
    # who writes English writes more often of places where it is spoken
    if context.english and place.country in _ENGLISH:
        b += 1.0
    if not span.key.isascii() and at_home(span.key, place.country):
        # Abadan in Persian letters is not Ibadan in Nigeria
        b += 3.0
    if any(contains(region, place) for region in close):
        # more than all other evidence together: "Naples, Florida" says it in so many words
        b += 8.0
    if (
        place.kind in ("country", "state")
        and ahead is not None
        and any(contains(place, p) for p in ahead.places)
    ):
        b += 4.0
    if place.country in context.basin:
        b += 3.0
    b += _of_regions(place, others, context.filed)
    if others and place.kind == "city":
        # fall to a third within 300 and 50 km of the nearest certain place
        km = min(_apart(place, anchor) for anchor in others)
        b += 1.5 * math.exp(-km / _NEAR_KM)
        if span.places[0].population < _HOUSEHOLD_NAME:
            b += 4.0 * math.exp(-km / _BESIDE_KM)
    if context.point is not None and place.lat is not None and place.lon is not None:
        b += 6.0 * math.exp(-distance_km(place.lat, place.lon, *context.point) / _NEAR_KM)
    return b


def _of_regions(place: Place, others: Sequence[Place], filed: Sequence[Place]) -> float:
    """For a place in a region that the post names, the narrowest counts."""
    holding = {anchor.kind for anchor in (*others, *filed) if contains(anchor, place)}
    b = 5.0 if "state" in holding else 4.0 if "country" in holding else 0.0
    if not holding and any(anchor.country == place.country for anchor in others):
        # beside Athens in Greece, Mati is the one in Greece
        b += 2.0
    if place.kind == "country" and any(contains(place, anchor) for anchor in others):
        b += 2.0
    return b


def beside(place: Place, anchors: Sequence[Place], *, least: int) -> bool:
    """Whether a city lies within 50 km of another one that the post names for certain.

    Arguments:
        place: The place; what is no city is beside none.
        anchors: What the post names for certain.
        least: The inhabitants that the other one has at least: two words that are villages by chance
            must not vouch for each other.
    """
    if place.kind != "city":
        return False
    towns = [a for a in anchors if a.kind == "city" and a.population >= least and a.id != place.id]
    return any(_apart(place, town) < _BESIDE_KM for town in towns)


def _holds_namesake(region: Place, places: Sequence[Place]) -> bool:
    """Whether a city that is called like a division or district lies in it,
    or in the division around it.
    """
    if region.kind not in ("state", "county"):
        return False
    where = (region.country, region.admin)
    return any(
        p.kind == "city" and p.population >= _NAMESAKE and (p.country, p.admin) == where for p in places
    )


def _outgrown(region: Place, places: Sequence[Place]) -> bool:
    """Whether a city elsewhere, that is called like a division or district outside the US, has more people:
    Gaza is a province of Mozambique too.
    """
    if region.country == "US":
        return False
    where = (region.country, region.admin)
    return any(
        p.kind == "city" and p.population > region.population and (p.country, p.admin) != where
        for p in places
    )


def _apart(a: Place, b: Place) -> float:
    if a.lat is None or a.lon is None or b.lat is None or b.lon is None:
        return math.inf
    return distance_km(a.lat, a.lon, b.lat, b.lon)
