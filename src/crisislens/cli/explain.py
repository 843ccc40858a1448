"""`crisislens explain`: why a model answered, by rationales or by attribution after the fact."""

from pathlib import Path
from typing import Annotated

import typer

from crisislens.cli.apart import check_out, keep_apart
from crisislens.cli.console import progress, refuse_empty, say, say_error
from crisislens.cli.reading import (
    ENCODING_HELP,
    MAP_HELP,
    POSTS_HELP,
    open_posts,
    photo_folder,
    say_notes,
)
from crisislens.core.errors import CrisisLensError, InputError
from crisislens.domain.tasks import ASKED
from crisislens.pipeline.default import DEFAULT_BUNDLE

__all__ = ["add_to"]

METHODS = ("rationales", "integrated_gradients", "attention_rollout")


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("explain")(explain)


def explain(
    posts: Annotated[Path, typer.Argument(help=POSTS_HELP)],
    method: Annotated[
        str, typer.Option(help="rationales, integrated_gradients or attention_rollout.")
    ] = "rationales",
    task: Annotated[
        str | None,
        typer.Option(help=f"Whose answer attribution explains. Default: {ASKED[0].question}."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Name of a model that ships, or the folder of a saved one. Default: as of analyze."
        ),
    ] = None,
    rationales: Annotated[
        str, typer.Option(help="Name of a rationale model that ships, or the folder of a trained one.")
    ] = "crisis-rationales",
    images: Annotated[
        Path | None, typer.Option(help="Folder of the photos. Default: the folder of POSTS.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The explanations, one JSON object a line.")] = Path(
        "explanations.jsonl"
    ),
    column: Annotated[list[str] | None, typer.Option("--map", help=MAP_HELP)] = None,
    encoding: Annotated[str | None, typer.Option(help=ENCODING_HELP)] = None,
) -> None:
    """Write the evidence of each post; attribution is marked as post-hoc."""
    import json

    if method not in METHODS:
        raise InputError(f"--method {method} is not known; it takes {', '.join(METHODS)}")
    # an option that does nothing would be believed
    if task is not None and method == METHODS[0]:
        raise InputError(
            f"--task says whose answer attribution explains, and --method {method} marks the evidence of all "
            f"tasks; leave it out, or give --method {METHODS[1]}"
        )
    check_out(out)
    keep_apart(out, {"posts": posts})
    from crisislens.core.threads import limit_threads

    limit_threads()
    from crisislens.core.files import atomic_write
    from crisislens.domain.post import Post
    from crisislens.nn.device import set_threads
    from crisislens.pipeline.explainer import explainer

    set_threads()
    source = open_posts(posts, column, encoding=encoding)
    root = photo_folder(images, posts)
    every = list(source)
    rows = [row for row in every if isinstance(row, Post)]
    unread = len(every) - len(rows)
    why = explainer(
        method,
        task=task or ASKED[0].question,
        model=model or DEFAULT_BUNDLE,
        rationales=rationales,
        image_root=root,
    )
    lines, failed = [], 0
    with progress("explaining") as advance:
        for i, post in enumerate(rows, 1):
            record: dict[str, object] = {"post": post.model_dump(mode="json")}
            try:
                record["rationale"] = why(post).model_dump(mode="json")
            except CrisisLensError as error:
                if error.exit_code == 4:  # the model, not the post
                    raise
                record["failed"], failed = str(error), failed + 1
            lines.append(json.dumps(record, ensure_ascii=False) + "\n")
            advance(i, len(rows))
    atomic_write(out, "".join(lines))
    if unread:
        say_error(f"{unread} rows could not be read and have no explanation; `crisislens analyze` names them")
    say_notes(source)
    explained, lost = len(rows) - failed, failed + unread
    say(f"{explained} posts explained, {lost} failed")
    say(f"explanations  {out}")
    refuse_empty(explained, lost, what="explained", where=f"{out} says why of each that could be read")
