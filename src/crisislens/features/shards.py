"""One shard of a feature cache: the features of some hundred posts in one safetensors file, read by
memory mapping.

Texts are ragged: the token states of all posts stand one after the other, and `text_lengths` says
how many each has (−1: no text). Pictures are stored once a cache: a post names its picture by the
fingerprint of the bytes, and the shard that met the picture first holds its features. Naming by
fingerprint, not by position, means that a shard can be built again
without any other shard noticing.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float32, Int32, Int64
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from crisislens.core.errors import CacheError
from crisislens.features.encode import EncodedPosts, PostFeatures
from crisislens.nn.widths import FeatureWidths

__all__ = ["Shard", "TokenDtype", "pack_shard", "read_shard"]

TokenDtype = Literal["float16", "float32"]
_DTYPES = {"float16": torch.float16, "float32": torch.float32}


@dataclass(frozen=True)
class Shard:
    """The features of n posts and of the m pictures that they showed first;
    tensors are mapped from the file.

    Attributes:
        ids: The posts' ids.
        notes: Per post what a reader must know.
        text_lengths: Tokens of each text, −1 where there is none.
        text_tokens: Token states of all texts.
        text_pooled: Pooled vectors, zeros where there is no text.
        image_present: Whether a post has a picture.
        image_keys: The fingerprint of its picture as a signed integer, 0 where it has none.
        stored_keys: The fingerprints of the pictures stored here.
        image_tokens: Their patch states.
        image_pooled: Their pooled vectors.
    """

    ids: tuple[str, ...]
    notes: tuple[tuple[str, ...], ...]
    text_lengths: Int32[Tensor, " n"]
    text_tokens: Float[Tensor, "t dt"]
    text_pooled: Float32[Tensor, "n et"]
    image_present: Bool[Tensor, " n"]
    image_keys: Int64[Tensor, " n"]
    stored_keys: Int64[Tensor, " m"]
    image_tokens: Float[Tensor, "m p di"]
    image_pooled: Float32[Tensor, "m ei"]

    def __len__(self) -> int:
        return len(self.ids)


def pack_shard(
    ids: Sequence[str],
    encoded: EncodedPosts,
    *,
    widths: FeatureWidths,
    dtype: TokenDtype,
    elsewhere: Collection[int],
) -> tuple[bytes, frozenset[int]]:
    """The bytes of a shard and the keys of the pictures that it stores.

    Arguments:
        ids: The posts' ids.
        encoded: Their features.
        widths: The encoders' widths.
        dtype: How token states are stored; pooled vectors are always float32.
        elsewhere: Keys of pictures that other shards hold.

    Raises:
        CacheError: If a state is too large for float16 or not a number.
    """
    features = encoded.features
    # of posts that share a picture the last one stands for all; their features are the same
    pictures = {_key(f): f for f in features if f.image_fingerprint is not None}
    stored = {key: f for key, f in pictures.items() if key not in elsewhere}
    texts = [f.text_tokens for f in features if f.text_tokens is not None]
    patches = [f.image_tokens for f in stored.values() if f.image_tokens is not None]
    p = len(patches[0]) if patches else 0
    tensors = {
        "text_lengths": torch.tensor(
            [-1 if f.text_tokens is None else len(f.text_tokens) for f in features], dtype=torch.int32
        ),
        "text_tokens": torch.cat([torch.zeros(0, widths.text), *texts]).to(_DTYPES[dtype]),
        "text_pooled": _rows([f.text_pooled for f in features], widths.text_pooled),
        "image_present": torch.tensor([f.image_fingerprint is not None for f in features], dtype=torch.bool),
        "image_keys": torch.tensor([_key(f) for f in features], dtype=torch.int64),
        "stored_keys": torch.tensor(list(stored), dtype=torch.int64),
        "image_tokens": torch.stack(patches).to(_DTYPES[dtype])
        if patches
        else torch.zeros(0, p, widths.image, dtype=_DTYPES[dtype]),
        "image_pooled": _rows([f.image_pooled for f in stored.values()], widths.image_pooled),
    }
    for name in ("text_tokens", "text_pooled", "image_tokens", "image_pooled"):
        if not bool(tensors[name].isfinite().all()):
            whose = _beyond(ids, features, name, dtype)
            raise CacheError(
                f"{name} of {whose} hold values that {dtype} cannot; {_way_out(dtype)}check the encoder"
            )
    # as JSON: metadata of safetensors are texts only
    metadata = {"ids": json.dumps(list(ids)), "notes": json.dumps(encoded.notes)}
    return save(tensors, metadata=metadata), frozenset(stored)


def read_shard(path: Path) -> Shard:
    """Maps a shard.

    Raises:
        CacheError: If the file is missing or not a shard.
    """
    names = [name for name in Shard.__dataclass_fields__ if name not in ("ids", "notes")]
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in names}
            metadata = file.metadata() or {}
        ids, notes = json.loads(metadata["ids"]), json.loads(metadata["notes"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise CacheError(
            f"{path} cannot be read as a shard of features ({error}); extract again, what is whole is kept"
        ) from error
    return Shard(ids=tuple(ids), notes=tuple(tuple(x) for x in notes), **tensors)


def _beyond(ids: Sequence[str], features: Sequence[PostFeatures], name: str, dtype: TokenDtype) -> str:
    """Whose states a type of number cannot hold: how many posts, and the first of them by its id."""
    # pooled vectors are stored as they are
    stored = torch.float32 if name.endswith("pooled") else _DTYPES[dtype]
    states = [getattr(one, name) for one in features]
    found = [
        i
        for i, state in zip(ids, states, strict=True)
        if state is not None and not bool(state.to(stored).isfinite().all())
    ]
    return f"{len(found)} of {len(ids)} posts (the first: {found[0]})"


def _way_out(dtype: TokenDtype) -> str:
    """Where wider states can be asked for; there is nothing wider than float32."""
    if dtype == "float32":
        return ""
    return 'extract with token_dtype float32 (in Python: `extract(…, token_dtype="float32")`), or '


def _key(features: PostFeatures) -> int:
    """The 64 bits of a picture's fingerprint as a signed integer, which torch can hold."""
    return int.from_bytes(bytes.fromhex(features.image_fingerprint or "00" * 8), "big", signed=True)


def _rows(vectors: Sequence[Tensor | None], width: int) -> Float32[Tensor, "n e"]:
    rows = torch.zeros(len(vectors), width)
    for row, vector in zip(rows, vectors, strict=True):
        if vector is not None:
            row.copy_(vector)
    return rows
