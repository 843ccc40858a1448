"""Reads vector tiles: version 2 of Mapbox' specification (https://github.com/mapbox/vector-tile-spec), which
is a protocol buffer of layers, features and drawing commands.

Our own reader, because the libraries that decode tiles hold protobuf below its present version and bring
shapely, and of a tile this needs lines, rings, points and a few words. A tile may come from anybody: what
does not add up is refused, never guessed.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from crisislens.core.errors import DataError

__all__ = ["TileFeature", "read_tile"]

_FORMS = {1: "point", 2: "line", 3: "area"}
_MOVE, _LINE, _CLOSE = 1, 2, 7
_MOST_VARINT_BITS = 70

Part = tuple[tuple[float, float], ...]
Field = tuple[int, int | memoryview]
"""The number of a field and its value: a whole number, or the bytes of what has a length."""


@dataclass(frozen=True)
class TileFeature:
    """One thing in a tile.

    Attributes:
        layer: The name of its layer.
        form: `point`, `line` or `area`.
        words: Its properties that are words.
        parts: Lines, outer rings or single points, each from 0 to 1 from west to east and from north to
            south; what reaches over the tile's edge lies beyond.
    """

    layer: str
    form: str
    words: dict[str, str]
    parts: tuple[Part, ...]


def read_tile(data: bytes) -> Iterator[TileFeature]:
    """The features of a tile, in its order.

    Arguments:
        data: The tile, not compressed.

    Raises:
        DataError: If it is no such tile.
    """
    try:
        for number, layer in _fields(memoryview(data)):
            if number == 3 and isinstance(layer, memoryview):
                yield from _layer(layer)
    except (IndexError, ValueError, OverflowError) as error:
        raise DataError(f"a vector tile is damaged: {error}") from error


def _layer(message: memoryview) -> Iterator[TileFeature]:
    name, extent = "", 4096
    keys: list[str] = []
    values: list[str | None] = []
    features = []
    for number, value in _fields(message):
        if isinstance(value, int):
            extent = value if number == 5 else extent
        elif number == 1:
            name = _text(value)
        elif number == 2:
            features.append(value)
        elif number == 3:
            keys.append(_text(value))
        elif number == 4:
            values.append(_word(value))
    if extent < 1:
        raise ValueError("a layer without an extent")
    for feature in features:
        yield _feature(feature, name, extent, keys, values)


def _feature(
    message: memoryview, layer: str, extent: int, keys: list[str], values: list[str | None]
) -> TileFeature:
    form, tags, commands = "", list[int](), list[int]()
    for number, value in _fields(message):
        if isinstance(value, int):
            form = _FORMS.get(value, "") if number == 3 else form
        elif number == 2:
            tags = list(_varints(value))
        elif number == 4:
            commands = list(_varints(value))
    words = {}
    for key, at in zip(tags[::2], tags[1::2], strict=True):
        word = values[at]
        if word is not None:
            words[keys[key]] = word
    parts = list(_parts(commands, extent, form))
    if form == "area":
        # the rings of holes run the other way; they are drawn over
        parts = [ring for ring in parts if _doubled_area(ring) > 0]
    return TileFeature(layer, form, words, tuple(parts))


def _parts(commands: list[int], extent: int, form: str) -> Iterator[Part]:
    """Draws: a command is its kind in three bits and how often; each point is a step from the one before."""
    part: list[tuple[float, float]] = []
    x = y = at = 0
    while at < len(commands):
        kind, times = commands[at] & 7, commands[at] >> 3
        at += 1
        if kind == _CLOSE:
            continue
        if kind not in (_MOVE, _LINE) or at + 2 * times > len(commands):
            raise ValueError("a drawing command that does not exist or is cut off")
        for _ in range(times):
            if kind == _MOVE and part:
                yield tuple(part)
                part = []
            x, y = x + _signed(commands[at]), y + _signed(commands[at + 1])
            at += 2
            part.append((x / extent, y / extent))
    if part and form:
        yield tuple(part)


def _doubled_area(ring: Part) -> float:
    """By the surveyor's formula; y grows to the south, so what runs clockwise is positive."""
    ahead = (*ring[1:], *ring[:1])
    return sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in zip(ring, ahead, strict=True))


def _fields(message: memoryview) -> Iterator[Field]:
    """The fields of a protocol buffer; those of fixed size are passed over."""
    at = 0
    while at < len(message):
        head, at = _varint(message, at)
        number, wire = head >> 3, head & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield number, value
        elif wire == 2:
            length, at = _varint(message, at)
            if at + length > len(message):
                raise ValueError("a field is cut off")
            yield number, message[at : at + length]
            at += length
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
        else:
            raise ValueError(f"wire type {wire}")


def _varints(message: memoryview) -> Iterator[int]:
    at = 0
    while at < len(message):
        value, at = _varint(message, at)
        yield value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A whole number in groups of seven bits, the lowest first, and where the next field starts."""
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift >= _MOST_VARINT_BITS:
            raise ValueError("a number of more than ten bytes")


def _signed(value: int) -> int:
    """Zigzag: 0, -1, 1, -2 … are stored as 0, 1, 2, 3 …"""
    return (value >> 1) ^ -(value & 1)


def _word(message: memoryview) -> str | None:
    """A value that is a word; numbers and truths are not needed to draw."""
    for number, value in _fields(message):
        if number == 1 and isinstance(value, memoryview):
            return _text(value)
    return None


def _text(value: memoryview) -> str:
    return bytes(value).decode("utf-8", "replace")
