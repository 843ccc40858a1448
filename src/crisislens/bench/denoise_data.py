"""Posts in which several crises talk at once, and a guide that says which of them is meant.

A *segment* is a tweet of one of 17 crises and one of five classes. A *mix* of K distractors puts the words of
K + 1 segments, each of another crisis, into one text. The *guide*, which stands where a photo would, is a
caption that names the crisis that is meant; asked for is the class of that crisis's segment.

Three rules make the question fair. Each is held by a test.

- The guide says nothing of the class: within a crisis all classes are meant equally often.
- The words say nothing of which segment is meant: crises are all different, and classes are dealt out as
  evenly as can be before one segment is named, so that neither a rare nor a frequent class gives it away.
- Every segment names its crisis, and no other one.

So with K = 0 the guide is not needed, and without it nobody can do better than the most frequent class of a
mix, `best_unguided`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from crisislens.core.errors import DataError
from crisislens.nn.batch import FeatureBatch, ModalityBatch
from crisislens.nn.widths import FeatureWidths
from crisislens.training.crisis_text import COMMON_CLASSES, common_class, read_source, wording

__all__ = [
    "CLASSES",
    "CRISES",
    "Mixes",
    "Segment",
    "Segments",
    "best_unguided",
    "dealt",
    "guides",
    "read_segments",
]

CRISES: Mapping[str, Sequence[str]] = {
    "california_wildfires_2018": ("california", "campfire", "camp fire", "woolsey", "malibu"),
    "canada_wildfires_2016": ("fort mcmurray", "fortmcmurray", "ymm", "alberta"),
    "cyclone_idai_2019": ("idai", "mozambique", "beira", "zimbabwe", "malawi"),
    "ecuador_earthquake_2016": ("ecuador",),
    "greece_wildfires_2018": ("greece", "greek", "athens"),
    "hurricane_dorian_2019": ("dorian", "bahamas", "abaco"),
    "hurricane_florence_2018": ("florence", "carolina"),
    "hurricane_harvey_2017": ("harvey", "houston", "texas"),
    "hurricane_irma_2017": ("irma", "florida"),
    "hurricane_maria_2017": ("maria", "puerto", "dominica"),
    "hurricane_matthew_2016": ("matthew", "haiti"),
    "italy_earthquake_aug_2016": ("italy", "italian", "amatrice"),
    "kaikoura_earthquake_2016": ("kaikoura", "new zealand", "newzealand", "eqnz", "wellington"),
    "kerala_floods_2018": ("kerala",),
    "maryland_floods_2018": ("maryland", "ellicott"),
    "puebla_mexico_earthquake_2017": ("mexico", "mexican", "puebla"),
    "srilanka_floods_2017": ("lanka", "lka", "floodsl", "slflood", "colombo", "cyclone mora"),
}
"""The crises of HumAID, and letters by which a tweet names each of them."""

CLASSES = COMMON_CLASSES
"""The classes that every one of the crises has."""


@dataclass(frozen=True)
class Segment:
    """A tweet that may be meant or stand beside the one that is, or a guide.

    Attributes:
        text: The tweet, cleaned.
        crisis: As a number in the order of `CRISES`.
        label: As a number in the order of `CLASSES`.
        part: `train`, `dev` or `test`; `guide` for a guide, which has no class (−1).
    """

    text: str
    crisis: int
    label: int
    part: str


def read_segments(data: Path, most: Mapping[str, int]) -> list[Segment]:
    """Tweets of HumAID that name their crisis and no other one.

    Arguments:
        data: The folder that holds `crisis_text`.
        most: For each part at most how many tweets of one crisis and class.

    Raises:
        DataError: If the data is not there or not as described.
    """
    numbers = {crisis: i for i, crisis in enumerate(CRISES)}
    filled: dict[tuple[str, int, int], int] = {}
    seen: set[str] = set()
    found = []
    # parts as published, each with its own tweets; the same wording counts once, in the part read first
    for row in read_source(data / "crisis_text", "humaid", splits=tuple(most)):
        label = common_class(row)
        words = wording(row.text)
        if label not in CLASSES or words in seen or _named(row.text) != [row.event]:
            continue
        segment = Segment(row.text, numbers[row.event], CLASSES.index(label), row.split)
        cell = (row.split, segment.crisis, segment.label)
        if filled.get(cell, 0) < most[row.split]:
            filled[cell] = filled.get(cell, 0) + 1
            seen.add(words)
            found.append(segment)
    return found


def guides() -> list[Segment]:
    """The captions, one a crisis.

    >>> guides()[0].text
    'california wildfires 2018'
    """
    return [Segment(name.replace("_", " "), i, -1, "guide") for i, name in enumerate(CRISES)]


def _named(text: str) -> list[str]:
    """The crises that a tweet names."""
    low = text.casefold()
    return [crisis for crisis, names in CRISES.items() if any(name in low for name in names)]


def best_unguided(distractors: int) -> float:
    """The accuracy of who reads every segment without a mistake and has no guide.

    >>> [round(best_unguided(k), 2) for k in (0, 1, 2, 4, 8, 16)]
    [1.0, 0.5, 0.33, 0.2, 0.22, 0.24]
    """
    segments = distractors + 1
    return -(-segments // len(CLASSES)) / segments


@dataclass(frozen=True)
class Segments:
    """Frozen states of segments, all in one table.

    Attributes:
        states: States of the pieces of all segments, one after the other.
        starts: For each segment its first row in `states`.
        lengths: How many rows it has.
        pooled: The encoder's pooled vector of each.
        crisis: See `Segment`.
        label: See `Segment`.
        rows: The segments of each part; those of `guide` in the order of the crises.
    """

    states: Float[Tensor, "r d"]
    starts: Int[np.ndarray, " n"]
    lengths: Int[np.ndarray, " n"]
    pooled: Float[Tensor, "n e"]
    crisis: Int[np.ndarray, " n"]
    label: Int[np.ndarray, " n"]
    rows: Mapping[str, Int[np.ndarray, " m"]]

    @property
    def widths(self) -> FeatureWidths:
        """The guide stands where a photo would, so both sides have the text encoder's widths."""
        d, e = self.states.shape[1], self.pooled.shape[1]
        return FeatureWidths(text=d, text_pooled=e, image=d, image_pooled=e)

    def batch(self, segments: Int[np.ndarray, "b m"], guides: Int[np.ndarray, " b"] | None) -> FeatureBatch:
        """Mixes as a model reads them.

        Arguments:
            segments: For each post the segments whose words it holds.
            guides: For each post its guide; None takes the guides away.
        """
        text = self._side(segments)
        guide = self._side(guides[:, None] if guides is not None else segments[:, :1])
        if guides is None:
            guide = guide.without(torch.ones(len(segments), dtype=torch.bool))
        return FeatureBatch(text=text, image=guide)

    def _side(self, segments: Int[np.ndarray, "b m"]) -> ModalityBatch:
        lengths = self.lengths[segments]
        step = np.arange(int(lengths.max()))
        real = (step < lengths[..., None]).reshape(len(segments), -1)
        row = (self.starts[segments][..., None] + step).reshape(len(segments), -1)
        # padding stands at the end, as every batch has it; stable, so that words keep their order
        order = np.argsort(~real, axis=1, kind="stable")[:, : int(real.sum(1).max())]
        row, real = np.take_along_axis(row, order, 1), np.take_along_axis(real, order, 1)
        mask = torch.from_numpy(real)
        states = self.states[torch.from_numpy(np.where(real, row, 0))] * mask[..., None]
        pooled = self.pooled[torch.from_numpy(segments)].mean(1)
        return ModalityBatch(states, mask, pooled, torch.ones(len(segments), dtype=torch.bool))


