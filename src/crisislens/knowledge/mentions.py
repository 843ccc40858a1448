r"""Named places in a post: which words are a place, which place they are, and how sure that is.

Every run of words that is a name of the gazetteer, the longest first, is a candidate. Whether it is a place
at all is a sum of evidence $e$ (kind and population, a preposition before it, a state behind it, an English
word or a person's name, an organization, a storm),

$$P(\text{place}) = \sigma(e), \qquad P(g \mid \text{place}) = \operatorname{softmax}_g\big(\ln n_g +
b_g\big)$$

over the places $g$ of that name with $n_g$ inhabitants, where $b_g$ counts what the rest of the post says:
the state or country behind a comma, countries and states that it names anywhere, other places near by, the
post's own coordinates. Confidence is the product.

All weights were set by hand on one half of a hand-checked list of tweets (`benchmarks/gazetteer.py`); no
paper's. Names of cities below 15,000 inhabitants count only beside a region that they lie in.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import replace

from crisislens.domain.place import GeoLocation, Place, PlaceAlternative, PlaceMention
from crisislens.domain.post import Post
from crisislens.knowledge.gazetteer import Gazetteer
from crisislens.knowledge.tokens import Word, split_words
from crisislens.knowledge.toponyms import NameSpan, contains, known_tag, name_spans, place_evidence

__all__ = ["find_places", "locate"]

_SURE, _LEAST = 0.5, 0.35
_MOST_ALTERNATIVES = 3
_NEAR_KM = 300.0
_EARTH_KM = 6371.0
_SPECIFIC = {"city": 1.0, "county": 0.9, "state": 0.75, "country": 0.6}

_ENGLISH = frozenset({"US", "GB", "CA", "AU", "NZ", "IE"})


def find_places(post: Post, gazetteer: Gazetteer) -> list[PlaceMention]:
    """The places that a post's text names, in the order of the text.

    Arguments:
        post: The post; its coordinates, if it has any, help to choose among places of one name.
        gazetteer: The places that there are.
    """
    words = split_words(post.text, lambda name: known_tag(name, gazetteer))
    spans = name_spans(words, gazetteer)
    spans = [replace(span, evidence=place_evidence(span, words, post.text, spans)) for span in spans]
    anchors = _anchors(spans)
    found = []
    for span in spans:
        readings = _readings(span, words, post, spans, anchors)
        best, share = readings[0]
        around = any(contains(anchor, best) and anchor is not best for anchor in anchors)
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
            PlaceMention(
                text=post.text[start:end],
                start=start,
                end=end,
                place=best,
                confidence=round(sure * share, 3),
                alternatives=rest,
            )
        )
    return found


def locate(post: Post, mentions: Sequence[PlaceMention]) -> GeoLocation | None:
    """Where a post goes on the map: its own coordinates if it has any, else the surest and most specific
    place that its text names.

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
    return GeoLocation(
        lat=best.place.lat, lon=best.place.lon, source="text", place=best.place, confidence=best.confidence
    )


def _anchors(spans: Sequence[NameSpan]) -> list[Place]:
    """Countries and states that the post names, and cities that nothing else is called like: what others are
    judged by.
    """
    anchors = []
    for span in spans:
        best = span.places[0]
        rest = sum(p.population for p in span.places[1:])
        if span.evidence > 0 and (best.kind in ("country", "state") or best.population > 5 * rest):
            anchors.append(best)
    return anchors


def _readings(
    span: NameSpan, words: Sequence[Word], post: Post, spans: Sequence[NameSpan], anchors: Sequence[Place]
) -> list[tuple[Place, float]]:
    """The places of a name with their probabilities, the likeliest first."""
    behind = next((s.places for s in spans if s.first == span.last + 1), ())
    close = (
        bool(behind)
        and re.fullmatch(r"[\s,#]*", post.text[words[span.last].end : words[span.last + 1].start]) is not None
    )
    scores = []
    for place in span.places:
        b = 2.0 if place.kind == "country" else 1.0 if place.kind in ("state", "county") else 0.0
        if post.lang in (None, "en") and place.country in _ENGLISH:
            b += 1.0
        if close and any(contains(region, place) for region in behind):
            b += 8.0
        ahead = next((s for s in spans if s.last == span.first - 1), None)
        if (
            place.kind in ("country", "state")
            and ahead is not None
            and any(contains(place, p) for p in ahead.places)
        ):
            b += 4.0
        others = [a for a in anchors if a.id not in {p.id for p in span.places}]
        if any(contains(a, place) for a in others if a.kind == "state"):
            b += 5.0
        elif any(contains(a, place) for a in others if a.kind == "country"):
            b += 4.0
        if place.kind == "country" and any(contains(place, a) for a in others):
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
    h = (
        math.sin((b - a) / 2) ** 2
        + math.cos(a) * math.cos(b) * math.sin(math.radians(lon_b - lon_a) / 2) ** 2
    )
    return 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(h)))
