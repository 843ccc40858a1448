"""`crisislens evaluate-extractor`: how good an extractor is on posts that somebody marked."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crisislens.cli.console import say, table
from crisislens.cli.options import ContextsOption, JsonOption

if TYPE_CHECKING:
    from crisislens.evaluation.extraction import ExtractionReport, ExtractionScore
    from crisislens.training.extraction.score import Scored

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("evaluate-extractor")(evaluate_extractor)


def evaluate_extractor(
    extractor: Annotated[
        str,
        typer.Argument(
            help="Name of an extractor that ships (entities-compact, relations-compact), or a folder."
        ),
    ],
    marked: Annotated[
        Path,
        typer.Argument(
            help="Posts with marked entities, and relations: a .jsonl, .csv or .tsv as `extract` writes, or "
            "CoNLL words."
        ),
    ],
    contexts: ContextsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score an extractor on posts that somebody marked: precision, recall and F1 of what it tells,
    by type.
    """
    from crisislens.core.threads import limit_threads

    limit_threads()
    from crisislens.data.contexts import read_contexts
    from crisislens.nn.device import set_threads
    from crisislens.pipeline.extractors import find_extractor
    from crisislens.training.extraction.score import read_marked_file, score_extractor

    set_threads()
    loaded = find_extractor(extractor)
    read = read_marked_file(marked, relations=loaded.extractor.spec.task != "entities")
    scored = score_extractor(loaded, read.posts, contexts=read_contexts([contexts]) if contexts else None)
    if as_json:
        reports = {name: report.model_dump(mode="json") for name, report in scored.reports.items()}
        found = {
            "reports": reports,
            "unknown": scored.unknown,
            "out_of_reach": scored.out_of_reach,
            "notes": read.notes,
        }
        say(json.dumps(found, indent=2))
        return
    _show(loaded.meta.name, scored)
    for note in read.notes:
        say(note)


def _show(extractor: str, scored: "Scored") -> None:
    """A table a kind of item, then what the scores are too low by."""
    head = ["", "marked", "found", "precision", "recall", "F1"]
    for name, report in scored.reports.items():
        rows = [
            _row("all", report.micro),
            *(_row(kind, score) for kind, score in report.types.items()),
        ]
        table(f"{extractor}: {name} of {report.posts} posts", head, rows)
        say(_interval(report))
    if scored.unknown:
        say(f"it does not know {', '.join(scored.unknown)}: these count as missed")
    if scored.out_of_reach:
        say(
            f"{scored.out_of_reach} pairs stand behind what it reads of a post: these count as "
            "said to have no relation"
        )


def _row(name: str, score: "ExtractionScore") -> list[str]:
    return [
        name,
        str(score.marked),
        str(score.found),
        *(f"{100 * x:.1f}" for x in (score.precision, score.recall, score.f1)),
    ]


def _interval(report: "ExtractionReport") -> str:
    return (
        f"micro F1 {100 * report.micro.f1:.1f}, 95 % interval over posts [{100 * report.low:.1f}, "
        f"{100 * report.high:.1f}]"
    )
