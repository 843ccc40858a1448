"""A file in the format of the 4-bit e5 weights, small enough for a unit test."""

import struct
from pathlib import Path

import numpy as np

WORDS = (
    "▁",
    "▁query",
    ":",
    "▁flood",
    "▁bridge",
    "▁is",
    "▁down",
    "▁in",
    "▁water",
    "▁help",
    "s",
    "!",
    "fi",
    "▁la",
)
LETTERS = tuple("abcdefghijklmnopqrstuvwxyzשלוםسא")
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
REPLACED = {"\u00a0": " ", "\u200b": "", "ﬁ": "fi", "\t": " "}
WIDTH, LAYERS, HEADS, FEED_FORWARD, POSITIONS = 32, 2, 4, 64, 64


def packed(rows: int, columns: int, rng: np.random.Generator) -> bytes:
    """Random rows of blocks: a scale in half precision and sixteen bytes for each 32 weights."""
    blocks = rows * columns // 32
    scale = rng.uniform(0.02, 0.06, blocks).astype("<f2").view(np.uint8).reshape(blocks, 2)
    nibbles = rng.integers(0, 256, (blocks, 16), dtype=np.uint8)
    return np.concatenate([scale, nibbles], axis=1).tobytes()


def _vocabulary() -> bytes:
    pieces = [*SPECIAL, *WORDS, *LETTERS]
    scores = [0.0] * 4 + [-3.0] * len(WORDS) + [-8.0] * len(LETTERS)
    blobs = [piece.encode() for piece in pieces]
    offsets = np.cumsum([0, *map(len, blobs)]).astype("<u4")
    body = struct.pack("<5iQ", len(pieces), 0, 2, 1, 3, int(offsets[-1]))
    body += offsets.tobytes() + np.array(scores, "<f4").tobytes() + b"".join(blobs)
    entries = [struct.pack(f"<IB{len(v)}I", ord(k), len(v), *map(ord, v)) for k, v in REPLACED.items()]
    return body + struct.pack("<iI", len(entries), len(b"".join(entries))) + b"".join(entries)


def _tensors(vocabulary: int) -> dict[str, tuple[int, int, bool]]:
    """Rows, columns and whether it is packed."""
    d, f = WIDTH, FEED_FORWARD
    table = {"emb.word": (vocabulary, d, True), "emb.pos": (POSITIONS, d, False), "emb.type": (2, d, False)}
    table |= {f"emb.ln.{end}": (1, d, False) for end in "wb"}
    for i in range(LAYERS):
        table |= {f"l{i}.{part}.w": (d, d, True) for part in ("q", "k", "v", "ao")}
        table |= {f"l{i}.{part}.b": (1, d, False) for part in ("q", "k", "v", "ao", "fo")}
        table |= {f"l{i}.{part}.{end}": (1, d, False) for part in ("aln", "oln") for end in "wb"}
        table |= {f"l{i}.fi.w": (f, d, True), f"l{i}.fi.b": (1, f, False), f"l{i}.fo.w": (d, f, True)}
    return table


def write_tiny_e5(
    path: Path, *, without: str = "", seed: int = 0, other_kind: str = "", layers: int = LAYERS
) -> Path:
    """Writes the file.

    Arguments:
        path: Where to.
        without: A tensor that is left out.
        seed: Of the weights.
        other_kind: A tensor that is packed and should not be, or the other way round.
        layers: What the file says of its layers.
    """
    rng = np.random.default_rng(seed)
    vocabulary = len(SPECIAL) + len(WORDS) + len(LETTERS)
    head = b"E5S1" + struct.pack(
        "<I7ifi", 1, WIDTH, layers, HEADS, FEED_FORWARD, vocabulary, POSITIONS, 2, 1e-12, 32
    )
    head += _vocabulary()
    table = {name: entry for name, entry in _tensors(vocabulary).items() if name != without}
    directory = sum(2 + len(name) + 1 + 4 + 8 + 8 for name in table)
    at = -(-(len(head) + 4 + directory) // 8) * 8
    entries, bodies = [], []
    for name, (rows, columns, usual) in table.items():
        blocks = usual != (name == other_kind)
        body = packed(rows, columns, rng) if blocks else _single(name, rows * columns, rng)
        size = len(body)
        entries.append(
            struct.pack("<H", len(name))
            + name.encode()
            + struct.pack("<BIQQ", blocks, rows * columns, at, size)
        )
        bodies.append(body + b"\0" * (-size % 8))
        at += len(bodies[-1])
    start = head + struct.pack("<i", len(table)) + b"".join(entries)
    path.write_bytes(start + b"\0" * (-len(start) % 8) + b"".join(bodies))
    return path


def _single(name: str, count: int, rng: np.random.Generator) -> bytes:
    center = 1.0 if "ln.w" in name else 0.0
    return (center + rng.normal(0, 0.1, count)).astype("<f4").tobytes()
