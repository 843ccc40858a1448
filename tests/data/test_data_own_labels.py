"""Own posts and labels: cells, splits without leaks, folders of photos, and one sentence for each mistake."""

import csv
import json
from pathlib import Path

import pytest
from PIL import Image

from crisislens.core.errors import DataError, MissingExtraError, NotRegisteredError
from crisislens.data import own_labels
from crisislens.data.catalog import DataConfig, OwnTask, load_labeled
from crisislens.data.labeled import LabeledData, check_parts
from crisislens.data.own_labels import labels_of, read_labels
from crisislens.data.source import LabeledPost
from crisislens.data.splits import check_splits
from crisislens.domain.post import Post
from crisislens.domain.tasks import own_task

WORDS = ["river", "bridge", "school", "market", "clinic", "harbor", "station", "village", "tower", "camp"]
KINDS = ("water", "food", "shelter", "medical")


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def rows(count: int = 120, **more: str) -> list[dict[str, str]]:
    """Posts of four kinds, each with words of its own number, so that none is near another."""
    found = []
    for i in range(count):
        kind = KINDS[i % 4]
        number = " ".join(WORDS[int(digit)] for digit in f"{i * 7919 % 100_000:05d}")
        found.append({"id": f"p_{i}", "text": f"we need {kind} {number} {i * i}", "label": kind, **more})
    return found


def table(path: Path, **settings: object) -> LabeledData:
    return load_labeled(DataConfig.parse({"source": "table", "root": str(path), **settings}, where="test"))


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("water", ("water",)),
        ("water;food", ("water", "food")),
        (" water | food ", ("water", "food")),
        ('["water", "food"]', ("water", "food")),
        (["water", "water"], ("water",)),
        ([1.0, 2.0, 2.5, None, float("nan")], ("1", "2", "2.5")),
        ("[1.0, NaN, null]", ("1",)),
        ([float("nan")], ()),
        (("", "None"), ("None",)),
        ("[flood]", ("[flood]",)),
        ("clean  water", ("clean water",)),
        (3, ("3",)),
        (2.0, ("2",)),
        (2.5, ("2.5",)),
        (float("inf"), ("inf",)),
        (float("nan"), ()),
        ("", ()),
        (None, ()),
    ],
)
def test_a_cell_holds_one_label_or_several(cell: object, expected: tuple[str, ...]) -> None:
    assert labels_of(cell) == expected


def test_classes_are_read_from_the_labels_and_splits_are_made_without_leaks(tmp_path: Path) -> None:
    given = rows()
    # the same words under other ids: they must stay on one side
    given += [{**row, "id": f"again_{i}"} for i, row in enumerate(given[:30])]
    data = table(write(tmp_path / "own.csv", given))
    assert data.space.classes == tuple(sorted(KINDS))
    assert data.space.question == "label"
    sizes = {part: len(posts) for part, posts in data.splits.items()}
    assert sum(sizes.values()) == 150
    assert min(sizes["dev"], sizes["test"]) >= 15
    report = check_splits(data.splits)
    assert not any(any(kinds.values()) for kinds in report.shared.values())
    assert data.description["splits"] == "made without leaks"


def test_splits_of_the_table_are_kept_and_their_usual_names_are_known(tmp_path: Path) -> None:
    given = rows(12)
    for i, row in enumerate(given):
        row["split"] = ("train", "Validation", "test")[i % 3]
    data = table(write(tmp_path / "own.csv", given))
    assert {part: len(posts) for part, posts in data.splits.items()} == {"train": 4, "dev": 4, "test": 4}
    assert [labeled.post.id for labeled in data.splits["dev"]] == ["p_1", "p_4", "p_7", "p_10"]
    assert data.description["splits"] == "from the source"
    assert data.description[own_labels.MADE_PARTS] == []


def test_a_missing_dev_split_is_made_from_the_training_rows_alone(tmp_path: Path) -> None:
    given = rows(100)
    for i, row in enumerate(given):
        row["split"] = "test" if i < 20 else "train"
    data = table(write(tmp_path / "own.csv", given))
    assert [labeled.post.id for labeled in data.splits["test"]] == [f"p_{i}" for i in range(20)]
    assert 5 <= len(data.splits["dev"]) <= 25
    # a table that has grown would have another one
    assert data.description["splits"] == own_labels.MADE_SPLITS
    assert data.description[own_labels.MADE_PARTS] == ["dev"]


