"""The CrisisMMD reader: the published counts on the real tables, every promise of the docstrings on made-up
ones.
"""

import json
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from crisislens.core.errors import DataError
from crisislens.data.crisismmd import EXPECTED_ROWS, NOT_IN_THE_PAPER, SPLITS, CrisisMMD
from crisislens.data.source import LabeledPost

HEADER = "event_name\ttweet_id\timage_id\ttweet_text\timage\tlabel\tlabel_text\tlabel_image\tlabel_text_image"
TEST_CLASSES = {  # test rows by class, as counted in the tables
    ("settingA", "A1"): {"informative": 1030, "not_informative": 504},
    ("settingA", "A2"): {
        "other_relevant_information": 235,
        "rescue_volunteering_or_donation_effort": 126,
        "infrastructure_and_utility_damage": 78,
        "affected": 9,
        "vehicle_damage": 3,
    },
    ("settingA", "A3"): {"severe_damage": 332, "mild_damage": 126, "little_or_no_damage": 71},
    ("agreed", "A1"): {"informative": 1030, "not_informative": 504},
    ("agreed", "A2"): {
        "other_relevant_information": 235,
        "rescue_volunteering_or_donation_effort": 126,
        "infrastructure_and_utility_damage": 78,
        "affected": 9,
        "vehicle_damage": 3,
    },
    ("agreed", "A3"): {"severe_damage": 332, "mild_damage": 126, "little_or_no_damage": 71},
    ("agreed", "B2"): {
        "not_humanitarian": 504,
        "other_relevant_information": 235,
        "rescue_volunteering_or_donation_effort": 126,
        "infrastructure_and_utility_damage": 81,
        "affected": 9,
    },
}


@cache
def authors_rows(folder: Path, setting: str, variant: str, split: str) -> list[LabeledPost]:
    """The posts of a table of the release, read once for all tests."""
    return CrisisMMD(folder / "crisismmd", setting=setting, variant=variant).load(split)


@pytest.mark.real
@pytest.mark.parametrize("key", EXPECTED_ROWS)
def test_the_real_tables_are_those_of_the_paper(shared_data: Path, key: tuple[str, str]) -> None:
    variant, setting = key
    source = CrisisMMD(shared_data / "crisismmd", setting=setting, variant=variant)
    loaded = {split: authors_rows(shared_data, setting, variant, split) for split in SPLITS}
    assert {split: len(posts) for split, posts in loaded.items()} == EXPECTED_ROWS[key]
    assert Counter(source.space.resolve(p.label) for p in loaded["test"]) == TEST_CLASSES[key]
    assert len({p.post.id for posts in loaded.values() for p in posts}) == sum(EXPECTED_ROWS[key].values())


@pytest.mark.real
def test_the_check_counts_the_real_photos(shared_data: Path) -> None:
    check = CrisisMMD(shared_data / "crisismmd", setting="A3").check()
    assert check.rows == check.expected == EXPECTED_ROWS["settingA", "A3"]
    assert check.classes["test"] == TEST_CLASSES["settingA", "A3"]
    # 299 photos are in hand: 198, 36 and 65 of the three splits
    assert check.photos_missing == {"train": 2468 - 198, "dev": 529 - 36, "test": 529 - 65}
    assert not check.complete


@pytest.mark.real
def test_a_real_row_is_read_as_it_stands(shared_data: Path) -> None:
    first = authors_rows(shared_data, "A1", "settingA", "train")[0]
    assert first.post.id == "917791291823591425_0"
    assert "Weâ€™re" in first.post.text
    assert first.post.created_at == datetime(2017, 10, 10, tzinfo=UTC)
    assert first.post.event == "california_wildfires"
    assert first.post.image is not None
    assert first.post.image.path == "data_image/california_wildfires/10_10_2017/917791291823591425_0.jpg"
    assert (first.label, first.split) == ("informative", "train")


@pytest.mark.real
@pytest.mark.parametrize("setting", ["A1", "A2"])
def test_the_papers_rows_are_made_from_the_official_ones(
    shared_data: Path, tmp_path: Path, setting: str
) -> None:
    (tmp_path / "agreed").symlink_to(shared_data / "crisismmd" / "agreed")
    made = CrisisMMD(tmp_path, setting=setting, variant="settingA")
    authors = CrisisMMD(shared_data / "crisismmd", setting=setting, variant="settingA")
    assert authors.note is None
    assert made.note is not None
    for split in SPLITS:
        theirs = authors_rows(shared_data, setting, "settingA", split)
        assert [(p.post.id, p.label) for p in made.load(split)] == [(p.post.id, p.label) for p in theirs]
    assert made.fingerprint() != authors.fingerprint()


