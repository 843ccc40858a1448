r"""Labeled crisis posts of many sources, read into one set of questions.

Every source asked its own question. `docs/label-mappings.md` says, label by label, what each
becomes here and what is lost; a label that answers none of our questions without guessing leaves
the question open (the key is absent), which is not the same as "no". The tables of this module are
that page in code, and a test holds the two together.

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
from crisislens.domain.tasks import TASKS

__all__ = [
    "COLUMNS",
    "HUMANITARIAN_10",
    "NEEDS",
    "SOURCES",
    "CrisisText",
    "read_source",
    "wording",
]

HUMANITARIAN_10 = TASKS["humanitarian_10"].classes
NEEDS = TASKS["needs"].classes
COLUMNS = ("informative", "request", "offer", "warning", *NEEDS)
"""The questions with yes or no."""
_NOTHING = dict.fromkeys(COLUMNS, 0)
_QUIET = {"request": 0, "offer": 0, "warning": 0, **dict.fromkeys(NEEDS, 0)}


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


def _ten(name: str) -> dict[str, int]:
    return {"humanitarian_10": HUMANITARIAN_10.index(name)}


HUMAID: dict[str, dict[str, int]] = {
    "caution_and_advice": {**_QUIET, "informative": 1, "warning": 1},
    "displaced_people_and_evacuations": {"informative": 1, "request": 0, "warning": 0},
    "infrastructure_and_utility_damage": {**_QUIET, "informative": 1},
    "injured_or_dead_people": {**_QUIET, "informative": 1},
    "missing_or_found_people": {"informative": 1, "warning": 0, "offer": 0, "missing_people": 1},
    "not_humanitarian": _NOTHING,
    "other_relevant_information": {**_QUIET, "informative": 1},
    "requests_or_urgent_needs": {"informative": 1, "request": 1, "warning": 0, "offer": 0},
    "rescue_volunteering_or_donation_effort": {"informative": 1, "request": 0, "warning": 0},
    "sympathy_and_support": {**_QUIET, "informative": 1},
}
T26_INFORMATIVENESS = {
    "Related and informative": {"informative": 1},
    "Related - but not informative": {"informative": 0},
    "Not related": _NOTHING,
    "Not applicable": {},
}
T26_TYPE: dict[str, dict[str, int]] = {
    "Caution and advice": {"warning": 1, "request": 0, **_ten("caution_and_advice")},
    "Infrastructure and utilities": {**_QUIET, **_ten("infrastructure_and_utility_damage")},
    "Sympathy and support": {**_QUIET, **_ten("sympathy_and_support")},
    "Donations and volunteering": {"warning": 0},
    "Affected individuals": {"warning": 0},
    "Other Useful Information": {"warning": 0},
    "Not labeled": {},
    "Not applicable": {},
}
CRISISNLP: dict[str, dict[str, int]] = {
    "injured_or_dead_people": {**_QUIET, "informative": 1, **_ten("injured_or_dead_people")},
    "deaths_reports": {**_QUIET, "informative": 1, **_ten("injured_or_dead_people")},
    "Injured or dead people": {**_QUIET, "informative": 1, **_ten("injured_or_dead_people")},
    "Injured and dead": {**_QUIET, "informative": 1, **_ten("injured_or_dead_people")},
    "missing_trapped_or_found_people": {
        "informative": 1,
        "missing_people": 1,
        "warning": 0,
        **_ten("missing_or_found_people"),
    },
    "Missing, trapped, or found people": {
        "informative": 1,
        "missing_people": 1,
        "warning": 0,
        **_ten("missing_or_found_people"),
    },
    "People missing or found": {"informative": 1, "missing_people": 1, **_ten("missing_or_found_people")},
    "displaced_people_and_evacuations": {"informative": 1, **_ten("displaced_people_and_evacuations")},
    "Displaced people": {"informative": 1, **_ten("displaced_people_and_evacuations")},
    "infrastructure_and_utilities_damage": {
        **_QUIET,
        "informative": 1,
        **_ten("infrastructure_and_utility_damage"),
    },
    "Infrastructure Damage": {**_QUIET, "informative": 1, **_ten("infrastructure_and_utility_damage")},
    "Infrastructure and utilities": {**_QUIET, "informative": 1, **_ten("infrastructure_and_utility_damage")},
    "caution_and_advice": {"informative": 1, "warning": 1, "request": 0, **_ten("caution_and_advice")},
    "Caution and advice": {"informative": 1, "warning": 1, "request": 0, **_ten("caution_and_advice")},
    "sympathy_and_emotional_support": {**_QUIET, **_ten("sympathy_and_support")},
    "Sympathy and emotional support": {**_QUIET, **_ten("sympathy_and_support")},
    "Urgent Needs": {"informative": 1, "request": 1, "offer": 0, **_ten("requests_or_urgent_needs")},
    "Needs of those affected": {"informative": 1, "request": 1, **_ten("requests_or_urgent_needs")},
    "Requests for Help/Needs": {"informative": 1, "request": 1, **_ten("requests_or_urgent_needs")},
    "not_related_or_irrelevant": {**_NOTHING, **_ten("not_humanitarian")},
    "Not related to crisis": {**_NOTHING, **_ten("not_humanitarian")},
    "Not Relevant": {"request": 0, "offer": 0},
    "donation_needs_or_offers_or_volunteering_services": {"informative": 1, "warning": 0},
}
SWDM13: dict[str, dict[str, int]] = {
    "Informative: damage (building, road, lines, etc.)": {
        **_QUIET,
        "informative": 1,
        **_ten("infrastructure_and_utility_damage"),
    },
    "Informative: caution or advice": {
        "informative": 1,
        "warning": 1,
        "request": 0,
        **_ten("caution_and_advice"),
    },
    "Informative: offers/gives donations of money, goods, or free services": {
        "informative": 1,
        "offer": 1,
        "request": 0,
    },
    "Informative: requests donations of money, goods, or free services": {"informative": 1, "warning": 0},
    "Informative: casualties (people injured or dead)": {
        **_QUIET,
        "informative": 1,
        **_ten("injured_or_dead_people"),
    },
    "Not informative: personal only": _NOTHING,
    "Not informative: unrelated to the disaster": {**_NOTHING, **_ten("not_humanitarian")},
}
FIRE = {
    "need": {"informative": 1, "request": 1, "offer": 0, "warning": 0},
    "availability": {"informative": 1, "request": 0, "offer": 1, "warning": 0},
    "other": {"request": 0, "offer": 0},
}
CRESCI = {
    "damage": {"informative": 1, "request": 0, "offer": 0},
    "no damage": {"request": 0},
    "not relevant": _NOTHING,
}
KEYWORDS: dict[str, dict[str, int]] = {
    "0": {**_NOTHING, **_ten("not_humanitarian")},
    "1": {"informative": 1},
}
MESSAGE_NEEDS = {
    "rescue": ("search_and_rescue",),
    "medical": ("medical_help", "medical_products"),
    "water": ("water",),
    "food": ("food",),
    "shelter": ("shelter",),
    "clothing_and_blankets": ("clothing",),
    "missing_people": ("missing_people",),
    "electricity_and_communication": ("electricity",),
    "transport": ("transport",),
    "security": ("security",),
}
"""Columns of disaster_response_messages that make a need, where `request` is 1 as well."""


def _rows(path: Path) -> Iterator[dict[str, str]]:
    csv.field_size_limit(2**24)
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            yield from csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path} cannot be read ({error}); give the folder crisis_text, see docs/label-mappings.md"
        ) from error


def _humaid(root: Path) -> Iterator[CrisisText]:
    for split in ("train", "dev", "test"):
        for row in _rows(root / "humaid" / f"{split}.tsv"):
            labels = {**HUMAID[row["label"]], **_ten(row["label"])}
            yield CrisisText(clean_text(row["text"]), "humaid", row["event"], split, "en", labels)


def _idrisi(root: Path) -> Iterator[CrisisText]:
    for row in _rows(root / "idrisi_en" / "gold.tsv"):
        labels = {**HUMAID[row["label"]], **_ten(row["label"])}
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
    # 2 means that the annotators were unsure
    related = {"informative": int(row["related"])} if row["related"] in "01" else {}
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
        labels = _NOTHING if row["label"] == "off-topic" else {}
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
    return [row for row in SOURCES[name](root) if row.labels and row.text and row.split in splits]
