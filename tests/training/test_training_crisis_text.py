"""Labels of other data sets: each becomes what the reviewed page says, and nothing is guessed."""

import csv
from pathlib import Path

import pytest

from crisislens.core.errors import DataError
from crisislens.training import crisis_labels
from crisislens.training.crisis_text import COLUMNS, HUMANITARIAN_10, NEEDS, SOURCES, read_source, wording

PAGE = Path(__file__).parents[2] / "docs" / "label-mappings.md"
TABLES = {
    "HUMAID": crisis_labels.HUMAID,
    "T26": {**crisis_labels.T26_INFORMATIVENESS, **crisis_labels.T26_TYPE},
    "CRISISNLP": crisis_labels.CRISISNLP,
    "FIRE": crisis_labels.FIRE,
    "CRESCI": crisis_labels.CRESCI,
}


def write(root: Path, name: str, *rows: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.mark.parametrize("table", sorted(TABLES))
def test_every_mapped_label_stands_on_the_reviewed_page(table: str) -> None:
    page = PAGE.read_text(encoding="utf-8")
    missing = [label for label in TABLES[table] if f"`{label}`" not in page and f"type `{label}`" not in page]
    assert not missing


def test_every_source_has_a_part_of_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    folders = {name.replace("messages_english", "disaster_response_messages") for name in SOURCES}
    assert all(f"`{name}`" in page for name in folders - {"messages_original"})


def test_answers_are_of_known_questions_and_in_range() -> None:
    tables = [*TABLES.values(), crisis_labels.SWDM13, crisis_labels.KEYWORDS]
    for labels in (labels for table in tables for labels in table.values()):
        assert set(labels) <= {*COLUMNS, "humanitarian_10"}
        assert all(labels[c] in (0, 1) for c in COLUMNS if c in labels)
        assert 0 <= labels.get("humanitarian_10", 0) < len(HUMANITARIAN_10)


def test_humaid_leaves_open_what_its_class_does_not_say(tmp_path: Path) -> None:
    write(
        tmp_path,
        "humaid/train.tsv",
        "event\ttweet_id\ttext\tlabel",
        'flood\t1\tWe need "water" https://t.co/x\trequests_or_urgent_needs',
    )
    write(tmp_path, "humaid/dev.tsv", "event\ttweet_id\ttext\tlabel")
    write(
        tmp_path, "humaid/test.tsv", "event\ttweet_id\ttext\tlabel", "flood\t2\tStay away\tcaution_and_advice"
    )
    (text,) = read_source(tmp_path, "humaid")
    assert (text.text, text.event, text.split) == ('We need "water"', "flood", "train")
    assert text.labels["request"] == 1
    assert not set(NEEDS) & set(text.labels)
    (test,) = read_source(tmp_path, "humaid", splits=("test",))
    assert (test.labels["warning"], test.labels["water"]) == (1, 0)


HEAD = (
    "genre\tevent\tmessage_en\toriginal\toriginal_lang_guess\trelated\trequest\tsearch_and_rescue\tmedical_help"
    "\tmedical_products\twater\tfood\tshelter\tclothing\tmissing_people\telectricity\ttransport\tsecurity"
)


def test_a_need_is_asked_for_only_where_there_is_a_request(tmp_path: Path) -> None:
    rows = ["1\t1\t0\t0\t1\t1\t0", "2\t0\t0\t0\t0\t1\t0"]
    zeros = "\t0" * 6
    lines = [f"direct\thaiti\tWe need water\tNou bezwen dlo\tht\t{row}{zeros}" for row in rows]
    for name in ("train", "validation"):
        write(tmp_path, f"disaster_response_messages/{name}.tsv", HEAD, *lines)
    asks, unsure = read_source(tmp_path, "messages_english")
    assert (asks.labels["medical"], asks.labels["water"], asks.labels["food"]) == (1, 1, 0)
    assert (unsure.labels["request"], unsure.labels["water"]) == (0, 0)
    assert "informative" not in unsure.labels
    assert "offer" not in asks.labels
    originals = read_source(tmp_path, "messages_original", splits=("test",))
    assert [t.text for t in originals] == ["Nou bezwen dlo"] * 2


def test_on_topic_alone_answers_nothing(tmp_path: Path) -> None:
    write(
        tmp_path,
        "crisislex_t6/ontopic.tsv",
        "event\ttweet_id\tlabel\ttext",
        "s\t1\ton-topic\tSandy lol",
        "s\t2\toff-topic\tCandles",
    )
    assert [t.text for t in read_source(tmp_path, "crisislex_t6")] == ["Candles"]


def test_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="give the folder crisis_text"):
        read_source(tmp_path, "cresci_italian")


def test_wording_forgets_case_mentions_and_punctuation() -> None:
    assert wording("@user: Bridge DOWN!!") == wording("bridge — down")


@pytest.mark.parametrize("related", ["2", "", "01"])
def test_what_nobody_said_stays_open(related: str, tmp_path: Path) -> None:
    row = f"direct\thaiti\tWe need water\tNou bezwen dlo\tht\t{related}\t1" + "\t0" * 11
    for name in ("train", "validation"):
        write(tmp_path, f"disaster_response_messages/{name}.tsv", HEAD, row)
    [found] = read_source(tmp_path, "messages_english")
    assert "informative" not in found.labels
    assert found.labels["request"] == 1


@pytest.mark.parametrize(
    ("lines", "missing"),
    [
        (["event\ttext", "flood\tWe need water"], "label"),
        (["event\ttext\tlabel", "flood\tWe need water\tneeds"], "needs"),
        # a line that was cut short
        (["event\ttext\tlabel", "flood\tWe need water"], ""),
    ],
    ids=["no column", "unknown label", "short line"],
)
def test_a_file_of_another_kind_is_one_sentence(lines: list[str], missing: str, tmp_path: Path) -> None:
    for split in ("train", "dev", "test"):
        write(tmp_path, f"humaid/{split}.tsv", *lines)
    with pytest.raises(DataError, match=f"humaid in .* has no column or label '{missing}'; give the folder"):
        read_source(tmp_path, "humaid")


def test_labels_that_no_table_knows_leave_every_question_open(tmp_path: Path) -> None:
    write(tmp_path, "fire2017_nepal/labeled.tsv", "text\tlabel", "Tents here\tavailability", "Hm\tunheard of")
    [found] = read_source(tmp_path, "fire2017_nepal")
    assert (found.text, found.labels["offer"], found.labels["request"]) == ("Tents here", 1, 0)
    assert (found.source, found.event, found.split, found.language) == ("fire2017_nepal", "", "train", "")


def test_the_longest_field_of_other_readers_stays(tmp_path: Path) -> None:
    """The limit belongs to the whole process, and the reader of users' tables refuses by it."""
    before = csv.field_size_limit()
    write(tmp_path, "disaster_keyword_tweets/labeled.tsv", "text\tabout_disaster", "x" * 200_000 + "\t1")
    assert len(read_source(tmp_path, "disaster_keyword_tweets")) == 1
    assert csv.field_size_limit() == before
    with pytest.raises(DataError):
        read_source(tmp_path, "humaid")
    assert csv.field_size_limit() == before
