"""Photos with a word about what they show (a manifest), and crisis texts that may stand beside
them.

A manifest is a TSV with the columns `file`, `set`, `label`, `text`. Sets: `disaster` (photos from
web searches by hazard), `scene` (places), `everyday` (tweets with their photo), `captioned`
(captions joined by ` || `). Photos are split by near-duplicate cluster, so none is on both sides.

A disaster photo has no text of its own. `hazard_of_text` names the hazard of a text, by which the
two are paired: a weak pairing, and said to be one.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crisislens.core.errors import DataError
from crisislens.data.duplicates import SIGNATURE_LENGTH, cluster, image_hash
from crisislens.data.images import ImageLimits, decode_image

__all__ = ["HAZARDS", "PhotoRecord", "hazard_of_text", "read_photo_manifest"]

HAZARDS = ("flood", "fire", "landslide", "storm", "earthquake", "drought")
_HAZARD_OF_LABEL = {
    "flood": "flood",
    "wild_fire": "fire",
    "wildfire": "fire",
    "urban_fire": "fire",
    "fire": "fire",
    "landslide": "landslide",
    "cyclone": "storm",
    "earthquake": "earthquake",
    "drought": "drought",
}
_WORDS = {
    "flood": r"flood|inundat|submerged|under water|underwater",
    "fire": r"\bfires?\b|wildfire|burn|blaze|flames|smoke",
    "landslide": r"landslide|mudslide|avalanche",
    "storm": r"hurricane|typhoon|cyclone|storm|winds?\b",
    "earthquake": r"earthquake|quake|aftershock|rubble|collapsed",
    "drought": r"drought|dry spell|water shortage",
}


@dataclass(frozen=True)
class PhotoRecord:
    """One photo of a manifest.

    Attributes:
        file: Its path relative to the manifest's folder.
        kind: The set that it belongs to.
        label: What it shows, as the set says.
        texts: Its own texts.
        hazard: One of `HAZARDS` for a photo of a disaster, else empty.
        held_out: True for the photos that nothing is trained on.
    """

    file: str
    kind: str
    label: str
    texts: tuple[str, ...]
    hazard: str
    held_out: bool


def hazard_of_text(text: str) -> str:
    """The hazard that a text speaks of; empty where it names none or several.

    >>> hazard_of_text("Homes flooded after the river rose"), hazard_of_text("flood and fire")
    ('flood', '')
    """
    found = [name for name, words in _WORDS.items() if re.search(words, text, re.IGNORECASE)]
    return found[0] if len(found) == 1 else ""


def read_photo_manifest(path: Path, *, held_out: float = 0.2, seed: int = 0) -> list[PhotoRecord]:
    """The photos of a manifest, in its order; decodes each once for its hash.

    Arguments:
        path: The manifest; photos lie beside it.
        held_out: The share of near-duplicate clusters that is held out.
        seed: Of the draw.

    Raises:
        DataError: If the file is missing or lacks a column.
    """
    if not path.is_file():
        raise DataError(f"no manifest at {path}; expected a TSV with the columns file, set, label, text")
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows or not {"file", "set", "label", "text"} <= set(rows[0]):
        raise DataError(f"{path} lacks one of the columns file, set, label, text")
    share = np.random.default_rng(seed).random(len(rows))[
        _owners([path.parent / row["file"] for row in rows])
    ]
    return [_record(row, bool(s < held_out)) for row, s in zip(rows, share, strict=True)]


def _record(row: dict[str, str], held_out: bool) -> PhotoRecord:
    texts = (
        tuple(t.strip() for t in row["text"].split("||") if t.strip())
        if row["set"] in ("captioned", "everyday")
        else ()
    )
    hazard = _HAZARD_OF_LABEL.get(row["label"], "") if row["set"] == "disaster" else ""
    return PhotoRecord(row["file"], row["set"], row["label"], texts, hazard, held_out)


def _owners(files: Sequence[Path]) -> np.ndarray:
    """For each photo the first of its near-duplicates."""
    hashes = [image_hash(decode_image(file, ImageLimits()).pixels) for file in files]
    there = np.array([h is not None for h in hashes], bool)
    n = len(files)
    owner = np.arange(n)
    blank = np.zeros((n, SIGNATURE_LENGTH), np.uint32)
    for group in cluster(blank, np.zeros(n, bool), np.array([h or 0 for h in hashes], np.uint64), there):
        owner[list(group.members)] = group.members[0]
    return owner
