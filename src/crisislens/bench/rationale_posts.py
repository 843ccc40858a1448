"""Texts for the study of decisions on rationales (`bench.rationales`): tweets of one crisis whose evidence
people marked, to learn from and to test on, and texts of other crises to test on alone.

All labels are brought to five classes (`docs/label-mappings.md`); a text whose label is none of them without
guessing is left out. DMD's labels are of the *photo* beside the text (damage to buildings,
hurt people, neither), so a text alone cannot reach all of them.
"""

import csv
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from crisislens.core.errors import DataError
from crisislens.data.marked_rationales import AnnotatedText, read_snippet_table, split_folds
from crisislens.domain.tasks import MARKED
from crisislens.training.crisis_labels import DMD_IN_FIVE, HUMAID_IN_FIVE

__all__ = ["NOTHING", "TASK", "RationalePosts", "read_rationale_posts", "read_tested"]

TASK = MARKED
"""The task that all texts are brought to."""
NOTHING = TASK.classes[-1]
_SAMPLE = 2000
# texts of Instagram are three times as long
_SAMPLE_DMD = 1000


@dataclass(frozen=True)
class RationalePosts:
    """Texts with the classes of `TASK`.

    Attributes:
        train: To learn from, marked.
        dev: To choose an epoch by, marked.
        test: To test on.
        marked: Whether people marked the evidence of the test's texts.
    """

    train: list[AnnotatedText]
    dev: list[AnnotatedText]
    test: list[AnnotatedText]
    marked: bool


def read_rationale_posts(
    setting: str, data: Path, merges: Mapping[str, str], *, folds: int = 5
) -> RationalePosts:
    """The texts of a setting: what is learned from is the same in all of them.

    Arguments:
        setting: `nepal` tests on its first fold; `hagupit`, `humaid` and `dmd_text` on what nothing was
            learned from.
        data: The folder with `rationales` and `crisis_text`.
        merges: From a label of the marked tables to its class.
        folds: Of Nepal's texts.

    Raises:
        DataError: If a file is missing or lacks a column, or no text is left.
    """
    nepal = _merged(read_snippet_table(data / "rationales" / "nepal_2015.csv"), merges)
    parts = split_folds(nepal, folds, 0)
    # a class that is none of the five may still teach which words are evidence; it cannot be tested
    held_out = [text for text in parts["test"] if text.label in TASK.classes]
    tested = held_out if setting == "nepal" else read_tested(setting, data, merges)
    if not tested:
        raise DataError(f"no text of {setting} has one of the classes {', '.join(TASK.classes)}")
    marked = setting in ("nepal", "hagupit")
    return RationalePosts(parts["train"], parts["dev"], tested, marked)


def read_tested(setting: str, data: Path, merges: Mapping[str, str]) -> list[AnnotatedText]:
    """The texts of a set that nothing is learned from; arguments and errors as of `read_rationale_posts`."""
    if setting == "hagupit":
        texts = _merged(read_snippet_table(data / "rationales" / "hagupit_2014.csv"), merges)
        return [text for text in texts if text.label in TASK.classes]
    if setting == "humaid":
        return _table(data / "crisis_text" / "humaid" / "test.tsv", HUMAID_IN_FIVE, _SAMPLE)
    return _table(data / "crisis_text" / "dmd_text" / "labeled.tsv", DMD_IN_FIVE, _SAMPLE_DMD, language="en")


def _merged(texts: list[AnnotatedText], merges: Mapping[str, str]) -> list[AnnotatedText]:
    return [replace(text, label=merges.get(text.label, text.label)) for text in texts]


def _table(path: Path, classes: Mapping[str, str], sample: int, *, language: str = "") -> list[AnnotatedText]:
    """A sample of a TSV's rows whose label is one of the classes; of one guessed language, if named."""
    if not path.is_file():
        raise DataError(f"no table of labeled texts at {path}; expected columns text and label")
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        asked = ("text", "label", *(["lang_guess"] if language else []))
        if missing := [name for name in asked if name not in (reader.fieldnames or ())]:
            raise DataError(f"{path} lacks the column {missing[0]}; expected {', '.join(asked)}")
        rows = [row for row in reader if row["label"] in classes and row["text"].strip()]
    kept = [row for row in rows if not language or row["lang_guess"] == language]
    # seeded, of the file's order alone: every run tests the same texts
    drawn = random.Random(0).sample(kept, min(sample, len(kept)))
    return [AnnotatedText(row.get("event") or "", row["text"], classes[row["label"]], ()) for row in drawn]
