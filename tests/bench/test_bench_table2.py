"""The grid as a whole: resumed by fingerprint, blocked cells named, and the table in every form."""

import csv
import io
import json
import multiprocessing
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from table2_cases import CONFIGS, OneRow
from typer.testing import CliRunner

from crisislens.bench.cells import Blocked, GridRun
from crisislens.bench.grid import SETTINGS, Cell, Grid, find_configs, load_grid, load_rows
from crisislens.bench.results import BenchResult, append_result, code_fingerprint, read_bench_results
from crisislens.bench.run import read_blocked, run_grid
from crisislens.bench.tables import build_tables
from crisislens.bench.text import csv_text, latex_text, markdown_text
from crisislens.cli.main import app
from crisislens.core.errors import CacheError, ConfigError, InputError
from crisislens.core.files import sole_writer
from crisislens.models.base import ModelSpec
from crisislens.report.table_page import table_page

pytestmark = pytest.mark.usefixtures("warm_starts")

PAIR = ("compact_guided", "compact_concat")
SMALL = ("batch_posts=28",)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "bench" / "table2"


def test_nothing_runs_twice_and_a_change_runs_again(one_row: OneRow, out: Path, tmp_path: Path) -> None:
    def ran(*rows: str, **more: object) -> tuple[int, int]:
        done = run_grid(one_row(*rows, **more), out, cache=tmp_path / "cache")
        assert done.blocked == []
        return done.done, done.known

    assert ran(*PAIR, more=SMALL) == (2, 0)
    before = (out / "results.jsonl").read_bytes()
    assert ran(*PAIR, more=SMALL) == (0, 2)
    assert (out / "results.jsonl").read_bytes() == before
    assert ran(PAIR[0], more=SMALL, seeds=(0, 1)) == (1, 1)
    # another configuration, another data set, another encoder
    assert ran(PAIR[0], more=(*SMALL, "optimizer.learning_rate=0.002")) == (1, 0)
    assert ran(PAIR[0], more=(*SMALL, "data.posts=36")) == (1, 0)
    assert ran(PAIR[0], more=(*SMALL, "encoder.options.seed=3")) == (1, 0)
    # where the data lies is nobody's business
    (out / "results.jsonl").write_bytes(before + b'{"key": "half a li')
    assert ran(PAIR[0], more=(*SMALL, "optimizer.learning_rate=0.002")) == (1, 0)
    assert len(read_bench_results(out / "results.jsonl")) == 3


def test_processes_share_the_work_and_tell_of_each_run(
    one_row: OneRow, out: Path, tmp_path: Path, beside: Path
) -> None:
    rows, said = ("compact_guided", "compact_concat", "compact_local_guided"), list[str]()
    where = (*SMALL, f"knowledge.table={beside / 'local.jsonl'}")
    grid = one_row(*rows[:2], more=SMALL)
    grid = replace(grid, cells=(*grid.cells, *one_row(rows[2], more=where).cells))
    done = run_grid(grid, out, cache=tmp_path / "cache", jobs=2, say=said.append)
    assert (done.done, done.known, done.blocked) == (3, 0, [])
    assert sorted(line.split()[1].rstrip(",") for line in said) == sorted(rows)
    # as one process does it
    run_grid(grid, tmp_path / "alone", cache=tmp_path / "cache")
    two, one = (
        {r.key: r.weighted_f1 for r in read_bench_results(folder / "results.jsonl")}
        for folder in (out, tmp_path / "alone")
    )
    assert two == one


class Noted(ThreadPoolExecutor):
    """Notes what each process would be given, and works on it here: two more starts of torch and lightning
    would take longer than all else. Real processes share the work in the test above.
    """

    seeds: ClassVar[list[list[int]]] = []
    _processes = None

    def __init__(self, workers: int, *, mp_context: object, **starting: Any) -> None:
        assert workers == 2
        super().__init__(1, **starting)

    def submit(self, work: Any, table: str, cells: list[Cell], *more: Any) -> Any:
        self.seeds.append([seed for cell in cells for seed in cell.run.seeds])
        return super().submit(work, table, cells, *more)


