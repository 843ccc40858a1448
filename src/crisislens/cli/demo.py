"""`crisislens demo`: the main job on a small made-up crisis that the package draws itself."""

from pathlib import Path
from typing import Annotated

import typer

from crisislens.cli.console import say
from crisislens.core.errors import InputError
from crisislens.core.files import atomic_write, check_folder

__all__ = ["add_to"]

# says of a folder that its posts are made up, so that a second demo may write over them
_MARK = ".crisislens-demo"


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("demo")(demo)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the posts, the assessments and the report.")] = Path(
        "crisislens-out"
    )
    / "demo",
    show: Annotated[int, typer.Option(min=0, help="How many of the most urgent posts to print.")] = 5,
) -> None:
    """Analyze a made-up crisis (no network, no data needed) and say where the report is."""
    from crisislens.cli.analyze import Asked, Given, run
    from crisislens.cli.console import stoppable, table
    from crisislens.demo import score_demo, write_synthetic_crisis
    from crisislens.demo.town import write_town
    from crisislens.pipeline.batch import read_assessments

    _claim(out / "posts")
    posts = write_synthetic_crisis(out / "posts")
    title = "Demo: a made-up flood and fire"
    with stoppable(f"what was finished is kept in {out / 'results'}"):
        given = Given(
            out=out / "results",
            formats=["csv", "geojson"],
            title=title,
            add=["entities"],
            # the town is made up, so no outline of the world shows it
            asked=Asked(basemap=write_town(out / "posts" / "town.geojson"), summary=True),
        )
        run(posts, given)
    assessed = list(read_assessments(out / "results"))
    urgent = sorted(assessed, key=lambda a: -a.urgency)[:show]
    if urgent:
        rows = [
            [f"{a.urgency:.2f}", _short(a.post.text), *(_answer(a.tasks[name]) for name in a.tasks)]
            for a in urgent
        ]
        table("the most urgent posts", ["urgency", "text", *urgent[0].tasks], rows, words=True)
    say("Held against what the author of the posts marked (made-up posts: no estimate of real ones):")
    for sentence in score_demo(assessed).sentences():
        say(f"  {sentence}")
    say("Open the report in any browser; it needs no server and no network.")


def _claim(folder: Path) -> None:
    """Marks the folder of the made-up posts, before they are written: a demo that is killed may start again.

    Raises:
        InputError: If it is somebody's own.
    """
    check_folder(folder, "--out")
    own = folder.is_dir() and any(folder.iterdir())
    if own and not (folder / _MARK).is_file() and not _is_made_up(folder / "posts.jsonl"):
        raise InputError(
            f"{folder} holds files that are not the demo's, which would write over them; give another --out"
        )
    atomic_write(folder / _MARK, "The posts here are made up; crisislens demo writes them anew.\n")


def _is_made_up(posts: Path) -> bool:
    """Whether a file of posts is of a demo from before its folder was marked."""
    from crisislens.demo import EVENT

    if not posts.is_file():
        return False
    with posts.open("rb") as file:
        return f'"event": "{EVENT}"'.encode() in file.readline(10_000)


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


def _answer(task: object) -> str:
    from crisislens.domain.assessment import TaskAssessment

    assert isinstance(task, TaskAssessment)
    # of several labels the strongest one's: how sure the whole set is means little in a table
    strongest = task.probabilities[task.label]
    return f"{'not sure: ' if task.abstained else ''}{task.said} {strongest:.2f}"
