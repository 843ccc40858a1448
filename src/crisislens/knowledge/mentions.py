r"""Named places in a post: which words are a place, which place they are, and how sure that is.

Every run of words that is a name of the gazetteer, the longest first, is a candidate. Whether it is a place at all is a sum of evidence
$e$ (kind and population, a preposition before it, a state behind it, an English word or a person's name, an organization, a storm),

$$P(\text{place}) = \sigma(e), \qquad P(g \mid \text{place}) = \operatorname{softmax}_g\big(\ln n_g + b_g\big)$$

over the places $g$ of that name with $n_g$ inhabitants, where $b_g$ counts what the rest of the post says: the state or country behind a comma,
countries and states that it names anywhere, other places near by, the post's own coordinates. Confidence is the product.

All weights below were set by hand on one half of a hand-checked list of tweets (`benchmarks/gazetteer.py`); no paper's. Names of cities
below 15,000 inhabitants count only beside a region that they lie in.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from crisislens.domain.place import GeoLocation, Place, PlaceAlternative, PlaceMention
from crisislens.domain.post import Post
from crisislens.knowledge.gazetteer import Gazetteer, name_key, word_list
from crisislens.knowledge.tokens import Word, split_words

__all__ = ["find_places", "locate"]

_SURE, _LEAST = 0.5, 0.35
_MOST_ALTERNATIVES = 3
_NEAR_KM = 300.0
_EARTH_KM = 6371.0
_SPECIFIC = {"city": 1.0, "county": 0.9, "state": 0.75, "country": 0.6}

_PREPOSITIONS = frozenset(
    "in at near from to outside around across toward towards hit hits hitting reach reached reaches into over through of en de".split()
)
_FIRM = frozenset("in near from outside across into around".split())
_PLACE_WORDS = frozenset(
    "area county city residents airport mayor coast island islands beach region valley province downtown police border".split()
)
_DIRECTIONS = frozenset("north south east west northern southern eastern western central downtown greater old new metro".split())
_TITLES = frozenset("mayor president senator sen governor gov rep minister dr mr mrs ms sir judge chief sheriff captain prof".split())
_ENGLISH = frozenset({"US", "GB", "CA", "AU", "NZ", "IE"})
_STORMS = frozenset("hurricane typhoon storm cyclone superstorm huracan".split())
_ORGANIZATIONS = frozenset(
    "post times herald tribune news chronicle journal gazette mavs magic jaguars texans dolphins rockets astros spurs heat klepper games "
    "university college state united fc fans bank hebdo morning express press".split()
)
_BEFORE_ORGANIZATIONS = ("knights of", "bank of", "miss", "university of", "battle of", "first baptist", "uss")
_AMBIGUOUS_CODES = frozenset(
    "AL AK CO DE HI IA ID IL IN LA MA MD ME MI MO MS MT NE OH OK OR PA VA DC AR CT KY ND NM NV RI SC SD VT WA WI WV WY UT".split()
)
_NOT_NAMES = frozenset("rt the a an and or of for with us is are was near in on to from news update breaking".split())


@dataclass(frozen=True)
class _Span:
    """A run of words that may be a place."""

    first: int
    last: int
    key: str
    places: tuple[Place, ...]
    evidence: float


def find_places(post: Post, gazetteer: Gazetteer) -> list[PlaceMention]:
    """The places that a post's text names, in the order of the text.

    Arguments:
        post: The post; its coordinates, if it has any, help to choose among places of one name.
        gazetteer: The places that there are.
    """
    words = split_words(post.text, lambda name: _known_tag(name, gazetteer))
    spans = _spans(words, gazetteer)
    spans = [replace(span, evidence=_evidence(span, words, post.text, spans)) for span in spans]
    anchors = _anchors(spans)
    found = []
    for span in spans:
        readings = _readings(span, words, post, spans, anchors)
        best, share = readings[0]
        around = any(_contains(anchor, best) and anchor is not best for anchor in anchors)
        evidence = span.evidence + (1.5 if around else 0.0)
        if best.kind == "city" and best.population < 15_000 and not around:
            evidence -= 2.0
        sure = 1 / (1 + math.exp(-evidence))
        if sure < _SURE or sure * share < _LEAST:
            continue
        start, end = words[span.first].start, words[span.last].end
        rest = tuple(
            PlaceAlternative(place=place, confidence=round(sure * p, 3))
            for place, p in readings[1 : 1 + _MOST_ALTERNATIVES]
            if sure * p >= 0.001
        )
        found.append(
            PlaceMention(text=post.text[start:end], start=start, end=end, place=best, confidence=round(sure * share, 3), alternatives=rest)
        )
    return found


def locate(post: Post, mentions: Sequence[PlaceMention]) -> GeoLocation | None:
    """Where a post goes on the map: its own coordinates if it has any, else the surest and most specific place that its text names.

    Arguments:
        post: The post.
        mentions: What `find_places` found in it.
    """
    if post.lat is not None and post.lon is not None:
        return GeoLocation(lat=post.lat, lon=post.lon, source="post", confidence=1.0)
    placed = [m for m in mentions if m.place.lat is not None and m.place.lon is not None]
    if not placed:
        return None
    best = max(placed, key=lambda m: (m.confidence * _SPECIFIC[m.place.kind], -m.start))
    assert best.place.lat is not None
    assert best.place.lon is not None
    return GeoLocation(lat=best.place.lat, lon=best.place.lon, source="text", place=best.place, confidence=best.confidence)


def _known_tag(name: str, gazetteer: Gazetteer) -> bool:
    """Whether a lower-case piece of a hashtag is the name of a place that people write so."""
    if name in word_list("weak") or name in word_list("names"):
        return False
    return any(place.kind in ("country", "state") or place.population >= 100_000 for place in gazetteer.find(name_key(name)))


def _spans(words: Sequence[Word], gazetteer: Gazetteer) -> list[_Span]:
    """Names of places, the longest first, none overlapping another."""
    spans: list[_Span] = []
    i = 0
    while i < len(words):
        span = next((s for n in range(min(gazetteer.longest, len(words) - i), 0, -1) if (s := _span(words, i, i + n, gazetteer))), None)
        if span is not None:
            spans.append(span)
        i = i + 1 if span is None else span.last + 1
    return spans


def _span(words: Sequence[Word], first: int, end: int, gazetteer: Gazetteer) -> _Span | None:
    run = words[first:end]
    if not all(w.joins for w in run[1:]):
        return None
    text = " ".join(w.text for w in run)
    key = name_key(text)
    if len(run) == 1 and (places := _code(run[0], words, first, gazetteer)):
        return _Span(first, end - 1, key, places, 0.0)
    if len(key) < 3 and key not in ("us", "uk"):
        return None
    if key in ("us", "uk") and not run[0].text.isupper():
        return None
    places = gazetteer.find(key)
    if not places and end < len(words) + 1 and len(run) > 1 and run[-1].text == "s":
        return None
    return _Span(first, end - 1, key, places, 0.0) if places else None


def _code(word: Word, words: Sequence[Word], at: int, gazetteer: Gazetteer) -> tuple[Place, ...]:
    """The state of a postal code such as TX, where it is one for certain or stands behind a name."""
    state = gazetteer.by_id.get(f"state:{word.text.upper()}")
    if state is None or len(word.text) != 2:
        return ()
    before = words[at - 1] if at else None
    behind_name = before is not None and not before.tag and before.capital and name_key(before.text) in gazetteer
    if behind_name and (word.text.isupper() or word.text.lower() not in ("in", "or", "me", "hi", "ok", "la", "de", "co", "al", "pa", "ma")):
        return (state,)
    return (state,) if word.text.isupper() and word.text not in _AMBIGUOUS_CODES else ()


def _evidence(span: _Span, words: Sequence[Word], text: str, spans: Sequence[_Span]) -> float:
    """$e$ without what the rest of the post says of the region."""
    run, best = words[span.first : span.last + 1], span.places[0]
    before, behind = _neighbors(span, words)
    e = _prior(best) + (0.8 if len(run) > 1 else 0.0)
    tagged = run[0].tag
    weak = len(run) == 1 and (span.key in word_list("weak") or span.key in word_list("names"))
    if weak:
        e -= 3.5 if span.key in word_list("names") and (best.kind == "country" or best.population < 500_000) else 2.5
    if tagged and (len(words) == span.last + 1 or words[span.last + 1].owner != run[0].owner) and _begins_tag(span, words):
        e += 1.5
    if not tagged and not all(w.capital or w.text in ("of", "de", "la", "del", "au", "and", "the") for w in run):
        e -= (0.5 if best.kind in ("country", "state") and not weak else 3.0) if len(run[0].text) > 2 else 0.0
    if before is not None and before.text.lower() in _PREPOSITIONS and not (tagged and before.tag and before.owner == run[0].owner):
        e += 1.6 if before.text.lower() in _FIRM else 0.6
    if best.kind == "city" and len(run) == 1 and _capital_word(before) and not tagged:
        e -= 1.0
    if behind is not None and (behind.text.lower() in _PLACE_WORDS):
        e += 0.8
    if _region_follows(span, words, text, spans):
        e += 3.0
    if before is not None and before.text.lower() in _STORMS or _is_storm_tag(span, words):
        e -= 6.0
    if not tagged and _person(span, words):
        e -= 4.0
    if _organization(span, words):
        e -= 4.0
    return e


def _prior(place: Place) -> float:
    if place.kind == "country":
        return 3.0
    if place.kind in ("state", "county"):
        return 2.5
    steps = ((1_000_000, 2.0), (200_000, 1.2), (50_000, 0.3), (15_000, -0.6))
    return next((e for least, e in steps if place.population >= least), -1.0)


def _neighbors(span: _Span, words: Sequence[Word]) -> tuple[Word | None, Word | None]:
    """The words that stand directly before and behind, with nothing but space between."""
    before = words[span.first - 1] if span.first and words[span.first].joins else None
    behind = words[span.last + 1] if span.last + 1 < len(words) and words[span.last + 1].joins else None
    owner = words[span.first].owner
    return before if before and before.owner == owner else None, behind if behind and behind.owner == owner else None


def _begins_tag(span: _Span, words: Sequence[Word]) -> bool:
    return span.first == 0 or words[span.first - 1].owner != words[span.first].owner


def _capital_word(word: Word | None) -> bool:
    """Whether it is a capitalized word that is neither a direction nor one that stands before places: the first half of some other name."""
    if word is None or not word.capital or word.text.isupper():
        return False
    return word.text.lower() not in _PREPOSITIONS | _PLACE_WORDS | _NOT_NAMES | _DIRECTIONS | _STORMS


def _region_follows(span: _Span, words: Sequence[Word], text: str, spans: Sequence[_Span]) -> bool:
    """Whether the next name, behind a comma or a space, is a region that holds one of these places."""
    after = next((s for s in spans if s.first == span.last + 1), None)
    if after is None or not re.fullmatch(r"[\s,#]*", text[words[span.last].end : words[after.first].start]):
        return False
    return any(_contains(region, place) for region in after.places for place in span.places)


def _contains(region: Place, place: Place) -> bool:
    """Whether a country or state holds another place."""
    if region.kind == "country":
        return place.kind != "country" and place.country == region.country
    return region.kind == "state" and place.kind in ("city", "county") and place.country == "US" and place.admin == region.admin


def _is_storm_tag(span: _Span, words: Sequence[Word]) -> bool:
    first = words[span.first]
    return first.tag and span.first > 0 and words[span.first - 1].owner == first.owner and words[span.first - 1].text.lower() in _STORMS


def _person(span: _Span, words: Sequence[Word]) -> bool:
    """Whether a single name stands in a person's: behind a given name, or before a surname if it is a given name itself."""
    if span.first != span.last:
        return False
    before, behind = _neighbors(span, words)
    if before is not None and not before.tag and before.capital and name_key(before.text) in word_list("given"):
        return True
    if before is not None and before.text.lower() in ("de", "la", "del") and span.first > 1 and words[span.first - 2].capital:
        return True
    if before is not None and before.capital and span.first > 1 and words[span.first - 2].text.lower() in _TITLES and before.joins:
        return True
    own = span.key in word_list("given") or span.key in word_list("names") or span.key == "paris"
    surname = behind is not None and not behind.tag and behind.capital and behind.text.lower() not in _PLACE_WORDS | _NOT_NAMES
    firm = before is not None and before.text.lower() in _FIRM
    return own and surname and not firm