def test_several_labels_become_a_row_of_zeros_and_ones(tmp_path: Path) -> None:
    given = rows(80)
    given[0]["label"], given[1]["label"] = "water;food", ""
    data = table(write(tmp_path / "own.csv", given))
    assert data.space.several
    by_id = {}
    for part in data.splits:
        for labeled, held in zip(data.splits[part], data.labels(part).tolist(), strict=True):
            by_id[labeled.post.id] = dict(zip(data.space.classes, held, strict=True))
    assert by_id["p_0"] == {"food": 1, "medical": 0, "shelter": 0, "water": 1}
    assert sum(by_id["p_1"].values()) == 0
    assert sum(by_id["p_2"].values()) == 1


def test_rows_of_nothing_are_left_out_and_counted(tmp_path: Path) -> None:
    whole = table(write(tmp_path / "posts.csv", rows(40, image="")))
    empty = [{"id": f"e_{i}", "text": " ", "image": "", "label": "nowhere"} for i in range(3)]
    photo = {"id": "p", "text": "", "image": "a.jpg", "label": "water"}
    found = table(write(tmp_path / "more.csv", [*rows(40, image=""), *empty, photo]))
    assert found.description["rows without text or photo"] == 3
    assert sum(map(len, found.splits.values())) == 41
    # a class that only they have is none
    assert found.space.classes == whole.space.classes
    assert whole.description["rows without text or photo"] == 0
    with pytest.raises(DataError, match=r"no row of none\.csv has a text or a photo"):
        table(write(tmp_path / "none.csv", empty))


def test_an_own_task_orders_names_and_weighs_its_classes(tmp_path: Path) -> None:
    path = write(tmp_path / "own.csv", rows())
    task = OwnTask(name="need", classes=KINDS, titles={"water": "Drinking water"}, urgency={"medical": 1.0})
    config = DataConfig(source="table", root=path)
    space = load_labeled(config, task).space
    assert (space.question, space.classes, space.title("water")) == ("need", KINDS, "Drinking water")
    assert space.label("medical").urgency == 1.0
    other = load_labeled(config, task.model_copy(update={"urgency": {}}))
    assert other.fingerprint != load_labeled(config, task).fingerprint


def test_photos_in_folders_are_posts_of_the_folders_class(tmp_path: Path) -> None:
    for i in range(40):
        kind = ("fire", "flood")[i % 2]
        picture = Image.effect_noise((48, 48), 40 + i)
        (tmp_path / "photos" / kind).mkdir(parents=True, exist_ok=True)
        picture.save(tmp_path / "photos" / kind / f"{i}.png")
    (tmp_path / "photos" / "notes.txt").write_text("not a photo")
    config = DataConfig(source="folders", root=tmp_path / "photos")
    data = load_labeled(config)
    assert data.space.classes == ("fire", "flood")
    assert sum(data.photos().values()) == 40
    assert {
        labeled.post.id.split("/")[0] == labeled.label for p in data.splits.values() for labeled in p
    } == {True}


