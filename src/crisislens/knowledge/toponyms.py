r"""Whether a name in a post is a place at all: what speaks for and against it.

The evidence $e$ of a name is a sum of weights, set by hand (see `mentions`): kind and population of
the place, a preposition before it, the region behind it; against it, an English word, a given name
beside it, an organization, a storm, a small letter,
a longer name that it is only a part of (Mexico Beach, Lake Erie).
"""

import re
from collections.abc import Collection, Sequence

from crisislens.domain.place import Place
from crisislens.knowledge.name_keys import name_key
from crisislens.knowledge.spans import Span, contains
from crisislens.knowledge.tokens import Word
from crisislens.knowledge.word_lists import affixes, cue_words, cues_of, is_compass, word_list
from crisislens.knowledge.writing import unspaced

__all__ = ["place_evidence"]

_PRIORS = ((1_000_000, 2.0), (200_000, 1.2), (50_000, 0.3), (15_000, -0.6))
_SMALLEST_PRIOR = -1.0
# as a city of 200,000 inhabitants
_LOCAL_PRIOR = 1.2
_SHORT_KEY, _SPEAKS_LEAST = 4, 500_000
# the first letter that is none of Latin
_GREEK = "\u0370"
_BETWEEN = re.compile(r"[\s,#.]*")


def place_evidence(
    span: Span, words: Sequence[Word], text: str, behind: Span | None, storms: Collection[str]
) -> float:
    """$e$ without what the rest of the post says of the region.

    Arguments:
        span: A name.
        words: The words of the text.
        text: The text.
        behind: The name that begins with the next word, if there is one.
        storms: Keys of names that are a storm's in this text (`storms`).
    """
    run, best = words[span.first : span.last + 1], span.places[0]
    before, after = _neighbors(span, words)
    located = _region_follows(span, words, text, behind)
    # words of two are seldom anything but a name
    e = _prior(best) + (0.8 if len(run) > 1 else 0.0)
    if span.key in word_list("local"):
        # who writes so means the place, however small it is
        e = max(e, _LOCAL_PRIOR)
    e += _of_spelling(span, run, best, _is_weak(span, run, before))
    e += _of_hashtag(span, words)
    e += _of_words_beside(span, words, before, after, located)
    if located:
        e += 3.0
    if len(run) == 1 and not located and _is_storm(span, words, before, storms):
        e -= 6.0
    if not run[0].tag and _person(span, words, before, after):
        e -= 4.0
    if _organization(span, words, before, after):
        e -= 4.0
    if unspaced(run[-1].text) and text.startswith(affixes("persons"), run[-1].end):
        # Yamaguchi-san is a person
        e -= 4.0
    return e


def _is_weak(span: Span, run: Sequence[Word], before: Word | None) -> bool:
    """Whether a name is more often a word or a person."""
    if span.key in word_list("weak_in_small") and not all(word.capital for word in run):
        # "el centro", "nahi mila"; "El Centro" and "Mila" are towns
        return True
    if span.key not in word_list("weak") and span.key not in word_list("names"):
        return False
    if len(run) == 1:
        return True
    # Ha'il is cut in two by its apostrophe and falls together with hail by its key alone
    firm = before is not None and before.text.lower() in cue_words("firm")
    return " " in span.key and not (firm and all(word.capital for word in run))


def _prior(place: Place) -> float:
    if place.kind == "country":
        return 3.0
    if place.kind == "state" or (place.kind == "county" and place.country == "US"):
        return 2.5
    return next((e for least, e in _PRIORS if place.population >= least), _SMALLEST_PRIOR)


def _of_spelling(span: Span, run: Sequence[Word], best: Place, weak: bool) -> float:
    """Against names that are words or people, small letters,
    and short names that lost their accents.
    """
    e = 0.0
    if weak and run[0].caseless:
        # nothing but what stands beside it tells such a word from a name
        e -= 4.0
    elif weak:
        known = best.kind != "country" and best.population >= 500_000
        # a name of persons counts more against a place than a word does, unless the place is large
        e -= 2.5 if known or span.key not in word_list("names") else 3.5
    small = not run[0].tag and not all(
        w.capital or w.caseless or w.glued or w.text in cue_words("inside_names") for w in run
    )
    # Romanian "mâine" is not Maine and "ușa" not the USA, but "méxico" and "haïti" are what they seem
    american = best.country == "US" and (best.kind == "state" or len(span.key) <= _SHORT_KEY)
    if small and american and len(run) == 1 and _is_accented(run[0].text):
        return e - 6.0
    # two small letters are a code, which `spans` has judged already
    if small and len(run[0].text) > 2:
        # names of countries in Latin letters are hardly ever words, in Cyrillic they are
        region = best.kind in ("country", "state") and not weak and not is_compass(span.key)
        named_small = region or span.key in word_list("local")
        e -= 3.0 if not named_small else 0.5 if run[0].text[:1] < _GREEK else 3.5
    if unspaced(run[-1].text):
        # characters are few and say much: the last one says that it is a town
        return e + (2.0 if run[-1].text[-1] in cue_words("town_signs") else 0.0)
    if len(span.key) <= _SHORT_KEY and best.kind == "city" and best.population < _SPEAKS_LEAST:
        # GOD is not Göd, and #cat not Çat; Okap, which is another name of Cap-Haïtien, has lost nothing
        lost = all(w.text.isascii() for w in run) and not best.name.isascii()
        e -= 3.0 if lost and name_key(best.name) == span.key else 0.5
    return e


def _is_accented(text: str) -> bool:
    """Whether a word in Latin letters has one that English has not."""
    return not text.isascii() and text[:1] < _GREEK


