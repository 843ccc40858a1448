"""A study as Markdown, CSV and a page, and its two commands."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import typer
from drawn_study import Drawn
from typer.testing import CliRunner, Result

from crisislens.bench.cells import Blocked
from crisislens.bench.mismatch import Mismatch
from crisislens.bench.studies import ABOUT, STUDIES
from crisislens.bench.study import Study, read_trials, run_study, trials_of, with_encoder
from crisislens.bench.study_table import StudyTable, study_tables
from crisislens.bench.study_text import blocked_line, study_csv, study_folder, study_markdown
from crisislens.cli.bench_study import add_study
from crisislens.cli.main import app as whole
from crisislens.core.errors import CrisisLensError, DataError, InputError
from crisislens.encoders.base import EncoderSpec
from crisislens.report.study_page import study_page

STUDY = Drawn()
BLOCKED = [Blocked("drawn", "gone", "no <data>\nat | all\x1b[31m")]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> list[StudyTable]:
    root = tmp_path_factory.mktemp("study")
    (root / "here").mkdir()
    asked = trials_of(STUDY, settings=("here",))
    run_study(STUDY, root / "out", data=root, cache=root, trials=asked)
    return study_tables(STUDY, read_trials(STUDY, root / "out"), resamples=200)


def test_every_cell_of_the_markdown_stands_where_its_head_says(tables: list[StudyTable]) -> None:
    text = study_markdown(STUDY, tables, BLOCKED)
    rows = [line for line in text.split("\n") if line.startswith("|")]
    bars = {len(re.findall(r"(?<!\\)\|", line)) for line in rows}
    # three columns of means, seven of comparisons
    assert bars == {4, 8}
    assert "<b>" not in text
    assert "<data>" not in text
    assert "\x1b" not in text
    assert "crisislens bench run drawn DATA --setting gone" in text


def test_a_number_a_cell_and_no_cell_is_a_formula(tables: list[StudyTable]) -> None:
    rows = list(csv.DictReader(io.StringIO(study_csv(tables))))
    assert len(rows) == 2 * (4 * 2 + 3 * 2)
    titles = {row["first"] for row in rows if row["kind"] == "mean"}
    assert titles == {"Good <b>", "'=Twin", "Bad | worse", "Like"}
    [twin] = [r for r in rows if r["second"] == "'=Twin" and (r["metric"], r["at"]) == ("right", "0.0")]
    assert (float(twin["percent"]), float(twin["could_have_shown"]), twin["seeds"]) == (0, 0, "3")
    assert twin["verdict"] == "shown to be smaller than 1 point"
    for row in rows:
        assert float(row["low"]) <= float(row["percent"]) <= float(row["high"])


def test_the_page_shows_everything_and_runs_nothing(tables: list[StudyTable]) -> None:
    page = study_page(STUDY, tables, BLOCKED, "24 <trials>")
    assert "<b>" not in page
    assert "<data>" not in page
    assert "<script" not in page
    assert "\x1b" not in page
    assert "default-src 'none'" in page
    assert page.count("<h2") == 2
    # four systems, two conditions, two tables; a line and a sample of it in the legend for each
    assert page.count("<circle") == 16
    assert page.count('class="curve') == 16
    assert page.count("<polygon") == 8
    assert "shown to be smaller than 1 point" in page
    assert "no &lt;data&gt; at | all" in page
    assert not re.search(r"""(?:src|href)=["']?http""", page)


def test_a_page_of_one_condition_has_no_plot(tables: list[StudyTable]) -> None:
    first = [
        replace(one, points=one.points[:1], lines=tuple((name, means[:1]) for name, means in one.lines))
        for one in tables
    ]
    page = study_page(STUDY, first, [], "12 trials")
    assert "<svg" not in page
    assert page.count("<table") >= 2


@pytest.fixture
def app() -> Iterator[typer.Typer]:
    """An application that knows the drawn study alone."""
    STUDIES.register("drawn")(Drawn)
    made, run, show = typer.Typer(), typer.Typer(), typer.Typer()
    made.add_typer(run, name="run")
    made.add_typer(show, name="show")
    add_study(run, show, "drawn", "What drawn numbers show.")
    run.command("another")(lambda: None)
    show.command("another")(lambda: None)
    yield made
    STUDIES._entries.pop("drawn")


def said(app: typer.Typer, *arguments: object) -> Result:
    return CliRunner().invoke(app, [str(part) for part in arguments])


def refused(app: typer.Typer, kind: type[CrisisLensError], *arguments: object) -> str:
    error = said(app, *arguments).exception
    assert isinstance(error, kind)
    return str(error)


