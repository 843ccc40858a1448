"""Where a row says that its post was written: two numbers, or one cell with both.

- two columns: numbers of degrees, a comma for a point, and hemispheres in letters (`18.2N`,
  `66°30'12" W`);
- one column: `18.2, -66.5` with latitude first, as people and
  survey tools write it (`18.2 -66.5 0 0`), also with commas for points (`18,2 -66,5`), a list
  `[18.2, -66.5]`; a point of GeoJSON or of WKT with longitude first, as these formats say.

A column of places holds addresses too, so two whole numbers in a text are none there (`12, 14`), nor are
numbers before words. In a column that is named for coordinates they are a pair where more than one comma
tells them apart (`18, -66`, not `1,5`). An O is west in Spanish, French and Italian, and east in German
and Dutch: it is taken for west behind a decimal point, which the latter do not write, and else left out.

What is out of range, exactly 0 and 0, or cannot be read is left out, and the row says so. Degrees
that would fit the other way round are never turned: nobody knows that they were meant so.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["NOWHERE", "Position", "position_of"]

_MOST_LETTERS: Final = 100
_NUMBER = r"[-+]?\d{1,3}(?:[.,]\d+)?"
# 18.2, N 18.2, 18.2N, 18°12'30"N, 18 12 30 N
_ANGLE = re.compile(
    rf"(?P<before>[NSEWO])?\s*(?P<d>{_NUMBER})\s*°?\s*(?:(?P<m>\d{{1,2}}(?:\.\d+)?)\s*['′’]\s*)?"
    rf"(?:(?P<s>\d{{1,2}}(?:\.\d+)?)\s*(?:[\"″”]|'')\s*)?(?P<after>[NSEWO])?",
    re.IGNORECASE,
)
_SCIENTIFIC = re.compile(r"[-+]?\d(?:\.\d+)?e-?\d{1,2}", re.IGNORECASE)
_WKT = re.compile(rf"\s*POINT\s*Z?\s*\(\s*(?P<x>{_NUMBER})\s+(?P<y>{_NUMBER})[^)]*\)\s*", re.IGNORECASE)
# what survey tools add: altitude and accuracy; any other word makes an address of it
_ADDED = r"(?:\s+[-+]?\d+(?:[.,]\d+)?){0,2}\s*[)\]]?\s*"
_PLAIN_PAIR = re.compile(rf"\s*[(\[]?\s*([^,;\s]+)(?:\s*[,;]\s*|\s+)([^,;\s)\]]+){_ADDED}")
# a comma between two digits is a point here, and what separates must be more than one
_COMMA = r"[-+]?\d{1,3},\d+"
_COMMA_PAIR = re.compile(rf"\s*[(\[]?\s*({_COMMA})(?:\s*;\s*|,?\s+)({_COMMA}){_ADDED}")
_WHOLE = re.compile(r"[-+]?\d+")
# a comma between two digits may be a point, but not within brackets
_WHOLE_PAIR = re.compile(
    r"\s*(?:[-+]?\d{1,3}\s*[,;]\s+[-+]?\d{1,3}|\[\s*[-+]?\d{1,3}\s*,\s*[-+]?\d{1,3}\s*\])\s*"
)
_LETTERED_PAIR = re.compile(r"\s*([^;]*?[NS])[\s,;]+([^;]*?[EWO])\s*", re.IGNORECASE)
_NEGATIVE = frozenset("SWO")
_NORTH_SOUTH = frozenset("NS")


@dataclass(frozen=True)
class Position:
    """Where, or why nowhere.

    Attributes:
        lat: Latitude in degrees.
        lon: Longitude in degrees.
        remark: Why what the row says was left out; None where it says nothing, or was taken.
    """

    lat: float | None = None
    lon: float | None = None
    remark: str | None = None


NOWHERE: Final = Position()


def position_of(
    lat: object, lon: object, *, one_cell: bool = False, of_coordinates: bool = False
) -> Position:
    """Where a row says that its post was written.

    >>> position_of("18.2N", "66.5W")
    Position(lat=18.2, lon=-66.5, remark=None)
    >>> position_of("18.2, -66.5", "18.2, -66.5", one_cell=True).lon
    -66.5

    Arguments:
        lat: The cell of latitude.
        lon: The cell of longitude.
        one_cell: Whether both are the same cell, which holds a pair or words, such as a town.
        of_coordinates: Whether the cell's column is named for coordinates, and so holds no addresses.
    """
    if one_cell:
        y, x = _pair(lat) or (None, None)
    else:
        y, x = _degrees(lat, north=True), _degrees(lon, north=False)
    if y is None or x is None:
        wrong = not one_cell and _is_said(lat) and _is_said(lon)
        return Position(remark="its coordinates cannot be read and were left out") if wrong else NOWHERE
    if y == x == 0:
        return Position(remark="its coordinates are 0 and 0, which stands for none; they were left out")
    if one_cell and _is_whole(lat) and not (of_coordinates and _WHOLE_PAIR.fullmatch(str(lat))):
        return Position(
            remark="its coordinates are two whole numbers, which may be others; they were left out"
        )
    if math.isnan(x):
        return Position(remark="the O of its coordinates may be west or east; they were left out")
    if abs(y) <= 90 and abs(x) <= 180:
        return Position(y, x)
    swapped = abs(x) <= 90 and abs(y) <= 180
    also = "; latitude and longitude seem to be swapped" if swapped else ""
    return Position(remark=f"its coordinates {y:g}, {x:g} are none on Earth{also}; they were left out")


def _is_said(value: object) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and bool(value.strip()))


def _is_whole(value: object) -> bool:
    """Whether a text holds two whole numbers without a letter: a house and a street, a day and a month."""
    found = _PLAIN_PAIR.fullmatch(value) if isinstance(value, str) else None
    if found is None or _COMMA_PAIR.fullmatch(found[0]) is not None:
        return False
    return all(_WHOLE.fullmatch(number) is not None for number in found.groups())


def _pair(value: object) -> tuple[float | None, float | None] | None:
    """Latitude and longitude of one cell; None where it holds no pair."""
    if isinstance(value, Mapping):
        inner = value.get("coordinates")
        if value.get("type") != "Point" or not isinstance(inner, list | tuple) or len(inner) < 2:
            return None
        return _degrees(inner[1], north=True), _degrees(inner[0], north=False)
    if isinstance(value, list | tuple):
        return (_degrees(value[0], north=True), _degrees(value[1], north=False)) if len(value) >= 2 else None
    if not isinstance(value, str) or len(value) > _MOST_LETTERS:
        return None
    if (point := _WKT.fullmatch(value)) is not None:
        return _degrees(point["y"], north=True), _degrees(point["x"], north=False)
    if value.lstrip().startswith("{"):
        # GeoJSON in a cell of a table is text
        point_of_text = _parsed(value)
        return _pair(point_of_text) if isinstance(point_of_text, Mapping) else None
    for form in (_LETTERED_PAIR, _COMMA_PAIR, _PLAIN_PAIR):
        if (found := form.fullmatch(value)) is not None:
            y, x = _degrees(found[1], north=True), _degrees(found[2], north=False)
            if y is not None and x is not None:
                return y, x
    return None


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _degrees(value: object, *, north: bool) -> float | None:
    """Degrees, whatever their range; None for what are none, NaN where west or east cannot be told."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        # a number beyond all floats is no degree
        return float(value) if abs(value) < 1_000_000 else None
    if not isinstance(value, str) or len(value) > _MOST_LETTERS:
        return None
    text = value.strip()
    found = _ANGLE.fullmatch(text)
    if found is None:
        # as programs write small numbers
        return float(text) if _SCIENTIFIC.fullmatch(text) else None
    letter = (found["before"] or found["after"] or "").upper()
    # a longitude with an N is in the wrong column, or no longitude
    if letter and (letter in _NORTH_SOUTH) != north:
        return None
    if letter == "O" and "." not in found[0]:
        return math.nan
    parts = [float((found[name] or "0").replace(",", ".")) for name in ("d", "m", "s")]
    size = abs(parts[0]) + parts[1] / 60 + parts[2] / 3600
    negative = found["d"].startswith("-") or letter in _NEGATIVE
    return -size if negative else size
