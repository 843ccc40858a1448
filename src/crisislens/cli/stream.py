"""`crisislens stream`: posts from pipes, files, folders, feeds and networks into the service."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from crisislens.cli.console import say, say_progress, stoppable
from crisislens.cli.reading import MAP_HELP, columns_of
from crisislens.cli.store import DB_HELP, store_of
from crisislens.core.errors import InputError, StoreBusyError

__all__ = ["app"]

_STATE = Path("crisislens-streams")


class _FromIsMeant(TyperGroup):
    """`stream posts.jsonl` is `stream from posts.jsonl`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts the command that is meant before the arguments."""
        if args and args[0] not in {*self.commands, "--help", "-h"}:
            args = ["from", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_FromIsMeant,
    help="Take in posts on and on: crisislens stream SOURCE. SOURCE is - (JSON lines on standard input), "
    "FILE (JSON lines that grow), DIR/ (files that appear), maildir:DIR (e-mail), rss:URL, "
    "mastodon:HOST/#tag, jetstream: (Bluesky), redis:STREAM, kafka:TOPIC, kobo:HOST/FORM or "
    "odk:HOST/PROJECT/FORM.",
    no_args_is_help=True,
)
Db = Annotated[str | None, typer.Option(help=DB_HELP)]
Blobs = Annotated[Path | None, typer.Option(help="Folder of the photos, for PostgreSQL.")]
To = Annotated[
    str | None, typer.Option(help="A running service instead of a store, as http://127.0.0.1:8765.")
]
Key = Annotated[
    str | None, typer.Option(envvar="CRISISLENS_KEY", help="Key for --to; better given as CRISISLENS_KEY.")
]
State = Annotated[Path, typer.Option(help="With --to: folder of cursors and dead letters.")]
Mapped = Annotated[list[str] | None, typer.Option("--map", help=MAP_HELP)]


@app.command("from")
def run(
    source: Annotated[str, typer.Argument(help="-, FILE, DIR/, rss:URL, … as above.")],
    db: Db = None,
    to: To = None,
    key: Key = None,
    name: Annotated[str | None, typer.Option(help="What the service calls the source.")] = None,
    keep: Annotated[list[str] | None, typer.Option(help="Take posts with this word (flood*).")] = None,
    drop: Annotated[list[str] | None, typer.Option(help="Leave out posts with this word.")] = None,
    lang: Annotated[list[str] | None, typer.Option(help="Take this language, as es.")] = None,
    columns: Mapped = None,
    every: Annotated[
        float, typer.Option(min=30, help="Seconds between looks at a feed or a timeline.")
    ] = 300,
    once: Annotated[bool, typer.Option("--once", help="End when all that is there was taken.")] = False,
    batch: Annotated[int, typer.Option(min=1, max=500, help="Posts a transaction, at most.")] = 200,
    silent: Annotated[
        float, typer.Option(min=0, help="Minutes without a new post after which that is told; 0: never.")
    ] = 15,
    allow_private: Annotated[
        list[str] | None, typer.Option(help="A host, as feeds.lan:8080, that may lie in a private network.")
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with the token of an account at the source; or CRISISLENS_STREAM_TOKEN."),
    ] = None,
    server: Annotated[
        str | None, typer.Option(help="Of redis: (redis://HOST:PORT/0) or kafka: (HOST:PORT,HOST:PORT).")
    ] = None,
    properties: Annotated[
        Path | None, typer.Option(help="For kafka: file with a name=value of librdkafka a line.")
    ] = None,
    fetch_media: Annotated[
        bool, typer.Option("--fetch-media", help="Fetch the pictures that posts name by address.")
    ] = False,
    media_from: Annotated[
        list[str] | None, typer.Option(help="With --fetch-media: only from this host; again for more.")
    ] = None,
    state: State = _STATE,
    blobs: Blobs = None,
) -> None:
    """Take posts in until stopped, each once.

    A start after a stop, a crash or a kill goes on where it was.
    """
    from crisislens.core.guarded import Guard
    from crisislens.streams import Filters, Pump, ServiceTarget, StoreTarget, StreamOptions, open_source
    from crisislens.streams.kafka_topic import read_properties
    from crisislens.streams.tokens import read_token

    if to is not None and (db is not None or not key):
        raise InputError("--to needs a --key (or CRISISLENS_KEY) and no --db; make one: crisislens key add")
    guard = Guard(allow_private=frozenset(allow_private or ()))
    options = StreamOptions(
        name=name,
        columns=columns_of(columns or ()),
        every_s=every,
        once=once,
        batch=batch,
        guard=guard,
        token=read_token(token_file),
        server=server,
        properties=read_properties(properties) if properties else {},
    )
    words = (tuple(keep or ()), tuple(drop or ()), tuple(code.lower() for code in lang or ()))
    filters = Filters(keep=words[0], drop=words[1], languages=words[2]) if any(words) else None
    service = None if to is None else ServiceTarget(to, key or "", state)
    opened = open_source(source, options)
    # a reading of the signals of its own: typer would make an exit of them that says nothing
    with stoppable("nothing had come yet"), ExitStack() as stack:
        target: Any = service
        if service is None:
            target = StoreTarget(stack.enter_context(_store(db, blobs, make=True)))
            stack.callback(target.close)
        if fetch_media:
            target.fetch_pictures(opened, guard, media_from)
        more: dict[str, Any] = {"silent_s": silent * 60, "fetch_media": fetch_media}
        pump = Pump(opened, target, filters=filters, tell=say_progress, **more)
        say_progress(f"{opened.name}: taking posts in; Ctrl+C ends it, and nothing is lost")
        try:
            pump.run()
        except KeyboardInterrupt as stop:
            stop.add_note(pump.tally.said())
            raise
    say(pump.tally.said())


def _store(db: str | None, blobs: Path | None, *, make: bool = False) -> Any:
    # photos are not looked at here
    folder = blobs or (Path("blobs") if "://" in (db or "") and not (db or "").startswith("sqlite") else None)
    try:
        return store_of(db, folder, make=make)
    except StoreBusyError as error:
        raise StoreBusyError(
            f"{error}; beside crisislens serve, give --to http://127.0.0.1:8765 and --key instead of --db"
        ) from None


@app.command("replay")
def replay_letters(
    db: Db = None,
    to: To = None,
    key: Key = None,
    source: Annotated[str | None, typer.Option(help="Only those of one source, by its name.")] = None,
    columns: Mapped = None,
    trial: Annotated[bool, typer.Option("--trial", help="Only count.")] = False,
    state: State = _STATE,
    blobs: Blobs = None,
) -> None:
    """Read dead letters again; what is a post now is taken in, the rest stays.

    With --to, the letters that a stream with --to left in its folder are read, and --source is needed.
    """
    from crisislens.streams import ServiceTarget, replay, replay_to
    from crisislens.streams.rows import RowMaker

    rows = RowMaker(columns_of(columns or ()))
    if to is not None:
        if db is not None or not key or source is None:
            raise InputError("--to needs --source and a --key (or CRISISLENS_KEY), and no --db")
        done = replay_to(ServiceTarget(to, key, state), rows, source=source, trial=trial)
    else:
        with _store(db, blobs) as store:
            done = replay(store, rows, source=source, trial=trial)
    would = "would be taken in" if trial else "taken in"
    say(f"{done.taken} posts {would}, {done.there} were there, {done.left} dead letters stay")
