"""`crisislens compare`: two runs, or two analyses against labels."""

from pathlib import Path
from typing import Annotated

import typer

from crisislens.cli.console import say
from crisislens.core.errors import InputError

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("compare")(compare)


def compare(
    first: Annotated[Path, typer.Argument(help="A run's folder, or an assessments.jsonl.")],
    second: Annotated[Path, typer.Argument(help="Another one of the same kind.")],
    labels: Annotated[
        Path | None,
        typer.Option(help="For assessments: a table with ids and labels (CSV, TSV, JSONL, Parquet)."),
    ] = None,
    column: Annotated[
        str | None,
        typer.Option("--label", help="Its label column. Default: found by its usual names."),
    ] = None,
    task: Annotated[str, typer.Option(help="For assessments with several tasks: which one.")] = "",
    split: Annotated[str, typer.Option(help="For runs: dev or test.")] = "test",
    resamples: Annotated[int, typer.Option(min=100, help="Of the paired bootstrap.")] = 10_000,
    margin: Annotated[
        float,
        typer.Option(help="The smallest difference that matters, in points; name it before you look."),
    ] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of Markdown.")] = False,
) -> None:
    """Compare two runs on their test posts, or two assessments.jsonl against labels: paired tests,
    intervals, per class and event, the smallest difference that could have been shown, and whether
    the difference is shown to be smaller than one that matters.
    """
    from crisislens.api import compare as compare_two

    analyses = [path.suffix == ".jsonl" for path in (first, second)]
    if any(analyses) and not all(analyses):
        raise InputError("one of the two is an assessments.jsonl and the other is not; give two of a kind")
    if split not in ("dev", "test"):
        raise InputError(f"--split {split} is not known; expected dev or test")
    if all(analyses) and labels is None:
        raise InputError("two assessments.jsonl are compared against labels; name a table with --labels")
    if labels is not None and not all(analyses):
        raise InputError("--labels is for two assessments.jsonl; runs hold the labels of their posts")
    found = compare_two(
        first,
        second,
        labels=labels,
        column=column or "",
        task=task,
        split=split,
        resamples=resamples,
        margin=margin / 100,
    )
    say(found.model_dump_json(indent=1) if as_json else found.markdown())
