"""The `crisislens` command: gathers the commands and turns errors into one line and an exit code."""

import inspect
import io
import sys
from typing import Any

import typer

from crisislens.cli.console import end_stopped, say_error, stoppable
from crisislens.core.errors import CrisisLensError, RunError, StoppedError
from crisislens.core.files import FULL_DISK, full_disk
from crisislens.core.hub import allow_hub

__all__ = ["app", "main"]

app = typer.Typer(
    name="crisislens",
    help="Turns crisis posts (text and photos) into assessments: informative or not, which kind of need or "
    "harm, and how sure.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and stop.", is_eager=True),
    ask_hub: bool = typer.Option(
        False,
        "--allow-hub",
        help="Let a model that names a checkpoint of a hub be fetched from there; otherwise only folders and "
        "files that were fetched before are used.",
    ),
) -> None:
    if ask_hub:
        allow_hub()
    if version:
        from crisislens.core.version import __version__

        typer.echo(f"crisislens {__version__}")
        raise typer.Exit


def _gather() -> None:
    from crisislens.cli import (
        accounts,
        alerts,
        analyze,
        annotate,
        bench,
        bundle,
        caption,
        compare,
        configs,
        data,
        demo,
        evaluate_extractor,
        explain,
        extract,
        features,
        knowledge,
        models,
        places,
        recalibrate,
        serve,
        store,
        stream,
        study,
        train,
        train_extractor,
        worker,
    )

    analyze.add_to(app)
    demo.add_to(app)
    extract.add_to(app)
    train.add_to(app)
    bundle.add_to(app)
    compare.add_to(app)
    train_extractor.add_to(app)
    evaluate_extractor.add_to(app)
    features.add_to(app)
    app.add_typer(bench.app, name="bench")
    places.add_to(app)
    explain.add_to(app)
    annotate.add_to(app)
    caption.add_to(app)
    knowledge.add_to(app)
    app.add_typer(data.app, name="data")
    app.add_typer(models.app, name="models")
    app.add_typer(configs.app, name="configs")
    app.add_typer(study.app, name="study")
    serve.add_to(app)
    worker.add_to(app)
    app.add_typer(stream.app, name="stream")
    recalibrate.add_to(store.app)
    app.add_typer(store.app, name="store")
    app.add_typer(alerts.app, name="alerts")
    app.add_typer(accounts.users, name="user")
    app.add_typer(accounts.keys, name="key")


def _one_line_help(commands: typer.Typer) -> None:
    """Undoes the line breaks of docstrings: a terminal wraps help at its own width."""
    for command in commands.registered_commands:
        paragraphs = inspect.cleandoc(command.callback.__doc__ or "").split("\n\n")
        command.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    for group in commands.registered_groups:
        if group.typer_instance is not None:
            _one_line_help(group.typer_instance)


_gather()
_one_line_help(app)


# what a command line that cannot be read ends with; typer has no public name for it
_UsageError: Any = typer.BadParameter.__base__


def _mistake(error: Any) -> str:
    """What is wrong with a command line, and what to do, as one sentence."""
    said = " ".join(error.format_message().split()).rstrip(".")
    asked = error.ctx.command_path if error.ctx is not None else "crisislens"
    return f"{said}; `{asked} --help` shows what it takes"


def _speak_any_language() -> None:
    """Names in posts may have letters that the terminal's code page lacks: they are spelled by their numbers,
    as on standard error, and cost no run.
    """
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper) and out.errors == "strict":
        out.reconfigure(errors="backslashreplace")


def main() -> None:
    """Runs the command line.

    Exit codes: 0 done, 1 a bug or an unforeseen fault, 2 input that cannot be used, 3 data, 4
    model, 5 cache, 6 a missing optional package, 7 a run that came to nothing, 8 the service's
    store, 130 interrupted, 143 terminated.
    """
    _speak_any_language()
    try:
        # few commands go on where they were; those say so themselves
        with stoppable("what was finished before is kept", again="start the same command again"):
            # started as a module it is still the same command
            code = app(prog_name="crisislens", standalone_mode=False)
            # inside, since typer hands an interrupt back as a code, and nobody would hear of it
            sys.exit(code if isinstance(code, int) else 0)
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            error.show()
        else:
            say_error(_mistake(error))
        sys.exit(2)
    except typer.Abort:
        say_error("stopped at a question; start the same command again")
        sys.exit(130)
    except StoppedError as stop:
        say_error(str(stop))
        end_stopped(stop.exit_code)
    except CrisisLensError as error:
        say_error(str(error))
        sys.exit(error.exit_code)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            sys.stderr.close()
            sys.exit(0)
        if error.errno in FULL_DISK:
            say_error(full_disk(error.filename or "", error))
            sys.exit(RunError.exit_code)
        say_error(
            f"{error.strerror or error}: {error.filename or 'a file'}; check that the path exists "
            "and that you may read and write it"
        )
        sys.exit(2)
