"""Near-duplicates of a run: what each chunk keeps for the search, and the clusters that the search
finds.

256 bytes of text signature, 8 of its numbers, 8 of photo hash and the id a post: 100,000 posts are
27 MB and their ids, whatever their texts and photos weigh.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crisislens.data.alike import AlikeKind, alike
from crisislens.data.duplicates import SIGNATURE_LENGTH
from crisislens.pipeline.analyst import Finding

__all__ = ["DuplicateCluster", "NeighborStore"]


@dataclass(frozen=True)
class DuplicateCluster:
    """Posts of which every two say or show nearly the same.

    Attributes:
        kind: `text`: the same words; `both`: the same words and photo; `photo`: the same photo with other
            words, so different messages. A post is in one cluster of the first two at most, and in one of
            the third.
        ids: Their ids in the order of the source.
    """

    kind: AlikeKind
    ids: tuple[str, ...]


@dataclass(frozen=True)
class NeighborStore:
    """Signatures of b posts; rows of posts without one are zero and marked.

    Attributes:
        signatures: MinHash signatures, shape (b, SIGNATURE_LENGTH).
        has_text: True where the signature is one, shape (b,).
        numbers: Which numbers the texts say, shape (b,).
        hashes: Perceptual hashes of the photos, shape (b,).
        has_photo: True where the hash is one, shape (b,).
        ids: The posts' ids.
    """

    signatures: NDArray[np.uint32]
    has_text: NDArray[np.bool_]
    numbers: NDArray[np.uint64]
    hashes: NDArray[np.uint64]
    has_photo: NDArray[np.bool_]
    ids: tuple[str, ...]

    @classmethod
    def of(cls, findings: Sequence[Finding]) -> "NeighborStore":
        """What findings hold."""
        blank = np.zeros(SIGNATURE_LENGTH, np.uint32)
        rows = [blank if f.signature is None else f.signature for f in findings]
        return cls(
            np.stack(rows) if rows else np.zeros((0, SIGNATURE_LENGTH), np.uint32),
            np.array([f.signature is not None for f in findings], bool),
            np.array([f.numbers for f in findings], np.uint64),
            np.array([f.image_hash or 0 for f in findings], np.uint64),
            np.array([f.image_hash is not None for f in findings], bool),
            tuple(f.assessment.post.id for f in findings),
        )

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The arrays by name, as they are stored; ids as the bytes of a JSON list, whatever their
        length.
        """
        return {
            "signatures": self.signatures,
            "has_text": self.has_text,
            "numbers": self.numbers,
            "hashes": self.hashes,
            "has_photo": self.has_photo,
            "ids": np.frombuffer(json.dumps(self.ids).encode(), np.uint8),
        }

    @classmethod
    def load(cls, paths: Sequence[Path]) -> "NeighborStore":
        """Joins what chunks stored, in their order."""
        # ids first, which say how many there are: the signatures of a million posts are 256 MB, and
        # parts that are joined at the end would hold them twice
        ids: list[str] = []
        ends = [0]
        for path in paths:
            with np.load(path, allow_pickle=False) as stored:
                ids += json.loads(stored["ids"].tobytes())
            ends.append(len(ids))
        whole = cls.of([]).arrays()
        joined = {
            name: np.empty((len(ids), *whole[name].shape[1:]), whole[name].dtype)
            for name in whole
            if name != "ids"
        }
        for path, start, end in zip(paths, ends[:-1], ends[1:], strict=True):
            with np.load(path, allow_pickle=False) as stored:
                for name, array in joined.items():
                    array[start:end] = stored[name]
        return cls(**joined, ids=tuple(ids))  # type: ignore[arg-type]

    def clusters(self) -> tuple[DuplicateCluster, ...]:
        """The clusters of two or more posts, the largest first."""
        found = alike(self.signatures, self.has_text, self.hashes, self.has_photo, numbers=self.numbers)
        return tuple(DuplicateCluster(c.kind, tuple(map(self.ids.__getitem__, c.members))) for c in found)
