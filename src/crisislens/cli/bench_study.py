"""`bench run NAME` and `bench show NAME` for every study of `bench.studies`: one engine, one set of
options.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crisislens.cli.console import say, stoppable, table
from crisislens.core.seeds import check_seed_numbers

if TYPE_CHECKING:
    from crisislens.bench.cells import Blocked
    from crisislens.bench.study import Study
    from crisislens.bench.study_table import Named, StudyTable

__all__ = [
    "RESAMPLES",
    "HtmlOption",
    "JobsOption",
    "ResamplesOption",
    "ShownSeedOption",
    "WriteOption",
    "add_study",
    "check_forms",
    "write_tables",
]

DataArgument = Annotated[Path, typer.Argument(help="The folder with the data sets.")]
SettingOption = Annotated[
    list[str] | None,
    typer.Option("--setting", help="One of the study's data sets; may be given again. Default: all."),
]
SystemOption = Annotated[
    list[str] | None,
    typer.Option("--system", help="One of the study's systems; may be given again. Default: all."),
]
SeedOption = Annotated[
    list[int] | None,
    typer.Option("--seed", help="Seed; may be given again. Default: those of the study."),
]
AtOption = Annotated[
    list[float] | None,
    typer.Option("--at", help="One of the study's conditions; may be given again. Default: all."),
]
ShownSeedOption = Annotated[
    list[int] | None,
    typer.Option("--seed", help="Show results of this seed alone; may be given again. Default: all."),
]
EncoderOption = Annotated[
    str | None,
    typer.Option(
        help="Other frozen encoders than the study's own, such as multilingual or clip; their results are "
        "those of OUT/NAME-ENCODER."
    ),
]
CheckpointOption = Annotated[
    str | None, typer.Option(help="For --encoder clip or siglip: hub name or local folder of the checkpoint.")
]
OutOption = Annotated[Path, typer.Option(help="Results go to OUT/NAME/results.jsonl.")]
CacheOption = Annotated[Path, typer.Option(help="Root of the feature caches.")]
JobsOption = Annotated[int, typer.Option(min=1, help="Processes that share the work, one thread each.")]
HtmlOption = Annotated[
    bool, typer.Option("--html", help="Write plots and tables as one page, OUT/NAME/NAME.html, too.")
]
WriteOption = Annotated[
    list[str] | None,
    typer.Option(
        "--write", help="markdown, csv or html, into the folder of the results; may be given again."
    ),
]
ResamplesOption = Annotated[int, typer.Option(min=100, help="Of the bootstraps over seeds and posts.")]

OUT = Path("runs") / "bench"
CACHE = Path(".cache") / "features"
RESAMPLES = 20_000
_FORMS = {"markdown": "md", "csv": "csv", "html": "html"}


def add_study(run: typer.Typer, show: typer.Typer, name: str, about: str) -> None:
    """Adds the two commands of a study.

    Arguments:
        run: Where `bench run` gathers.
        show: Where `bench show` gathers.
        name: Its name in `bench.studies`.
        about: What is asked, for the help.
    """

    def run_it(
        data: DataArgument,
        setting: SettingOption = None,
        system: SystemOption = None,
        at: AtOption = None,
        seed: SeedOption = None,
        encoder: EncoderOption = None,
        checkpoint: CheckpointOption = None,
        out: OutOption = OUT,
        cache: CacheOption = CACHE,
        jobs: JobsOption = 1,
        html: HtmlOption = False,
    ) -> None:
        check_seed_numbers(seed or ())
        some = (setting or (), system or (), seed or (), at or ())
        _run(_study(name, encoder, checkpoint), data, some, out, cache, jobs, html)

    def show_it(
        out: OutOption = OUT,
        seed: ShownSeedOption = None,
        encoder: EncoderOption = None,
        checkpoint: CheckpointOption = None,
        write: WriteOption = None,
        resamples: ResamplesOption = RESAMPLES,
    ) -> None:
        _show(_study(name, encoder, checkpoint), out, seed or (), write or (), resamples)

    # the help of a command is its docstring, and each study has its own
    run_it.__doc__ = f"{about}\n\nRuns every trial that is not done yet."
    show_it.__doc__ = f"{about}\n\nShows what was measured, with every comparison that was named before."
    run.command(name)(run_it)
    show.command(name)(show_it)


def _study(name: str, encoder: str | None, checkpoint: str | None) -> "Study[Any]":
    from crisislens.bench.studies import STUDIES
    from crisislens.bench.study import with_encoder
    from crisislens.core.errors import InputError

    if checkpoint is not None and encoder is None:
        raise InputError(f"--checkpoint {checkpoint} is of other encoders; give --encoder too, such as clip")
    study = STUDIES[name]()
    return study if encoder is None else with_encoder(study, encoder, checkpoint)


def _run(
    study: "Study[Any]",
    data: Path,
    some: tuple[Sequence[str], Sequence[str], Sequence[int], Sequence[float]],
    out: Path,
    cache: Path,
    jobs: int,
    html: bool,
) -> None:
    from crisislens.core.threads import limit_threads

    limit_threads(1 if jobs > 1 else None)
    from crisislens.bench.study import run_study, trials_of
    from crisislens.bench.study_text import blocked_line, encoder_option, study_folder
    from crisislens.core.errors import DataError

    trials = trials_of(study, *some)
    folder = study_folder(study, out)
    with stoppable(f"finished trials are kept in {folder}"):
        done = run_study(study, folder, data=data, cache=cache, trials=trials, jobs=jobs, say=say)
    for one in done.blocked:
        say(blocked_line(study, one))
    say(
        f"{len(trials)} trials: {done.done} finished now, {done.known} before, {len(done.blocked)} settings "
        f"cannot run here"
    )
    if len(done.blocked) == len({trial.setting for trial in trials}):
        raise DataError(f"{study.name} can run nowhere here; the lines above say what is missing")
    show = f"crisislens bench show {study.name} --out {out}{encoder_option(study)}"
    say(f"results  {folder / 'results.jsonl'}; show them with: {show}")
    if html:
        _write(study, folder, ["html"], RESAMPLES)


def check_forms(forms: Sequence[str]) -> None:
    """Refuses what --write does not know.

    Raises:
        InputError: If a form is none.
    """
    from crisislens.core.errors import InputError

    for form in forms:
        if form not in _FORMS:
            raise InputError(f"--write {form} is not known; expected one of {', '.join(_FORMS)}")


def _show(study: "Study[Any]", out: Path, seeds: Sequence[int], forms: Sequence[str], resamples: int) -> None:
    from crisislens.bench.study_text import study_folder

    check_forms(forms)
    _write(study, study_folder(study, out), forms, resamples, seeds=seeds, show=True)


def _write(
    study: "Study[Any]",
    folder: Path,
    forms: Sequence[str],
    resamples: int,
    *,
    seeds: Sequence[int] = (),
    show: bool = False,
) -> None:
    """Draws the tables once, and prints and writes them as asked."""
    from crisislens.bench.run import read_blocked
    from crisislens.bench.study import read_trials
    from crisislens.bench.study_table import study_tables
    from crisislens.bench.study_text import blocked_line, encoder_option
    from crisislens.core.errors import InputError

    results, blocked = read_trials(study, folder), read_blocked(folder)
    if seeds:
        results = [one for one in results if one.seed in seeds]
    if not results and not blocked:
        run = f"crisislens bench run {study.name} DATA --out {folder.parent}{encoder_option(study)}"
        raise InputError(f"{folder} holds no results of {study.name} as it is now; run `{run}` first")
    tables = study_tables(study, results, resamples=resamples)
    if show:
        _print(study, tables)
        for one in blocked:
            say(blocked_line(study, one))
    footer = f"{len(results)} trials in results.jsonl; {resamples} resamples"
    write_tables(study, folder, forms, tables, blocked, footer)


def write_tables(
    study: "Named",
    folder: Path,
    forms: Sequence[str],
    tables: "Sequence[StudyTable]",
    blocked: "Sequence[Blocked]",
    footer: str,
) -> None:
    """Writes tables into the folder of the results, and says where.

    Arguments:
        study: What they are of.
        folder: The folder.
        forms: Of `markdown`, `csv` and `html`.
        tables: The tables.
        blocked: Settings that could not run.
        footer: Where the numbers come from.
    """
    from crisislens.bench.study_text import study_csv, study_markdown
    from crisislens.core.files import atomic_write
    from crisislens.report.study_page import study_page

    for form in forms:
        if form == "html":
            text = study_page(study, tables, blocked, footer)
        else:
            text = study_csv(tables) if form == "csv" else study_markdown(study, tables, blocked)
        path = folder / f"{study.name}.{_FORMS[form]}"
        atomic_write(path, text)
        say(f"{form:9}{path}")


def _print(study: "Study[Any]", tables: "Sequence[StudyTable]") -> None:
    from crisislens.bench.study_text import CONTRAST_COLUMNS, contrast_cells, mean_cells

    for one in tables:
        head = [study.axis, *(f"{at:g}" for at in one.points)]
        table(f"{study.name}, {one.setting}: {one.metric}", head, [list(line) for line in mean_cells(one)])
        if one.contrasts:
            table("", list(CONTRAST_COLUMNS), [list(contrast_cells(c)) for c in one.contrasts])
        if one.facts:
            table("seed by seed", head, [[name, *values] for name, values in one.facts])
        for note in one.notes:
            say(f"note: {note}")