def test_folders_may_name_their_splits(tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        for kind in ("fire", "flood"):
            (tmp_path / part / kind).mkdir(parents=True)
            Image.new("RGB", (20, 20), "red").save(tmp_path / part / kind / "a.jpg")
    data = load_labeled(DataConfig(source="folders", root=tmp_path))
    assert {part: len(posts) for part, posts in data.splits.items()} == {"train": 2, "dev": 2, "test": 2}


@pytest.mark.parametrize(
    ("change", "settings", "sentence"),
    [
        ({"label": None, "mood": "x"}, {}, "has no label column .* name one with data.columns.label=COLUMN"),
        (
            {},
            {"columns": {"label": "kind"}},
            "has no column 'kind' for label; its columns are id, text, label",
        ),
        ({}, {"columns": {"labels": "label"}}, "data.columns names labels; a labeled table has id"),
        ({"split": "holdout"}, {}, "column split says 'holdout'; expected one of train"),
        ({"split": "test"}, {}, "names test rows and no train rows"),
        ({"label": ""}, {}, "no row has a label in label|classes must be"),
        ({}, {"root": "nowhere.csv"}, "no posts file at nowhere.csv"),
    ],
)
def test_mistakes_are_told_in_one_sentence(
    tmp_path: Path, change: dict[str, str | None], settings: dict[str, object], sentence: str
) -> None:
    changed = [{**row, **change} for row in rows(8)]
    given = [{name: cell for name, cell in row.items() if cell is not None} for row in changed]
    path = write(tmp_path / "own.csv", given)
    with pytest.raises(DataError, match=sentence) as error:
        table(path, **settings)
    assert "\n" not in str(error.value)


def test_labels_outside_of_the_listed_classes_are_told(tmp_path: Path) -> None:
    config = DataConfig(source="table", root=write(tmp_path / "own.csv", rows(8)))
    with pytest.raises(DataError, match=r"holds food, medical, which task\.classes does not list"):
        load_labeled(config, OwnTask(classes=("water", "shelter")))
    path = write(tmp_path / "several.csv", [{**row, "label": "water;food"} for row in rows(8)])
    with pytest.raises(DataError, match="has the labels water, food, and the task allows one"):
        load_labeled(DataConfig(source="table", root=path), OwnTask(several=False))


def test_an_unknown_source_names_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(NotRegisteredError, match=r"no data set named 'tabel'.*did you mean 'table'"):
        load_labeled(DataConfig(source="tabel", root=tmp_path))


@pytest.mark.parametrize(
    ("part", "labels", "sentence"),
    [
        ("test", (), "there are no test posts"),
        ("dev", ("water",), "1 dev post cannot choose an epoch"),
        ("dev", ("water", "water"), "all dev posts have the class water"),
        ("train", ("water", "water"), "no training post has the class food"),
    ],
)
def test_splits_that_cannot_train_are_refused(part: str, labels: tuple[str, ...], sentence: str) -> None:
    task = own_task("need", ["food", "water"])
    splits = {}
    for name in ("train", "dev", "test"):
        kinds = labels if name == part else ("water", "food", "water")
        posts = [Post(id=f"{name}{i}", text=kind) for i, kind in enumerate(kinds)]
        splits[name] = [LabeledPost(p, kind, name) for p, kind in zip(posts, kinds, strict=True)]
    data = LabeledData(task, splits, Path("nowhere"), "0", {})
    with pytest.raises(DataError, match=sentence):
        check_parts(data)


def test_labels_that_differ_in_capitals_alone_are_refused(tmp_path: Path) -> None:
    typed = rows()
    typed[5]["label"] = "Food"
    path = write(tmp_path / "typed.csv", typed)
    with pytest.raises(DataError, match="'Food' and 'food', which differ in capitals alone"):
        table(path)
    # whoever means two says so
    found = load_labeled(
        DataConfig.parse({"source": "table", "root": str(path)}, where="test"),
        OwnTask(classes=("Food", *KINDS)),
    )
    assert found.space.classes == ("Food", *KINDS)


@pytest.mark.parametrize("more", [{}, {"text": ""}, {"remarks": "seen by two people on a long day"}])
def test_labels_need_no_text_or_photo_beside_them(tmp_path: Path, more: dict[str, str]) -> None:
    asked = [{"id": f"p_{i}", "label": KINDS[i % 2], **more} for i in range(3)]
    found = read_labels(write(tmp_path / "labels.csv", asked))
    assert [(row.post.id, row.label) for row in found.splits["test"]] == [
        ("p_0", "water"),
        ("p_1", "food"),
        ("p_2", "water"),
    ]


def test_what_is_wrong_with_labels_is_told_by_the_options_of_compare(tmp_path: Path) -> None:
    path = write(tmp_path / "labels.csv", [{"id": kind, "verdict": kind} for kind in KINDS])
    with pytest.raises(DataError, match="name one with --label COLUMN"):
        read_labels(path)
    assert len(read_labels(path, "verdict").splits["test"]) == len(KINDS)
    with pytest.raises(DataError, match=r"--labels: no posts file at nowhere\.csv"):
        read_labels(Path("nowhere.csv"))


def test_an_empty_cell_of_other_programs_is_empty(tmp_path: Path) -> None:
    given: list[dict[str, object]] = [{**row, "label": float(i % 2)} for i, row in enumerate(rows(60))]
    given[0]["label"] = float("nan")
    for row in given:
        row["split"] = float("nan")
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in given), encoding="utf-8")
    data = table(path)
    assert data.space.classes == ("0", "1")
    assert data.description["rows without a label"] == 1
    assert data.description["splits"] == own_labels.MADE_SPLITS


