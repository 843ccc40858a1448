r"""Labeled crisis posts of many sources, read into one set of questions.

Every source asked its own question. `docs/label-mappings.md` says, label by label, what each
becomes here and what is lost; a label that answers none of our questions without guessing leaves
the question open (the key is absent), which is not the same as "no". `training.crisis_labels` is
that page in code.

Questions:

- `humanitarian_10`: one of HumAID's ten classes (Alam et al. 2021,
  https://arxiv.org/abs/2104.03090);
- `informative`, `request` (somebody asks for help), `offer`, `warning`: yes or no;
- the needs, each yes where it is *asked for*: a text about water that asks for nothing is no.
"""

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crisislens.core.errors import DataError
from crisislens.data.text import clean_text
from crisislens.training.crisis_labels import (
    COLUMNS,
    CRESCI,
    CRISISNLP,
    FIRE,
    HUMAID,
    HUMANITARIAN_10,
    KEYWORDS,
    MESSAGE_NEEDS,
    NEEDS,
    NOTHING,
    SWDM13,
    T26_INFORMATIVENESS,
    T26_TYPE,
    ten,
)

__all__ = [
    "COLUMNS",
    "COMMON_CLASSES",
    "HUMANITARIAN_10",
    "NEEDS",
    "SOURCES",
    "CrisisText",
    "common_class",
    "read_source",
    "wording",
]


@dataclass(frozen=True)
class CrisisText:
    """A cleaned text with what its source says of it.

    Attributes:
        text: As `clean_text` leaves it.
        source: The folder it came from; the originals of translated messages are a source of their
            own.
        event: The event as the source names it; empty where it names none.
        split: `train`, `dev` or `test` as published; `train` where the source has no splits.
        language: ISO 639-1 as the source or a detector says; empty where neither does.
        labels: Answers by question: the index of a class, or 0 and 1. A question that is absent is
            open.
    """

    text: str
    source: str
    event: str
    split: str
    language: str
    labels: Mapping[str, int]


def wording(text: str) -> str:
    """A text without case, mentions and punctuation, by which repeats are found."""
    return re.sub(r"\W+", " ", re.sub(r"@\w+", " ", text).casefold()).strip()


# as CrisisMMD's tables merge them: of the missing alone there are none in most crises
_MERGED = {
    "injured_or_dead_people": "affected_people",
    "missing_or_found_people": "affected_people",
    "displaced_people_and_evacuations": "affected_people",
}
COMMON_CLASSES = (
    "affected_people",
    "infrastructure_and_utility_damage",
    "other_relevant_information",
    "rescue_volunteering_or_donation_effort",
    "sympathy_and_support",
)
"""Classes that each crisis of HumAID has, with those of affected people as one."""


def common_class(text: CrisisText) -> str:
    """The class of a text of HumAID by the names of `COMMON_CLASSES`; another one keeps its own.

    Raises:
        KeyError: If the text answers another question.
    """
    name = HUMANITARIAN_10[text.labels["humanitarian_10"]]
    return _MERGED.get(name, name)


def _rows(path: Path) -> list[dict[str, str]]:
    # the limit is the whole process': other readers refuse a longer field, so it is put back
    before = csv.field_size_limit(2**24)
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE, restval=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} cannot be read ({error}); give the folder crisis_text, see docs/label-mappings.md"
        ) from error
    finally:
        csv.field_size_limit(before)


def _humaid(root: Path) -> Iterator[CrisisText]:
    for split in ("train", "dev", "test"):
        for row in _rows(root / "humaid" / f"{split}.tsv"):
            labels = {**HUMAID[row["label"]], **ten(row["label"])}
            yield CrisisText(clean_text(row["text"]), "humaid", row["event"], split, "en", labels)


def _idrisi(root: Path) -> Iterator[CrisisText]:
    for row in _rows(root / "idrisi_en" / "gold.tsv"):
        labels = {**HUMAID[row["label"]], **ten(row["label"])}
        yield CrisisText(clean_text(row["text"]), "idrisi_en", row["event"], "train", "en", labels)


