"""`bench run mie`: what context, InfoNCE and Shapley values each add to entities and relations,
printed as a table.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crisislens.cli.bench_study import (
    RESAMPLES,
    JobsOption,
    ResamplesOption,
    ShownSeedOption,
    WriteOption,
    check_forms,
    write_tables,
)
from crisislens.cli.console import say, say_progress, stoppable, table
from crisislens.cli.options import ThreadsOption
from crisislens.core.errors import DataError, InputError

if TYPE_CHECKING:
    from crisislens.training.extraction.mie import SystemResult

__all__ = ["mie", "show_mie"]


def mie(
    data: Annotated[
        Path,
        typer.Argument(
            help="The folder that holds mner and mnre; docs/benchmarks-extraction.md says what is in them."
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="The folder of results; what was measured is not measured again.")
    ] = Path("runs") / "mie",
    data_sets: Annotated[
        list[str] | None,
        typer.Option(
            "--data-set",
            help="twitter2015, twitter2017, mnre-v1, mnre-v2, jmere or stand-in; may be given again.",
        ),
    ] = None,
    systems: Annotated[
        list[str] | None,
        typer.Option(
            "--system",
            help="text, context, info_nce, shap_ca or shap_ca_margin; may be given again.",
        ),
    ] = None,
    seeds: Annotated[
        list[int] | None, typer.Option("--seed", help="May be given again. Default: 0, 1 and 2.")
    ] = None,
    encoder: Annotated[
        str,
        typer.Option(help="minilm, a hub name such as google-bert/bert-base-uncased, or a local folder."),
    ] = "minilm",
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Passes over the training posts; the benchmark's own without."),
    ] = None,
    train_posts: Annotated[
        int | None,
        typer.Option(min=1, help="At most so many training posts, drawn once; all without."),
    ] = None,
    batch_posts: Annotated[
        int | None,
        typer.Option(min=2, help="Posts a step, the players of the alignment's game; 32 without."),
    ] = None,
    shuffled: Annotated[
        list[float] | None,
        typer.Option(
            min=0,
            max=1,
            help="Share of the training pictures whose contexts are shuffled among themselves; may be given "
            "again. Default: 0.",
        ),
    ] = None,
    long_contexts: Annotated[
        bool, typer.Option("--long", help="Long contexts where they exist, in place of captions.")
    ] = False,
    lock_contexts: Annotated[
        bool,
        typer.Option(
            "--lock-contexts",
            help="Contexts are read once, by the language model as it comes, and do not learn: about 1.5 "
            "times as fast, and another recipe, which results name as locked.",
        ),
    ] = False,
    temperatures: Annotated[
        list[float] | None,
        typer.Option(
            "--temperature",
            help="Temperature of the alignment, at least 0.011; given again, each is trained and the "
            "one with the best dev F1 is measured, for each system, share and seed by itself. Without: 0.1.",
        ),
    ] = None,
    tried_epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Passes of the trainings that choose a temperature; the chosen one is trained in full "
            "afterwards. Without, all are trained in full.",
        ),
    ] = None,
    jobs: JobsOption = 1,
    html: Annotated[
        bool, typer.Option("--html", help="Write plots and tables as one page, OUT/mie.html, too.")
    ] = False,
    threads: ThreadsOption = None,
) -> None:
    """Entities and relations: train and measure extractors, system by system, with paired tests."""
    from crisislens.core.seeds import check_seed_numbers
    from crisislens.core.threads import limit_threads

    check_seed_numbers(seeds or ())
    limit_threads(1 if jobs > 1 else threads)
    from crisislens.bench.mie import epoch_line, share_trainings
    from crisislens.nn.device import set_threads
    from crisislens.training.extraction.mie import Tuning, mie_runs, run_mie
    from crisislens.training.extraction.mie import show_mie as read

    set_threads(1 if jobs > 1 else threads)
    names = data_sets or ["twitter2017"]
    tuning = Tuning(tuple(temperatures or ()), tried_epochs)
    asked: dict[str, Any] = {
        "data_sets": names,
        "systems": systems or ("text", "context", "info_nce", "shap_ca"),
        "seeds": seeds or (0, 1, 2),
        "encoder": encoder,
        "long_contexts": long_contexts,
        "epochs": epochs,
        "train_posts": train_posts,
        "batch_posts": batch_posts,
        "shuffled": shuffled or (0.0,),
        "locked_contexts": lock_contexts,
    }
    try:
        with stoppable(f"finished epochs are kept in {out}"):
            if jobs > 1:
                runs = mie_runs(data, tuning=tuning, **asked)
                share_trainings(runs, out, tuning, jobs=jobs, say=say_progress)
                rows = read(out)
            else:
                rows = run_mie(
                    data,
                    out,
                    tuning=tuning,
                    report=lambda name, epoch: say_progress(epoch_line(name, epoch)),
                    **asked,
                )
    except DataError as error:
        options = "".join(f" --data-set {name}" for name in names)
        raise DataError(f"{error}; with that at hand: crisislens bench run mie DATA{options}") from error
    _print(rows)
    if systems != ["text"]:
        _say_without_contexts(names)
    if html:
        _write(rows, out, ["html"], RESAMPLES)


def _say_without_contexts(data_sets: Sequence[str]) -> None:
    """Says which data sets have no contexts, so that text alone was measured there."""
    from crisislens.training.extraction.systems import WITHOUT_CONTEXTS

    for name in WITHOUT_CONTEXTS:
        if name in data_sets:
            say(
                f"{name} comes without contexts: text alone was measured; with contexts at hand, "
                f"train-extractor takes a run file with data.contexts=file and data.context_file"
            )


def show_mie(
    out: Annotated[Path, typer.Option(help="The folder that `bench run mie` wrote into.")] = Path("runs")
    / "mie",
    seed: ShownSeedOption = None,
    write: WriteOption = None,
    resamples: ResamplesOption = RESAMPLES,
) -> None:
    """Entities and relations: print what stands in OUT and train nothing."""
    check_forms(write or ())
    from crisislens.training.extraction.mie import show_mie as read

    if not (rows := read(out, resamples=resamples, seeds=seed or ())):
        raise InputError(f"{out} holds no results; name the folder that `bench run mie --out` wrote into")
    _print(rows)
    _write(rows, out, write or (), resamples)


def _write(rows: "list[SystemResult]", out: Path, forms: Sequence[str], resamples: int) -> None:
    """The tables as the other studies write theirs."""
    if not forms:
        return
    from crisislens.bench.mie import MIE, mie_tables

    trained = sum(len(row.results) for row in rows)
    write_tables(MIE, out, forms, mie_tables(rows), (), f"{trained} trainings; {resamples} resamples")


def _print(rows: "list[SystemResult]") -> None:
    """Prints a table a data set, published numbers below."""
    from crisislens.training.extraction.systems import PUBLISHED

    head = [
        "system",
        "seeds",
        "micro F1",
        "P / R",
        "difference, 95 %",
        "against",
        "could have shown",
        "verdict",
        "context R@1 of 64",
    ]
    for data in dict.fromkeys(row.data for row in rows):
        table(f"{data}: test", head, [_cells(row) for row in rows if row.data == data])
        if any(row.difference for row in rows if row.data == data):
            say("p-values in brackets and verdicts are after Holm's correction over the table")
        if data in PUBLISHED:
            say(f"published elsewhere, with far larger encoders: {PUBLISHED[data]}")


def _cells(row: "SystemResult") -> list[str]:
    scores = [r.test.micro for r in row.results]
    precision = 100 * sum(score.precision for score in scores) / len(scores)
    recall = 100 * sum(score.recall for score in scores) / len(scores)
    beside, least, d = "", "", row.difference
    if d:
        interval = f"{100 * d.difference:+.2f} [{100 * d.low:+.2f}, {100 * d.high:+.2f}]"
        beside = f"{interval}, p {d.p_value:.3f} ({row.corrected_p:.3f})"
        least = f"{100 * d.detectable:.2f}"
    seeds, shown = str(len(scores)), f"{precision:.1f} / {recall:.1f}"
    return [row.system, seeds, row.f1, shown, beside, row.against, least, row.verdict, _found_first(row)]


def _found_first(row: "SystemResult") -> str:
    """How often a text's own context is the most similar of 64, in percent over the seeds; empty
    where a run did not ask, since a mean of the others would stand beside another number of seeds.
    """
    found = [r.retrieval.get("text_r@1") for r in row.results]
    asked = [x for x in found if x is not None]
    return f"{100 * sum(asked) / len(asked):.1f}" if asked and len(asked) == len(found) else ""
