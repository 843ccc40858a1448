"""A table as text, from rows made by hand: every cell where its head says, nothing measured is nothing, and
no cell does anything.
"""

import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.bench.comparisons import BaselineComparison
from crisislens.bench.tables import METRICS, SettingTable, TableRow
from crisislens.bench.text import COLUMNS, cells, csv_text, latex_text, markdown_text
from crisislens.evaluation.significance import MeanInterval, PairedDifference, mean_interval
from crisislens.training.config import RowConfig

GAIN = PairedDifference(
    what="weighted_f1", a=0.82, b=0.80, difference=0.02, low=-0.01, high=0.05, p_value=0.04, detectable=0.03
)


def row(
    name: str = "ours",
    values: Sequence[float] = (0.8, 0.84),
    *,
    published: tuple[float, float, float] | None = None,
    comparison: BaselineComparison | None = None,
    blocked: str = "",
    title: str = "Ours",
    knowledge: str = "none",
) -> TableRow:
    ours: dict[str, MeanInterval] = {}
    if values:
        ours = {metric: mean_interval(list(values)) for metric in METRICS}
    about = RowConfig(title=title, table="table2", group="ours", form="ours", knowledge=knowledge)
    return TableRow(
        name=name,
        row=about,
        published=published,
        ours=ours,
        seeds=tuple(range(len(values))),
        clean=None,
        seconds=1.0,
        comparison=comparison,
        blocked=blocked,
    )


def table(*rows: TableRow, caveats: tuple[str, ...] = ()) -> SettingTable:
    posts = {"train": 30, "test": 10}
    return SettingTable("A1", rows, posts, posts, 3.5, ("code",), caveats)


def parsed(*rows: TableRow) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_text([table(*rows)]))))


def test_a_measured_row_has_a_number_in_every_column_of_its_own() -> None:
    comparison = BaselineComparison("Plain", GAIN, 0.08)
    [found] = parsed(row(published=(90.0, 80.0, 82.5), comparison=comparison))
    assert (found["setting"], found["row"], found["seeds"]) == ("A1", "ours", "2")
    for metric, theirs in zip(METRICS, (90.0, 80.0, 82.5), strict=True):
        assert float(found[f"published_{metric}"]) == theirs
        assert float(found[f"ours_{metric}"]) == pytest.approx(82)
        assert float(found[f"half_width_{metric}"]) == pytest.approx(25.4124, abs=1e-4)
        assert float(found[f"difference_{metric}"]) == pytest.approx(82 - theirs)
    gains = [float(found[name]) for name in ("gain", "gain_low", "gain_high", "p_corrected")]
    assert gains == pytest.approx([2, -1, 5, 0.08])
    assert found["baseline"] == "Plain"
    assert [float(found[name]) for name in ("could_have_shown", "margin")] == pytest.approx([3, 1])
    # p is .04 before Holm's correction and .08 after: what is said follows the corrected one
    assert found["verdict"] == "not shown"


def test_what_was_not_measured_is_an_empty_cell_and_never_zero() -> None:
    [found] = parsed(row(values=(), published=(90.0, 80.0, 82.5), blocked="no weights"))
    assert found["seeds"] == "0"
    assert found["blocked"] == "no weights"
    for metric in METRICS:
        assert [found[f"{kind}_{metric}"] for kind in ("ours", "half_width", "difference")] == ["", "", ""]
    compared = ("baseline", "gain", "gain_low", "gain_high", "p_corrected", "could_have_shown", "verdict")
    assert [found[name] for name in compared] == [""] * 7


def test_one_seed_has_no_interval_and_no_published_number_no_difference() -> None:
    [found] = parsed(row(values=(0.8,)))
    assert found["ours_accuracy"] == "80.0"
    assert (found["half_width_accuracy"], found["published_accuracy"], found["difference_accuracy"]) == (
        "",
    ) * 3


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30))
def test_no_cell_of_a_spreadsheet_is_a_formula(text: str) -> None:
    rows = (row(title=text, knowledge=text), row("other", (), blocked=text))
    for record in parsed(*rows):
        for name in ("title", "knowledge", "baseline", "blocked"):
            assert not record[name].startswith(("=", "+", "-", "@"))


@given(st.lists(st.booleans(), max_size=4))
def test_every_line_has_as_many_cells_as_the_head(measured: list[bool]) -> None:
    rows = [row(f"r{i}", (0.5, 0.6) if there else ()) for i, there in enumerate(measured)]
    lines = list(csv.reader(io.StringIO(csv_text([table(*rows)]))))
    assert len(lines) == 1 + len(rows)
    assert {len(line) for line in lines} == {6 + 4 * len(METRICS) + 10}
    assert all(len(cells(one)) == len(COLUMNS) for one in rows)


def test_a_line_for_readers_says_why_a_row_is_empty() -> None:
    assert cells(row(values=()))[3] == "not run"
    assert cells(row(values=(), blocked="no\nweights \x1b[31m here"))[3].startswith(
        "cannot run here: no weights"
    )
    shown = cells(row(published=(90.0, 80.0, 82.5), comparison=BaselineComparison("Plain", GAIN, 0.08)))
    assert shown[2] == "90.00 / 80.00 / 82.50"
    assert shown[4] == "-8.00 / +2.00 / -0.50"
    assert shown[5:] == ("+2.00 [-1.00, +5.00] against Plain", "0.080", "3.00", "not shown")


@pytest.mark.parametrize(
    ("p", "p_smaller", "said"),
    [
        (0.01, 1.0, "higher"),
        (0.01, 0.01, "higher, by less than 1 point"),
        (0.9, 0.049, "shown to be smaller than 1 point"),
        (0.9, 0.051, "not shown"),
    ],
)
def test_what_is_said_follows_both_corrected_tests(p: float, p_smaller: float, said: str) -> None:
    assert cells(row(comparison=BaselineComparison("Plain", GAIN, p, p_smaller)))[-1] == said


def test_markdown_and_latex_hold_what_a_reader_must_know() -> None:
    tables = [table(row(), row("gone", (), blocked="no weights"), caveats=("two states of the code",))]
    markdown = markdown_text(tables)
    assert markdown.startswith("## A1\nAccuracy / macro-F1 / weighted F1 in percent")
    assert "Posts: train 30, test 10." in markdown
    assert "own noise is ±3.5 points" in markdown
    assert "- two states of the code" in markdown
    latex = latex_text(tables)
    # columns are too narrow for sentences: they stand below
    assert r"\par\footnotesize Ours: cannot run here: no weights." in latex
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 1
    head = next(line for line in latex.split("\n") if line.startswith("Row & "))
    bodies = [line for line in latex.split("\n") if line.startswith("Ours & ")]
    assert {line.count(" & ") for line in bodies} == {head.count(" & ")}
