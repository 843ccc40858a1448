"""What a study found, as Markdown and CSV."""

import csv
import io
import shlex
from collections.abc import Sequence
from pathlib import Path

from crisislens.bench.cells import Blocked
from crisislens.bench.study_table import Contrast, Named, StudyTable
from crisislens.bench.text import markdown_table, spreadsheet_cell
from crisislens.core.fingerprint import fingerprint
from crisislens.data.untrusted import plain_text
from crisislens.encoders.base import EncoderSpec

__all__ = [
    "CONTRAST_COLUMNS",
    "blocked_line",
    "contrast_cells",
    "encoder_option",
    "facts_line",
    "mean_cells",
    "study_csv",
    "study_folder",
    "study_markdown",
]

CONTRAST_COLUMNS = ("first", "second", "at", "difference, 95 %", "p", "could have shown", "verdict")


def contrast_cells(one: Contrast) -> tuple[str, ...]:
    """A comparison as text, in the order of `CONTRAST_COLUMNS`; p after Holm's correction."""
    d = one.difference
    spread = f"{100 * d.difference:+.1f} [{100 * d.low:+.1f}, {100 * d.high:+.1f}]"
    p = f"{one.corrected_p:.4f}"
    return (one.a, one.b, f"{one.at:g}", spread, p, f"{100 * d.detectable:.1f}", one.verdict)


def mean_cells(table: StudyTable) -> list[tuple[str, ...]]:
    """A line a system: its title, and the mean with its interval under each condition."""
    return [(title, *("–" if m is None else m.percent() for m in means)) for title, means in table.lines]


def facts_line(table: StudyTable) -> str:
    """What the numbers of a table are of."""
    return (
        f"{table.posts} test posts; percent, mean and 95 % t interval over seeds. Differences: first minus "
        f"second in points, interval over seeds and posts, p after Holm's correction over the table, and the "
        f"smallest difference that one test at 5 % would find four times in five. {table.seconds:.0f} s of "
        f"processor time for all trials."
    )


def blocked_line(study: Named, one: Blocked) -> str:
    """Why a setting cannot run here, and which command runs it where it can."""
    reason = plain_text(one.reason, max_characters=600)
    command = f"crisislens bench run {study.name} DATA --setting {one.setting}{encoder_option(study)}"
    return f"{one.setting}: cannot run here: {reason}; with that at hand: {command}"


def encoder_option(study: Named) -> str:
    """The options that name a study's encoders; empty where they are the usual ones."""
    encoder = _other_encoder(study)
    if encoder is None:
        return ""
    checkpoint = encoder.options.get("checkpoint")
    return f" --encoder {encoder.name}" + (
        f" --checkpoint {shlex.quote(str(checkpoint))}" if checkpoint else ""
    )


def study_folder(study: Named, out: Path) -> Path:
    """Where a study's results lie: results over two encoders in one file would hide each other.

    Arguments:
        study: The study.
        out: The folder of all studies.
    """
    encoder = _other_encoder(study)
    if encoder is None:
        return out / study.name
    checkpoint = encoder.options.get("checkpoint")
    # two checkpoints of one name are told apart, wherever they lie
    beside = f"-{fingerprint(str(checkpoint))[:8]}" if checkpoint else ""
    return out / f"{study.name}-{encoder.name}{beside}"


def _other_encoder(study: Named) -> EncoderSpec | None:
    encoder = getattr(study, "encoder", None)
    usual = not isinstance(encoder, EncoderSpec) or encoder.name == EncoderSpec().name
    return None if usual else encoder


def study_markdown(study: Named, tables: Sequence[StudyTable], blocked: Sequence[Blocked]) -> str:
    """The tables as Markdown."""
    parts = [f"# {study.title}"]
    for table in tables:
        parts += [
            f"## {table.setting}: {table.metric}",
            facts_line(table),
            *table.notes,
            markdown_table([study.axis, *(f"{at:g}" for at in table.points)], mean_cells(table)),
        ]
        if table.contrasts:
            parts.append(markdown_table(CONTRAST_COLUMNS, [contrast_cells(one) for one in table.contrasts]))
        if table.facts:
            rows = [(name, *values) for name, values in table.facts]
            parts.append(markdown_table(["seed by seed", *(f"{at:g}" for at in table.points)], rows))
    parts += [blocked_line(study, one).replace("<", "&lt;") for one in blocked]
    return "\n\n".join(parts) + "\n"


_CSV_HEAD = (
    "kind", "setting", "metric", "at", "first", "second", "percent", "low", "high", "seeds",
    "p_corrected", "p_smaller_corrected", "could_have_shown", "margin", "verdict",
)  # fmt: skip


def study_csv(tables: Sequence[StudyTable]) -> str:
    """Means (`mean`) and differences (`difference`) as CSV, a number a cell, in percent and points."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_CSV_HEAD)
    for table in tables:
        writer.writerows(_mean_rows(table))
        writer.writerows(_contrast_row(table, one) for one in table.contrasts)
    return out.getvalue()


def _mean_rows(table: StudyTable) -> list[list[object]]:
    rows = []
    for title, means in table.lines:
        for at, mean in zip(table.points, means, strict=True):
            if mean is None:
                continue
            ends: list[float | None] = [None, None]
            if mean.half_width is not None:
                ends = [100 * (mean.mean + side * mean.half_width) for side in (-1, 1)]
            about = ["mean", table.setting, table.metric, at, spreadsheet_cell(title), ""]
            # a mean is not compared with anything
            rows.append([*about, 100 * mean.mean, *ends, mean.count, None, None, None, None, ""])
    return rows


def _contrast_row(table: StudyTable, one: Contrast) -> list[object]:
    d = one.difference
    titles = [spreadsheet_cell(one.a), spreadsheet_cell(one.b)]
    about = ["difference", table.setting, table.metric, one.at, *titles]
    spread = [100 * d.difference, 100 * d.low, 100 * d.high, one.seeds]
    power = [100 * d.detectable, 100 * d.margin, one.verdict]
    return [*about, *spread, one.corrected_p, one.corrected_equivalence_p, *power]