def row(image_id: str, label: str, text: str = 'a "quoted" text', folder: str = "2_9_2017") -> str:
    path = f"data_image/hurricane_irma/{folder}/{image_id}.jpg"
    tweet_id = image_id.split("_")[0]
    fields = ("hurricane_irma", tweet_id, image_id, text, path, label, label, f"not_{label}", "Negative")
    return "\t".join(fields)


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A made-up folder in the layout of the release."""
    tables = tmp_path / "crisismmd_datasplit_all"
    tables.mkdir()
    labels = {
        "informative": ["informative", "not_informative"],
        "humanitarian": ["injured_or_dead_people", "vehicle_damage", "not_humanitarian"],
        "damage": ["severe_damage", "mild_damage"],
    }
    for task, names in labels.items():
        for k, split in enumerate(SPLITS):
            rows = [row(f"{k}{i}_0", name) for i, name in enumerate(names)]
            (tables / f"task_{task}_text_img_{split}.tsv").write_text(
                "\n".join([HEADER, *rows]) + "\n", encoding="utf-8"
            )
    photo = tmp_path / "data_image" / "hurricane_irma" / "2_9_2017" / "00_0.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"\xff\xd8")
    return tmp_path


def test_the_layout_of_the_release(release: Path) -> None:
    source = CrisisMMD(release, setting="B2", variant="full")
    loaded = source.load("train")
    assert [source.space.resolve(p.label) for p in loaded] == [
        "affected",
        "infrastructure_and_utility_damage",
        "not_humanitarian",
    ]
    assert loaded[0].post.text == 'a "quoted" text'
    assert [p.label for p in CrisisMMD(release, setting="A2", variant="full").load("dev")] == [
        "injured_or_dead_people",
        "vehicle_damage",
    ]
    assert [p.label for p in CrisisMMD(release, setting="A3", variant="full").load("test")] == [
        "severe_damage",
        "mild_damage",
    ]
    check = CrisisMMD(release, setting="A1", variant="full").check()
    assert check.expected == {}
    assert check.rows == {"train": 2, "dev": 2, "test": 2}
    assert check.photos_missing == {"train": 1, "dev": 2, "test": 2}
    assert check.as_dict()["complete"] is False
    assert source.image_root == release


def test_a_setting_is_complete_with_its_photos(release: Path) -> None:
    folder = release / "data_image" / "hurricane_irma" / "2_9_2017"
    for k in range(3):
        for i in range(3):
            (folder / f"{k}{i}_0.jpg").write_bytes(b"\xff\xd8")
    assert CrisisMMD(release, setting="A1", variant="full").check().complete


def test_it_says_what_it_is(release: Path) -> None:
    source = CrisisMMD(release, setting="A1", variant="full")
    json.dumps(source.describe())
    assert source.fingerprint() == CrisisMMD(release, setting="A1", variant="full").fingerprint()
    others = {CrisisMMD(release, setting=s, variant="full").fingerprint() for s in ("A1", "A2", "A3", "B2")}
    assert len(others) == 4  # A2 and B2 read one table
    table = release / "crisismmd_datasplit_all" / "task_informative_text_img_dev.tsv"
    table.write_text(table.read_text() + row("9_0", "informative") + "\n")
    assert source.fingerprint() not in others


@pytest.mark.parametrize("folder", ["agreed", "crisismmd_datasplit_agreed_label"])
def test_the_papers_rows_from_the_official_files(release: Path, folder: str) -> None:
    tables = release / folder
    tables.mkdir()
    left_out = min(NOT_IN_THE_PAPER)
    for split in SPLITS:
        rows = [row("1_0", "informative"), row(left_out, "informative")]
        table = "\n".join([HEADER, *rows]) + "\n"
        (tables / f"task_informative_text_img_agreed_lab_{split}.tsv").write_text(table, encoding="utf-8")
    agreed = CrisisMMD(release, setting="A1")
    paper = CrisisMMD(release, setting="A1", variant="settingA")
    assert [p.post.id for p in agreed.load("train")] == ["1_0", left_out]
    assert [p.post.id for p in paper.load("train")] == ["1_0"]
    assert agreed.note is None
    assert paper.note == (
        f"the paper's rows, made from the official tables in {folder}, 2 training rows fewer"
    )
    assert paper.describe()["note"] == paper.note
    assert "note" not in agreed.describe()
    # damage has one label, so its table is that of all rows
    assert [p.label for p in CrisisMMD(release, setting="A3").load("dev")] == ["severe_damage", "mild_damage"]


@pytest.mark.parametrize(
    ("setting", "variant", "message"),
    [
        (
            "B2",
            "settingA",
            "has no setting 'B2'; there are agreed: A1, A2, A3, B2; settingA: A1, A2, A3; full: ",
        ),
        ("A1", "nonsense", "variant 'nonsense' has no setting"),
        (
            "A1",
            "settingA",
            "agreed lacks task_informative_text_img_agreed_lab_train.tsv, .*; get CrisisMMD v2.0 with",
        ),
    ],
)
def test_what_is_not_there_is_one_sentence(release: Path, setting: str, variant: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        CrisisMMD(release, setting=setting, variant=variant)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "lacks the columns event_name, image_id, tweet_text, image, label"),
        ("a\tb\n", "lacks the columns"),
        (HEADER + "\nx\ty\n", "row 0 of task_.* is broken: the row has 2 columns where the header has 9"),
        (
            HEADER + "\n" + row("1_0", "informativ") + "\n",
            "1_0: label 'informativ' is not in informativeness",
        ),
        (HEADER + "\n" + row("", "informative") + "\n", r"is no post \(no id\)"),
        (HEADER + "\n" + row("1_0", "informative", folder="31_2_2017") + "\n", r"is no post \(1_0\)"),
    ],
)
def test_a_broken_table_is_one_sentence(release: Path, content: str, message: str) -> None:
    (release / "crisismmd_datasplit_all" / "task_informative_text_img_train.tsv").write_text(
        content, encoding="utf-8"
    )
    with pytest.raises(DataError, match=message):
        CrisisMMD(release, setting="A1", variant="full").load("train")


def test_an_unknown_split_is_one_sentence(release: Path) -> None:
    with pytest.raises(DataError, match="no split 'valid'; there are train, dev, test"):
        CrisisMMD(release, setting="A1", variant="full").load("valid")
