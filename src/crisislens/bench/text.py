"""A table as Markdown, CSV and LaTeX."""

import csv
import io
import re
from collections.abc import Sequence

from crisislens.bench.tables import METRICS, SettingTable, TableRow
from crisislens.data.untrusted import plain_text

__all__ = [
    "COLUMNS",
    "cells",
    "csv_text",
    "latex_text",
    "markdown_cell",
    "markdown_table",
    "markdown_text",
    "spreadsheet_cell",
]

COLUMNS = (
    "row",
    "form",
    "published",
    "ours",
    "difference",
    "weighted F1 against baseline",
    "p",
    "could have shown",
    "verdict",
)
_TITLES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "weighted_f1": "weighted F1"}
_LATEX = {
    **{c: "\\" + c for c in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "–": "--",
    "−": "$-$",
}


def cells(row: TableRow) -> tuple[str, ...]:
    """One line as text, in the order of `COLUMNS`; accuracy / macro-F1 / weighted F1."""
    if not row.ours:
        why = f"cannot run here: {_line(row.blocked)}" if row.blocked else "not run"
        return (row.row.title, row.row.form, _published(row), why, "", "", "", "", "")
    ours = " / ".join(row.ours[m].percent() for m in METRICS)
    gaps = [row.difference(m) for m in METRICS]
    gap = "" if gaps[0] is None else " / ".join(f"{g:+.2f}" for g in gaps if g is not None)
    against, p, least, found = "", "", "", ""
    if row.comparison is not None:
        d = row.comparison.difference
        against = (
            f"{100 * d.difference:+.2f} [{100 * d.low:+.2f}, {100 * d.high:+.2f}] against "
            f"{row.comparison.baseline}"
        )
        p = f"{row.comparison.corrected_p:.3f}"
        least, found = f"{100 * d.detectable:.2f}", row.comparison.verdict
    return (row.row.title, row.row.form, _published(row), ours, gap, against, p, least, found)


def markdown_text(tables: Sequence[SettingTable]) -> str:
    """All settings as Markdown."""
    parts = []
    for table in tables:
        lines = [f"## {table.setting}", _facts(table)]
        lines += [f"- {note}" for note in table.caveats]
        lines += ["", markdown_table(COLUMNS, [cells(row) for row in table.rows])]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with its head; cells are escaped."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(map(markdown_cell, row)) + " |" for row in rows)])


def csv_text(tables: Sequence[SettingTable]) -> str:
    """All settings as CSV, a number a cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_csv_head())
    for table in tables:
        for row in table.rows:
            writer.writerow(_csv_row(table.setting, row))
    return out.getvalue()


def _csv_head() -> list[str]:
    kinds = ("published", "ours", "half_width", "difference")
    scores = [f"{kind}_{metric}" for metric in METRICS for kind in kinds]
    about = ["setting", "row", "title", "form", "knowledge", "seeds"]
    gain = ["baseline", "gain", "gain_low", "gain_high", "p_corrected"]
    power = ["could_have_shown", "margin", "p_smaller_corrected", "verdict"]
    return [*about, *scores, *gain, *power, "blocked"]


def _csv_row(setting: str, row: TableRow) -> list[object]:
    """One line, in the order of the head. Numbers are in percent, p-values are shares; what was not
    measured is an empty cell and never 0.
    """
    numbers: list[object] = []
    for i, metric in enumerate(METRICS):
        published = None if row.published is None else row.published[i]
        numbers += [published, *_csv_scores(row, metric)]
    # names of rows and settings come from our run files; the rest is whatever somebody wrote
    about = [
        setting,
        row.name,
        spreadsheet_cell(row.row.title),
        row.row.form,
        spreadsheet_cell(row.row.knowledge),
        len(row.seeds),
    ]
    return [*about, *numbers, *_csv_gain(row), spreadsheet_cell(row.blocked)]


def _csv_scores(row: TableRow, metric: str) -> list[float | None]:
    """Ours, half of its interval, and the difference to the published number."""
    mine, gap = row.ours.get(metric), row.difference(metric)
    if mine is None:
        return [None, None, None]
    half = None if mine.half_width is None else round(100 * mine.half_width, 4)
    return [round(100 * mine.mean, 4), half, None if gap is None else round(gap, 4)]


def _csv_gain(row: TableRow) -> list[object]:
    """The baseline, the difference to it with its interval and corrected p-value, and what the test
    could have shown and has.
    """
    if row.comparison is None:
        return ["", None, None, None, None, None, None, None, ""]
    d = row.comparison.difference
    gain = [100 * d.difference, 100 * d.low, 100 * d.high]
    power = [100 * d.detectable, 100 * d.margin, row.comparison.corrected_equivalence_p]
    tested = [*gain, row.comparison.corrected_p, *power]
    return [spreadsheet_cell(row.comparison.baseline), *tested, row.comparison.verdict]


def latex_text(tables: Sequence[SettingTable]) -> str:
    """All settings as LaTeX tables for the package booktabs."""
    parts = []
    for table in tables:
        scores = [f"Ours, {_TITLES[metric]}" for metric in METRICS]
        tested = ["Against baseline", "$p$", "Could have shown", "Verdict"]
        head = " & ".join(["Row", "Published", *scores, "Difference", *tested])
        lines = [
            r"\begin{table}",
            r"\centering",
            r"\begin{tabular}{llrrrrlrrl}",
            r"\toprule",
            head + r" \\",
            r"\midrule",
        ]
        for row in table.rows:
            # a cell of its own for each score, since three in one are wider than a page
            title, _, theirs, _, _, against, p, least, found = (_latex(cell) or "--" for cell in cells(row))
            ours = [_latex(row.ours[m].percent()) if row.ours else "--" for m in METRICS]
            gap = row.difference("weighted_f1")
            shown = (title, theirs, *ours, "--" if gap is None else f"${gap:+.2f}$", against, p, least, found)
            lines.append(" & ".join(shown) + r" \\")
        lines += [
            r"\bottomrule",
            r"\end{tabular}",
            rf"\caption{{{_latex(f'{table.setting}. {_facts(table)}')}}}",
            *_reasons(table),
            r"\end{table}",
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _reasons(table: SettingTable) -> list[str]:
    """Below a LaTeX table, whose columns are too narrow for sentences."""
    return [
        rf"\par\footnotesize {_latex(row.row.title)}: {_latex(cells(row)[3])}."
        for row in table.rows
        if not row.ours
    ]


def _line(text: str) -> str:
    """What a library said, on one line and without what steers a terminal."""
    return plain_text(text, max_characters=600)


def _published(row: TableRow) -> str:
    return "" if row.published is None else " / ".join(f"{x:.2f}" for x in row.published)


def _facts(table: SettingTable) -> str:
    counts = ", ".join(f"{name} {n}" for name, n in table.posts.items())
    return (
        f"Accuracy / macro-F1 / weighted F1 in percent, mean and 95 % t interval over seeds. Posts: "
        f"{counts or 'none were run'}. "
        f"The test's own noise is ±{table.noise:.1f} points of accuracy."
    )


def _latex(text: str) -> str:
    return re.sub(r"[&%$#_{}\\~^<>±–−]", lambda m: _LATEX[m[0]], text)


def markdown_cell(text: str) -> str:
    """A cell: neither a new column nor markup."""
    # the backslash first, or it would escape those that the others bring
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;") or "–"


def spreadsheet_cell(text: str) -> str:
    """A cell that no spreadsheet takes for a formula, on one line."""
    # a lone carriage return would end the row for whoever reads the file, unquoted as csv leaves it
    text = _line(text)
    # an apostrophe is what spreadsheets themselves put before text that looks like a formula
    return f"'{text}" if text[:1] in tuple("=+-@") else text
