"""Extraction on the command line: own posts to an extractor, the extractor to entities, checks, and what a
mistake says.
"""

import json
import re
from pathlib import Path

import pytest

from command_line import Command
from tiny_language import made_up_posts, write_tiny_bert


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Own posts in CoNLL's layout, a tiny language model, and a run file that joins them."""
    root = tmp_path_factory.mktemp("own")
    write_tiny_bert(root / "bert")
    for split, count, seed in (("train", 80, 0), ("dev", 20, 1), ("test", 20, 2)):
        blocks = []
        for post in made_up_posts(count, seed=seed, split=split):
            starts = {m.start: f"B-{m.type}" for m in post.mentions}
            blocks.append("".join(f"{word}\t{starts.get(i, 'O')}\n" for i, word in enumerate(post.words)))
        (root / f"{split}.txt").write_text("\n".join(blocks))
    run = {
        "name": "own",
        "data": {"name": "conll", "root": str(root)},
        "extractor": {
            "types": ["PER", "LOC"],
            "encoder": {"checkpoint": str(root / "bert"), "max_tokens": 48},
        },
        "recipe": {
            "epochs": 8,
            "batch_posts": 8,
            "learning_rate": 3e-3,
            "head_learning_rate": 1e-2,
            "average": 0.9,
        },
        "device": "cpu",
    }
    (root / "run.yaml").write_text(json.dumps(run))
    (root / "posts.jsonl").write_text(json.dumps({"id": "1", "text": "Anna visits Quito"}) + "\n")
    return root


def test_from_own_posts_to_entities(folder: Path, tmp_path: Path, crisislens: Command) -> None:
    trained = crisislens("train-extractor", folder / "run.yaml", "--out", tmp_path / "runs")
    assert trained.returncode == 0, trained.stderr
    assert "epoch 8" in trained.stderr
    assert re.search(r"PER\W+\d+\W+[\d.]+ \(1 seed\)", trained.stdout), trained.stdout
    assert re.search(r"train\W+80 rows\W+dev\W+20 rows", trained.stdout), trained.stdout
    extractor = tmp_path / "runs" / "own-seed0"
    least = json.loads((extractor / "config.json").read_text())["meta"]["accept_above"]
    assert f"tells what is at least {100 * least:.0f} % probable" in trained.stdout
    card = crisislens("models", "show", extractor)
    assert card.returncode == 0, card.stderr
    assert re.search(r"test, 20 posts, entities above the threshold: micro F1 \d", card.stdout), card.stdout
    assert f"leaves out below: {least:.2f}" in card.stdout
    # short posts of few words: some of the test posts are training posts
    assert re.search(r"flatter the scores: .*\d+ of test in train", trained.stdout.replace("\n", " ")), (
        trained.stdout
    )
    measured = crisislens("evaluate-extractor", extractor, folder / "test.txt", "--json")
    assert measured.returncode == 0, measured.stderr
    micro = json.loads(measured.stdout)["reports"]["entities"]["micro"]
    assert f"micro F1 {100 * micro['f1']:.1f} [" in card.stdout, "the card says the same"
    shown = crisislens("evaluate-extractor", extractor, folder / "test.txt")
    assert re.search(rf"all\W+40\W+{micro['found']}\W+{100 * micro['precision']:.1f}", shown.stdout), (
        shown.stdout
    )
    done = crisislens(
        "extract",
        folder / "posts.jsonl",
        "--entities",
        extractor,
        "--relations",
        "none",
        "--out",
        tmp_path / "e.jsonl",
    )
    assert done.returncode == 0, done.stderr
    assert "1 posts read, 0 rows failed: 2 entities, 0 relations" in done.stdout
    [line] = [json.loads(row) for row in (tmp_path / "e.jsonl").read_text().splitlines()]
    assert [(e["type"], e["text"], e["start"], e["end"]) for e in line["entities"]] == [
        ("PER", "Anna", 0, 4),
        ("LOC", "Quito", 12, 17),
    ]
    # and the same in assessments and report, which say by whom
    own = ["--entities", extractor, "--relations", "none"]
    done = crisislens("analyze", folder / "posts.jsonl", *own, "--out", tmp_path / "results")
    assert done.returncode == 0, done.stderr
    [assessed] = [
        json.loads(row) for row in (tmp_path / "results" / "assessments.jsonl").read_text().splitlines()
    ]
    assert assessed["entities"] == line["entities"]
    assert {"entities", "places"} <= set(assessed["provenance"]["annotators"])
    page = (tmp_path / "results" / "report.html").read_text()
    assert "Names come from own 1; their scores are not calibrated" in page
    assert f"own 1, {assessed['provenance']['annotators']['entities']}" in page
    assert f"--entities {extractor} --relations none" in page


