"""`crisislens bench`: benchmarks that print a table of what was measured."""

import typer

from crisislens.cli import bench_mie

__all__ = ["app"]

app = typer.Typer(help="Benchmarks: tables of what was measured, published numbers beside.", no_args_is_help=True)
run = typer.Typer(help="Run a benchmark; what was measured before is not measured again.", no_args_is_help=True)
app.add_typer(run, name="run")
run.command("mie")(bench_mie.mie)


@app.callback()
def _group() -> None:
    """Benchmarks: tables of what was measured, published numbers beside."""


@run.callback()
def _runs() -> None:
    """Run a benchmark; what was measured before is not measured again."""
