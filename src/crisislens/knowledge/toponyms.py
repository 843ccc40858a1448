r"""Whether a name in a post is a place at all: names of the gazetteer in the text, and what speaks for and
against each.

The evidence $e$ of a name is a sum of weights, set by hand (see `mentions`): kind and population of the
place, a preposition before it, the state behind it; against it, an English word, a given name beside it, an
organization, a storm, a small letter.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from crisislens.domain.place import Place
from crisislens.knowledge.gazetteer import Gazetteer, cue_words, name_key, word_list
from crisislens.knowledge.tokens import Word

__all__ = ["NameSpan", "contains", "known_tag", "name_spans", "place_evidence"]

_BEFORE_ORGANIZATIONS = (
    "knights of",
    "bank of",
    "miss",
    "university of",
    "battle of",
    "first baptist",
    "uss",
)


@dataclass(frozen=True)
class NameSpan:
    """A run of words that may be a place."""

    first: int
    last: int
    key: str
    places: tuple[Place, ...]
    evidence: float


def name_spans(words: Sequence[Word], gazetteer: Gazetteer) -> list[NameSpan]:
    """Names of places, the longest first, none overlapping another."""
    spans: list[NameSpan] = []
    i = 0
    while i < len(words):
        # a word that begins no name may still be the code of a state
        most = min(max(1, gazetteer.longest(name_key(words[i].text).partition(" ")[0])), len(words) - i)
        span = next((s for n in range(most, 0, -1) if (s := _span(words, i, i + n, gazetteer))), None)
        if span is not None:
            spans.append(span)
        i = i + 1 if span is None else span.last + 1
    return spans


def _span(words: Sequence[Word], first: int, end: int, gazetteer: Gazetteer) -> NameSpan | None:
    run = words[first:end]
    if not all(w.joins for w in run[1:]):
        return None
    text = " ".join(w.text for w in run)
    key = name_key(text)
    if len(run) == 1 and (places := _code(run[0], words, first, gazetteer)):
        return NameSpan(first, end - 1, key, places, 0.0)
    if len(key) < 3 and key not in ("us", "uk"):
        return None
    if key in ("us", "uk") and not run[0].text.isupper():
        return None
    places = gazetteer.find(key)
    return NameSpan(first, end - 1, key, places, 0.0) if places else None


def _code(word: Word, words: Sequence[Word], at: int, gazetteer: Gazetteer) -> tuple[Place, ...]:
    """The state of a postal code such as TX, where it is one for certain or stands behind a name."""
    state = gazetteer.get(f"state:{word.text.upper()}")
    if state is None or len(word.text) != 2:
        return ()
    before = words[at - 1] if at else None
    behind_name = (
        before is not None and not before.tag and before.capital and name_key(before.text) in gazetteer
    )
    if behind_name and (word.text.isupper() or word.text.lower() not in cue_words("code_words")):
        return (state,)
    return (state,) if word.text.isupper() and word.text.lower() not in cue_words("ambiguous_codes") else ()


def place_evidence(span: NameSpan, words: Sequence[Word], text: str, spans: Sequence[NameSpan]) -> float:
    """$e$ without what the rest of the post says of the region."""
    run, best = words[span.first : span.last + 1], span.places[0]
    before, behind = _neighbors(span, words)
    e = _prior(best) + (0.8 if len(run) > 1 else 0.0)
    tagged = run[0].tag
    weak = len(run) == 1 and (span.key in word_list("weak") or span.key in word_list("names"))
    if weak:
        e -= (
            3.5
            if span.key in word_list("names") and (best.kind == "country" or best.population < 500_000)
            else 2.5
        )
    if (
        tagged
        and (len(words) == span.last + 1 or words[span.last + 1].owner != run[0].owner)
        and _begins_tag(span, words)
    ):
        e += 1.5
    if not tagged and not all(w.capital or w.text in cue_words("inside_names") for w in run):
        e -= (0.5 if best.kind in ("country", "state") and not weak else 3.0) if len(run[0].text) > 2 else 0.0
    if (
        before is not None
        and before.text.lower() in cue_words("prepositions")
        and not (tagged and before.tag and before.owner == run[0].owner)
    ):
        e += 1.6 if before.text.lower() in cue_words("firm") else 0.6
    if best.kind == "city" and len(run) == 1 and _capital_word(before) and not tagged:
        e -= 1.0
    if behind is not None and (behind.text.lower() in cue_words("place_words")):
        e += 0.8
    if _region_follows(span, words, text, spans):
        e += 3.0
    if (before is not None and before.text.lower() in cue_words("storms")) or _is_storm_tag(span, words):
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


def _neighbors(span: NameSpan, words: Sequence[Word]) -> tuple[Word | None, Word | None]:
    """The words that stand directly before and behind, with nothing but space between."""
    before = words[span.first - 1] if span.first and words[span.first].joins else None
    behind = words[span.last + 1] if span.last + 1 < len(words) and words[span.last + 1].joins else None
    owner = words[span.first].owner
    return (
        before if before and before.owner == owner else None,
        behind if behind and behind.owner == owner else None,
    )


def _begins_tag(span: NameSpan, words: Sequence[Word]) -> bool:
    return span.first == 0 or words[span.first - 1].owner != words[span.first].owner


def _capital_word(word: Word | None) -> bool:
    """Whether it is a capitalized word that is neither a direction nor one that stands before places: the
    first half of some other name.
    """
    if word is None or not word.capital or word.text.isupper():
        return False
    return word.text.lower() not in cue_words("prepositions") | cue_words("place_words") | cue_words(
        "not_names"
    ) | cue_words("directions") | cue_words("storms")


def _region_follows(span: NameSpan, words: Sequence[Word], text: str, spans: Sequence[NameSpan]) -> bool:
    """Whether the next name, behind a comma or a space, is a region that holds one of these places."""
    after = next((s for s in spans if s.first == span.last + 1), None)
    if after is None or not re.fullmatch(r"[\s,#]*", text[words[span.last].end : words[after.first].start]):
        return False
    return any(contains(region, place) for region in after.places for place in span.places)


def contains(region: Place, place: Place) -> bool:
    """Whether a country or state holds another place."""
    if region.kind == "country":
        return place.kind != "country" and place.country == region.country
    return (
        region.kind == "state"
        and place.kind in ("city", "county")
        and place.country == "US"
        and place.admin == region.admin
    )


def _is_storm_tag(span: NameSpan, words: Sequence[Word]) -> bool:
    first = words[span.first]
    return (
        first.tag
        and span.first > 0
        and words[span.first - 1].owner == first.owner
        and words[span.first - 1].text.lower() in cue_words("storms")
    )


def _person(span: NameSpan, words: Sequence[Word]) -> bool:
    """Whether a single name stands in a person's: behind a given name, or before a surname if it is a given
    name itself.
    """
    if span.first != span.last:
        return False
    before, behind = _neighbors(span, words)
    if (
        before is not None
        and not before.tag
        and before.capital
        and name_key(before.text) in word_list("given")
    ):
        return True
    if (
        before is not None
        and before.text.lower() in ("de", "la", "del")
        and span.first > 1
        and words[span.first - 2].capital
    ):
        return True
    if (
        before is not None
        and before.capital
        and span.first > 1
        and words[span.first - 2].text.lower() in cue_words("titles")
        and before.joins
    ):
        return True
    own = span.key in word_list("given") or span.key in word_list("names") or span.key == "paris"
    surname = (
        behind is not None
        and not behind.tag
        and behind.capital
        and behind.text.lower() not in cue_words("place_words") | cue_words("not_names")
    )
    firm = before is not None and before.text.lower() in cue_words("firm")
    return own and surname and not firm


def _organization(span: NameSpan, words: Sequence[Word]) -> bool:
    before, behind = _neighbors(span, words)
    if (
        behind is not None
        and behind.text.lower() in cue_words("organizations")
        and (behind.capital or behind.text.lower() == "fans")
    ):
        return span.places[0].kind == "city" or behind.text.lower() in cue_words("newspapers")
    if before is None:
        return False
    two = " ".join(w.text.lower() for w in words[max(0, span.first - 2) : span.first])
    return two in _BEFORE_ORGANIZATIONS or before.text.lower() in _BEFORE_ORGANIZATIONS


def known_tag(name: str, gazetteer: Gazetteer) -> bool:
    """Whether a lower-case piece of a hashtag is the name of a place that people write so."""
    if name in word_list("weak") or name in word_list("names"):
        return False
    return any(
        place.kind in ("country", "state") or place.population >= 100_000
        for place in gazetteer.find(name_key(name))
    )
