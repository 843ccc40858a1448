"""`crisislens user` and `crisislens key`: who may use the service."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crisislens.cli.console import say
from crisislens.cli.store import DB_HELP, MOST_DAYS, row_number, store_of
from crisislens.core.errors import NotFoundError

if TYPE_CHECKING:
    from crisislens.store import Store
    from crisislens.store.records import UserRow

__all__ = ["keys", "users"]

Db = Annotated[str | None, typer.Option(help=DB_HELP)]
RoleOption = Annotated[str, typer.Option(help="viewer, reviewer or admin.")]
AddressOption = Annotated[
    str, typer.Option("--address", help="Where people reach the service; the link begins with it.")
]
# where `serve` listens unless it is told otherwise
_ADDRESS = "http://127.0.0.1:8765"
_DAY_H = 24
users = typer.Typer(help="Add people to the service, change and list them.", no_args_is_help=True)
keys = typer.Typer(help="Add, list and end keys for programs.", no_args_is_help=True)
# photos are not looked at here
_NO_PHOTOS = Path("blobs")


@users.command("add")
def add_user(
    name: Annotated[str, typer.Argument(help="Name to log in with.")],
    role: RoleOption = "reviewer",
    password: Annotated[
        bool, typer.Option("--password", help="Ask for a password; else a link signs in, once.")
    ] = False,
    address: AddressOption = _ADDRESS,
    db: Db = None,
) -> None:
    """Add a person, and print a link that signs them in once where no password is asked for."""
    from crisislens.store.accounts import role_of

    secret = typer.prompt("Password", hide_input=True, confirmation_prompt=True) if password else None
    with store_of(db, _NO_PHOTOS) as store:
        user = store.users.add(name, role_of(role), password=secret, actor="cli")
        link = None if password else store.sessions.link(user.id, minutes=_DAY_H * 60)
    say(f"{user.name} may log in as {user.role}")
    if link is not None:
        _say_link(user.name, link, address, _DAY_H)


@users.command("link")
def link_user(
    name: Annotated[str, typer.Argument(help="Who.")],
    hours: Annotated[int, typer.Option(min=1, max=168, help="How long it is good.")] = _DAY_H,
    address: AddressOption = _ADDRESS,
    db: Db = None,
) -> None:
    """Print a link that signs a person in once, as when a password was forgotten or a link ran out."""
    with store_of(db, _NO_PHOTOS) as store:
        user = _user(store, name)
        link = store.sessions.link(user.id, minutes=hours * 60)
        store.audit.add("cli", "user.link", f"user:{user.name}")
    _say_link(user.name, link, address, hours)


def _say_link(name: str, link: str, address: str, hours: int) -> None:
    say(f"one-time link for {name}, good for {hours} hours; whoever has it is {name}:")
    say(f"{address.rstrip('/')}/welcome/{link}")


def _user(store: "Store", name: str) -> "UserRow":
    """The person of a name.

    Raises:
        NotFoundError: If there is none.
    """
    user = store.users.by_name(name)
    if user is None:
        raise NotFoundError(f"there is no user {name!r}; crisislens user list shows them")
    return user


@users.command("change")
def change_user(
    name: Annotated[str, typer.Argument(help="Who.")],
    role: Annotated[str | None, typer.Option(help="viewer, reviewer or admin.")] = None,
    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Whether they may log in.")
    ] = None,
    password: Annotated[bool, typer.Option("--password", help="Ask for a new password.")] = False,
    db: Db = None,
) -> None:
    """Change a person's role or password, or end their access."""
    from crisislens.store.accounts import role_of

    secret = typer.prompt("Password", hide_input=True, confirmation_prompt=True) if password else None
    with store_of(db, _NO_PHOTOS) as store:
        user = _user(store, name)
        changed = store.users.change(
            user.id, role=None if role is None else role_of(role), active=active, password=secret, actor="cli"
        )
    say(f"{changed.name} is {changed.role}, {'active' if changed.active else 'inactive'}")


@users.command("list")
def list_users(db: Db = None) -> None:
    """List everybody."""
    with store_of(db, _NO_PHOTOS, write=False) as store:
        for user in store.users.all():
            say(f"{user.name:20} {user.role:9} {'active' if user.active else 'inactive'}")


@keys.command("add")
def add_key(
    name: Annotated[str, typer.Argument(help="What it is for, as `sms gateway`.")],
    role: RoleOption = "reviewer",
    days: Annotated[
        int | None, typer.Option(min=1, max=MOST_DAYS, help="How long it is good. Default: until ended.")
    ] = None,
    db: Db = None,
) -> None:
    """Make a key and print it, this once."""
    from crisislens.store.accounts import role_of

    expires = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with store_of(db, _NO_PHOTOS) as store:
        secret, row = store.keys.add(name, role_of(role), expires=expires, actor="cli")
    say(secret)
    say(f"keep it now: it is not shown again; end it with: crisislens key end {row.id}")


@keys.command("list")
def list_keys(db: Db = None) -> None:
    """List all keys, without their secrets."""
    with store_of(db, _NO_PHOTOS, write=False) as store:
        for key in store.keys.all():
            state = "ended" if key.revoked_at else f"until {key.expires:%Y-%m-%d}" if key.expires else "good"
            say(f"{key.id:4} cl_{key.prefix}_… {key.role:9} {state:17} {key.name}")


@keys.command("end")
def end_key(
    number: Annotated[int, typer.Argument(help="Its number, as `key list` shows it.", callback=row_number)],
    db: Db = None,
) -> None:
    """End a key at once."""
    with store_of(db, _NO_PHOTOS) as store:
        store.keys.revoke(number, actor="cli")
    say(f"key {number} is ended")
