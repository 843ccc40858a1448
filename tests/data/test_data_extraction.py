"""Readers of words with entities and relations: layouts, traps, counts against the published ones."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from crisislens.captioning.records import CaptionRecord
from crisislens.core.errors import DataError
from crisislens.data.annotated import one_row_a_pair, read_annotated
from crisislens.data.conll import read_conll
from crisislens.data.contexts import context_of, image_key, read_contexts
from crisislens.data.jmere import JMERE, joined_stand_in
from crisislens.data.mner import TwitterMNER
from crisislens.data.mnre import MNRE, MNRE_RELATIONS, types_of_relation
from crisislens.domain.extraction import AnnotatedPost, Link, Mention


def test_conll_with_images_and_tags_that_go_on_with_nothing(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text(
        "IMGID:7\nNew\tB-LOC\nYork\tI-LOC\n\nIMGID:8\nIn\tO\nQuito\tI-LOC\nIMGID:8\nlone\nx\tO\n",
        encoding="utf-8",
    )
    found = read_conll(path)
    assert [(p.id, p.image, p.words, p.mentions) for p in found.posts] == [
        ("7", "7", ("New", "York"), (Mention(0, 2, "LOC"),)),
        ("8", "8", ("In", "Quito"), (Mention(1, 2, "LOC"),)),
        ("8#2", "8", ("lone", "x"), ()),
    ]
    assert (found.mended_tags, found.lone_words, found.repeated_ids) == (1, 1, 1)


def test_conll_of_bioes_columns_and_other_names(tmp_path: Path) -> None:
    path = tmp_path / "own.conll"
    path.write_text(
        "-DOCSTART- O\n\nAda NNP S-person\nin IN O\nNew NNP B-place\nYork NNP E-place\n", encoding="utf-8"
    )
    [post] = read_conll(path, split="dev", rename={"person": "PER", "place": "LOC"}).posts
    assert post.mentions == (Mention(0, 1, "PER"), Mention(2, 4, "LOC"))
    assert (post.id, post.split, post.image) == ("dev-000000", "dev", None)


@pytest.mark.parametrize(
    ("text", "told"), [("word\tX-PER\n", "X-PER"), ("word\tB-\n", "B-"), ("\n\n", "holds no words")]
)
def test_conll_refuses_what_is_no_tag(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "train.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=told):
        read_conll(path)
    with pytest.raises(DataError, match="no file"):
        read_conll(tmp_path / "absent.txt")


MARKED: list[dict[str, object]] = [
    {
        "id": "a",
        "text": "Ada left New York.",
        "image": "7.jpg",
        "entities": [
            {"type": "PER", "start": 0, "end": 3, "text": "Ada", "score": 0.9},
            {"type": "LOC", "start": 9, "end": 17},
            {"type": "MISC", "start": 11, "end": 12},
        ],
        "relations": [{"type": "left", "head": 0, "tail": 1}, {"type": "None", "head": 1, "tail": 0}],
    },
    {"id": "b", "text": "  "},
    {"text": "help", "entities": []},
]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv"])
def test_tables_of_marked_posts(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"train{suffix}"
    if suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in MARKED))
    else:
        columns = ["id", "text", "image", "entities", "relations"]
        cells = [
            [v if isinstance(v := row.get(c, ""), str) else json.dumps(v) for c in columns] for row in MARKED
        ]
        with path.open("w", newline="") as stream:
            if suffix == ".csv":
                csv.writer(stream).writerows([columns, *cells])
            else:
                stream.write("".join("\t".join(row) + "\n" for row in [columns, *cells]))
    found = read_annotated(path)
    post, bare = found.posts
    assert (post.id, post.image, post.words) == ("a", "7.jpg", ("Ada", "left", "New", "York", "."))
    assert post.mentions == (Mention(0, 1, "PER"), Mention(2, 4, "LOC"), Mention(2, 3, "MISC"))
    assert post.links == (Link(0, 1, "left"), Link(1, 0, "None"))
    assert (bare.id, bare.words, bare.mentions) == ("train-000002", ("help",), ())
    assert (found.widened, found.without_words) == (1, 1)
    pairs = one_row_a_pair(found.posts)
    assert [(p.id, [m.type for m in p.mentions], p.links) for p in pairs] == [
        ("a#0-1", ["PER", "LOC"], (Link(0, 1, "left"),)),
        ("a#0-2", ["PER", "MISC"], (Link(0, 1, "None"),)),
        ("a#1-0", ["LOC", "PER"], (Link(0, 1, "None"),)),
        ("a#1-2", ["LOC", "MISC"], (Link(0, 1, "None"),)),
        ("a#2-0", ["MISC", "PER"], (Link(0, 1, "None"),)),
        ("a#2-1", ["MISC", "LOC"], (Link(0, 1, "None"),)),
    ]
    assert len(one_row_a_pair(found.posts, most_entities=0)) == 2


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_what_nobody_looked_for_stays_marked_in_every_kind_of_table(tmp_path: Path, suffix: str) -> None:
    rows: list[dict[str, object]] = [
        {"id": "0", "text": "Ada left", "relations_read": True},
        {"id": "0", "text": "Bob left", "relations_read": False},
        {"id": "1", "text": "Carla left", "read": False},
        {"id": "2", "text": "Dinesh left", "failed": {"reason": "no text"}},
        {"id": "3", "text": "Eve left", "failed": False},
        {"id": "4", "text": "Frank left", "relations_read": 0.0},
        {"id": "5", "text": "Grace left", "read": False, "entities": [{"type": "PER", "start": 0, "end": 5}]},
    ]
    path = tmp_path / f"train{suffix}"
    if suffix == ".jsonl":
        path.write_text("".join(json.dumps({"entities": []} | row) + "\n" for row in rows))
    else:
        columns = ["id", "text", "entities", "relations_read", "read", "failed"]
        cells = [
            [v if isinstance(v := row.get(c, ""), str) else json.dumps(v) for c in columns] for row in rows
        ]
        with path.open("w", newline="") as stream:
            csv.writer(stream).writerows([columns, *cells])
    found = read_annotated(path)
    assert [p.words[0] for p in found.posts] == ["Ada", "Bob", "Eve", "Frank", "Grace"]
    assert found.without_words == 2
    # by their places: ids may repeat where people joined files
    assert found.relations_unread == {1, 3, 4}


def test_a_name_that_is_struck_out_keeps_its_place_and_takes_its_relations_with_it(tmp_path: Path) -> None:
    entities = [{"type": kind, "start": a, "end": a + 1} for kind, a in (("PER", 0), (None, 2), ("LOC", 4))]
    relations = [{"type": "x", "head": 0, "tail": 2}, {"type": "y", "head": 1, "tail": 2}]
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps({"text": "A B C", "entities": entities, "relations": relations}) + "\n")
    [post] = read_annotated(path).posts
    assert post.mentions == (Mention(0, 1, "PER"), Mention(2, 3, "LOC"))
    assert post.links == (Link(0, 1, "x"),)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("{", "row 1 of train.jsonl cannot be read"),
        ('{"id": "1"}', "has no text"),
        ('{"text": "a b", "entities": "x"}', "entities is not JSON"),
        ('{"text": "a b", "entities": {"type": "LOC"}}', "not a list of objects"),
        ('{"text": "a b", "entities": [{"type": "LOC", "start": 0}]}', "lacks type, start or end"),
        (
            '{"text": "a b", "entities": [{"type": "LOC", "start": 1, "end": 2}]}',
            "no word stands at the characters 1 to 2",
        ),
        (
            '{"text": "a b", "entities": [{"type": "LOC", "start": 2, "end": 9}]}',
            "no word stands at the characters 2 to 9",
        ),
        (
            '{"text": "a b", "entities": [{"type": "LOC", "start": 3, "end": 2}]}',
            "no word stands at the characters 3 to 2",
        ),
        (
            '{"text": "a b", "entities": [{"type": "LOC", "start": -9, "end": 1}]}',
            "no word stands at the characters -9 to 1",
        ),
        (
            '{"text": "a b", "entities": [{"type": "LOC", "start": 2, "end": 3, "text": "a"}]}',
            "not 'a' stands at the characters 2 to 3",
        ),
        ('{"text": "a b"}', "has no entities, not even an empty list"),
        (
            '{"text": "a b", "entities": [], "relations": [{"type": "x", "head": 0, "tail": 1}]}',
            "does not join two of the row's 0 entities",
        ),
        ('{"text": "a b", "entities": [], "relations": [{"type": null, "head": 0, "tail": 1}]}', "by a type"),
        ('{"text": " "}', "holds no words"),
    ],
)
def test_tables_of_marked_posts_say_what_is_wrong(tmp_path: Path, row: str, told: str) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text(row + "\n")
    with pytest.raises(DataError, match=told):
        read_annotated(path)


def test_contexts_of_both_layouts(tmp_path: Path) -> None:
    (tmp_path / "captions.txt").write_text(
        "17_06_1.jpg :a  man :) \n9.jpg :\n3.png : a dog\n", encoding="utf-8"
    )
    (tmp_path / "long.tsv").write_text(
        'image_id\tcontext\n17_06_1\tThe "image" shows\n4\tmore\n', encoding="utf-8"
    )
    found = read_contexts([tmp_path / "long.tsv", tmp_path / "captions.txt"])
    assert found == {"17_06_1": 'The "image" shows', "4": "more", "3": "a dog"}
    assert context_of(found, "images/3.JPG") == "a dog"
    assert context_of(found, None) == context_of(found, "absent.jpg") == ""
    assert image_key("O_2.5") == "O_2.5"


def test_contexts_that_the_captioner_wrote(tmp_path: Path) -> None:
    made = {"weak": False, "status": "captioned", "model": "llava", "prompt": "describe-v1"}
    records = [
        CaptionRecord(id="1", image="photos/17_06_1.jpg", text="a  flood", **made),
        # the id of a post is not the name of a photo
        CaptionRecord(id="17_06_1", image="photos/9.jpg", text="a dog", **made),
        CaptionRecord(id="3", image="photos/3.jpg", text="", **(made | {"status": "unreadable photo"})),
    ]
    (tmp_path / "captions.jsonl").write_text("".join(record.model_dump_json() + "\n" for record in records))
    assert read_contexts([tmp_path / "captions.jsonl"]) == {"17_06_1": "a flood", "9": "a dog"}


def test_a_context_is_not_the_posts_own_text_and_is_not_lost_to_a_failure(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("image_id\ttext\tcontext\n1.jpg\tthe tweet itself\ta flooded road\n")
    assert read_contexts([tmp_path / "a.tsv"]) == {"1": "a flooded road"}
    (tmp_path / "b.jsonl").write_text('{"image": "2.jpg", "text": "a dog"}\n{"image": "2.jpg", "text": ""}\n')
    assert read_contexts([tmp_path / "b.jsonl"]) == {"2": "a dog"}


def test_contexts_refuse_other_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no colon here\n")
    (tmp_path / "a.tsv").write_text("id\tcaption\n")
    for name, told in (("a.txt", "line 1"), ("a.tsv", "no row with an id"), ("none.txt", "no contexts")):
        with pytest.raises(DataError, match=told):
            read_contexts([tmp_path / name])


def write_mnre(folder: Path, rows: list[dict[str, object]], version: str = "v1") -> MNRE:
    names = {
        "v1": ("ours_train.txt", "ours_val.txt", "ours_test.txt"),
        "v2": ("mnre_train.txt", "mnre_val.txt", "mnre_test.txt"),
    }
    (folder / version).mkdir()
    for name in names[version]:
        (folder / version / name).write_text("".join(f"{row!r}\n" for row in rows))
    return MNRE(folder, version)


def row(**changes: object) -> dict[str, object]:
    base: dict[str, object] = {
        "token": ["Ada", "left", "New", "York"],
        "h": {"name": "Ada", "pos": [0, 1]},
        "t": {"name": "New York", "pos": [2, 4]},
        "img_id": "7.jpg",
        "relation": "/per/loc/place_of_residence",
    }
    return base | changes


def test_mnre_rows_and_traps(tmp_path: Path) -> None:
    wrong = {"name": "York", "pos": [2, 4]}
    source = write_mnre(
        tmp_path,
        [row(), row(relation="none", img_id=8), row(t=wrong), row(t={"name": "Ada left", "pos": [0, 2]})],
    )
    first, second, *_ = source.load("train")
    assert first.mentions == (Mention(0, 1, "PER"), Mention(2, 4, "LOC"))
    assert first.links == (Link(0, 1, "/per/loc/place_of_residence"),)
    assert second.links == (Link(0, 1, "None"),)
    assert second.mentions == (Mention(0, 1, ""), Mention(2, 4, ""))
    assert second.image == "8.jpg"
    check = source.check()
    assert check.wrong_names["train"] == check.overlaps["train"] == check.bare_numbers["train"] == 1
    assert check.shared_images == {"train-dev": 2, "train-test": 2, "dev-test": 2}
    assert check.shared_texts == {"train-dev": 4, "train-test": 4, "dev-test": 4}
    assert not check.complete
    assert source.relations() == ("None", "/per/loc/place_of_residence")


@pytest.mark.parametrize(
    "bad",
    [
        "__import__('os').system('true')",
        "{'token': ['a']}",
        repr(row(h={"name": "x", "pos": [3, 9]})),
        repr(row(token=[1, 2, 3, 4])),
        "[" * 500,
    ],
)
def test_mnre_refuses_what_is_no_row_and_runs_nothing(tmp_path: Path, bad: str) -> None:
    source = write_mnre(tmp_path, [row()], "v2")
    (tmp_path / "v2" / "mnre_train.txt").write_text(bad + "\n")
    with pytest.raises(DataError, match="line 1 of mnre_train"):
        source.load("train")


def test_relation_names() -> None:
    assert len(MNRE_RELATIONS) == 23
    assert types_of_relation("None") == ("", "")
    assert {t for r in MNRE_RELATIONS[1:] for t in types_of_relation(r)} == {"PER", "ORG", "LOC", "MISC"}


def write_jmere(folder: Path) -> JMERE:
    def end(name: str, start: int, stop: int, tag: str) -> dict[str, object]:
        return {"name": name, "pos": [start, stop], "tags": tag}

    ada, york = end("Ada", 0, 1, "per"), end("York", 2, 4, "loc")
    tweet = {
        "token": ["Ada", "left", "New", "York"],
        "img_id": "7.jpg",
        "label_list": [
            [{"beg_ent": ada, "sec_ent": york, "relation": "place_of_residence"}],
            [{"beg_ent": york, "sec_ent": end("left", 1, 2, "misc"), "relation": "none"}],
        ],
    }
    for name in ("train.json", "val.json", "test.json"):
        (folder / name).write_text(json.dumps([tweet]))
    return JMERE(folder)


def test_jmere_quintuples(tmp_path: Path) -> None:
    source = write_jmere(tmp_path)
    [post] = source.load("dev")
    assert post.mentions == (Mention(0, 1, "PER"), Mention(2, 4, "LOC"), Mention(1, 2, "MISC"))
    assert post.links == (Link(0, 1, "/per/loc/place_of_residence"), Link(1, 2, "None"))
    check = source.check()
    assert check.entities == {"train": 3, "dev": 3, "test": 3}
    assert check.wrong_names["train"] == 1
    assert not check.complete
    assert check.photos_missing is None
    assert JMERE(tmp_path, tmp_path).check().photos_missing == {"train": 1, "dev": 1, "test": 1}
    (tmp_path / "7.jpg").write_bytes(b"")
    assert JMERE(tmp_path, tmp_path).check().photos_missing == {"train": 0, "dev": 0, "test": 0}
    assert check.shared_texts == {"train-dev": 1, "train-test": 1, "dev-test": 1}


def test_a_check_counts_what_cannot_be_read_and_goes_on(tmp_path: Path) -> None:
    source = write_jmere(tmp_path)
    rows = json.loads((tmp_path / "val.json").read_text())
    outside = json.loads(json.dumps(rows[0]))
    outside["label_list"][0][0]["sec_ent"]["pos"] = [2, 9]
    (tmp_path / "val.json").write_text(json.dumps([outside, *rows, {}]))
    check = source.check()
    assert (check.posts["dev"], check.entities["dev"], check.unreadable) == (
        3,
        3,
        {"train": 0, "dev": 2, "test": 0},
    )
    assert "position 2-9 is outside of 4 words" in check.first_unreadable["dev"]
    with pytest.raises(DataError, match="position 2-9"):
        source.load("dev")
    mnre = write_mnre(tmp_path, [row(h={"name": "x", "pos": [3, 9]}), row()])
    found = mnre.check()
    assert (found.rows["train"], found.unreadable["train"]) == (1, 1)
    assert "line 1 of ours_train.txt" in found.first_unreadable["train"]


@pytest.mark.parametrize(
    "content", ["[{}]", "{}", "[[", '[{"token": ["a"], "img_id": 1, "label_list": [[]]}]']
)
def test_jmere_refuses_other_files(tmp_path: Path, content: str) -> None:
    source = write_jmere(tmp_path)
    (tmp_path / "train.json").write_text(content)
    with pytest.raises(DataError):
        source.load("train")


def test_stand_in_joins_by_photo_and_characters() -> None:
    tagged = AnnotatedPost(
        "1",
        ("RT", "@ada", ":", '"', "Ada", "left", "New", "York", '"', "http://x"),
        (Mention(4, 5, "PER"),),
        (),
        "1",
        "test",
    )
    words = ("RT", "@", "ada", ":", "``", "Ada", "left", "New", "York", "''")
    pairs = [
        AnnotatedPost(
            "a",
            words,
            (Mention(5, 6, "PER"), Mention(7, 9, "LOC")),
            (Link(0, 1, "/per/loc/place_of_birth"),),
            "1.jpg",
        ),
        # only a part of a word of the tagged post
        AnnotatedPost(
            "b",
            words,
            (Mention(2, 3, "PER"), Mention(7, 9, "LOC")),
            (Link(0, 1, "/per/loc/place_of_birth"),),
            "1.jpg",
        ),
        AnnotatedPost("c", words, (Mention(5, 6, ""), Mention(7, 8, "")), (Link(0, 1, "None"),), "1.jpg"),
        AnnotatedPost(
            "d",
            words,
            (Mention(5, 6, "PER"), Mention(7, 9, "LOC")),
            (Link(0, 1, "/per/loc/place_of_birth"),),
            "2.jpg",
        ),
    ]
    [joined] = joined_stand_in([tagged, AnnotatedPost("2", ("x",), (), (), "2")], pairs)
    assert joined.mentions == (Mention(4, 5, "PER"), Mention(6, 8, "LOC"))
    assert joined.links == (Link(0, 1, "/per/loc/place_of_birth"),)
    assert (joined.words, joined.split) == (tagged.words, "test")


def test_folders_are_checked(tmp_path: Path) -> None:
    for call in (
        lambda: TwitterMNER(tmp_path, "twitter2016"),
        lambda: TwitterMNER(tmp_path, "twitter2015"),
        lambda: JMERE(tmp_path),
    ):
        with pytest.raises(DataError):
            call()
    with pytest.raises(DataError, match="v3"):
        MNRE(tmp_path, "v3")


@pytest.mark.real
@pytest.mark.parametrize(("name", "mended"), [("twitter2015", (186, 53, 135)), ("twitter2017", (0, 0, 0))])
def test_twitter_counts_are_the_published_ones(shared_data: Path, name: str, mended: tuple[int, ...]) -> None:
    check = TwitterMNER(shared_data / "mner", name).check()
    assert check.complete
    assert tuple(check.mended_tags.values()) == mended
    # as many entities, but some under another type
    dev = check.entities["dev"]
    moved = dev | {"PER": dev["PER"] + 60, "LOC": dev["LOC"] - 60}
    assert not replace(check, entities=check.entities | {"dev": moved}).complete
    [placeholder] = check.repeated_contexts["test"] or [""]
    assert (placeholder, check.repeated_contexts["test"].get(placeholder, 0)) == {
        "twitter2015": ("", 0),
        "twitter2017": ("a man is standing on a skateboard in the snow", 50),
    }[name]
    assert check.shared_texts["train-test"] == {"twitter2015": 4, "twitter2017": 3}[name]
    assert not replace(check, photos_missing={"train": 0, "dev": 1, "test": 0}).complete


def test_repeated_words_and_captions_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "twitter2017"
    folder.mkdir()
    for split, words in (("train", "Rain in Ponce"), ("valid", "Nothing here"), ("test", "rain IN ponce")):
        posts = "\n".join(
            f"IMGID:{split}{i}\n" + "".join(f"{w}\tO\n" for w in (*words.split(), *["again"] * i))
            for i in range(3)
        )
        (folder / f"{split}.txt").write_text(posts, encoding="utf-8")
    captions = [
        f"{split}{i}.jpg :{'gray' if i < 2 else 'a dog'}"
        for split in ("train", "valid", "test")
        for i in range(3)
    ]
    (folder / "captions_blip2.txt").write_text("\n".join(captions), encoding="utf-8")
    check = TwitterMNER(tmp_path, "twitter2017").check()
    assert check.shared_texts == {"train-dev": 0, "train-test": 3, "dev-test": 0}
    assert check.repeated_contexts["train"] == {"gray": 2}


@pytest.mark.real
def test_mnre_counts_are_the_published_ones(shared_data: Path) -> None:
    check = MNRE(shared_data / "mnre", "v2").check()
    assert check.complete
    assert check.shared_texts == {"train-dev": 6, "train-test": 2, "dev-test": 1}
    assert set(check.relations) == set(MNRE_RELATIONS)
    assert not replace(check, relations=check.relations | {"None": 9717, "/per/per/peer": 1237}).complete
    assert not replace(check, images=check.images | {"dev": 930}).complete
