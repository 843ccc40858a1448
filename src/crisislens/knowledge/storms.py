"""Storms that are called like places and people: Florence, Harvey, Maria.

A name that stands behind "Hurricane" anywhere in a text is the storm's everywhere in it. A name
from the weather services' lists is too, where the text speaks of a storm at all. A place of that
name must say that it is one: a region behind it ("Florence, SC"). Countries and states of the US
name no storm: who writes "Typhoon Philippines" means where it is.
"""

from collections.abc import Sequence
from functools import lru_cache

from crisislens.knowledge.geonames import country_rows, state_rows
from crisislens.knowledge.name_keys import name_key
from crisislens.knowledge.tokens import Word
from crisislens.knowledge.word_lists import asset_rows, cue_words, word_list

__all__ = ["named_storms", "storm_basin", "storm_names"]

# where a storm is called so: the North Atlantic and the eastern Pacific; the western Pacific; the
# Indian Ocean and the southern Pacific
_BASINS = {
    "hurricane": "US PR VI MX CU DO HT BS JM BZ HN NI GT CR TC KY BM AG DM LC VC GD BB GP MQ KN TT MF SX VG",
    "typhoon": "PH JP CN TW VN KR HK MO GU MP FM PW LA KH",
    "cyclone": "IN BD LK MM PK OM YE MZ MG ZW MW MU RE KM TZ AU NZ FJ VU TO WS NC SB PG CK",
}
_OTHER_WORDS = {
    "huracan": "hurricane",
    "huracán": "hurricane",
    "ouragan": "hurricane",
    "hurricanes": "hurricane",
}
_COUNTRIES = {word: frozenset(codes.split()) for word, codes in _BASINS.items()}


def storm_basin(words: Sequence[Word]) -> frozenset[str]:
    """The ISO codes of the countries where storms are called as the text calls one;
    none if it calls none so.

    Arguments:
        words: The words of a text.
    """
    for word in words:
        lower = word.text.lower()
        codes = _COUNTRIES.get(_OTHER_WORDS.get(lower, lower))
        if codes is not None:
            return codes
    return frozenset()


def storm_names(words: Sequence[Word]) -> frozenset[str]:
    """The keys of names that are a storm's in this text.

    >>> from crisislens.knowledge.tokens import split_words
    >>> words = split_words("#HurricaneFlorence: Florence hits, Maria was worse", lambda name: False)
    >>> sorted(storm_names(words) & {"florence", "maria", "hits"})
    ['florence', 'maria']
    >>> sorted(storm_names(split_words("Florence in spring", lambda name: False)))
    []

    Arguments:
        words: The words of a text.
    """
    named = named_storms(words)
    lower = [word.text.lower() for word in words]
    if cue_words("storms").isdisjoint(lower) and cue_words("storm_signs").isdisjoint(lower):
        return named
    return word_list("storms") | named


def named_storms(words: Sequence[Word]) -> frozenset[str]:
    """The keys of names that stand behind "Hurricane" or its like in this text, but for those of
    countries and states.

    Arguments:
        words: The words of a text.
    """
    kinds = cue_words("storms")
    found = set()
    for i, word in enumerate(words[:-1]):
        # the word behind is the name even if no list has it: services name new storms every year
        if word.text.lower() in kinds and _follows(words, i):
            found.add(name_key(words[i + 1].text))
    # the list of storms wins: a storm may be called like a state
    return frozenset(found - (_regions() - word_list("storms"))) if found else frozenset()


@lru_cache(maxsize=1)
def _regions() -> frozenset[str]:
    """The keys of the countries and the states of the US, from their own short tables."""
    names = [name for _, name, _ in country_rows()] + [name for _, name in state_rows()]
    for name, place in asset_rows("aliases.tsv"):
        kind, _, code = place.partition(":")
        # divisions of other countries have a point in their codes
        if kind == "country" or (kind == "state" and "." not in code):
            names.append(name)
    return frozenset(name_key(name) for name in names)


def _follows(words: Sequence[Word], at: int) -> bool:
    """Whether the next word may be the storm's name."""
    name = words[at + 1]
    return name.joins and (name.capital or name.tag) and name.text.lower() not in cue_words("not_names")
