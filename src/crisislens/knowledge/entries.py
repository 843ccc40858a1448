"""The entries of the gazetteer, made of GeoNames' rows: cities, countries, first-level divisions,
US counties, and districts of some countries; with their names in other letters than Latin.

The point of a country or division is the mean of its cities weighted by population, on the sphere
so that it works across the date line.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

from crisislens.knowledge.geonames import (
    Entry,
    city_rows,
    country_rows,
    county_rows,
    other_writing,
    state_rows,
)
from crisislens.knowledge.name_keys import name_key
from crisislens.knowledge.word_lists import asset_rows, is_compass, word_list
from crisislens.knowledge.writing import at_home

__all__ = ["Named", "all_entries"]

_SHORTEST_REGION = 4
# a region that is called like one of its cities is asked for by people only when it is large
_OWN_REGION = 300_000
# what regions are called beside their names
_REGION_WORDS = ("Province", "Region", "Oblast", "Governorate", "Department", "Prefecture", "State")
# what lies elsewhere has a name in these letters as every city has, and people write it when it is large
_KNOWN_ABROAD, _MORE_THAN_A_WORD = 500_000, 1_000_000
# degrees north and east, and inhabitants
_Middle = tuple[float | None, float | None, int]
_NOWHERE: _Middle = (None, None, 0)

Named = tuple[Entry, tuple[str, ...]]


def all_entries() -> list[Named]:
    """Every place with its names.

    Raises:
        DataError: If GeoNames' files are not those that this version knows.
    """
    cities = list(city_rows())
    countries = _middles(cities, [city.country for city in cities])
    divisions = _middles(cities, [(city.country, city.admin) for city in cities])
    written = other_writing()
    return [
        *((city, (*_city_names(city), *_in_other_letters(city, written))) for city in cities),
        *_countries(countries),
        *_states(divisions),
        *_regions(divisions, cities),
        *_counties(),
        *_districts(),
    ]


def _city_names(city: Entry) -> tuple[str, ...]:
    """A city of the Philippines is called with and without "City",
    but for one that is not in Quezon.
    """
    if city.country != "PH" or city.name == "Quezon City":
        return (city.name,)
    short = city.name.removesuffix(" City")
    return city.name, short, f"{short} City"


def _in_other_letters(city: Entry, written: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Its names in letters of its country, and in all others where it is large: Corona in California is
    not meant by the Arabic name of a virus.
    """
    words = word_list("weak")
    for name in written.get(city.id, ()):
        # without capitals a word is told from a name by nothing else
        if city.population < _MORE_THAN_A_WORD and name_key(name) in words:
            continue
        if city.population >= _KNOWN_ABROAD or at_home(name, city.country):
            yield name


def _countries(middles: Mapping[Hashable, _Middle]) -> Iterator[Named]:
    others: dict[str, list[str]] = defaultdict(list)
    for code, name in asset_rows("country_names.tsv"):
        others[code].append(name)
    for code, name, population in country_rows():
        lat, lon, _ = middles.get(code, _NOWHERE)
        entry = Entry(f"country:{code}", name, "country", code, "", lat, lon, population)
        yield entry, (name, *others[code])


def _states(middles: Mapping[Hashable, _Middle]) -> Iterator[Named]:
    for code, name in state_rows():
        middle = middles.get(("US", code), _NOWHERE)
        yield Entry(f"state:{code}", name, "state", "US", code, *middle), (name,)


def _regions(middles: Mapping[Hashable, _Middle], cities: Iterable[Entry]) -> Iterator[Named]:
    left_out = word_list("regions_left_out")
    small: dict[tuple[str, str], list[Entry]] = defaultdict(list)
    for city in cities:
        # only these are looked through by name below; large regions are taken in any case
        if middles[city.country, city.admin][2] < _OWN_REGION:
            small[city.country, city.admin].append(city)
    for country, code, name in asset_rows("regions.tsv"):
        bare = name
        for word in _REGION_WORDS:
            bare = bare.removesuffix(f" {word}")
        key, bare_key = name_key(name), name_key(bare)
        compass = is_compass(bare_key)
        if not compass and (key.replace(" ", "") in left_out or len(key) < _SHORTEST_REGION):
            continue
        if any(name_key(city.name) == key for city in small[country, code]):
            continue
        middle = middles.get((country, code), _NOWHERE)
        entry = Entry(f"state:{country}.{code}", name, "state", country, code, *middle)
        if compass:
            yield entry, _compass_names(name, bare)
            continue
        # "Capital Region" must not be known as "Capital"
        yield entry, (name,) if bare_key in left_out else (name, bare)


def _compass_names(name: str, bare: str) -> tuple[str, ...]:
    """Names of a region that is called after a part of the sky: "Southwest monsoon" is none, "Southwest
    Region", "South-West Region" and "South-West Province" are.
    """
    joined = bare.replace("-", "").replace(" ", "")
    # people exchange the two
    names = tuple(f"{one} {kind}" for one in (bare, joined) for kind in ("Province", "Region"))
    return names if name == bare else (name, *names)


def _counties() -> Iterator[Named]:
    points: dict[str, _Middle] = {}
    for fips, lat, lon, people in asset_rows("county_points.tsv"):
        points[fips] = (float(lat), float(lon), int(people))
    for fips, name, state in county_rows():
        yield Entry(f"county:{fips}", name, "county", "US", state, *points.get(fips, _NOWHERE)), (name,)


def _districts() -> Iterator[Named]:
    left_out = word_list("regions_left_out")
    for country, code, name, lat, lon, people in asset_rows("districts.tsv"):
        key = name_key(name)
        if key.replace(" ", "") in left_out or len(key) < _SHORTEST_REGION:
            continue
        identity = f"county:{country}.{code}.{key.replace(' ', '-')}"
        entry = Entry(identity, name, "county", country, code, float(lat), float(lon), int(people))
        yield entry, (name, f"{name} District", f"{name} Province")


def _middles(cities: Sequence[Entry], groups: Sequence[Hashable]) -> dict[Hashable, _Middle]:
    """The middle and the inhabitants of each group of cities."""
    # here, since a command that names no place needs no arrays
    import numpy as np

    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    of_city = np.array([numbers[group] for group in groups])
    rows = np.array([(city.lat, city.lon, city.population) for city in cities], float)
    lat, lon, people = np.radians(rows[:, 0]), np.radians(rows[:, 1]), rows[:, 2]
    # as vectors: a mean of longitudes on both sides of the date line would lie in Africa
    x, y, z = (
        np.bincount(of_city, weights=people * axis)
        for axis in (np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat))
    )
    north = np.degrees(np.arctan2(z, np.hypot(x, y))).round(4).tolist()
    east = np.degrees(np.arctan2(y, x)).round(4).tolist()
    inhabitants = np.bincount(of_city, weights=people).astype(int).tolist()
    return {
        group: (north[i], east[i], inhabitants[i]) if inhabitants[i] else _NOWHERE
        for group, i in numbers.items()
    }