@pytest.mark.parametrize(
    ("out", "told"),
    [
        ("posts.jsonl", "is the file of posts; name another"),
        ("contexts.jsonl", "is the file of contexts; name another"),
        ("e.csv", "lines of JSON under the name of another kind"),
    ],
)
def test_extract_writes_over_no_posts_and_no_table(
    folder: Path, tmp_path: Path, crisislens: Command, out: str, told: str
) -> None:
    posts = tmp_path / "posts.jsonl"
    posts.write_bytes((folder / "posts.jsonl").read_bytes())
    contexts = ["--contexts", tmp_path / "contexts.jsonl"] if out == "contexts.jsonl" else []
    done = crisislens("extract", posts, *contexts, "--out", tmp_path / out)
    assert done.returncode == 2, done.stderr
    assert told in done.stderr
    assert posts.read_bytes() == (folder / "posts.jsonl").read_bytes()


def test_what_is_no_language_is_refused(folder: Path, tmp_path: Path, crisislens: Command) -> None:
    done = crisislens("train-extractor", folder / "run.yaml", "--language", "Spanish", "--out", tmp_path)
    assert done.returncode != 0
    assert "--language Spanish is no code" in done.stderr


def test_a_folder_without_results_is_no_table(tmp_path: Path, crisislens: Command) -> None:
    done = crisislens("bench", "show", "mie", "--out", tmp_path)
    assert done.returncode != 0
    assert "holds no results" in done.stderr