class Mixes:
    """Draws distractors and guides for one part.

    Arguments:
        segments: All segments.
        part: Which part's.

    Raises:
        DataError: If fewer than two crises have a tweet of every class.

    Attributes:
        crises: Those that have; no others take part.
    """

    def __init__(self, segments: Segments, part: str) -> None:
        self.segments = segments
        rows = segments.rows[part]
        crises = int(segments.crisis.max(initial=-1)) + 1
        self.classes = int(segments.label.max(initial=-1)) + 1
        self.cells: dict[tuple[int, int], Int[np.ndarray, " m"]] = {}
        for crisis, label in np.ndindex(crises, self.classes):
            at = (segments.crisis[rows] == crisis) & (segments.label[rows] == label)
            self.cells[crisis, label] = rows[at]
        whole = [all(len(self.cells[i, k]) for k in range(self.classes)) for i in range(crises)]
        self.crises = np.flatnonzero(whole)
        if len(self.crises) < 2:
            raise DataError(
                f"{len(self.crises)} crises have {part} tweets of every class that name them, and mixes need "
                f"two such crises; give the folder crisis_text with HumAID as published"
            )

    def meant(self) -> Int[np.ndarray, " n"]:
        """The segments that are asked for: within a crisis equally many of each class, as many as its
        rarest class has.
        """
        chosen = []
        for crisis in self.crises.tolist():
            mine = [self.cells[crisis, label] for label in range(self.classes)]
            n = min(len(cell) for cell in mine)
            chosen += [cell[:n] for cell in mine]
        return np.concatenate(chosen)

    def draw(
        self, meant: Int[np.ndarray, " b"], distractors: int, random: np.random.Generator
    ) -> tuple[Int[np.ndarray, "b m"], Int[np.ndarray, " b"]]:
        """Mixes around segments, and their guides.

        Arguments:
            meant: The segments that are asked for.
            distractors: K; as many as there are other crises where that is fewer.
            random: Draws everything.
        """
        distractors = min(distractors, len(self.crises) - 1)
        drawn = [self._around(int(one), distractors, random) for one in meant]
        guides = self.segments.rows["guide"][self.segments.crisis[meant]]
        # no model here knows the order of segments; a shuffled one shows that none has to
        return random.permuted(np.array(drawn), axis=1), guides

    def _around(self, meant: int, distractors: int, random: np.random.Generator) -> list[int]:
        own = int(self.segments.crisis[meant])
        others = random.permutation(self.crises[self.crises != own])[:distractors]
        labels = dealt(int(self.segments.label[meant]), distractors, self.classes, random)
        cells = [self.cells[int(c), int(k)] for c, k in zip(others, labels, strict=True)]
        return [meant, *(_one(cell, random) for cell in cells)]


def _one(cell: Int[np.ndarray, " n"], random: np.random.Generator) -> int:
    return int(cell[random.integers(len(cell))])


def dealt(own: int, distractors: int, classes: int, random: np.random.Generator) -> Int[np.ndarray, " k"]:
    """The classes of distractors: those of all segments are as even as can be, and the one that is meant
    is any of them.

    >>> sorted(dealt(1, 2, 3, np.random.default_rng(0)).tolist())
    [0, 2]

    Arguments:
        own: The class of the segment that is meant.
        distractors: How many.
        classes: How many classes there are.
        random: Draws everything.
    """
    n = distractors + 1
    rounds = [random.permutation(classes) for _ in range(-(-n // classes))]
    labels = np.concatenate(rounds)[:n]
    at = int(random.integers(n))
    # all classes were equally likely everywhere, so two may change names: the one at `at` is `own` then
    names = np.arange(classes)
    names[[own, labels[at]]] = names[[labels[at], own]]
    found: Int[np.ndarray, " k"] = np.delete(names[labels], at)
    return found
