r"""Named places in a post: which words are a place, which place they are, and how sure that is.

Every run of words that is a name of the gazetteer, the longest first, is a candidate. Whether it is
a place at all is a sum of evidence $e$ (`toponyms`);
which place it is, the rest of the post says (`readings`):

$$P(\text{place}) = \sigma(e), \qquad P(g \mid \text{place}) = \operatorname{softmax}_g\big(\ln n_g +
b_g\big).$$

Confidence is the product. Weights were set by hand on development halves
(`benchmarks/gazetteer.py`, `benchmarks/places_on_crisis_posts.py`); no paper's. Names of cities
below 15,000 inhabitants count only beside a region that they lie in or within 50 km of a larger city
that the post names for certain, and a city that lies in none of the countries that the post names counts
less.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from crisislens.data.language_tags import primary_language
from crisislens.domain.place import GeoLocation, Place, PlaceAlternative, PlaceMention
from crisislens.domain.post import Post
from crisislens.knowledge.coordinates import own_point
from crisislens.knowledge.gazetteer import Gazetteer
from crisislens.knowledge.name_keys import name_key
from crisislens.knowledge.readings import Context, anchors_of, beside, readings
from crisislens.knowledge.spans import Span, contains, known_tag, name_spans
from crisislens.knowledge.storms import storm_basin, storm_names
from crisislens.knowledge.tokens import Word, split_words
from crisislens.knowledge.toponyms import place_evidence
from crisislens.knowledge.word_lists import cue_words, is_compass, word_list

__all__ = ["find_places", "is_about", "locate"]

# that it is a place at all, and that times the share of the best reading
_SURE, _LEAST = 0.5, 0.35
_MOST_ALTERNATIVES = 3
# confidences so near say the same: a name of two words is surer to be one, and no more meant
_NEAR = 0.1
# what is looked at before a name, in characters
_AHEAD = 40
_WORD_AHEAD = re.compile(r"(\w+)[\s\-#＃@\"(]*$")
_TAG_AHEAD = re.compile(r"[#＃]\w*$")
_SMALL, _KNOWN, _CITY, _LARGE = 15_000, 60_000, 500_000, 1_000_000
# a street is looked for in a city; a country's middle says nearly nothing
_SPECIFIC = {"city": 1.0, "county": 0.9, "state": 0.75, "country": 0.6}


def find_places(post: Post, gazetteer: Gazetteer) -> list[PlaceMention]:
    """The places that a post's text names, in the order of the text.

    Arguments:
        post: The post; its coordinates and its event, if it has any,
            help to choose among places of one name.
        gazetteer: The places that there are.
    """
    words = split_words(
        post.text,
        lambda name: known_tag(name, gazetteer),
        lambda piece: gazetteer.longest(name_key(piece)[:2]),
    )
    spans = name_spans(words, gazetteer)
    if not spans:
        return []
    storms = storm_names(words)
    # the name that begins with the very next word, where there is one
    following = [b if b.first == a.last + 1 else None for a, b in pairwise(spans)]
    following.append(None)
    spans = [
        replace(span, evidence=place_evidence(span, words, post.text, behind, storms))
        for span, behind in zip(spans, following, strict=True)
    ]
    context = Context(
        text=post.text,
        words=words,
        english=primary_language(post.lang) in (None, "en"),
        point=own_point(post),
        # each once, however often it is named
        anchors=tuple({place.id: place for place in anchors_of(spans)}.values()),
        basin=storm_basin(words),
        filed=_places_of_event(post.event, gazetteer),
    )
    found = []
    for at, span in enumerate(spans):
        ahead = spans[at - 1] if at and spans[at - 1].last == span.first - 1 else None
        mention = _mention(span, readings(span, ahead, following[at], context), context)
        if mention is not None:
            found.append(mention)
    return found


def locate(post: Post, mentions: Sequence[PlaceMention]) -> GeoLocation | None:
    """Where a post goes on the map: its own coordinates if it has any, else the surest and most
    specific place that its text names. Of several of its kind that are nearly as sure it is the one
    behind a preposition ("Nepal sends help to Sri Lanka") or in a hashtag, else the first; chosen by
    `benchmarks/located_country.py`. A point of 0, 0 is none (`coordinates.own_point`).

    Arguments:
        post: The post.
        mentions: What `find_places` found in it.
    """
    point = own_point(post)
    if point is not None:
        return GeoLocation(lat=point[0], lon=point[1], source="post", confidence=1.0)
    placed = [m for m in mentions if m.place.lat is not None and m.place.lon is not None]
    if not placed:
        return None
    surest = max(placed, key=lambda m: m.confidence * _SPECIFIC[m.place.kind])
    of_kind = [m for m in placed if m.place.kind == surest.place.kind]
    near = [m for m in of_kind if m.confidence >= surest.confidence - _NEAR]
    best = max(near, key=lambda m: (_signs(m, post.text), -m.start))
    assert best.place.lat is not None
    assert best.place.lon is not None
    return GeoLocation(
        lat=best.place.lat, lon=best.place.lon, source="text", place=best.place, confidence=best.confidence
    )


def _signs(mention: PlaceMention, text: str) -> int:
    """How much says that the post is about this place: a preposition before it, and its hashtag."""
    ahead = text[max(0, mention.start - _AHEAD) : mention.start]
    word = _WORD_AHEAD.search(ahead)
    about = word is not None and is_about(word[1].lower(), text)
    return about + (_TAG_AHEAD.search(ahead) is not None)


def is_about(word: str, text: str) -> bool:
    """Whether a word before a name is a preposition: "ayuda a Ecuador", but not "a Japan tsunami".

    Arguments:
        word: The word, in small letters.
        text: The text that it is in.
    """
    if word in cue_words("about"):
        return True
    romance = word in cue_words("about_romance")
    # "a" and "no" are English too
    return romance and any(w in cue_words("romance") for w in text.lower().split() if w != word)


def _mention(span: Span, read: Sequence[tuple[Place, float]], context: Context) -> PlaceMention | None:
    """The place of a name, where it is sure enough."""
    best, share = read[0]
    sure = 1 / (1 + math.exp(-_evidence(span, best, context)))
    if sure < _SURE or sure * share < _LEAST:
        return None
    start, end = context.words[span.first].start, context.words[span.last].end
    rest = tuple(
        PlaceAlternative(place=place, confidence=round(sure * p, 3))
        for place, p in read[1 : 1 + _MOST_ALTERNATIVES]
        # three digits are written, and less would be written as 0
        if sure * p >= 0.001
    )
    return PlaceMention(
        text=context.text[start:end],
        start=start,
        end=end,
        place=best,
        confidence=round(sure * share, 3),
        alternatives=rest,
    )


def _evidence(span: Span, best: Place, context: Context) -> float:
    """$e$ with what the rest of the post says of the region."""
    around = [place for place in context.regions if place is not best]
    if any(contains(region, best) for region in around):
        return span.evidence + 1.5
    if is_compass(span.key):
        # a dozen countries have a Northern Province, and every country has a north
        return span.evidence - 5.0
    if beside(best, context.anchors, least=_SMALL):
        # also where it is small: a village is told of by the town next to it
        return span.evidence + 0.75
    if best.kind != "city" or best.population >= _LARGE:
        return span.evidence
    # a small place counts less, and less again where the post is about another country
    village = best.population < _SMALL and span.key not in word_list("local")
    elsewhere = any(place.country != best.country for place in around)
    same = any(place.country == best.country for place in around)
    # countries send help: a town that may be any word counts less beside another one, a city does not
    foreign = elsewhere and not same and best.population < (_CITY if span.key.isascii() else _KNOWN)
    # what the post is filed under was said by somebody who knows
    filed = foreign and bool(context.filed)
    return span.evidence - 2.0 * village - 2.0 * foreign - 1.0 * filed


def _places_of_event(event: str | None, gazetteer: Gazetteer) -> tuple[Place, ...]:
    """Countries and divisions that the name of the post's event holds (`nepal_earthquake_2015`), and the
    countries of large cities in it (`beirut_explosion_2020`) that nothing else is called like.
    """
    if not event:
        return ()
    filed = "_" in event
    words = [
        Word(_as_name(word.text, filed), word.start, word.end, False, word.joins)
        for word in split_words(event.replace("_", " "), lambda name: False)
    ]
    places = (_place_of_event(span, gazetteer) for span in name_spans(words, gazetteer))
    return tuple(place for place in places if place is not None)


def _as_name(word: str, filed: bool) -> str:
    """A word of an event as a name is written: events are filed in small letters, which would speak against
    one (`us_tornado_2021`, `nepal_earthquake`).
    """
    short = word.lower() in cue_words("short_names")
    return word.upper() if short and (filed or word.isupper()) else word.capitalize()


def _place_of_event(span: Span, gazetteer: Gazetteer) -> Place | None:
    best = span.places[0]
    if best.kind in ("country", "state"):
        return best
    around = gazetteer.get(f"country:{best.country}")
    # the city of Singapore is not alone: its country is called like it
    others = [place for place in span.places[1:] if place != around]
    alone = best.population > 5 * sum(place.population for place in others)
    # a storm is called like a town more often than an event by one
    word = span.key in word_list("weak") or span.key in word_list("names")
    return around if alone and best.population >= _CITY and not word else None
