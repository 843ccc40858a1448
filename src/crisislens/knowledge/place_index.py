"""The gazetteer's places in arrays, and the file that keeps them between runs.

Names of 175,000 places as Python objects took three seconds of processor time and 200 MB in every
command that looks for places. In arrays they take 20 MB, and are read from a file in the user's cache folder
in a few hundredths of a second. The file is named by everything that it was made from: GeoNames'
data, our own tables and the code of the rules; a damaged one is made anew, and where none can be written
the places are made each time.

Keys are kept as 64 bits of BLAKE2b, sorted; that a text holds a word with the bits of a name that it
does not hold has a chance of 10⁻¹⁴.
"""

import io
import zipfile
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import blake2b, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crisislens.core.files import atomic_write
from crisislens.domain.place import Place, PlaceKind
from crisislens.knowledge.geonames import Entry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["PlaceIndex", "Sorted", "Texts", "pack", "read_index", "write_index"]

_KINDS: tuple[PlaceKind, ...] = ("country", "state", "county", "city")


def key_bits(key: str) -> int:
    """64 bits that stand for a key."""
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


class Texts:
    """Many strings in one array of bytes.

    Arguments:
        content: Their UTF-8, one behind the other.
        ends: Where each ends.
    """

    def __init__(self, content: "NDArray[np.uint8]", ends: "NDArray[np.uint32]") -> None:
        self._content, self._ends = content.data, ends.data

    def __getitem__(self, at: int) -> str:
        start = self._ends[at - 1] if at else 0
        return bytes(self._content[start : self._ends[at]]).decode()

    def __len__(self) -> int:
        return len(self._ends)


class Sorted:
    """From 64 bits to a position, by halving.

    Arguments:
        bits: In rising order.
    """

    def __init__(self, bits: "NDArray[np.uint64]") -> None:
        # elements of a memoryview are Python's own integers, those of an array are not
        self._bits = bits.data

    def find(self, key: str) -> int | None:
        """The position of a key, or None."""
        wanted = key_bits(key)
        at = bisect_left(self._bits, wanted)
        return at if at < len(self._bits) and self._bits[at] == wanted else None

    def __len__(self) -> int:
        return len(self._bits)


@dataclass(frozen=True)
class PlaceIndex:
    """Places and their keys, n and k of them.

    Attributes:
        ids: UTF-8 of the places' ids.
        id_ends: Where each ends, n.
        names: UTF-8 of their names.
        name_ends: Where each ends, n.
        kinds: Position in `country, state, county, city`, n.
        countries: Codes of two letters, n.
        admins: Codes of divisions, n.
        points: Latitude and longitude in degrees, not a number where unknown, n × 2.
        people: Inhabitants, n.
        id_bits: Of the ids, sorted, n.
        id_at: The place of each, n.
        key_bits: Of the names' keys, sorted, k.
        key_ends: Where the places of each end, k.
        key_places: The places of a key, the most populous first.
        first_bits: Of first words, sorted.
        first_words: Words of the longest name that begins with each.
    """

    ids: "NDArray[np.uint8]"
    id_ends: "NDArray[np.uint32]"
    names: "NDArray[np.uint8]"
    name_ends: "NDArray[np.uint32]"
    kinds: "NDArray[np.uint8]"
    countries: "NDArray[np.bytes_]"
    admins: "NDArray[np.bytes_]"
    points: "NDArray[np.float64]"
    people: "NDArray[np.int64]"
    id_bits: "NDArray[np.uint64]"
    id_at: "NDArray[np.uint32]"
    key_bits: "NDArray[np.uint64]"
    key_ends: "NDArray[np.uint32]"
    key_places: "NDArray[np.uint32]"
    first_bits: "NDArray[np.uint64]"
    first_words: "NDArray[np.uint8]"

    def place(self, at: int) -> Place:
        """A place by position."""
        lat, lon = self.points[at].tolist()
        return Place(
            id=Texts(self.ids, self.id_ends)[at],
            name=self.name(at),
            kind=_KINDS[self.kinds[at]],
            country=self.countries[at].decode(),
            admin=self.admins[at].decode(),
            # nan is what is unknown
            lat=lat if lat == lat else None,
            lon=lon if lon == lon else None,
            population=int(self.people[at]),
        )

    def cities(self) -> "tuple[NDArray[np.int64], NDArray[np.float64]]":
        """Positions of the cities, c of them, and their longitude, latitude and inhabitants, c × 3."""
        import numpy as np

        placed = ~np.isnan(self.points).any(axis=1)
        at = np.flatnonzero((self.kinds == _KINDS.index("city")) & placed)
        return at, np.column_stack([self.points[at][:, ::-1], self.people[at]])

    def name(self, at: int) -> str:
        """The name of a place by position."""
        return Texts(self.names, self.name_ends)[at]


