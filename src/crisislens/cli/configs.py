"""`crisislens configs`: the run files that ship, to run or to begin one's own from."""

from pathlib import Path
from typing import Annotated

import typer

from crisislens.cli.console import say, table

__all__ = ["app"]

app = typer.Typer(help="Run files that ship: what train and train-extractor take.", no_args_is_help=True)


@app.command("list")
def list_configs(
    table2: Annotated[
        bool, typer.Option("--table2", help="Also the rows of table 2, which `bench run table2` runs.")
    ] = False,
) -> None:
    """List the run files that ship; `train` takes their names from any folder."""
    from crisislens.core.run_files import shipped_run_files

    rows = [
        [name, _command(name), _about(path)]
        for name, path in shipped_run_files().items()
        if table2 or not name.startswith("runs/table2/")
    ]
    table("run files that ship", ["name", "command", "what it is"], rows, words=True)


@app.command("show")
def show_config(
    name: Annotated[str, typer.Argument(help="Name of a run file that ships, or the path of one.")],
) -> None:
    """Print a run file with everything that it includes: a file of its own that can be changed and
    run.
    """
    from crisislens.core.config import read_with_includes
    from crisislens.core.run_files import find_run_file
    from crisislens.core.yaml_files import dump_yaml

    say(dump_yaml(read_with_includes(find_run_file(name))).rstrip("\n"))


def _command(name: str) -> str:
    return "train-extractor" if name.startswith("extraction/") else "train"


def _about(path: Path) -> str:
    """The first sentence of the comment at a file's top; else what it is put together from."""
    lines = path.read_text(encoding="utf-8").split("\n")
    comment = []
    for line in lines:
        if not line.startswith("# "):
            break
        comment.append(line.removeprefix("# "))
    if comment:
        return " ".join(comment).partition(". ")[0].rstrip(".")
    included = next((line for line in lines if line.startswith("include:")), "")
    parts = [Path(part.strip()).stem for part in included.partition("[")[2].rstrip("]").split(",")]
    return ", ".join(parts)
