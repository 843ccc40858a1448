"""`crisislens caption`: photos into sentences, by a server, a model on this machine, an existing
table or the offline labels.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crisislens.cli.apart import check_out, keep_apart
from crisislens.cli.console import progress, refuse_empty, say, say_error, stoppable, total_rows
from crisislens.cli.engines import (
    EngineOption,
    ProcessesOption,
    RayAddressOption,
    chosen_engine,
    hosts,
)
from crisislens.cli.options import EncodingOption, ImagesOption, MapOption, PostsArgument
from crisislens.cli.reading import open_posts, photo_folder, say_notes
from crisislens.core.files import sole_writer

if TYPE_CHECKING:
    from crisislens.captioning.records import CaptionRun, Status
    from crisislens.core.store import Store
    from crisislens.data.source import PostSource

__all__ = ["add_to", "options_of"]

DEFAULT_STORE = Path(".cache") / "captions.sqlite"
_WORDS: "dict[Status, str]" = {
    "no photo": "without a photo",
    "unreadable photo": "with an unreadable photo",
    "failed": "failed",
    "budget": "beyond the budget",
}


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("caption")(caption)


def caption(
    posts: PostsArgument,
    backend: Annotated[
        str,
        typer.Option(help="server, transformers, table or weak (offline labels, marked as weak)."),
    ],
    out: Annotated[Path, typer.Option(help="Where the captions go, one JSON object a post.")] = Path(
        "captions.jsonl"
    ),
    images: ImagesOption = None,
    column: MapOption = None,
    encoding: EncodingOption = None,
    prompt: Annotated[
        str,
        typer.Option(
            help="Name of a prompt that ships (describe-v1, crisis-tweet-v1, crisis-fields-v1), or a file."
        ),
    ] = "crisis-tweet-v1",
    option: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE for the backend, as in model=llava; may be given again."),
    ] = None,
    store: Annotated[
        Path, typer.Option(help="What was answered before; nothing in it is asked again.")
    ] = DEFAULT_STORE,
    max_requests: Annotated[
        int | None, typer.Option(min=0, help="Requests, retries included. Default: no limit.")
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(min=0, help="Tokens as the backend counts them. Default: no limit."),
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option(help="Time after which nothing more is asked, in seconds.")
    ] = None,
    retries: Annotated[int, typer.Option(min=0, help="How often a transient failure is tried again.")] = 5,
    engine: EngineOption = "local",
    processes: ProcessesOption = None,
    ray_address: RayAddressOption = None,
) -> None:
    """Caption the photos of posts; an interrupted or limited run goes on where it stopped, and no
    photo is captioned twice.
    """
    from crisislens.core.errors import InputError

    # not a number, as `nan`, is above nothing
    if max_seconds is not None and not max_seconds > 0:
        raise InputError(f"--max-seconds {max_seconds:g} leaves no time; give a number above 0")
    where = chosen_engine(engine, processes, ray_address)
    from crisislens.core.threads import limit_threads

    limit_threads()
    import crisislens.captioning  # noqa: F401 - registers the captioners
    from crisislens.captioning.base import CAPTIONERS, CaptionerSpec, load_captioner
    from crisislens.captioning.elsewhere import CaptionerRecipe, Elsewhere
    from crisislens.captioning.prompts import find_prompt
    from crisislens.captioning.records import Limits
    from crisislens.captioning.run import caption_posts
    from crisislens.runs.sinks import JsonLines

    options = options_of(option or [])
    check_out(out)
    keep_apart(
        out,
        {
            "posts": posts,
            "the backend's table": options.get("table"),
            "the store": store,
            "the prompt": prompt,
        },
    )
    # names first: a misspelled one is told before a table of a hundred thousand posts is read
    CAPTIONERS[backend]
    words = find_prompt(prompt)
    rows = open_posts(posts, column, encoding=encoding)
    root = photo_folder(images, posts)
    spec = CaptionerSpec(name=backend, options=options)
    captioner = load_captioner(spec)
    limits = Limits(
        max_requests=max_requests, max_tokens=max_tokens, max_seconds=max_seconds, retries=retries
    )
    total = total_rows(rows)
    try:
        with (
            _kept_in(store) as answers,
            sole_writer(out.parent, lock=f".{out.name}.lock"),
            hosts(where, lambda: CaptionerRecipe(spec)) as held,
            progress("captioning", total) as advance,
        ):
            run = caption_posts(
                rows,
                captioner if held is None else Elsewhere(captioner, held),
                words,
                answers,
                image_root=root,
                limits=limits,
                sinks=[JsonLines(out)],
                progress=advance,
                total=total,
            )
    finally:
        captioner.close()
    _tell(run, rows, out, weak=captioner.weak)


@contextmanager
def _kept_in(path: Path) -> "Iterator[Store]":
    """The store of what was answered, which no other run fills meanwhile."""
    from crisislens.core.store import Store

    # two that fill one store would ask the same questions twice
    busy = f"another run is filling {path}; wait until it is done, or give another --store"
    with (
        stoppable(f"what was answered is kept in {path}"),
        sole_writer(path.parent, lock=f".{path.name}.lock", busy=busy),
        Store(path) as answers,
    ):
        yield answers


def _tell(run: "CaptionRun", rows: "PostSource", out: Path, *, weak: bool) -> None:
    """Says what came of a run.

    Raises:
        InputError: If nothing could be captioned.
    """
    if run.failed:
        say_error(f"{run.failed} rows could not be read and have no caption; `crisislens analyze` names them")
    say_notes(rows, of_several="the first of each is captioned")
    if weak:
        say("these captions are weak: labels of a small model, not descriptions; every record says so")
    _say(run)
    say(f"captions  {out}")
    hopeless = run.failed + run.count("failed") + run.count("unreadable photo")
    others = run.posts + run.failed - hopeless
    refuse_empty(others, hopeless, what="captioned", where=f"{out} says why of each that could be read")


def _say(run: "CaptionRun") -> None:
    """How many posts were captioned, what it cost, and what came of the others."""
    say(
        f"{run.count('captioned')} of {run.posts} posts captioned; {run.questions} different "
        f"questions, {run.known} answered before, "
        f"{run.requests} requests, {run.tokens} tokens, {run.seconds:.1f} s"
    )
    for status, words in _WORDS.items():
        if count := run.count(status):
            say(f"{count} {words}")


def options_of(pairs: list[str]) -> dict[str, Any]:
    """`KEY=VALUE` pairs with their values as YAML reads them."""
    from crisislens.core.errors import ConfigError
    from crisislens.core.settings import parse_value, split_setting

    options: dict[str, object] = {}
    for pair in pairs:
        key, value = split_setting(pair)
        try:
            options[key] = parse_value(value, where=f"--set {key}") if value else ""
        except ConfigError:
            # the options' types are the captioner's: what is no YAML is text
            options[key] = value
    return options