def pack(
    entries: Sequence[Entry],
    keys: Mapping[str, Sequence[int]],
    longest: Mapping[str, int],
) -> PlaceIndex:
    """Arrays of places.

    Arguments:
        entries: The places.
        keys: The places of each name's key, in the order in which they are found.
        longest: Words of the longest name that begins with each word.
    """
    import numpy as np

    ids, id_ends = _joined([entry.id for entry in entries])
    names, name_ends = _joined([entry.name for entry in entries])
    id_bits, by_id = _sorted_bits([entry.id for entry in entries])
    bits, by_key = _sorted_bits(list(keys))
    positions = list(keys.values())
    ordered = [positions[i] for i in by_key.tolist()]
    first_bits, by_first = _sorted_bits(list(longest))
    unknown = float("nan")
    points = [(unknown if e.lat is None else e.lat, unknown if e.lon is None else e.lon) for e in entries]
    return PlaceIndex(
        ids=ids,
        id_ends=id_ends,
        names=names,
        name_ends=name_ends,
        kinds=np.array([_KINDS.index(entry.kind) for entry in entries], np.uint8),
        countries=np.array([entry.country.encode() for entry in entries]),
        admins=np.array([entry.admin.encode() for entry in entries]),
        points=np.array(points, np.float64).reshape(-1, 2),
        people=np.array([entry.population for entry in entries], np.int64),
        id_bits=id_bits,
        id_at=by_id.astype(np.uint32),
        key_bits=bits,
        key_ends=np.cumsum([len(places) for places in ordered], dtype=np.uint32),
        key_places=np.array([at for places in ordered for at in places], np.uint32),
        first_bits=first_bits,
        first_words=np.array(list(longest.values()), np.uint8)[by_first],
    )


def _joined(texts: Iterable[str]) -> "tuple[NDArray[np.uint8], NDArray[np.uint32]]":
    import numpy as np

    encoded = [text.encode() for text in texts]
    ends = np.cumsum([len(text) for text in encoded], dtype=np.uint32)
    return np.frombuffer(b"".join(encoded), np.uint8), ends


def _sorted_bits(keys: Sequence[str]) -> "tuple[NDArray[np.uint64], NDArray[np.int64]]":
    """The bits of keys in rising order, and the position of each key in the list."""
    import numpy as np

    bits = np.array([key_bits(key) for key in keys], np.uint64)
    order = np.argsort(bits, kind="stable")
    return bits[order], order


def write_index(index: PlaceIndex, path: Path) -> bool:
    """Keeps an index; False where that cannot be, which costs time and nothing else."""
    import numpy as np

    buffer = io.BytesIO()
    np.savez(buffer, **{field.name: getattr(index, field.name) for field in fields(index)})
    body = buffer.getvalue()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, sha256(body).digest() + body)
    except OSError:
        return False
    return True


def read_index(path: Path) -> PlaceIndex | None:
    """An index that was kept; None where there is none, or it is not whole."""
    import numpy as np

    try:
        content = path.read_bytes()
        digest, body = content[:32], content[32:]
        if sha256(body).digest() != digest:
            return None
        with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
            found: dict[str, Any] = {field.name: arrays[field.name] for field in fields(PlaceIndex)}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return PlaceIndex(**found)
