"""A feature cache: what an encoder made of posts, on disk, in shards that are mapped into memory.

The folder is named by the fingerprint of everything that the features depend on (source, posts,
encoders, cleaning rules, limits, storage), so another encoder or rule never reads an old cache.
`manifest.json` says what the cache is and holds the SHA-256 of every shard;
the shards' layout stands in `shards`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from crisislens.core.config import Config
from crisislens.core.errors import CacheError
from crisislens.core.fingerprint import sha256_of_file
from crisislens.core.lines import first_line
from crisislens.domain.assessment import Modality
from crisislens.features.shards import Shard, TokenDtype, read_shard
from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.nn.widths import FeatureWidths

__all__ = ["CacheIdentity", "CacheManifest", "FeatureCache", "shard_path"]


class CacheIdentity(Config):
    """Everything that the content of a cache depends on; its fingerprint names the folder."""

    format: Literal[1] = 1
    """The layout on disk."""
    source: str
    """Fingerprint of where the posts come from."""
    posts: str
    """Fingerprint of the posts themselves, with the sizes of their picture files."""
    count: int = Field(ge=0)
    """How many posts."""
    features: str
    """Fingerprint of the `PostEncoder`: encoders, cleaning rules, limits."""
    widths: FeatureWidths
    """The encoders' widths."""
    keep_tokens: tuple[Modality, ...]
    """The modalities whose token states are stored."""
    token_dtype: TokenDtype
    """How token states are stored."""
    shard_posts: int = Field(gt=0)
    """Posts a shard."""

    def shards(self) -> int:
        """How many shards the cache has when it is complete."""
        # rounded up
        return -(-self.count // self.shard_posts)


class CacheManifest(Config):
    """The content of `manifest.json`."""

    key: str
    """The fingerprint of the identity."""
    identity: CacheIdentity
    """What the cache holds."""
    shards: dict[int, str]
    """SHA-256 of every finished shard, by its number."""

    @classmethod
    def read(cls, folder: Path) -> "CacheManifest":
        """Reads the manifest of a cache folder.

        Raises:
            CacheError: If it is missing, damaged or contradicts itself.
        """
        path = folder / "manifest.json"
        try:
            manifest = cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise CacheError(
                f"{folder} holds no feature cache (no readable manifest.json); make one with features.extract"
            ) from error
        except ValueError as error:
            raise CacheError(
                f"{path} is damaged or of another version ({first_line(error)}); delete the folder and "
                f"extract again"
            ) from error
        if manifest.key != manifest.identity.fingerprint():
            raise CacheError(
                f"{path} contradicts itself (its key is not that of its content); delete the folder and "
                f"extract again"
            )
        return manifest


class FeatureCache:
    """The features of posts, read as batches; any number of processes may read one cache.

    Arguments:
        folder: The cache's folder.
        manifest: Its manifest.
        shards: Its shards, in order.

    Raises:
        CacheError: If a post's picture is in no shard.
    """

    def __init__(self, folder: Path, manifest: CacheManifest, shards: Sequence[Shard]) -> None:
        self.folder, self.manifest, self._shards = folder, manifest, tuple(shards)
        self.ids = tuple(i for shard in shards for i in shard.ids)
        self.notes = tuple(note for shard in shards for note in shard.notes)
        sizes = np.array([len(shard) for shard in shards], np.int64)
        self._shard_of = np.repeat(np.arange(len(shards)), sizes)
        # the place within the shard: the place in the cache without all shards before
        self._row_of = np.arange(len(self.ids)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        lengths = [shard.text_lengths.numpy().astype(np.int64) for shard in shards]
        self._has_text = np.concatenate([np.zeros(0, bool), *(x >= 0 for x in lengths)])
        lengths = [x.clip(min=0) for x in lengths]
        self.lengths: NDArray[np.int64] = np.concatenate([np.zeros(0, np.int64), *lengths])
        """Text tokens of each post, 0 without text."""
        self._starts = np.concatenate([np.zeros(0, np.int64), *(np.cumsum(x) - x for x in lengths)])
        self._find_pictures()

    @classmethod
    def open(cls, folder: Path, *, verify: bool = True) -> "FeatureCache":
        """Opens a finished cache.

        Arguments:
            folder: The folder with `manifest.json`.
            verify: Whether every shard is compared with its SHA-256, which reads it whole once.

        Raises:
            CacheError: If it is missing, unfinished or damaged; extracting again mends it.
        """
        manifest = CacheManifest.read(folder)
        wanted = range(manifest.identity.shards())
        # numbers, not how many: a missing one and one too many would add up
        if sorted(manifest.shards) != list(wanted):
            raise CacheError(
                f"{folder} has {len(manifest.shards)} of {len(wanted)} shards; extract again, it goes on "
                f"where it stopped"
            )
        return cls(
            folder, manifest, [_open_shard(folder, i, manifest.shards[i] if verify else None) for i in wanted]
        )

    @property
    def widths(self) -> FeatureWidths:
        """The widths of the features."""
        return self.manifest.identity.widths

    @property
    def fingerprint(self) -> str:
        """16 hex digits over everything that the content depends on."""
        return self.manifest.key

    @property
    def features_fingerprint(self) -> str:
        """The fingerprint of the `PostEncoder` that made it."""
        return self.manifest.identity.features

    def __len__(self) -> int:
        return len(self.ids)

    def describe(self) -> dict[str, object]:
        """What a report says of the cache."""
        counts = {
            "posts": len(self),
            "with_text": int(self._has_text.sum()),
            "with_image": int((self._image_shard >= 0).sum()),
        }
        stored = sum(len(shard.stored_keys) for shard in self._shards)
        return {
            **counts,
            "stored_images": stored,
            "fingerprint": self.fingerprint,
            "identity": self.manifest.identity.model_dump(mode="json"),
        }

    def batch(self, indices: Sequence[int] | NDArray[np.int64]) -> FeatureBatch:
        """The features of some posts, in the order given, padded, in float32.

        Raises:
            IndexError: If there is no such post.
        """
        index = np.asarray(indices, np.int64).reshape(-1)
        if index.size and (index.min() < 0 or index.max() >= len(self)):
            raise IndexError(
                f"the cache holds posts 0 to {len(self) - 1}, asked for {index.min()} to {index.max()}"
            )
        return FeatureBatch(text=self._texts(index), image=self._images(index))

    def _find_pictures(self) -> None:
        """Fills in where each post's picture is stored (−1: it has none)."""
        # a picture that several posts share is stored once, so its shard may be another than theirs
        where: dict[int, tuple[int, int]] = {}
        named: list[int | None] = []
        for s, shard in enumerate(self._shards):
            for row, key in enumerate(shard.stored_keys.tolist()):
                where[key] = (s, row)
            for key, present in zip(shard.image_keys.tolist(), shard.image_present.tolist(), strict=True):
                named.append(key if present else None)
        lost = sum(key is not None and key not in where for key in named)
        if lost:
            raise CacheError(
                f"{self.folder} lacks the pictures of {lost} posts; extract again, what is whole is kept"
            )
        places = np.array([(-1, 0) if key is None else where[key] for key in named], np.int64).reshape(-1, 2)
        self._image_shard, self._image_row = places[:, 0], places[:, 1]

    def _texts(self, index: NDArray[np.int64]) -> ModalityBatch:
        lengths, present = self.lengths[index], self._has_text[index]
        b, t, widths = len(index), int(max(1, lengths.max(initial=0))), self.widths
        mask = np.arange(t)[None, :] < lengths[:, None]
        tokens, pooled = torch.zeros(b, t, widths.text), torch.zeros(b, widths.text_pooled)
        for s in np.unique(self._shard_of[index[present]]):
            at = np.flatnonzero(present & (self._shard_of[index] == s))
            shard, size = self._shards[s], lengths[at]
            # positions of all tokens in the shard's flat array, post after post
            step = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
            flat = np.repeat(self._starts[index[at]], size) + step
            tokens[_tensor(np.repeat(at, size)), _tensor(step)] = shard.text_tokens[_tensor(flat)].float()
            pooled[_tensor(at)] = shard.text_pooled[_tensor(self._row_of[index[at]])]
        return ModalityBatch(tokens, torch.from_numpy(mask), pooled, torch.from_numpy(present))

    def _images(self, index: NDArray[np.int64]) -> ModalityBatch:
        place, row = self._image_shard[index], self._image_row[index]
        present, widths = place >= 0, self.widths
        shards = [int(s) for s in np.unique(place[present])]
        # 0 where token states of pictures were not kept; a tensor still has one place, masked
        p = max([0, *(self._shards[s].image_tokens.shape[1] for s in shards)])
        tokens = torch.zeros(len(index), max(p, 1), widths.image)
        pooled = torch.zeros(len(index), widths.image_pooled)
        mask = torch.from_numpy(present)[:, None].repeat(1, max(p, 1)) & (p > 0)
        for s in shards:
            at = np.flatnonzero(place == s)
            tokens[_tensor(at), :p] = self._shards[s].image_tokens[_tensor(row[at])].float()
            pooled[_tensor(at)] = self._shards[s].image_pooled[_tensor(row[at])]
        return ModalityBatch(tokens, mask, pooled, torch.from_numpy(present))


def shard_path(folder: Path, index: int) -> Path:
    """The file of a shard; the manifest names none, so it can lead nowhere else."""
    return folder / f"shard-{index:05d}.safetensors"


def _open_shard(folder: Path, index: int, sha256: str | None) -> Shard:
    path = shard_path(folder, index)
    if sha256 is not None and path.is_file() and sha256_of_file(path) != sha256:
        raise CacheError(
            f"{path} is damaged (its SHA-256 is not the manifest's); extract again, it rebuilds what is "
            f"damaged"
        )
    return read_shard(path)


def _tensor(index: NDArray[np.int64]) -> Tensor:
    return torch.from_numpy(index)
