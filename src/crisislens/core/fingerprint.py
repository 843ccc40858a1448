"""Fingerprints: what is cached or reported names exactly what it was made from.

A fingerprint is the first 16 hex digits (64 bits) of BLAKE2b over canonical JSON (sorted keys, no
spaces, no NaN) or over file bytes. 64 bits are ample against accident; against malice (weights from
somebody's package) `sha256_of_file` is compared with a pinned digest instead.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

__all__ = ["fingerprint", "fingerprint_file", "fingerprint_lines", "sha256_of_file"]

_DIGITS = 16
_BLOCK_BYTES = 1 << 20


def fingerprint(value: object) -> str:
    """The fingerprint of any value that JSON can hold;
    mappings are compared without regard to order.

    >>> fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    True

    Raises:
        TypeError: If the value holds something that JSON cannot.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def fingerprint_lines(lines: Iterable[str]) -> str:
    """The fingerprint of a sequence of strings; order counts, and a line break inside a line is not
    a new line.
    """
    digest = hashlib.blake2b()
    for line in lines:
        data = line.encode("utf-8", "surrogatepass")
        # the length before each line: otherwise ["ab"] and ["a", "b"] would be one
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:_DIGITS]


def fingerprint_file(path: Path) -> str:
    """The fingerprint of a file's bytes, read in blocks so that memory stays flat."""
    digest = hashlib.blake2b()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()[:_DIGITS]


def sha256_of_file(path: Path) -> str:
    """The SHA-256 of a file in hex (64 digits), to compare with a pinned digest."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
