"""What is added to crisislens is added in one place: each test below adds one thing of a kind from this file
alone, and it then works wherever its kind is used. Together with a run file that is at most two files each.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from crisislens.cli.main import app
from crisislens.core.errors import NotRegisteredError
from crisislens.core.registry import Registry
from crisislens.data.catalog import CATALOG, DataConfig, OwnTask, load_labeled
from crisislens.data.labeled import LabeledData
from crisislens.data.source import LabeledPost
from crisislens.domain.assessment import Assessment
from crisislens.domain.post import Post
from crisislens.domain.tasks import TASKS, Label, Task
from crisislens.features.encode import EncodedPosts
from crisislens.pipeline.analyst import Analyst
from crisislens.pipeline.annotators import ANNOTATORS, load_annotators
from crisislens.runs.sinks import SINKS, FileSink, Record
from tiny_runs import write_run

ROADS = Task(
    name="roads_simple",
    question="roads",
    topic="State of roads",
    labels=(
        Label(name="open", title="Road is open", nothing=True),
        Label(name="blocked", title="Road is blocked", tone="grave", urgency=1.0, counted=True),
    ),
    merges={"flooded": "blocked"},
)


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """What a test registers is gone after it: other tests count what there is."""
    registries: list[Registry[Any]] = [TASKS, CATALOG, ANNOTATORS, SINKS]
    held = [dict(registry._entries) for registry in registries]
    yield
    for registry, entries in zip(registries, held, strict=True):
        registry._entries.clear()
        registry._entries.update(entries)


def analyze(tmp_path: Path, *more: object) -> Path:
    """The folder of an analysis of one post with a model for roads."""
    (tmp_path / "posts.csv").write_text("id,text\n1,The road to the clinic is flooded\n")
    # by its name alone, as a model of ours does
    run = write_run(tmp_path / "run", ROADS, ships=ROADS.name in TASKS)
    out = tmp_path / "out"
    arguments = ["analyze", tmp_path / "posts.csv", "--model", run, "--out", out, *more]
    done = CliRunner().invoke(app, [str(part) for part in arguments])
    if done.exception:
        raise done.exception
    return out


def test_a_label_space_is_one_entry(tmp_path: Path) -> None:
    """One `Task`: data with its raw labels, models, assessments, urgency and the report know it."""
    TASKS.register(ROADS.name)(ROADS)
    assert ROADS.resolve("flooded") == "blocked"
    out = analyze(tmp_path, "--also", "csv")
    record = json.loads((out / "assessments.jsonl").read_text())
    p = record["tasks"]["roads"]["probabilities"]
    assert list(p) == ["open", "blocked"]
    assert record["urgency"] == pytest.approx(p["blocked"], abs=1e-4)
    page = (out / "report.html").read_text()
    assert "State of roads" in page
    assert "Road is blocked" in page
    assert "roads_p_blocked" in (out / "assessments.csv").read_text()


def test_a_data_set_is_one_function(tmp_path: Path) -> None:
    """One reader: run files name it, and its posts train as those of any other."""

    @CATALOG.register("radio")
    def read(config: DataConfig, task: OwnTask) -> LabeledData:
        posts = []
        for i, raw in enumerate(("open", "flooded") * 2):
            posts.append(LabeledPost(Post(id=str(i), text=f"call {i}"), raw, "train"))
        splits = dict.fromkeys(("train", "dev", "test"), posts)
        return LabeledData(ROADS, splits, config.root, "radio", {"kind": "radio calls"})

    import crisislens

    assert load_labeled(DataConfig(source="radio", root=tmp_path)).labels("dev").tolist() == [0, 1, 0, 1]
    run = {
        "name": "calls",
        "data": {"source": "radio", "root": str(tmp_path)},
        "encoder": {"name": "hashing"},
        "model": {"name": "late_fusion", "options": {"width": 8, "source": "pooled"}},
        "epochs": 1,
        "seeds": [0],
    }
    [result] = crisislens.train(run, out=tmp_path / "runs", cache=tmp_path / "cache")
    [found] = Analyst.load(result.folder).assess(["the road is flooded"])
    assert set(found.tasks["roads"].probabilities) == {"open", "blocked"}


class Capitals:
    """Counts capital letters."""

    name = "capitals"
    tokens: tuple[Any, ...] = ()

    def fingerprint(self) -> str:
        return "c" * 16

    def annotate(self, posts: Sequence[Post], encoded: EncodedPosts) -> list[dict[str, object]]:
        return [{"extensions": {self.name: sum(c.isupper() for c in post.text)}} for post in posts]


def test_an_annotator_is_one_class(tmp_path: Path) -> None:
    """One class: `analyze --with` takes it, and its record stands in every assessment."""
    with pytest.raises(NotRegisteredError, match="no annotator named 'capitals'"):
        load_annotators(["capitals"])
    ANNOTATORS.register("capitals")(Capitals)
    record = json.loads((analyze(tmp_path, "--with", "capitals") / "assessments.jsonl").read_text())
    assert record["extensions"] == {"capitals": 1}
    assert record["provenance"]["annotators"]["capitals"] == "c" * 16


class Numbered(FileSink[Assessment]):
    """A line for each post: its id and how urgent it is."""

    def add(self, record: Record[Assessment]) -> None:
        found = record.value
        self.write(f"{found.post.id} {found.urgency:.2f}\n")


def test_an_exporter_is_one_class(tmp_path: Path) -> None:
    """One sink: `analyze --also` takes it and names the file after it."""
    SINKS.register("list")(Numbered)
    out = analyze(tmp_path, "--also", "list")
    record = json.loads((out / "assessments.jsonl").read_text())
    assert (out / "assessments.list").read_text() == f"1 {record['urgency']:.2f}\n"
