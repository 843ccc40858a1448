"""`crisislens bench`: benchmarks that run many trainings and print a table of what was measured."""

import typer

from crisislens.bench.studies import ABOUT
from crisislens.cli import bench_mie, bench_table2
from crisislens.cli.bench_study import add_study

__all__ = ["app"]

app = typer.Typer(
    help="Benchmarks: tables of what was measured, published numbers beside.", no_args_is_help=True
)
run = typer.Typer(
    help="Run a benchmark; what was measured before is not measured again.",
    no_args_is_help=True,
    epilog="What needs no such engine is measured by scripts of a checkout, as pointing in collages and the "
    "models that ship; docs/benchmarks.md leads to all.",
)
show = typer.Typer(help="Show what a benchmark measured.", no_args_is_help=True)
app.add_typer(run, name="run")
app.add_typer(show, name="show")
run.command("mie")(bench_mie.mie)
run.command("table2")(bench_table2.table2)
show.command("mie")(bench_mie.show_mie)
show.command("table2")(bench_table2.show_table2)
for _name, _about in ABOUT.items():
    add_study(run, show, _name, _about)


@app.callback()
def _group() -> None:
    """Benchmarks: tables of what was measured, published numbers beside."""


@run.callback()
def _runs() -> None:
    """Run a benchmark; what was measured before is not measured again."""


@show.callback()
def _shows() -> None:
    """Show what a benchmark measured."""
