"""`crisislens train-extractor`: an extractor of entities or relations from a run file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crisislens.cli.console import say, say_progress, stoppable, table
from crisislens.core.errors import InputError

if TYPE_CHECKING:
    from crisislens.models.extractor_artifact import ExtractorMeta
    from crisislens.training.extraction.config import ExtractionData

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("train-extractor")(train_extractor)


def train_extractor(
    run: Annotated[
        Path,
        typer.Argument(help="Run file (YAML), or the name of one that ships, as in extraction/own_posts."),
    ],
    override: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE, as in recipe.epochs=3; may be given again."),
    ] = None,
    language: Annotated[
        list[str] | None,
        typer.Option(
            help="ISO 639-1 code of a language of the posts; `extract` then leaves posts in others alone. "
            "May be given again."
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(help="Results and extractors go to OUT/NAME-seedN; a killed run goes on."),
    ] = Path("runs"),
) -> None:
    """Train the seeds of a run file on posts with entities or relations, print test scores, and
    keep the extractors.
    """
    from crisislens.core.run_files import find_run_file
    from crisislens.core.threads import limit_threads

    limit_threads()
    from crisislens.data.own_files import SPLITS
    from crisislens.evaluation.significance import mean_interval
    from crisislens.models.artifact import Card
    from crisislens.models.extractor_artifact import ExtractorMeta, describe_extractor
    from crisislens.nn.device import set_threads
    from crisislens.training.extraction.config import ExtractionRun
    from crisislens.training.extraction.run import run_extraction
    from crisislens.training.extraction.splits import load_splits

    set_threads()
    if wrong := [
        code for code in language or () if not (len(code) in {2, 3} and code.isascii() and code.isalpha())
    ]:
        raise InputError(
            f"--language {wrong[0]} is no code of a language; expected two or three letters, as in en or es"
        )
    config = ExtractionRun.load(find_run_file(run), override)
    card = Card(
        summary=f"Trained by the run file {config.name} on {config.data.name}.",
        data=(f"{config.data.name}: see its provider's terms",),
    )
    splits = load_splits(config.data, joint=config.extractor.task == "joint")
    for split in SPLITS:
        say(f"{split:5}  {splits.described(split)}")
    _tell_traps(config.data)
    meta = ExtractorMeta(
        name=config.name, languages=tuple(code.lower() for code in language or ()), card=card
    )
    with stoppable(f"finished epochs are kept in {out}"):
        results = run_extraction(
            config,
            out,
            splits=splits,
            keep=meta,
            report=lambda name, epoch: say_progress(
                f"{name}: epoch {epoch.epoch}, dev F1 {100 * epoch.dev_f1:.2f}, {epoch.seconds:.0f} s"
            ),
        )
    rows = []
    for kind in ["all", *results[0].test.types]:
        scores = [
            r.test.micro if kind == "all" else r.test.types[kind]
            for r in results
            if kind == "all" or kind in r.test.types
        ]
        f1 = mean_interval([s.f1 for s in scores]).percent()
        rows.append([kind, str(scores[0].marked), f1])
    table(
        f"{config.name}: test, {len(results)} seed{'s' if len(results) > 1 else ''}",
        ["", "marked", "F1"],
        rows,
    )
    for result in results:
        folder = out / f"{config.name}-seed{result.seed}"
        say(f"extractor  {folder}  tells what is at least {_least(describe_extractor(folder)[1])} % probable")


def _tell_traps(data: "ExtractionData") -> None:
    """What in files of a user's own makes labels or scores wrong without being an error."""
    from crisislens.data.own_files import check_own

    if data.name not in {"conll", "table", "table-pairs"}:
        return
    found = check_own(Path(data.root), "conll" if data.name == "conll" else "table")
    if widened := sum(found.widened.values()):
        entities = "1 entity" if widened == 1 else f"{widened} entities"
        say(
            f"{entities} began or ended within a word, all of which is taken; if these are "
            "many, places were not counted in characters"
        )
    if shared := {pair: n for pair, n in found.shared_texts.items() if n}:
        parts = ", ".join(
            f"{n} of {pair.partition('-')[2]} in {pair.partition('-')[0]}" for pair, n in shared.items()
        )
        say(f"posts that stand in an earlier part too, word by word, flatter the scores: {parts}")


def _least(meta: "ExtractorMeta") -> str:
    """The thresholds in percent: of entities, and of relations where they have their own."""
    least = (
        [meta.accept_above]
        if meta.accept_relations_above is None
        else [meta.accept_above, meta.accept_relations_above]
    )
    return " (relations: ".join(f"{100 * p:.0f}" for p in least) + (")" if len(least) > 1 else "")
