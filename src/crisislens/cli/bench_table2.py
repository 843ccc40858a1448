"""`bench run table2` and `bench show table2`: a whole table of run files, published beside ours."""

from pathlib import Path
from typing import Annotated

import typer

from crisislens.cli.console import say, stoppable, table

__all__ = ["show_table2", "table2"]

OUT = Path("runs") / "bench"
NAME = "table2"
# a process holds the features of its setting and torch: about 1.5 GB with A1
_MOST_JOBS = 4


def table2(
    setting: Annotated[
        list[str] | None,
        typer.Option("--setting", help="A1, A2, B2, A3 or A3-photos; may be given again."),
    ] = None,
    row: Annotated[
        list[str] | None,
        typer.Option("--row", help="A row, or several with * in it; may be given again."),
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option("--seed", help="Seed; may be given again. Default: those of the run files."),
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE for all rows, as in data.root=DIR; may be given again."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with crisismmd in it. Default: CRISISLENS_DATA, or ./data."),
    ] = None,
    knowledge: Annotated[
        Path | None,
        typer.Option(
            help="Folder of llava.jsonl, wiki.jsonl, local.jsonl and weak.jsonl. Default: "
            "CRISISLENS_KNOWLEDGE, or ./knowledge."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Results go to OUT/NAME/results.jsonl.")] = OUT,
    cache: Annotated[Path, typer.Option(help="Root of the feature caches.")] = Path(".cache") / "features",
    configs: Annotated[
        Path | None,
        typer.Option(help="Folder of run files. Default: ./configs, or those that ship."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes that share the work, one thread each. Default: one a processor, at most four; "
            "each holds the features in memory.",
        ),
    ] = None,
) -> None:
    """Table 2 of arXiv 2507.05165, encoders, knowledge and fusions: run every row, setting and seed
    that is not done yet; rows that cannot run here are named with the reason.
    """
    import os

    from crisislens.core.seeds import check_seed_numbers

    check_seed_numbers(seed or ())
    # run files name their data by these variables, and processes of --jobs inherit them
    if data is not None:
        os.environ["CRISISLENS_DATA"] = str(data)
    if knowledge is not None:
        os.environ["CRISISLENS_KNOWLEDGE"] = str(knowledge)
    from crisislens.core.threads import available_cores, limit_threads

    # the networks are small: two threads on one training are no faster than one
    jobs = min(available_cores(), _MOST_JOBS) if jobs is None else jobs
    limit_threads(1 if jobs > 1 else None)
    from crisislens.bench.grid import find_configs, load_grid
    from crisislens.bench.run import run_grid

    grid = load_grid(
        find_configs(configs),
        NAME,
        settings=setting or (),
        rows=row or (),
        seeds=seed or (),
        overrides=override or (),
    )
    with stoppable(f"finished runs are kept in {out / NAME}"):
        done = run_grid(grid, out / NAME, cache=cache, jobs=jobs, say=say)
    rows = len({cell.name for cell in grid.cells})
    say(
        f"{rows} rows: {done.done} runs finished now, {done.known} before, {len(done.blocked)} "
        "cells cannot run here"
    )
    if done.blocked:
        say(
            f"with weights and photos at hand they run by: crisislens --allow-hub bench run {NAME} --data "
            f"DATA --knowledge KNOWLEDGE --row ROW --setting SETTING"
        )
    say(f"results  {out / NAME / 'results.jsonl'}; show them with: crisislens bench show {NAME} --out {out}")


def show_table2(
    out: Annotated[Path, typer.Option(help="The folder that `bench run` wrote into.")] = OUT,
    configs: Annotated[
        Path | None,
        typer.Option(help="Folder of run files. Default: ./configs, or those that ship."),
    ] = None,
    write: Annotated[
        list[str] | None,
        typer.Option(
            "--write",
            help="markdown, csv, latex or html, into the folder of the results; may be given again.",
        ),
    ] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Of the paired bootstraps.")] = 4000,
    margin: Annotated[
        float,
        typer.Option(help="The smallest difference that matters, in points; name it before you look."),
    ] = 1.0,
    over_seeds: Annotated[
        bool,
        typer.Option(
            "--over-seeds",
            help="Draw seeds as well as tweets, so that intervals hold for other trainings too; five seeds "
            "or more are needed for that to mean much.",
        ),
    ] = False,
) -> None:
    """Table 2 of arXiv 2507.05165: show published, ours and the difference, with intervals and
    paired tests; the same as files with --write.
    """
    from crisislens.bench.grid import find_configs, load_rows
    from crisislens.bench.results import read_bench_results
    from crisislens.bench.run import read_blocked
    from crisislens.bench.tables import build_tables
    from crisislens.bench.text import COLUMNS, cells, csv_text, latex_text, markdown_text
    from crisislens.core.errors import InputError
    from crisislens.core.files import atomic_write

    kinds = {"markdown": "md", "csv": "csv", "latex": "tex", "html": "html"}
    for kind in write or ():
        if kind not in kinds:
            raise InputError(f"--write {kind} is not known; expected one of {', '.join(kinds)}")
    rows = load_rows(find_configs(configs), NAME)
    folder = out / NAME
    results, blocked = read_bench_results(folder / "results.jsonl"), read_blocked(folder)
    if not results and not blocked:
        raise InputError(f"{folder} holds no results; run `crisislens bench run {NAME} --out {out}` first")
    tables = build_tables(
        rows,
        results,
        blocked,
        folder,
        resamples=resamples,
        margin=margin / 100,
        over_seeds=over_seeds,
    )
    for one in tables:
        table(f"{NAME}, {one.setting}", list(COLUMNS), [list(cells(line)) for line in one.rows])
        for note in one.caveats:
            say(f"note: {note}")
    for kind in write or ():
        path = folder / f"{NAME}.{kinds[kind]}"
        if kind == "html":
            from crisislens.report.table_page import table_page

            text = table_page(
                "Table 2 of arXiv 2507.05165", tables, rows, f"{len(results)} runs in results.jsonl"
            )
        else:
            text = {"markdown": markdown_text, "csv": csv_text, "latex": latex_text}[kind](tables)
        atomic_write(path, text)
        say(f"{kind:9}{path}")