def test_run_and_show_from_the_command_line(app: typer.Typer, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    out = tmp_path / "runs"
    run = ("run", "drawn", tmp_path, "--out", out, "--cache", tmp_path / "cache", "--seed", 0, "--seed", 1)
    done = said(app, *run)
    assert done.exit_code == 0, done.output
    assert "32 trials: 16 finished now, 0 before, 1 settings cannot run here" in done.output
    assert "gone: cannot run here: no <data> in gone; draw some; with that at hand: crisislens bench run" in (
        done.output
    )
    assert "16 before" in said(app, *run).output
    assert "8 before" in said(app, *run, "--at", "0.5").output
    shown = said(app, "show", "drawn", "--out", out, "--resamples", 300, "--write", "csv", "--write", "html")
    assert shown.exit_code == 0, shown.output
    flat = " ".join(shown.output.split())
    assert "drawn, here: right" in flat
    assert "higher" in flat
    assert {path.suffix for path in (out / "drawn").glob("drawn.*")} == {".csv", ".html"}
    assert "16 trials in results.jsonl; 300 resamples" in (out / "drawn" / "drawn.html").read_text()
    one = ("show", "drawn", "--out", out, "--resamples", 100, "--seed", 1, "--write", "html")
    assert said(app, *one).exit_code == 0
    assert "8 trials in results.jsonl" in (out / "drawn" / "drawn.html").read_text()


def test_other_encoders_have_results_of_their_own(app: typer.Typer, tmp_path: Path) -> None:
    study = with_encoder(Mismatch(), "clip")
    assert study == replace(Mismatch(), encoder=EncoderSpec(name="clip"))
    why = Blocked("mismatch", "captions", "no weights")
    assert blocked_line(study, why).endswith("bench run mismatch DATA --setting captions --encoder clip")
    assert blocked_line(Mismatch(), why).endswith("--setting captions")
    here, there = (with_encoder(Mismatch(), "clip", f"{place}/my clip") for place in ("here", "there"))
    assert here.encoder == EncoderSpec(name="clip", options={"checkpoint": "here/my clip"})  # type: ignore[attr-defined]
    assert blocked_line(here, why).endswith("--encoder clip --checkpoint 'here/my clip'")
    folders = {study_folder(one, tmp_path) for one in (Mismatch(), study, here, there)}
    assert len(folders) == 4
    assert {folder.parent for folder in folders} == {tmp_path}
    STUDIES._entries["drawn"] = lambda: Read(encoder=EncoderSpec())
    (tmp_path / "here").mkdir()
    out = ("--out", tmp_path / "runs", "--encoder", "hashing")
    ran = said(app, "run", "drawn", tmp_path, *out, "--seed", 0, "--setting", "here")
    assert ran.exit_code == 0, ran.output
    assert "bench show drawn --out" in ran.output
    assert (tmp_path / "runs" / "drawn-hashing" / "results.jsonl").is_file()
    assert said(app, "show", "drawn", *out, "--resamples", 100).exit_code == 0
    assert "--encoder hashing` first" in refused(
        app, InputError, "show", "drawn", *out[2:], "--out", tmp_path
    )
    assert "holds no results" in refused(app, InputError, "show", "drawn", *out[:2])
    clip = ("--out", tmp_path / "runs", "--encoder", "clip", "--checkpoint", "a/clip")
    assert said(app, "run", "drawn", tmp_path, *clip, "--seed", 0, "--setting", "here").exit_code == 0
    assert said(app, "show", "drawn", *clip, "--resamples", 100).exit_code == 0
    assert "give --encoder too" in refused(app, InputError, "show", "drawn", "--checkpoint", "a/clip")


@dataclass(frozen=True)
class Read(Drawn):
    """The drawn study, as if it read with encoders."""

    encoder: EncoderSpec = field(default_factory=EncoderSpec)


def test_what_the_commands_refuse(app: typer.Typer, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "runs")
    assert "holds no results of drawn" in refused(app, InputError, "show", "drawn", *out)
    strange = refused(app, InputError, "show", "drawn", "--write", "pdf")
    assert strange == "--write pdf is not known; expected one of markdown, csv, html"
    assert "reads its encoders from run files" in refused(
        app, InputError, "run", "drawn", tmp_path, "--encoder", "clip"
    )
    assert "--setting x is not known" in refused(app, InputError, "run", "drawn", tmp_path, "--setting", "x")
    nowhere = refused(app, DataError, "run", "drawn", tmp_path, *out, "--seed", 0)
    assert nowhere == "drawn can run nowhere here; the lines above say what is missing"


def test_every_study_of_the_registry_has_its_command() -> None:
    assert set(STUDIES.names()) == set(ABOUT)
    shown = said(whole, "bench", "run", "--help").output
    for name in ABOUT:
        study = STUDIES[name]()
        assert isinstance(study, Study)
        assert study.name == name
        assert f" {name} " in shown
        # what the options take can be read in the help: all of it, where it is told
        if told := re.findall(r"[\w-]+", ABOUT[name].partition("\n\n")[2]):
            assert {*study.settings, *study.systems} <= set(told)
        assert {part for pair in study.pairs for part in pair} <= set(study.systems)