def _messages(root: Path, *, originals: bool) -> Iterator[CrisisText]:
    source = "messages_original" if originals else "messages_english"
    for name, split in (("train", "train"), ("validation", "test")):
        for row in _rows(root / "disaster_response_messages" / f"{name}.tsv"):
            text = clean_text(row["original" if originals else "message_en"])
            event = row["event"] if row["genre"] == "direct" else "news"
            language = row["original_lang_guess"] if originals else "en"
            if text and not (originals and language == "en"):
                yield CrisisText(text, source, event, split, language, _message_labels(row))


def _message_labels(row: Mapping[str, str]) -> dict[str, int]:
    asks = row["request"] == "1"
    needs = {}
    for need, columns in MESSAGE_NEEDS.items():
        named = any(row[column] == "1" for column in columns)
        # a message that tells of flooded wells without asking for water is no request for it
        needs[need] = int(asks and named)
    # 2 means that the annotators were unsure, and an empty cell that nobody said
    related = {"informative": int(row["related"])} if row["related"] in ("0", "1") else {}
    return {**related, "request": int(asks), **needs}


def _t26(root: Path) -> Iterator[CrisisText]:
    for row in _rows(root / "crisislex_t26" / "labeled.tsv"):
        labels: dict[str, int] = dict(T26_TYPE[row["type"]])
        labels |= T26_INFORMATIVENESS[row["informativeness"]]
        yield CrisisText(
            clean_text(row["text"]), "crisislex_t26", row["event"], "train", row["lang_guess"], labels
        )


def _t6(root: Path) -> Iterator[CrisisText]:
    for row in _rows(root / "crisislex_t6" / "ontopic.tsv"):
        # on topic is not informative: a joke about the storm is on topic
        labels = NOTHING if row["label"] == "off-topic" else {}
        yield CrisisText(clean_text(row["text"]), "crisislex_t6", row["event"], "train", "en", labels)


def _table(
    folder: str, column: str, mapping: Mapping[str, Mapping[str, int]], *, event: str = "", language: str = ""
) -> Callable[[Path], Iterator[CrisisText]]:
    """A reader of one table whose label is one column."""

    def read(root: Path) -> Iterator[CrisisText]:
        for row in _rows(root / folder / "labeled.tsv"):
            known = language or row.get("lang_guess", "")
            labels = mapping.get(row[column], {})
            yield CrisisText(clean_text(row["text"]), folder, row.get(event, ""), "train", known, labels)

    return read


SOURCES: dict[str, Callable[[Path], Iterator[CrisisText]]] = {
    "humaid": _humaid,
    "idrisi_en": _idrisi,
    "messages_english": lambda root: _messages(root, originals=False),
    "messages_original": lambda root: _messages(root, originals=True),
    "crisislex_t26": _t26,
    "crisislex_t6": _t6,
    "crisisnlp_workers": _table("crisisnlp_workers", "label", CRISISNLP, event="event"),
    "crisisnlp_volunteers": _table("crisisnlp_volunteers", "label", CRISISNLP, event="event"),
    "fire2017_nepal": _table("fire2017_nepal", "label", FIRE),
    "cresci_italian": _table("cresci_italian", "label", CRESCI, event="disaster_id", language="it"),
    "sandy_2012_swdm13": _table("sandy_2012_swdm13", "type", SWDM13, language="en"),
    "disaster_keyword_tweets": _table("disaster_keyword_tweets", "about_disaster", KEYWORDS, language="en"),
}
"""Readers by the name of their source; each takes the folder `crisis_text`."""


def read_source(root: Path, name: str, *, splits: Sequence[str] = ("train",)) -> list[CrisisText]:
    """The texts of a source that answer at least one question.

    Arguments:
        root: The folder `crisis_text`.
        name: A name in `SOURCES`.
        splits: Which of `train`, `dev`, `test`.

    Raises:
        DataError: If a file is missing or not what it should be.
    """
    try:
        return [row for row in SOURCES[name](root) if row.labels and row.text and row.split in splits]
    except KeyError as error:
        # a column or a label that is not there: another version of the source, or another file
        raise DataError(
            f"{name} in {root} has no column or label {error}; give the folder crisis_text, see "
            f"docs/label-mappings.md"
        ) from error
