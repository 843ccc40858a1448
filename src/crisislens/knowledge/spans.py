"""Runs of words in a post that are names of the gazetteer, the longest first.

Names that apostrophes cut into several words (Cox's Bazar, L'Aquila) are put together again as they
stand, and a piece of a word that an apostrophe cuts is no name: Sana'a is not Sana. In cleaned
texts the apostrophe of a possessive is often lost, so "Ecuadors" is Ecuador
where nothing else is called so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from crisislens.domain.place import Place
from crisislens.knowledge.gazetteer import Gazetteer
from crisislens.knowledge.name_keys import name_key
from crisislens.knowledge.tokens import Word
from crisislens.knowledge.word_lists import cue_words, no_places, word_list
from crisislens.knowledge.writing import at_home, bare_forms, unspaced

__all__ = ["Span", "contains", "known_tag", "name_spans"]

# GeoNames numbers the provinces of Canada, people write these codes
_PROVINCES = {
    "AB": "state:CA.01",
    "BC": "state:CA.02",
    "MB": "state:CA.03",
    "NB": "state:CA.04",
    "NL": "state:CA.05",
    "NS": "state:CA.07",
    "ON": "state:CA.08",
    "PE": "state:CA.09",
    "QC": "state:CA.10",
    "SK": "state:CA.11",
    "YT": "state:CA.12",
    "NT": "state:CA.13",
    "NU": "state:CA.14",
}
# with dots it is a city's short name, as long as it stands behind no place of Louisiana
_DOTTED = {"LA": "city:5368361"}
_POSSESSIVE_LEAST = 300_000
_SHORTEST_POSSESSIVE = 5
# what a name has to be, to be looked for in a hashtag in small letters or a run without spaces, and in a
# word with an ending
_WELL_KNOWN, _KNOWN = 100_000, 60_000
_SHORTEST_BARE = 3


@dataclass(frozen=True)
class Span:
    """A run of words that may be a place.

    Attributes:
        first: Number of its first word.
        last: Number of its last word.
        key: The key that was looked up.
        places: What is called so, the most populous first.
        evidence: $e$ of the evidence that it is a place at all.
    """

    first: int
    last: int
    key: str
    places: tuple[Place, ...]
    evidence: float = 0.0


def name_spans(words: Sequence[Word], gazetteer: Gazetteer) -> list[Span]:
    """Names of places, the longest first, none overlapping another.

    Arguments:
        words: The words of a text.
        gazetteer: The places that there are.
    """
    keys = [name_key(word.text) for word in words]
    spans: list[Span] = []
    i = 0
    while i < len(words):
        if passed := _words_of_no_place(words, keys, i):
            i += passed
            continue
        runs = _runs(words, keys, i, gazetteer)
        span = None
        # the longest first: New York City before New York before York
        for n in range(len(runs), 0, -1):
            span = _span(words, i, i + n, runs[n - 1], gazetteer, spans)
            if span is not None:
                break
        if span is None:
            span = _grown_together(words, keys, i, gazetteer)
        if span is not None:
            spans.append(span)
        # words of a name are no names of their own: York in "New York" is not looked up again
        i = i + 1 if span is None else span.last + 1
    return spans


def _words_of_no_place(words: Sequence[Word], keys: Sequence[str], at: int) -> int:
    """How many words from here on are the longest agency or part of the world; 0 if none is."""
    names = no_places().get(keys[at])
    if names is None:
        return 0
    run, passed = keys[at], 0
    longest = max(name.count(" ") + 1 for name in names)
    for i in range(at + 1, min(at + longest, len(words))):
        if not words[i].joins:
            break
        run += f" {keys[i]}"
        if run in names:
            passed = i + 1 - at
    return passed


def _grown_together(words: Sequence[Word], keys: Sequence[str], at: int, gazetteer: Gazetteer) -> Span | None:
    """A name of several words whose first one has a preposition grown on, as in Arabic."""
    if not words[at].caseless:
        return None
    for bare in bare_forms(words[at].text):
        first = name_key(bare)
        if gazetteer.longest(first) < 2:
            continue
        runs = _runs(words, [*keys[:at], first, *keys[at + 1 :]], at, gazetteer)
        for n in range(len(runs), 1, -1):
            if places := gazetteer.find(runs[n - 1]):
                return Span(at, at + n - 1, runs[n - 1], places)
    return None


def contains(region: Place, place: Place) -> bool:
    """Whether a country or a first-level division holds another place.

    Arguments:
        region: What may hold it.
        place: What may lie in it.
    """
    if region.country != place.country:
        return False
    if region.kind == "country":
        return place.kind != "country"
    return region.kind == "state" and place.kind in ("city", "county") and place.admin == region.admin


def known_tag(name: str, gazetteer: Gazetteer) -> bool:
    """Whether a lower-case piece of a hashtag is the name of a place that people write so.

    Arguments:
        name: The piece.
        gazetteer: The places that there are.
    """
    if name in word_list("weak") or name in word_list("names"):
        return False
    places = gazetteer.find(name_key(name))
    if unspaced(name) and name[-1] in cue_words("town_signs"):
        # the last letter says that it is a town or a county
        return bool(places)
    return any(place.kind in ("country", "state") or place.population >= _WELL_KNOWN for place in places)


def _runs(words: Sequence[Word], keys: Sequence[str], at: int, gazetteer: Gazetteer) -> list[str]:
    """The keys of the runs of one, two, ... words from here on, as far as names that begin so are
    long; a word that begins no name may still be the code of a state, or a possessive."""
    run = keys[at]
    runs = [run]
    # #FortMcMurray is cut before Murray too
    longest = gazetteer.longest(run) + words[at].tag
    for i in range(at + 1, min(at + longest, len(words))):
        if not words[i].joins:
            break
        # words that an apostrophe cut are one again
        run += keys[i] if words[i].glued else f" {keys[i]}"
        runs.append(run)
    return runs


def _span(
    words: Sequence[Word], first: int, end: int, key: str, gazetteer: Gazetteer, before: Sequence[Span]
) -> Span | None:
    one = end == first + 1
    if one and len(key) == 2 and (places := _code(words, first, gazetteer, before)):
        return Span(first, end - 1, key, places)
    short = key in cue_words("short_names") and words[first].text.isupper()
    # two Chinese characters are a whole name
    if len(key) < 3 and not short and not unspaced(key):
        return None
    places = gazetteer.find(key)
    # #PuertoRico is cut in two, and the gazetteer may know it as one word
    if not places and not one and words[first].tag:
        places = gazetteer.find(key.replace(" ", ""))
    if not places and key[-1] == "s":
        key, places = _without_s(key, gazetteer)
    if not places and one and not key.isascii():
        key, places = _without_endings(words[first].text, key, gazetteer)
    if not places or _cut(words, first, end):
        return None
    return Span(first, end - 1, key, places)


def _cut(words: Sequence[Word], first: int, end: int) -> bool:
    """Whether an apostrophe cuts a word at an end of this run, other than l'Aquila,
    d'Haïti, Nepal's.
    """
    if words[first].glued and words[first - 1].text.lower() not in cue_words("elisions"):
        return True
    return end < len(words) and words[end].glued and words[end].text.lower() not in cue_words("endings")


def _without_s(key: str, gazetteer: Gazetteer) -> tuple[str, tuple[Place, ...]]:
    """The places of a possessive that lost its apostrophe: well-known ones alone."""
    short = key.removesuffix("s")
    if len(short) < _SHORTEST_POSSESSIVE:
        return key, ()
    if any(short in word_list(name) for name in ("weak", "names", "given")):
        return key, ()
    places = gazetteer.find(short)
    known = bool(places) and (places[0].kind != "city" or places[0].population >= _POSSESSIVE_LEAST)
    return (short, places) if known else (key, ())


def _without_endings(word: str, key: str, gazetteer: Gazetteer) -> tuple[str, tuple[Place, ...]]:
    """The places of a word with a preposition or an ending grown on: well-known ones alone."""
    words = word_list("weak") | word_list("names")
    if key in words:
        return key, ()
    for bare in bare_forms(word):
        if name_key(bare) in words or len(name_key(bare)) < _SHORTEST_BARE:
            continue
        places = gazetteer.find(name_key(bare))
        if places and (places[0].kind != "city" or _is_known_at_home(places[0], bare)):
            return name_key(bare), places
    return key, ()


def _is_known_at_home(city: Place, name: str) -> bool:
    """Whether it is large enough for a name to be cut, in a country of these letters: cut anywhere, every
    word is some city of China.
    """
    return city.population >= _KNOWN and at_home(name, city.country)


def _code(words: Sequence[Word], at: int, gazetteer: Gazetteer, spans: Sequence[Span]) -> tuple[Place, ...]:
    """The state of a postal code such as TX or N.C.,
    where it is one for certain or stands behind a name; or the city that is written like one.
    """
    word = words[at]
    code = word.text.replace(".", "")
    if len(code) != 2 or word.glued:
        return ()
    state = gazetteer.get(f"state:{code.upper()}")
    if state is None:
        return _province(words, at, gazetteer, spans)
    lower, dotted = code.lower(), "." in word.text
    behind_name = bool(spans) and spans[-1].last == at - 1
    # "Myrtle Beach, SC", and "houston tx"
    plain = code.isupper() or lower not in cue_words("code_words")
    if behind_name and plain and any(contains(state, place) for place in spans[-1].places):
        return (state,)
    if not code.isupper():
        return ()
    city = gazetteer.get(_DOTTED.get(code, "")) if dotted else None
    if city is not None:
        return (city,)
    if dotted or lower not in cue_words("ambiguous_codes"):
        return (state,)
    before = words[at - 1].text.lower() if at and word.joins else ""
    return (state,) if before in cue_words("firm") and lower in cue_words("codes_behind_in") else ()


def _province(
    words: Sequence[Word], at: int, gazetteer: Gazetteer, spans: Sequence[Span]
) -> tuple[Place, ...]:
    """The province of Canada that a code in capitals names behind a comma and a place in it
    ("Victoria, BC"); anywhere else such letters stand for too many things.
    """
    word = words[at]
    province = gazetteer.get(_PROVINCES.get(word.text.replace(".", ""), ""))
    if province is None or word.joins or not spans or spans[-1].last != at - 1:
        return ()
    # "HELP LONDON. ON MY WAY" is a word of the next sentence, "Toronto, ON and need help" is none
    goes_on = at + 1 < len(words) and words[at + 1].joins and words[at + 1].text.isupper()
    if word.text == "ON" and goes_on:
        return ()
    inside = any(contains(province, place) for place in spans[-1].places)
    return (province,) if inside else ()
