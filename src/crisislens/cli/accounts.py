"""`crisislens user` and `crisislens key`: who may use the service."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from crisislens.cli.console import say
from crisislens.cli.store import DB_HELP, store_of
from crisislens.core.errors import NotFoundError

__all__ = ["keys", "users"]

Db = Annotated[str | None, typer.Option(help=DB_HELP)]
RoleOption = Annotated[str, typer.Option(help="viewer, reviewer or admin.")]
users = typer.Typer(help="Add people to the service, change and list them.", no_args_is_help=True)
keys = typer.Typer(help="Add, list and end keys for programs.", no_args_is_help=True)
# photos are not looked at here
_NO_PHOTOS = Path("blobs")


@users.command("add")
def add_user(
    name: Annotated[str, typer.Argument(help="Name to log in with.")],
    role: RoleOption = "reviewer",
    password: Annotated[
        bool, typer.Option("--password", help="Ask for a password; else a link logs in, see `user link`.")
    ] = False,
    db: Db = None,
) -> None:
    """Add a person."""
    from crisislens.store.accounts import role_of

    secret = typer.prompt("Password", hide_input=True, confirmation_prompt=True) if password else None
    with store_of(db, _NO_PHOTOS) as store:
        user = store.users.add(name, role_of(role), password=secret, actor="cli")
        link = None if password else store.sessions.link(user.id, minutes=24 * 60)
    say(f"{user.name} may log in as {user.role}")
    if link is not None:
        say(f"one-time link, good for a day: /welcome/{link}")


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
        user = store.users.by_name(name)
        if user is None:
            raise NotFoundError(f"there is no user {name!r}; crisislens user list shows them")
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
        int | None, typer.Option(min=1, help="How long it is good. Default: until ended.")
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
    number: Annotated[int, typer.Argument(help="Its number, as `key list` shows it.")], db: Db = None
) -> None:
    """End a key at once."""
    with store_of(db, _NO_PHOTOS) as store:
        store.keys.revoke(number, actor="cli")
    say(f"key {number} is ended")