def test_files_of_ones_own_are_checked(folder: Path, tmp_path: Path, crisislens: Command) -> None:
    done = crisislens("data", "check", folder, "--dataset", "conll", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["posts"] == {"train": 80, "dev": 20, "test": 20}
    assert sum(found["entities"]["dev"].values()) == 40
    assert found["lone_words"] == {"train": 0, "dev": 0, "test": 0}
    rows = [
        '{"text": "Anna visits Quito", "entities": [{"type": "PER", "start": 1, "end": 4}]}',
        '{"text": " "}',
    ]
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.jsonl").write_text("\n".join(rows) + "\n")
    table = crisislens("data", "check", tmp_path, "--dataset", "table", "--json")
    found = json.loads(table.stdout)
    assert (found["widened"]["dev"], found["without_words"]["test"], found["shared_texts"]["train-dev"]) == (
        1,
        1,
        1,
    )
    shown = crisislens("data", "check", tmp_path, "--dataset", "table")
    assert re.search(r"entities\W+PER 1", shown.stdout), shown.stdout
    assert "complete" not in shown.stdout


def test_what_extract_wrote_and_a_person_corrected_trains_the_next_extractors(
    folder: Path, tmp_path: Path, crisislens: Command
) -> None:
    for split, count, seed in (("train", 80, 0), ("dev", 20, 1), ("test", 20, 2)):
        rows = []
        for post in made_up_posts(count, seed=seed, split=split):
            text = " ".join(post.words)
            starts = [sum(len(w) + 1 for w in post.words[: m.start]) for m in post.mentions]
            marked = [
                {"type": m.type, "start": a, "end": a + len(post.words[m.start])}
                for m, a in zip(post.mentions, starts, strict=True)
            ]
            links = [
                {
                    "type": link.type.replace("/per/loc/place_of_residence", "visits"),
                    "head": link.head,
                    "tail": link.tail,
                }
                for link in post.links
            ]
            rows.append({"id": post.id, "text": text, "entities": marked, "relations": links})
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, data, task in (("own-e", "table", "entities"), ("own-r", "table-pairs", "relations")):
        settings = [f"name={name}", f"data.name={data}", f"data.root={tmp_path}", f"extractor.task={task}"]
        settings += ["extractor.relations=[auto]"] if task == "relations" else []
        done = crisislens(
            "train-extractor",
            folder / "run.yaml",
            *(x for s in settings for x in ("--set", s)),
            "--out",
            tmp_path / "runs",
        )
        assert done.returncode == 0, done.stderr
    extractors = [
        "--entities",
        tmp_path / "runs" / "own-e-seed0",
        "--relations",
        tmp_path / "runs" / "own-r-seed0",
    ]
    done = crisislens("extract", folder / "posts.jsonl", *extractors, "--out", tmp_path / "e.jsonl")
    assert done.returncode == 0, done.stderr
    [line] = [json.loads(row) for row in (tmp_path / "e.jsonl").read_text().splitlines()]
    assert [(e["type"], e["text"]) for e in line["entities"]] == [("PER", "Anna"), ("LOC", "Quito")]
    # a relation whose name does not say which kinds it joins is asked for every pair
    assert [(r["type"], r["head"], r["tail"]) for r in line["relations"]] == [("visits", 0, 1)]
    # without any relation there is nothing to learn
    (tmp_path / "dev.jsonl").write_text('{"text": "Anna", "entities": []}\n')
    settings = [
        f"data.root={tmp_path}",
        "data.name=table-pairs",
        "extractor.task=relations",
        "extractor.relations=[auto]",
    ]
    done = crisislens(
        "train-extractor",
        folder / "run.yaml",
        *(x for s in settings for x in ("--set", s)),
        "--out",
        tmp_path / "x",
    )
    assert done.returncode == 3
    assert "no relation is marked in the files for dev" in done.stderr


def test_captions_become_contexts_of_training_and_of_new_posts(
    folder: Path, tmp_path: Path, crisislens: Command
) -> None:
    photos = [f"train_{i}.jpg" for i in range(80)]
    (tmp_path / "posts.jsonl").write_text(
        "".join(json.dumps({"id": str(i), "text": "flood", "image": x}) + "\n" for i, x in enumerate(photos))
    )
    (tmp_path / "theirs.csv").write_text("image,text\n" + "".join(f"{x},water today\n" for x in photos[::2]))
    (tmp_path / "data").mkdir()
    for split in ("train", "dev", "test"):
        posts = (folder / f"{split}.txt").read_text().split("\n\n")
        (tmp_path / "data" / f"{split}.txt").write_text(
            "\n\n".join(f"IMGID:{split}_{i}\n{post}" for i, post in enumerate(posts))
        )
    options = [
        "--backend",
        "table",
        "--set",
        f"table={tmp_path / 'theirs.csv'}",
        "--store",
        tmp_path / "kept.sqlite",
    ]
    captioned = crisislens(
        "caption", tmp_path / "posts.jsonl", *options, "--out", tmp_path / "contexts.jsonl"
    )
    assert captioned.returncode == 0, captioned.stderr
    settings = [
        f"data.root={tmp_path / 'data'}",
        "data.contexts=file",
        f"data.context_file={tmp_path / 'contexts.jsonl'}",
        "extractor.context_pieces=8",
        "extractor.fusion=true",
        "extractor.alignment.kind=shapley_softmax",
        "recipe.image_dropout=0.3",
        "recipe.epochs=2",
    ]
    trained = crisislens(
        "train-extractor",
        folder / "run.yaml",
        *(x for s in settings for x in ("--set", s)),
        "--out",
        tmp_path / "runs",
    )
    assert trained.returncode == 0, trained.stderr
    command = [
        "extract",
        tmp_path / "posts.jsonl",
        "--entities",
        tmp_path / "runs" / "own-seed0",
        "--relations",
        "none",
    ]
    done = crisislens(*command, "--contexts", tmp_path / "contexts.jsonl", "--out", tmp_path / "e.jsonl")
    assert done.returncode == 0, done.stderr
    assert "80 posts read, 0 rows failed" in done.stdout
    refused = crisislens(
        "extract",
        tmp_path / "posts.jsonl",
        "--contexts",
        tmp_path / "contexts.jsonl",
        "--out",
        tmp_path / "x.jsonl",
    )
    assert refused.returncode == 2
    assert "read the text alone" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["extract", "nowhere.jsonl"], 2, r"nowhere\.jsonl"),
        (["extract", "{folder}/posts.jsonl", "--entities", "nothing"], 2, "no extractor named 'nothing'"),
        (["analyze", "{folder}/posts.jsonl", "--entities", "nothing"], 2, "no extractor named 'nothing'"),
        (
            ["analyze", "{folder}/posts.jsonl", "--relations", "none", "--without", "entities"],
            2,
            "give one of the two",
        ),
        (
            ["evaluate-extractor", "entities-compact", "nowhere.jsonl"],
            3,
            r"no table of marked posts at nowhere\.jsonl",
        ),
        (["evaluate-extractor", "relations-compact", "{folder}/test.txt"], 3, "no relation is marked"),
        (["train-extractor", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["train-extractor", "{folder}/run.yaml", "--set", "recipe.epochs=0"], 2, "recipe.epochs"),
        (
            ["train-extractor", "{folder}/run.yaml", "--set", "data.root=nowhere"],
            3,
            "nowhere has no train file",
        ),
        (["bench", "run", "mie", "nowhere", "--system", "best"], 2, "no benchmark of 'best'"),
        (
            ["bench", "run", "mie", "nowhere"],
            3,
            r"lacks train\.txt.* with that at hand: crisislens bench run mie DATA --data-set twitter2017",
        ),
        (["data", "check", "nowhere", "--dataset", "mner"], 2, "expected one of crisismmd, twitter2015"),
        (["data", "check", "nowhere", "--dataset", "mnre-v2"], 3, "lacks mnre_train.txt"),
    ],
)
def test_a_mistake_is_one_sentence(
    crisislens: Command, folder: Path, arguments: list[str], code: int, message: str
) -> None:
    done = crisislens(*(a.format(folder=folder) for a in arguments), cwd=folder)
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.real
def test_data_check_reports_counts_and_traps(crisislens: Command, shared_data: Path) -> None:
    done = crisislens("data", "check", shared_data / "mner", "--dataset", "twitter2015", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["posts"] == found["expected"]
    assert found["mended_tags"] == {"train": 186, "dev": 53, "test": 135}