def _organization(span: _Span, words: Sequence[Word]) -> bool:
    before, behind = _neighbors(span, words)
    if behind is not None and behind.text.lower() in _ORGANIZATIONS and (behind.capital or behind.text.lower() == "fans"):
        return span.places[0].kind == "city" or behind.text.lower() in ("post", "times", "herald", "games", "university", "college")
    if before is None:
        return False
    two = " ".join(w.text.lower() for w in words[max(0, span.first - 2) : span.first])
    return two in _BEFORE_ORGANIZATIONS or before.text.lower() in _BEFORE_ORGANIZATIONS


def _anchors(spans: Sequence[_Span]) -> list[Place]:
    """Countries and states that the post names, and cities that nothing else is called like: what others are judged by."""
    anchors = []
    for span in spans:
        best = span.places[0]
        rest = sum(p.population for p in span.places[1:])
        if span.evidence > 0 and (best.kind in ("country", "state") or best.population > 5 * rest):
            anchors.append(best)
    return anchors


def _readings(
    span: _Span, words: Sequence[Word], post: Post, spans: Sequence[_Span], anchors: Sequence[Place]
) -> list[tuple[Place, float]]:
    """The places of a name with their probabilities, the likeliest first."""
    behind = next((s.places for s in spans if s.first == span.last + 1), ())
    close = bool(behind) and re.fullmatch(r"[\s,#]*", post.text[words[span.last].end : words[span.last + 1].start]) is not None
    scores = []
    for place in span.places:
        b = 2.0 if place.kind == "country" else 1.0 if place.kind in ("state", "county") else 0.0
        if post.lang in (None, "en") and place.country in _ENGLISH:
            b += 1.0
        if close and any(_contains(region, place) for region in behind):
            b += 8.0
        ahead = next((s for s in spans if s.last == span.first - 1), None)
        if place.kind in ("country", "state") and ahead is not None and any(_contains(place, p) for p in ahead.places):
            b += 4.0
        others = [a for a in anchors if a.id not in {p.id for p in span.places}]
        if any(_contains(a, place) for a in others if a.kind == "state"):
            b += 5.0
        elif any(_contains(a, place) for a in others if a.kind == "country"):
            b += 4.0
        if place.kind == "country" and any(_contains(place, a) for a in others):
            b += 2.0
        if others and place.kind == "city":
            b += 1.5 * max(math.exp(-_distance_km(place, a) / _NEAR_KM) for a in others)
        if post.lat is not None and post.lon is not None and place.lat is not None and place.lon is not None:
            b += 6.0 * math.exp(-_km(place.lat, place.lon, post.lat, post.lon) / _NEAR_KM)
        scores.append(math.log(max(place.population, 1_000)) + b)
    top = max(scores)
    weights = [math.exp(s - top) for s in scores]
    order = sorted(zip(span.places, weights, strict=True), key=lambda x: -x[1])
    return [(place, w / sum(weights)) for place, w in order]


def _distance_km(a: Place, b: Place) -> float:
    if a.lat is None or a.lon is None or b.lat is None or b.lon is None:
        return math.inf
    return _km(a.lat, a.lon, b.lat, b.lon)


def _km(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Great-circle distance."""
    a, b = math.radians(lat_a), math.radians(lat_b)
    h = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(math.radians(lon_b - lon_a) / 2) ** 2
    return 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(h)))