def test_a_group_that_is_alone_is_shared_by_seed(
    one_row: OneRow, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crisislens.bench.processes.ProcessPoolExecutor", Noted)
    monkeypatch.setattr(Noted, "seeds", [])
    grid = one_row("compact_concat", more=SMALL, seeds=(0, 1))
    done = run_grid(grid, out, cache=tmp_path / "cache", jobs=2)
    assert (done.done, done.known) == (2, 0)
    assert sorted(Noted.seeds) == [[0], [1]]
    assert sorted(r.seed for r in read_bench_results(out / "results.jsonl")) == [0, 1]


def test_what_goes_wrong_in_one_process_ends_the_grid(one_row: OneRow, out: Path, tmp_path: Path) -> None:
    out.mkdir(parents=True)
    (out / "results.jsonl").mkdir()
    with pytest.raises(OSError, match=r"results\.jsonl"):
        run_grid(one_row("compact_concat", more=SMALL, seeds=(0, 1)), out, cache=tmp_path / "cache", jobs=2)
    assert not any(child.is_alive() for child in multiprocessing.active_children())


def test_a_row_that_cannot_be_built_costs_only_itself(one_row: OneRow, out: Path, tmp_path: Path) -> None:
    grid = one_row(*PAIR, more=SMALL)
    spoiled = grid.cells[0].run.model_copy(update={"model": ModelSpec(name="guided", options={"heads": 7})})
    grid = replace(grid, cells=(replace(grid.cells[0], run=spoiled), *grid.cells[1:]))
    done = run_grid(grid, out, cache=tmp_path / "cache")
    assert done.done == 1
    assert [b.row for b in done.blocked] == [grid.cells[0].name]


def test_one_grid_a_folder(one_row: OneRow, out: Path, tmp_path: Path) -> None:
    with sole_writer(out), pytest.raises(InputError, match="another run"):
        run_grid(one_row("compact_concat", more=SMALL), out, cache=tmp_path / "cache")


def test_rows_with_other_seeds_are_not_compared(one_row: OneRow, out: Path, tmp_path: Path) -> None:
    run_grid(one_row("compact_text_only", more=SMALL, seeds=(0, 1)), out, cache=tmp_path / "cache")
    run_grid(one_row("compact_guided", more=SMALL), out, cache=tmp_path / "cache")

    def compared(*, over_seeds: bool = False) -> bool:
        [table] = build_tables(
            load_rows(CONFIGS, "table2"),
            read_bench_results(out / "results.jsonl"),
            [],
            out,
            resamples=50,
            over_seeds=over_seeds,
        )
        return next(line for line in table.rows if line.name == "compact_guided").comparison is not None

    assert not compared()
    run_grid(one_row("compact_guided", more=SMALL, seeds=(1,)), out, cache=tmp_path / "cache")
    assert compared()
    assert compared(over_seeds=True)


def test_one_seed_is_not_compared_over_seeds(one_row: OneRow, out: Path, tmp_path: Path) -> None:
    for name in ("compact_text_only", "compact_guided"):
        run_grid(one_row(name, more=SMALL), out, cache=tmp_path / "cache")
    results = read_bench_results(out / "results.jsonl")
    rows = load_rows(CONFIGS, "table2")
    for over_seeds in (False, True):
        [table] = build_tables(rows, results, [], out, resamples=50, over_seeds=over_seeds)
        line = next(line for line in table.rows if line.name == "compact_guided")
        assert (line.comparison is None) == over_seeds


def test_what_other_code_finished_is_not_called_this_codes(
    one_row: OneRow, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grid = one_row("compact_concat", more=SMALL)
    monkeypatch.setattr("crisislens.bench.cells.code_fingerprint", lambda: "older")
    run_grid(grid, out, cache=tmp_path / "cache")
    [metrics] = (out / "runs").rglob("metrics.json")
    metrics.write_text(metrics.read_text().replace('"seed": 0', '"seed": 7'))
    (out / "results.jsonl").unlink()
    monkeypatch.undo()
    run_grid(one_row("compact_concat", more=SMALL), out, cache=tmp_path / "cache")
    assert '"seed": 7' not in metrics.read_text()


def test_a_changed_text_beside_the_posts_runs_again(
    one_row: OneRow, out: Path, tmp_path: Path, beside: Path
) -> None:
    changed = tmp_path / "changed.jsonl"
    shutil.copy(beside / "local.jsonl", changed)
    where = (*SMALL, f"knowledge.table={changed}")
    name = "compact_local_guided"
    assert run_grid(one_row(name, more=where), out, cache=tmp_path / "cache").done == 1
    assert run_grid(one_row(name, more=where), out, cache=tmp_path / "cache").known == 1
    changed.write_text(changed.read_text().replace("local says", "the local table says"))
    assert run_grid(one_row(name, more=where), out, cache=tmp_path / "cache").done == 1
    first, second = read_bench_results(out / "results.jsonl")
    assert (first.config, first.data, first.features) == (second.config, second.data, second.features)
    assert first.knowledge != second.knowledge
    assert first.key != second.key


def test_a_result_says_where_it_comes_from(one_row: OneRow, out: Path, tmp_path: Path) -> None:
    grid = one_row("compact_local_guided", more=SMALL)
    run_grid(grid, out, cache=tmp_path / "cache")
    [found] = read_bench_results(out / "results.jsonl")
    assert found.config == grid.cells[0].run.fingerprint()
    assert all(
        re.fullmatch("[0-9a-f]{16}", x)
        for x in (found.key, found.config, found.data, found.knowledge, found.features, found.code)
    )
    assert found.code == code_fingerprint()
    assert {"python", "crisislens", "torch", "numpy"} <= set(found.versions)
    assert found.device.startswith("cpu")
    assert re.match(r"\d{4}-\d\d-\d\dT.*\+00:00$", found.finished_at)
    assert found.seconds > 0
    assert (found.table, found.row, found.setting, found.seed) == ("table2", "compact_local_guided", "A1", 0)
    # every third post has an empty text beside it
    assert 0 < found.with_knowledge["train"] < found.posts["train"]
    assert 0 < found.with_photo["train"] < found.posts["train"]


def test_what_cannot_run_is_named_with_every_reason(one_row: OneRow, out: Path, tmp_path: Path) -> None:
    absent = (
        "encoder.options.checkpoint=openai/clip-vit-base-patch32",
        f"knowledge.table={tmp_path / 'absent.jsonl'}",
    )
    said: list[str] = []
    done = run_grid(one_row("clip_wiki_guided", more=absent), out, cache=tmp_path / "cache", say=said.append)
    [blocked] = done.blocked
    assert (done.done, blocked.row, blocked.setting) == (0, "clip_wiki_guided", "A1")
    assert "crisislens knowledge" in blocked.reason
    assert "openai/clip-vit-base-patch32" in blocked.reason
    assert said == [f"A1 clip_wiki_guided: cannot run here: {blocked.reason}"]
    assert read_blocked(out) == [blocked]
    # of another cell it says nothing, and once the cell runs it is forgotten
    run_grid(one_row("compact_concat", more=SMALL), out, cache=tmp_path / "cache")
    assert read_blocked(out) == [blocked]
    run_grid(one_row("clip_wiki_guided", more=SMALL), out, cache=tmp_path / "cache")
    assert read_blocked(out) == []


@pytest.mark.parametrize(
    ("cores", "asked", "expected"), [(1, [], 1), (2, [], 2), (16, [], 4), (2, ["--jobs", "1"], 1)]
)
def test_a_grid_takes_a_process_a_processor(
    cores: int, asked: list[str], expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []

    def run(grid: Grid, out: Path, *, cache: Path, jobs: int, say: object) -> GridRun:
        taken.append(jobs)
        return GridRun()

    monkeypatch.setattr("crisislens.core.threads.available_cores", lambda: cores)
    monkeypatch.setattr("crisislens.bench.run.run_grid", run)
    command = ["bench", "run", "table2", "--out", str(tmp_path), "--configs", str(CONFIGS), *asked]
    done = CliRunner().invoke(app, [*command, "--row", "compact_concat", "--setting", "A1"])
    assert done.exit_code == 0, done.output
    assert taken == [expected]


def test_missing_photos_block_rows_with_published_numbers_only(
    one_row: OneRow, out: Path, tmp_path: Path, crisis_root: Path
) -> None:
    grid = one_row("densenet_only")
    cell = grid.cells[0]
    empty = tmp_path / "no-photos"
    empty.mkdir()
    from crisislens.bench import cells as room

    data = room.load_labeled(cell.run.data, cell.run.task)
    bare = replace(data, image_root=empty)
    with pytest.raises(room.DataError, match=r"0 of the \d+ photos are here; get them with"):
        room._check_photos(cell, bare)
    room._check_photos(cell, data)
    room._check_photos(replace(cell, row=cell.row.model_copy(update={"published": {}})), bare)


def test_the_table_from_hand_made_results(out: Path) -> None:
    rows = load_rows(CONFIGS, "table2")
    for seed, f1 in enumerate((0.80, 0.82, 0.84)):
        append_result(out / "results.jsonl", made_up("clip_wiki_guided", seed, f1))
    [table] = build_tables(
        rows, read_bench_results(out / "results.jsonl"), [Blocked("electra_wiki", "A1", "no weights")], out
    )
    line = {row.name: row for row in table.rows}["clip_wiki_guided"]
    assert line.seeds == (0, 1, 2)
    # t(0.975, 2) = 4.302653, standard error 0.02 / sqrt 3
    assert line.ours["weighted_f1"].half_width == pytest.approx(4.302653 * 0.02 / 3**0.5, rel=1e-5)
    assert line.difference("weighted_f1") == pytest.approx(82.0 - 90.45)
    assert table.noise == pytest.approx(100 * 1.96 * (0.82 * 0.18 / 100) ** 0.5)
    # of two configurations the one that ran last stands in the table
    append_result(out / "results.jsonl", made_up("clip_wiki_guided", 0, 0.5, config="other"))
    [table] = build_tables(rows, read_bench_results(out / "results.jsonl"), [], out)
    assert (table.rows[0].seeds, table.rows[0].ours["weighted_f1"].mean) == ((0,), 0.5)
    # a published number of A1 stands in no other setting
    append_result(out / "results.jsonl", made_up("clip_wiki_guided", 0, 0.5, setting="B2"))
    assert {
        t.setting: t.rows[0].published is None
        for t in build_tables(rows, read_bench_results(out / "results.jsonl"), [], out)
    } == {
        "A1": False,
        "B2": True,
    }


def made_up(row: str, seed: int, f1: float, *, config: str = "c", setting: str = "A1") -> BenchResult:
    scores = {"accuracy": f1, "macro_f1": f1, "weighted_f1": f1}
    posts = {"train": 300, "dev": 100, "test": 100}
    return BenchResult(
        key=f"{row}{seed}{config}",
        table="table2",
        row=row,
        setting=setting,
        seed=seed,
        config=config,
        data="d",
        knowledge="",
        features="f",
        code="k",
        versions={},
        device="cpu",
        finished_at="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        posts=posts,
        with_photo=posts,
        with_knowledge={},
        folder="gone",
        **scores,
    )


NASTY = r"50% & <b>x</b> \input{a} | _y_ #1 $z$ ~^"


def test_every_form_escapes_what_it_must(out: Path) -> None:
    rows = load_rows(CONFIGS, "table2")
    nasty = {
        name: row.model_copy(update={"title": NASTY, "unsaid": ("<script>alert(1)</script>",)})
        for name, row in rows.items()
    }
    nasty["electra_wiki"] = nasty["electra_wiki"].model_copy(update={"title": "=1+1"})
    results = [made_up("clip_wiki_guided", 0, 0.8)]
    tables = build_tables(
        nasty, results, [Blocked("electra_wiki", "A1", "=no weights\nat <all> | really\x1b[31m")], out
    )
    markdown = markdown_text(tables)
    body = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert len(body) == 3
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in body} == {10}
    assert "<b>" not in markdown
    assert "<all>" not in markdown
    latex = latex_text(tables)
    assert r"50\% \& " in latex
    assert r"\textbackslash{}input\{a\}" in latex
    assert r"\_y\_ \#1 \$z\$" in latex
    assert "cannot run here" in latex
    parsed = list(csv.DictReader(io.StringIO(csv_text(tables))))
    assert [row["row"] for row in parsed] == [row.name for row in tables[0].rows]
    blocked = next(row for row in parsed if row["row"] == "electra_wiki")
    assert blocked["title"] == "'=1+1"
    assert blocked["blocked"].startswith("'=no weights")
    done = next(row for row in parsed if row["row"] == "clip_wiki_guided")
    assert (float(done["ours_weighted_f1"]), float(done["published_weighted_f1"])) == (80.0, 90.45)
    page = table_page("Table <2>", tables, nasty, "1 run")
    assert "<script" not in page
    assert "<b>" not in page
    assert "\x1b" not in page
    assert "<svg" in page
    assert page.count('class="theirs"') == 2
    assert page.count("<circle") == 1


def test_bench_run_and_show_from_the_command_line(one_row: OneRow, tmp_path: Path, crisis_root: Path) -> None:
    configs = tmp_path / "configs"
    for part in ("settings", "protocols"):
        shutil.copytree(CONFIGS / part, configs / part)
    folder = configs / "runs" / "table2"
    folder.mkdir(parents=True)
    for name in (*PAIR, "clip_wiki_guided"):
        shutil.copy(CONFIGS / "runs" / "table2" / f"{name}.yaml", folder)
    # a new row is one file
    mine = yaml.safe_load((folder / "compact_concat.yaml").read_text())
    mine["name"], mine["row"]["title"], mine["row"]["baseline"] = "my_late_fusion", "mine", "compact_guided"
    mine["model"] = {"name": "late_fusion"}
    (folder / "my_late_fusion.yaml").write_text(yaml.safe_dump(mine))
    sets = [
        "data.source=synthetic",
        f"data.root={crisis_root}",
        "data.posts=40",
        "epochs=1",
        "device=cpu",
        *SMALL,
    ]
    common = ["--out", str(tmp_path / "out"), "--configs", str(configs)]
    run = [
        "bench",
        "run",
        "table2",
        *common,
        "--jobs",
        "1",
        "--cache",
        str(tmp_path / "cache"),
        "--setting",
        "A1",
        "--seed",
        "0",
        "--seed",
        "1",
    ]
    rows = [x for name in ("my_late*", *PAIR) for x in ("--row", name)]
    runner = CliRunner()
    done = runner.invoke(
        app, [*run, *rows, *(x for s in (*sets, "encoder.name=hashing") for x in ("--set", s))]
    )
    assert done.exit_code == 0, done.output
    assert "3 rows: 6 runs finished now, 0 before, 0 cells cannot run here" in done.output
    done = runner.invoke(app, [*run, "--row", "clip*", *(x for s in sets for x in ("--set", s))])
    assert done.exit_code == 0, done.output
    assert "A1 clip_wiki_guided: cannot run here: " in done.output
    assert "they run by: crisislens --allow-hub bench run table2 --data DATA" in done.output
    kinds = [x for kind in ("markdown", "csv", "latex", "html") for x in ("--write", kind)]
    shown = runner.invoke(app, ["bench", "show", "table2", *common, *kinds, "--resamples", "200"])
    assert shown.exit_code == 0, shown.output
    flat = re.sub(r"\s+", " ", shown.output)
    assert "table2, A1" in flat
    assert "mine" in flat
    assert "cannot run" in flat
    texts = {p.suffix: p.read_text() for p in (tmp_path / "out" / "table2").glob("table2.*")}
    assert set(texts) == {".md", ".csv", ".tex", ".html"}
    for text in texts.values():
        assert "mine" in text
        assert "CLIP + Wiki, Guided CA" in text
    assert "intervals and p-values are over tweets alone: they say nothing of other seeds" in flat
    both = runner.invoke(app, ["bench", "show", "table2", *common, "--resamples", "200", "--over-seeds"])
    assert "intervals and p-values are over seeds and tweets" in re.sub(r"\s+", " ", both.output)
    # paired with its baseline: a difference with an interval and a corrected p
    record = next(r for r in csv.DictReader(io.StringIO(texts[".csv"])) if r["row"] == "my_late_fusion")
    assert float(record["gain_low"]) <= float(record["gain"]) <= float(record["gain_high"])
    assert 0 <= float(record["p_corrected"]) <= 1
    assert record["seeds"] == "2"
    results = [
        json.loads(line) for line in (tmp_path / "out" / "table2" / "results.jsonl").read_text().splitlines()
    ]
    mean = 100 * sum(r["weighted_f1"] for r in results if r["row"] == "my_late_fusion") / 2
    assert float(record["ours_weighted_f1"]) == pytest.approx(mean, abs=1e-3)


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no table named 'table9'"):
        load_grid(CONFIGS, "table9")
    with pytest.raises(InputError, match=f"expected one of {', '.join(SETTINGS)}"):
        load_grid(CONFIGS, "table2", settings=["Z1"])
    with pytest.raises(InputError, match="no row of table2 fits nothing"):
        load_grid(CONFIGS, "table2", rows=["nothing"])
    with pytest.raises(InputError, match="no run files in"):
        find_configs(tmp_path)
    folder = tmp_path / "runs" / "table2"
    folder.mkdir(parents=True)
    (folder / "a.yaml").write_text("name: b\nrow: {table: table2}\n")
    with pytest.raises(ConfigError, match=r"a\.yaml is no row of table2; it must have name: a"):
        load_grid(tmp_path, "table2")
    (folder / "a.yaml").write_text("name: a\nrow: {table: table2, title: t, group: g, form: strange}\n")
    with pytest.raises(ConfigError, match="form"):
        load_grid(tmp_path, "table2")
    (folder / "a.yaml").write_text("name: [")
    with pytest.raises(ConfigError, match="cannot be read as YAML"):
        load_grid(tmp_path, "table2")
    (tmp_path / "results.jsonl").write_text("junk\n")
    with pytest.raises(CacheError, match="holds no results"):
        read_bench_results(tmp_path / "results.jsonl")
    shown = CliRunner().invoke(app, ["bench", "show", "table2", "--out", str(tmp_path / "nothing")])
    assert shown.exit_code != 0