def _of_hashtag(span: Span, words: Sequence[Word]) -> float:
    """For a name that is a whole hashtag."""
    run = words[span.first : span.last + 1]
    ends = len(words) == span.last + 1 or words[span.last + 1].owner != run[0].owner
    return 1.5 if run[0].tag and ends and _begins_tag(span, words) else 0.0


def _of_words_beside(
    span: Span, words: Sequence[Word], before: Word | None, after: Word | None, located: bool
) -> float:
    """For a preposition or "area"; against a capitalized word beside it that
    makes another name of both.
    """
    first, best = words[span.first], span.places[0]
    e = 0.0
    # in #InHouston the "in" is a piece of one tag, not a preposition of the text
    same_tag = first.tag and before is not None and before.tag and before.owner == first.owner
    ahead = before.text.lower() if before is not None else ""
    if ahead in cue_words("prepositions") and not same_tag:
        e += 1.6 if ahead in cue_words("firm") else 0.6
    if best.kind == "city" and span.first == span.last and not first.tag and _capital_word(before):
        e -= 1.0
    if before is not None and not first.tag and _is_feature_before(span, words, before):
        e -= 4.0
    next_word = after.text.lower() if after is not None else ""
    if after is not None and _is_feature(after, next_word, first) and best.kind != "county":
        # a longer name: Mexico Beach, Niger River; with its region behind it, it may be this one
        e -= 0.0 if located else 4.0
    elif next_word in cue_words("place_words"):
        e += 0.8
    if next_word in cue_words("postpositions"):
        e += 0.6
    speaks = next_word in cue_words("speech")
    if speaks and span.first == span.last and best.kind == "city" and best.population < _SPEAKS_LEAST:
        e -= 3.0
    return e


def _is_feature_before(span: Span, words: Sequence[Word], before: Word) -> bool:
    """Whether a capitalized "Lake" or "Gulf of" stands before the name."""
    if before.text.lower() == "of" and span.first > 1:
        before = words[span.first - 2]
    return before.capital and before.text.lower() in cue_words("features_before")


def _is_feature(after: Word, lower: str, first: Word) -> bool:
    if lower not in cue_words("features_behind") or first.tag:
        return False
    return after.capital and not (after.text.isupper() and first.text.isupper())


def _neighbors(span: Span, words: Sequence[Word]) -> tuple[Word | None, Word | None]:
    """The words that stand directly before and behind, with nothing but space between."""
    before = words[span.first - 1] if span.first and words[span.first].joins else None
    behind = words[span.last + 1] if span.last + 1 < len(words) and words[span.last + 1].joins else None
    owner = words[span.first].owner
    return (
        before if before and before.owner == owner else None,
        behind if behind and behind.owner == owner else None,
    )


def _begins_tag(span: Span, words: Sequence[Word]) -> bool:
    return span.first == 0 or words[span.first - 1].owner != words[span.first].owner


def _capital_word(word: Word | None) -> bool:
    """Whether it is a capitalized word that is neither a direction nor one that stands before
    places: the first half of some other name.
    """
    # in a text of capitals a capital says nothing
    if word is None or not word.capital or word.text.isupper():
        return False
    kinds = ("prepositions", "place_words", "not_names", "directions", "storms")
    return word.text.lower() not in cues_of(*kinds)


def _region_follows(span: Span, words: Sequence[Word], text: str, behind: Span | None) -> bool:
    """Whether the next name, behind a comma or a space,
    is a region that holds one of these places.
    """
    if behind is None or not _BETWEEN.fullmatch(text[words[span.last].end : words[behind.first].start]):
        return False
    return any(contains(region, place) for region in behind.places for place in span.places)


def _is_storm(span: Span, words: Sequence[Word], before: Word | None, storms: Collection[str]) -> bool:
    first = words[span.first]
    if before is not None and before.text.lower() in cue_words("storms"):
        return True
    if (
        first.tag
        and not _begins_tag(span, words)
        and words[span.first - 1].text.lower() in cue_words("storms")
    ):
        return True
    return span.key in storms


def _person(span: Span, words: Sequence[Word], before: Word | None, after: Word | None) -> bool:
    """Whether a single name stands in a person's: behind a given name, or before a surname if it is
    a given name itself.
    """
    if span.first != span.last:
        return False
    ahead = words[span.first - 2] if span.first > 1 else None
    if before is not None:
        if not before.tag and before.capital and name_key(before.text) in word_list("given"):
            return True
        if before.text.lower() in ("de", "la", "del") and ahead is not None and ahead.capital:
            return True
        # "Mayor Sylvester Houston": a title two words before makes a person of both
        titled = ahead is not None and ahead.text.lower() in cue_words("titles")
        if before.capital and before.joins and titled:
            return True
    own = (
        span.key in word_list("given")
        or span.key in word_list("names")
        or span.key in cue_words("also_given")
    )
    if not own or after is None or after.tag or not after.capital:
        return False
    surname = after.text.lower() not in cues_of("place_words", "not_names", "features_behind")
    firm = before is not None and before.text.lower() in cue_words("firm")
    return surname and not firm


def _organization(span: Span, words: Sequence[Word], before: Word | None, after: Word | None) -> bool:
    if after is not None:
        lower = after.text.lower()
        if lower in cue_words("organizations") and (after.capital or lower == "fans"):
            return span.places[0].kind == "city" or lower in cue_words("newspapers")
    if before is None:
        return False
    two = " ".join(w.text.lower() for w in words[max(0, span.first - 2) : span.first])
    return two in _BEFORE_ORGANIZATIONS or before.text.lower() in _BEFORE_ORGANIZATIONS


_BEFORE_ORGANIZATIONS = frozenset(
    (
        "knights of",
        "bank of",
        "miss",
        "university of",
        "battle of",
        "first baptist",
        "uss",
        "church of",
        "duke of",
    )
)