def photos(folder: Path, *names: str) -> Path:
    """A folder of photos that nobody opens."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def folders(root: Path) -> LabeledData:
    return load_labeled(DataConfig(source="folders", root=root, only_measured=True))


def test_photos_of_phones_are_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = photos(tmp_path, "fire/a.HEIC", "fire/b.avif", "flood/c.heif", "flood/d.jfif")
    needed: list[str] = []
    monkeypatch.setattr(own_labels, "require", lambda name, *, extra: needed.append(f"{name} of {extra}"))
    found = folders(root)
    assert [labeled.post.id for labeled in found.splits["test"]] == [
        "fire/a.HEIC",
        "fire/b.avif",
        "flood/c.heif",
        "flood/d.jfif",
    ]
    assert needed == ["pillow_heif of heif"]


def test_photos_that_nothing_here_can_read_are_told_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str, *, extra: str) -> None:
        raise MissingExtraError(f"{name} is not installed; install {extra}")

    monkeypatch.setattr(own_labels, "require", missing)
    assert folders(photos(tmp_path / "jpeg", "fire/a.jpg", "flood/b.jpg")).space.classes == ("fire", "flood")
    with pytest.raises(MissingExtraError, match="pillow_heif is not installed"):
        folders(photos(tmp_path / "heic", "fire/a.jpg", "flood/b.heic"))


def test_files_that_are_no_photos_are_counted_or_refused(tmp_path: Path) -> None:
    mac = ("__MACOSX/fire/._a.jpg", "fire/._a.jpg", "flood/.DS_Store", ".cache/x/c.jpg")
    root = photos(
        tmp_path, "fire/a.jpg", "flood/b.jpg", "flood/notes.txt", "readme.txt", "train/about.txt", *mac
    )
    found = folders(root)
    assert found.space.classes == ("fire", "flood")
    assert len(found.splits["test"]) == 2
    assert found.description["files that are no photos"] == 2
    photos(root, "quake/raw.dng")
    with pytest.raises(DataError, match=r"the folder quake in .* holds files and no photo"):
        folders(root)


def test_what_the_decoder_does_not_read_is_no_photo(tmp_path: Path) -> None:
    root = photos(tmp_path, "fire/a.jpg", "flood/b.jfif", "flood/c.tif", "flood/d.TIFF")
    found = folders(root)
    assert [labeled.post.id for labeled in found.splits["test"]] == ["fire/a.jpg", "flood/b.jfif"]
    assert found.description["files that are no photos"] == 2
    photos(root, "quake/e.tif")
    with pytest.raises(DataError, match=r"the folder quake in .* give its photos as one of \.avif, .*\.webp"):
        folders(root)


def test_what_a_run_file_cannot_say_is_not_advised(tmp_path: Path) -> None:
    odd = [{"nr": row["id"], "my words": row["text"], "label": row["label"]} for row in rows(30)]
    path = write(tmp_path / "odd.csv", odd)
    with pytest.raises(DataError, match=r"say --set 'data\.columns\.text=my words', or --set data") as error:
        table(path)
    assert "--map" not in str(error.value)
    assert table(path, columns={"text": "my words"}).space.classes == tuple(sorted(KINDS))
    with pytest.raises(DataError, match="give its columns the names that they had in training") as error:
        table(path, only_measured=True)
    assert "--" not in str(error.value)


def test_what_is_wrong_is_told_whole_where_a_name_holds_a_semicolon(tmp_path: Path) -> None:
    odd = [{"nr": row["id"], "my; words": row["text"], "label": row["label"]} for row in rows(30)]
    path = write(tmp_path / "a;b.csv", odd)
    with pytest.raises(
        DataError, match=r"root: a;b\.csv has no column known to hold the text; give its columns the names"
    ):
        table(path, only_measured=True)
    nothing = write(tmp_path / "c;d.csv", [{"id": "1", "text": "", "label": "water"}])
    with pytest.raises(
        DataError, match=r"no row of c;d\.csv has .* \(its column text is empty\); give its columns the names"
    ):
        table(nothing, only_measured=True)
    none = write(tmp_path / "e;f.csv", [{"lat": "1", "label": "water"}])
    with pytest.raises(
        DataError, match=r"e;f\.csv has no column for text or image; give its columns"
    ) as error:
        table(none, only_measured=True)
    assert "--" not in str(error.value)


def test_whole_numbers_are_spelled_as_a_model_of_before_knows_them(tmp_path: Path) -> None:
    given = [{**row, "label": float(i % 2)} for i, row in enumerate(rows(6))]
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in given), encoding="utf-8")
    config = DataConfig(source="table", root=path, only_measured=True)
    found = load_labeled(config, OwnTask(classes=("0.0", "1.0")))
    assert [labeled.label for labeled in found.splits["test"]] == ["0.0", "1.0"] * 3
    # and of one that knows both, as the table says them
    found = load_labeled(config, OwnTask(classes=("0", "0.0", "1")))
    assert [labeled.label for labeled in found.splits["test"]] == ["0", "1"] * 3


def test_rows_that_failed_are_told_with_what_they_cost(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    bad = "p_x,a text, with a comma,water\n"
    path.write_text("id,text,label\n" + "".join(f"p_{i},bread {i},food\n" for i in range(9)) + bad * 4)
    with pytest.raises(
        DataError, match=r"at least 2 .*; 4 rows could not be read; the first because the row"
    ):
        table(path)
    path.write_text(path.read_text() + "p_9,no wells,water\n")
    found = table(path, only_measured=True)
    assert found.description["rows that failed"] == 4
    [reason] = found.description["why rows failed"]  # type: ignore[misc]
    assert "the row has 4 columns where the header has 3" in reason
