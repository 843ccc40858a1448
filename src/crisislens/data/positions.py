"""Where a row says that its post was written: two numbers, or one cell with both.

- two columns: numbers of degrees, a comma for a point, and hemispheres in letters (`18.2N`,
  `66°30'12" W`);
- one column: `18.2, -66.5` with latitude first, as people and
  survey tools write it (`18.2 -66.5 0 0`), a list `[18.2, -66.5]`; a point of GeoJSON or of WKT
  with longitude first, as these formats say.

What is out of range, exactly 0 and 0, or cannot be read is left out, and the row says so. Degrees
that would fit the other way round are never turned: nobody knows that they were meant so.
"""

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
# two, and what survey tools add: altitude and accuracy
_PLAIN_PAIR = re.compile(r"\s*[(\[]?\s*([^,;\s]+)(?:\s*[,;]\s*|\s+)([^,;\s)\]]+)(?:\s+\S+){0,2}\s*[)\]]?\s*")
_LETTERED_PAIR = re.compile(r"\s*([^,;]*?[NS])[\s,;]+([^,;]*?[EWO])\s*", re.IGNORECASE)
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


def position_of(lat: object, lon: object, *, one_cell: bool = False) -> Position:
    """Where a row says that its post was written.

    >>> position_of("18.2N", "66.5W")
    Position(lat=18.2, lon=-66.5, remark=None)
    >>> position_of("18.2, -66.5", "18.2, -66.5", one_cell=True).lon
    -66.5

    Arguments:
        lat: The cell of latitude.
        lon: The cell of longitude.
        one_cell: Whether both are the same cell, which holds a pair or words, such as a town.
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
    if abs(y) <= 90 and abs(x) <= 180:
        return Position(y, x)
    swapped = abs(x) <= 90 and abs(y) <= 180
    also = "; latitude and longitude seem to be swapped" if swapped else ""
    return Position(remark=f"its coordinates {y:g}, {x:g} are none on Earth{also}; they were left out")


def _is_said(value: object) -> bool:
    return isinstance(value, int | float) or (isinstance(value, str) and bool(value.strip()))


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
    for form in (_LETTERED_PAIR, _PLAIN_PAIR):
        if (found := form.fullmatch(value)) is not None:
            y, x = _degrees(found[1], north=True), _degrees(found[2], north=False)
            if y is not None and x is not None:
                return y, x
    return None


def _degrees(value: object, *, north: bool) -> float | None:
    """Degrees, whatever their range; None for what are none."""
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
    parts = [float((found[name] or "0").replace(",", ".")) for name in ("d", "m", "s")]
    size = abs(parts[0]) + parts[1] / 60 + parts[2] / 3600
    negative = found["d"].startswith("-") or letter in _NEGATIVE
    return -size if negative else size
