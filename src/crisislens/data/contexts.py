"""Contexts of pictures that were written before: from an image's id to a text.

Read are lines `17_06_4705.jpg :a man at a table`, as BLIP-2 captions are passed around; what
`crisislens caption` writes; and tables with columns such as `image_id` and `context`
(`data.sidecar`). Ids are compared without suffix and folder. Whatever else writes captions only has
to answer to `Contexts`: a mapping.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Int

from crisislens.core.errors import DataError
from crisislens.data.lines import BrokenRow, read_lines
from crisislens.data.sidecar import Sidecar

__all__ = [
    "MOST_CHARACTERS",
    "Contexts",
    "context_of",
    "image_key",
    "mismatched",
    "read_contexts",
    "shuffled_contexts",
]

Contexts = Mapping[str, str]
"""From an image's id, as `image_key` gives it, to its context."""

_CAPTION_LINE = re.compile(r"(\S+?)\s*:\s*(.*)")
_TABLES = (".jsonl", ".ndjson", ".tsv", ".csv")
MOST_CHARACTERS = 4000
"""After which a context is cut."""


def image_key(image: str) -> str:
    """The id of a picture: its file's name without folder and suffix.

    >>> image_key("images/17_06_4705.jpg")
    '17_06_4705'
    """
    name = image.replace("\\", "/").rpartition("/")[2]
    stem, _, suffix = name.rpartition(".")
    return stem if stem and suffix.lower() in {"jpg", "jpeg", "png", "gif", "webp", "bmp"} else name


def context_of(contexts: Contexts, image: str | None) -> str:
    """The context of a picture; empty where there is none."""
    return contexts.get(image_key(image), "") if image else ""


def mismatched(n: int, share: float, random: np.random.Generator) -> Int[np.ndarray, " n"]:
    """For each of n things the one whose context stands beside it: a share of them get another's, in a
    circle, so that none of those keeps its own.

    >>> mismatched(4, 0.0, np.random.default_rng(0)).tolist()
    [0, 1, 2, 3]
    """
    other = np.arange(n)
    chosen = random.permutation(n)[: round(share * n)]
    # a circle of one would be its own
    if len(chosen) > 1:
        other[chosen] = np.roll(chosen, 1)
    return other


def shuffled_contexts(
    contexts: Contexts, images: Iterable[str | None], share: float, *, seed: int = 0
) -> dict[str, str]:
    """Contexts of which a share belong to other pictures: for experiments on what that does.

    Arguments:
        contexts: All contexts.
        images: The pictures whose contexts are shuffled among themselves; all others keep theirs.
        share: The share of them that get another's.
        seed: Of the draw.
    """
    # sorted, so that the draw depends on nothing but the pictures
    keys = sorted({image_key(image) for image in images if image and context_of(contexts, image)})
    other = mismatched(len(keys), share, np.random.default_rng(seed))
    return {**contexts, **{key: contexts[keys[j]] for key, j in zip(keys, other.tolist(), strict=True)}}


def read_contexts(paths: Iterable[Path]) -> dict[str, str]:
    """Reads files of contexts; where several hold an image, the first one counts.

    In a table a context belongs to the photo that its row names (`image`), and by its id
    (`image_id`) only where no row names one.

    Raises:
        DataError: If a file is missing or of neither layout.
    """
    found: dict[str, str] = {}
    for path in paths:
        if not path.is_file():
            raise DataError(
                f"no contexts at {path}; give lines 'ID.jpg :text', what `crisislens caption` wrote, or a "
                f"table"
            )
        for image, text in _table(path) if path.suffix.lower() in _TABLES else _captions(path):
            if text.strip():
                found.setdefault(image_key(image), " ".join(text.split()))
    return found


def _table(path: Path) -> Iterable[tuple[str, str]]:
    rows = Sidecar.read(path, max_characters=MOST_CHARACTERS)
    # ids of posts are no ids of photos where a row names both
    return (rows.by_image or rows.by_id).items()


def _captions(path: Path) -> Iterable[tuple[str, str]]:
    for number, line in enumerate(read_lines(path), start=1):
        match = _CAPTION_LINE.fullmatch(line) if isinstance(line, str) else None
        if match is None and (isinstance(line, BrokenRow) or line.strip()):
            raise DataError(
                f"line {number} of {path.name} is not 'ID.jpg :text'; give a file of such lines, a .jsonl or "
                f"a .tsv"
            )
        if match:
            yield match[1], match[2]
