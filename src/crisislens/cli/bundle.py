"""`crisislens bundle`: trained runs joined into one model that `analyze` takes anywhere."""

from pathlib import Path
from typing import Annotated

import typer

from crisislens.cli.console import say

__all__ = ["add_to"]

# what every new bundle is asked once, so that one that cannot answer is told before it travels
_TRY = "The bridge is down and families need water and a boat"


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("bundle")(bundle)


def bundle(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Folders of trained runs (OUT/NAME or OUT/NAME/seed-N), one a task."),
    ],
    out: Annotated[Path, typer.Option(help="The folder of the bundle; must not hold anything yet.")],
    name: Annotated[str, typer.Option(help="Its name. Default: that of the folder.")] = "",
    push_to_hub: Annotated[
        str, typer.Option(help="Send it to this repository (owner/name) of a model hub, too.")
    ] = "",
) -> None:
    """Join trained runs into one bundle: encoder, one model a task, calibration by kind of
    evidence, and card; checked by loading it and judging a post.
    """
    from crisislens.core.threads import limit_threads

    limit_threads()
    from crisislens.domain.post import Post
    from crisislens.nn.device import set_threads
    from crisislens.pipeline.analyst import Analyst
    from crisislens.pipeline.joining import write_bundle

    set_threads()
    made = write_bundle(runs, out, name=name)
    [found] = Analyst(made).assess([Post(id="check", text=_TRY)])
    for question, answer in found.tasks.items():
        kinds = ", ".join(made.config.tasks[question].calibration) or "nothing: it will always be unsure"
        classes = ", ".join(answer.probabilities)
        say(f"{question}: {classes}; calibrated for {kinds}")
    say(f"bundle  {out}  (crisislens analyze POSTS --model {out})")
    if push_to_hub:
        from crisislens.models.hub import push_to_hub as push

        say(f"sent    {push(out, push_to_hub)}")
