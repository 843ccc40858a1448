"""`crisislens explain`: why a model answered, by rationales or by attribution after the fact."""

from pathlib import Path
from typing import Annotated

import typer

from crisislens.cli.console import progress, say
from crisislens.cli.reading import ENCODING_HELP, MAP_HELP, POSTS_HELP, open_posts, say_notes
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
    task: Annotated[str, typer.Option(help="Whose answer attribution explains.")] = ASKED[0].question,
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
    from crisislens.core.threads import limit_threads

    limit_threads()
    from crisislens.core.files import atomic_write
    from crisislens.domain.post import Post
    from crisislens.nn.device import set_threads
    from crisislens.pipeline.explainer import explainer

    set_threads()
    source = open_posts(posts, column, encoding=encoding)
    rows = [row for row in source if isinstance(row, Post)]
    why = explainer(
        method,
        task=task,
        model=model or DEFAULT_BUNDLE,
        rationales=rationales,
        image_root=images or posts.resolve().parent,
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
    say_notes(source)
    say(f"{len(rows) - failed} posts explained, {failed} failed")
    say(f"explanations  {out}")
