"""`crisislens study`: blind comparisons of two methods' evidence."""

from pathlib import Path
from typing import Annotated

import typer

from crisislens.cli.console import say
from crisislens.cli.reading import photo_folder

__all__ = ["app"]

app = typer.Typer(help="Compare the evidence of two methods, blind.", no_args_is_help=True)


@app.command("make")
def make(
    first: Annotated[
        Path,
        typer.Argument(help="assessments.jsonl of analyze --explain, or explanations.jsonl of explain."),
    ],
    second: Annotated[Path, typer.Argument(help="The same posts, explained by another method.")],
    out: Annotated[Path, typer.Option(help="Folder for study.html and key.json.")] = Path("study"),
    name: Annotated[
        list[str] | None,
        typer.Option("--name", help="What a method is called in the score; give two."),
    ] = None,
    items: Annotated[int, typer.Option(min=1, help="Posts on the page, at most.")] = 100,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the photos; without it, only texts are shown.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw and of the sides.")] = 0,
) -> None:
    """Write a page for raters, with the sides drawn by lot, and the key."""
    from crisislens.annotate.study import make_study, read_explained
    from crisislens.core.errors import InputError

    if images is not None:
        photo_folder(images, first)
    names = name or ["first", "second"]
    if len(names) != 2 or names[0] == names[1]:
        raise InputError(f"--name was given {len(names)} time(s); give it twice, with two different names")
    page = make_study(
        read_explained(first),
        read_explained(second),
        out,
        names=(names[0], names[1]),
        items=items,
        seed=seed,
        image_root=images,
    )
    say(f"page  {page}  (give it to raters)")
    say(f"key   {out / 'key.json'}  (keep it from them)")


@app.command("score")
def score(
    folder: Annotated[Path, typer.Argument(help="The folder that study make wrote.")],
    answers: Annotated[list[Path], typer.Argument(help="The files that raters saved.")],
) -> None:
    """Print the win rate of the first method with its interval, the sign test and the raters'
    agreement.
    """
    from crisislens.annotate.study import score_study

    found = score_study(folder, answers)
    p = found.preference
    say(f"{found.first} against {found.second}: {found.items} posts, raters: {', '.join(found.raters)}")
    say(
        f"win rate of {found.first}  {p.win_rate.percent()} %  (ratings: {p.wins} for it, {p.losses} "
        f"against it, {p.ties} for neither)"
    )
    say(f"sign test over posts  p = {p.p_value:.3g}  ({p.won} won, {p.lost} lost)")
    say("kappa  needs two raters or more" if found.kappa is None else f"Fleiss' kappa  {found.kappa:.3f}")
