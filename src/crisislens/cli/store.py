"""`crisislens store`: what the person who runs the service does to its store."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crisislens.cli.console import say, say_progress, stoppable
from crisislens.core.errors import InputError, StoreError

if TYPE_CHECKING:
    from crisislens.store import Store

__all__ = ["DB_HELP", "MOST_DAYS", "app", "row_number", "store_of"]

DB_HELP = "The store: a file of SQLite, or postgresql://…. Default: crisislens-store/store.db."
MOST_DAYS = 36_500
"""A hundred years: the calendar of computers ends some time after."""
_DEFAULT = "crisislens-store/store.db"
# databases count up to here
_LAST_ROW = 2**63 - 1
Db = Annotated[str | None, typer.Option(help=DB_HELP)]
BlobsFolder = Annotated[
    Path | None, typer.Option(help="Folder of the photos. Default: beside the file of SQLite.")
]

app = typer.Typer(
    help="Upgrade, back up, check and tidy the store of the service; erase posts.", no_args_is_help=True
)


def store_of(
    db: str | None,
    blobs: Path | None = None,
    *,
    write: bool = True,
    upgrade: bool = False,
    make: bool = False,
) -> "Store":
    """Opens the store that a command names; with `make`, one that is not there is made, and that is told.

    Raises:
        StoreError: If there is none, or it cannot be opened.
    """
    from crisislens.store import open_store

    url = db or _DEFAULT
    # what is there and no file is told of by the store itself
    if "://" in url or upgrade or Path(url).exists():
        return open_store(url, blobs=blobs, write=write, upgrade=upgrade)
    if make:
        Path(url).parent.mkdir(parents=True, exist_ok=True)
        say_progress(f"there was no store at {url}; it is made now")
        return open_store(url, blobs=blobs)
    raise StoreError(f"there is no store at {url}; name one with --db, or start crisislens serve")


def row_number(number: int) -> int:
    """A number of a row, for options.

    Raises:
        typer.BadParameter: If no database has such a number.
    """
    if not 0 <= number <= _LAST_ROW:
        raise typer.BadParameter("there is no such number; give one as the pages and lists show it")
    return number


def _row_numbers(numbers: list[int] | None) -> list[int] | None:
    return None if numbers is None else [row_number(number) for number in numbers]


@app.command()
def upgrade(db: Db = None, blobs: BlobsFolder = None) -> None:
    """Make the store, or bring its tables to the version of this crisislens.

    Back up first.
    """
    from crisislens.store.schema import head

    if "://" not in (db or _DEFAULT):
        Path(db or _DEFAULT).parent.mkdir(parents=True, exist_ok=True)
    store_of(db, blobs or _no_photos(db), upgrade=True).close()
    say(f"the store is of version {head()}")


def _no_photos(db: str | None) -> Path | None:
    """PostgreSQL needs a folder of photos, which these commands do not look at."""
    return Path("blobs") if "://" in (db or "") and not (db or "").startswith("sqlite") else None


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="A new folder for the copy.")],
    db: Db = None,
    blobs: BlobsFolder = None,
) -> None:
    """Copy the store, while the service runs, into a new folder: database, photos, and what they hold."""
    from crisislens.store.upkeep import backup as copy

    again = "give another folder, or remove that one, and start again"
    told = stoppable(f"the copy in {folder} is not whole", again=again)
    with store_of(db, blobs or _no_photos(db), write=False) as store, told:
        held = copy(store, folder)
    say(f"{held['posts']} posts and {held['photos']} photos are in {folder}")
    if held["missing_photos"]:
        say(f"{held['missing_photos']} photos were not there to copy; run: crisislens store check")
    if held["cut_photos"]:
        say(f"{held['cut_photos']} of the photos are not whole in the store; run: crisislens store check")


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="A folder that `store backup` made.")],
    db: Annotated[str, typer.Option(help="The file of SQLite to make; it must not be there.")] = _DEFAULT,
) -> None:
    """Make a store from a backup; nothing is overwritten."""
    from crisislens.store.upkeep import restore as make

    if "://" in db:
        raise InputError("a backup is restored into a file; for PostgreSQL, use pg_restore")
    held = make(folder, Path(db))
    say(f"{held['posts']} posts of {held['made_at']} are in {db}")


@app.command()
def check(
    db: Db = None,
    blobs: BlobsFolder = None,
    mend: Annotated[
        bool,
        typer.Option(
            "--mend", help="Count anew what does not add up, and remove photos that belong to no post."
        ),
    ] = False,
) -> None:
    """Look whether tables, search, counts, photos and the audit trail fit together."""
    from crisislens.store.upkeep import check as look

    with store_of(db, blobs or _no_photos(db), write=mend) as store:
        found = look(store, mend=mend)
    for finding in found:
        say(f"{'mended' if finding.mended else 'wrong '}    {finding.said}")
    if any(not finding.mended for finding in found):
        raise StoreError("the store is not whole; --mend mends counts, the rest needs a backup")
    say("everything fits" if not found else "everything fits now")


@app.command()
def erase(
    post: Annotated[
        list[int] | None,
        typer.Argument(help="Numbers of posts, as the pages and the API show them.", callback=_row_numbers),
    ] = None,
    key: Annotated[
        tuple[str, str] | None, typer.Option(help="A source's name and the id it gave: --key radio 17.")
    ] = None,
    author: Annotated[str | None, typer.Option(help="Everything of one author.")] = None,
    reason: Annotated[str, typer.Option(help="For the audit trail; no names.")] = "",
    db: Db = None,
    blobs: BlobsFolder = None,
) -> None:
    """Take posts out for good: rows, answers, evidence, search words, photos; a tombstone with the key stays.

    SQLite must not be in use (on the page of a post, an admin can do the same while the service runs).
    """
    if sum(given is not None and given != [] for given in (post, key, author)) != 1:
        raise InputError("say what to erase: numbers of posts, --key SOURCE ID, or --author NAME")
    with store_of(db, blobs) as store:
        if key is not None:
            gone = int(store.erasure.key(*key, actor="cli", reason=reason))
        elif author is not None:
            gone = store.erasure.author(author, actor="cli", reason=reason).posts
        else:
            gone = store.erasure.posts(post or [], actor="cli", reason=reason).posts
    say(f"{gone} posts erased")


@app.command()
def retain(
    keep: Annotated[str, typer.Option(help="Age from which posts go, as 90d.")] = "90d",
    media: Annotated[str | None, typer.Option(help="Age from which photos go, as 30d.")] = None,
    trial: Annotated[bool, typer.Option("--trial", help="Only count.")] = False,
    db: Db = None,
    blobs: BlobsFolder = None,
) -> None:
    """Erase what is older than its time: posts, photos, events, ended sessions."""
    days, media_days = _days(keep, "--keep"), None if media is None else _days(media, "--media")
    with store_of(db, blobs) as store:
        swept = store.retention.run(keep_days=days, media_days=media_days, actor="cli", trial=trial)
    would = "would go" if trial else "erased"
    say(f"{swept.posts} posts and {swept.photos} photos {would}")


def _days(text: str, option: str) -> float:
    number = text.removesuffix("d")
    # by its length first: Python reads no number of thousands of digits
    short = number.isdecimal() and len(number) <= len(str(MOST_DAYS))
    if not short or not 1 <= int(number) <= MOST_DAYS:
        raise InputError(f"{option} {text:.40} is no number of days, 1 to {MOST_DAYS}; give one as 90d")
    return float(number)


@app.command("export-reviews")
def export_reviews(
    task: Annotated[str, typer.Argument(help="The task, as `damage` or `needs`.")],
    out: Annotated[Path, typer.Option(help="The table to write, .csv.")] = Path("reviews.csv"),
    db: Db = None,
    blobs: BlobsFolder = None,
) -> None:
    """Write what people said as a table that `crisislens train` takes, photos beside the store's own."""
    from crisislens.cli.apart import check_out
    from crisislens.store.training_table import write_table

    check_out(out)
    with store_of(db, blobs, write=False) as store:
        rows = list(store.reviews.export(task))
        folder = store.blobs.folder
    # before the table is written: a mistyped task must not cost one that is there
    if not rows:
        raise InputError(f"nobody has reviewed {task!r}; tasks are named as in the assessments, as `damage`")
    say(f"{write_table(rows, out)} posts in {out}; photos are in {folder}")
    say(
        f"to train: data.source: table, data.root: {out}, data.images: {folder}, task.name: {task} "
        "(docs/own-labels.md)"
    )
