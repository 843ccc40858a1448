"""Encoded pictures and the memory of the last ones, bounded by bytes.

Only what is the same to the last bit shares an encoding: the bytes of a file, or, where the files
differ (metadata stripped, another container), all decoded pixels. Pictures that merely look alike
are encoded each by itself: if one lent its numbers to the other, a post would get another answer
when its neighbor is missing, and a run that is resumed would end with other bytes. Who looks alike
is found afterwards, by perceptual hash, and changes no answer (`data.alike`).
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

__all__ = ["Picture", "PictureMemory", "pixels_key"]

_KEY_BYTES = 16
# what a picture takes beside its tensors: keys, notes, the objects themselves
_OVERHEAD_BYTES = 1_024


@dataclass(frozen=True)
class Picture:
    """An encoded picture; shared by the posts that show it, so nobody may change its tensors.

    Attributes:
        tokens: Patch states; none of them where they were not asked for.
        pooled: The pooled vector.
        fingerprint: 16 hex digits over the file's bytes.
        pixels: Names the decoded pixels, as `pixels_key` makes it.
        hash: Perceptual hash, or None for a nearly uniform picture.
        notes: What a reader must know of the decoding.
    """

    tokens: Float[Tensor, "p d"]
    pooled: Float[Tensor, " e"]
    fingerprint: str
    pixels: str
    hash: int | None
    notes: tuple[str, ...]

    @property
    def size(self) -> int:
        """Bytes in memory; of pictures that share their tensors each counts them."""
        return self.tokens.nbytes + self.pooled.nbytes + _OVERHEAD_BYTES


def pixels_key(pixels: UInt8[np.ndarray, "h w 3"]) -> str:
    """32 hex digits over a picture's pixels and its size: equal ones have an equal encoding.

    >>> row, column = np.zeros((1, 4, 3), np.uint8), np.zeros((4, 1, 3), np.uint8)
    >>> pixels_key(row) == pixels_key(row.copy()), pixels_key(row) == pixels_key(column)
    (True, False)

    Arguments:
        pixels: RGB as `data.images` decodes it.
    """
    digest = hashlib.blake2b(str(pixels.shape).encode(), digest_size=_KEY_BYTES)
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


class PictureMemory:
    """The last pictures used, by the fingerprint of their files; for several threads.

    Arguments:
        most_bytes: What they may take together.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most, self._bytes = most_bytes, 0
        self._pictures: OrderedDict[str, Picture] = OrderedDict()
        self._version: int | None = None
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._pictures)

    def known(self, version: int) -> dict[str, Picture]:
        """A copy: what another call forgets meanwhile stays known to this one.

        Arguments:
            version: Of the encoder's weights; pictures of another version are forgotten.
        """
        with self._lock:
            if self._version != version:
                self._pictures.clear()
                self._version, self._bytes = version, 0
            return dict(self._pictures)

    def keep(self, pictures: Iterable[Picture], version: int) -> None:
        """Remembers pictures as the last ones used, and forgets those that no longer fit.

        Arguments:
            pictures: What was used.
            version: Of the weights that encoded them.
        """
        with self._lock:
            if self._version != version:
                return
            for picture in pictures:
                before = self._pictures.pop(picture.fingerprint, None)
                self._bytes += picture.size - (before.size if before is not None else 0)
                self._pictures[picture.fingerprint] = picture
            while self._bytes > self._most:
                _, gone = self._pictures.popitem(last=False)
                self._bytes -= gone.size
