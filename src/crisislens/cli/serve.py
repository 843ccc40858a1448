"""`crisislens serve`: the service, its processes, and the first way in."""

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from crisislens.cli.console import end_stopped, say, say_error
from crisislens.cli.store import DB_HELP
from crisislens.core.errors import ConflictError, CrisisLensError, InputError
from crisislens.pipeline.default import DEFAULT_BUNDLE

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from crisislens.assess import AssessPool
    from crisislens.serve.oidc import OidcSettings
    from crisislens.serve.service import ServeSettings
    from crisislens.store import Store
    from crisislens.store.records import UserRow

__all__ = ["add_to"]

_DATABASE = "crisislens-store/store.db"
_DEMO_DATABASE = "crisislens-demo/store.db"
_LOOPBACK = "127.0.0.1"
_THIS_COMPUTER = (_LOOPBACK, "::1", "localhost")
_EVERY_ADDRESS = ("0.0.0.0", "::")
_LINK_MIN = 60
_PATIENCE_S = 1.5
_OIDC_SECRET = "CRISISLENS_OIDC_SECRET"
_TILES = b"PMTiles\x03"
_FIRST_TRIES = 3


def add_to(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("serve")(serve)


def serve(
    db: Annotated[str | None, typer.Option(help=DB_HELP)] = None,
    blobs: Annotated[
        Path | None, typer.Option(help="Folder of the photos. Default: beside the file of SQLite.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to serve at. Default: this computer only.")] = _LOOPBACK,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8765,
    public_name: Annotated[
        list[str] | None,
        typer.Option(help="A name that others reach it by, such as a proxy's; may be given again."),
    ] = None,
    https: Annotated[
        bool, typer.Option("--https", help="A proxy in front speaks https: cookies are sent by https only.")
    ] = False,
    assess: Annotated[
        int, typer.Option(min=0, max=64, help="Processes that assess, one core each; 0 where workers do it.")
    ] = 1,
    model: Annotated[list[str] | None, typer.Option(help="As for analyze, and with its default.")] = None,
    fallback: Annotated[
        list[str] | None,
        typer.Option(help="A model for texts that the others cannot read."),
    ] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            help="The proxy in front, as 127.0.0.1 or 10.1.0.0/16: whom it names in X-Forwarded-For counts "
            "as the visitor. It must set that header itself."
        ),
    ] = None,
    calls: Annotated[
        float, typer.Option(min=0.1, help="Calls a second that one key or person may make.")
    ] = 60.0,
    allow_private: Annotated[
        list[str] | None,
        typer.Option(help="A host, as hooks.lan:8080, that webhooks may reach in a private network."),
    ] = None,
    smtp: Annotated[
        str | None,
        typer.Option(
            envvar="CRISISLENS_SMTP",
            help="Mail server, as smtps://USER:PASSWORD@HOST; better given as CRISISLENS_SMTP.",
        ),
    ] = None,
    mail_from: Annotated[
        str, typer.Option(help="Mailbox that mail and public messages are from.")
    ] = "crisislens@example.invalid",
    basemap: Annotated[
        Path | None, typer.Option(help="Base map of the page Map, .pmtiles. Default: one without streets.")
    ] = None,
    oidc_issuer: Annotated[
        str | None, typer.Option(help="Provider of identities at which people may sign in too (extra oidc).")
    ] = None,
    oidc_client: Annotated[
        str, typer.Option(help=f"What it calls this service; its secret stands in {_OIDC_SECRET}.")
    ] = "",
    oidc_role: Annotated[
        str, typer.Option(help="Role of who comes from there for the first time.")
    ] = "viewer",
    demo: Annotated[
        bool, typer.Option("--demo", help="Fill it with the made-up crisis, posts still arriving.")
    ] = False,
    log_requests: Annotated[
        bool, typer.Option("--log-requests", help="Log every request, not only those that failed.")
    ] = False,
) -> None:
    """Take posts in by HTTP, assess them, and show them on pages where people review them."""
    from crisislens.alerts.mail import MailServer
    from crisislens.core.guarded_rules import Guard
    from crisislens.serve.limits import Limits
    from crisislens.serve.server import log_to_stderr
    from crisislens.serve.service import ServeSettings
    from crisislens.store import open_store

    url = db or (_DEMO_DATABASE if demo else _DATABASE)
    if "://" not in url:
        Path(url).parent.mkdir(parents=True, exist_ok=True)
    if host not in _THIS_COMPUTER and not https:
        say("note      pages are not encrypted; put a proxy with https in front, and give --https")
    settings = ServeSettings(
        host=host,
        names=tuple(public_name or ()),
        secure=https,
        proxies=tuple(_network(one) for one in proxy or ()),
        demo=demo,
        oidc=None if oidc_issuer is None else _oidc(oidc_issuer, oidc_client, oidc_role),
        limits=Limits(calls_s=calls),
        guard=Guard(allow_private=frozenset(allow_private or ())),
        mail=MailServer.read(smtp, mail_from) if smtp else None,
        cap_sender=mail_from,
        base_map=None if basemap is None else _base_map(basemap),
    )
    end_log = log_to_stderr(verbose=log_requests)
    with open_store(url, blobs=blobs) as store:
        spec = _Models(tuple(model or (DEFAULT_BUNDLE,)), tuple(fallback or ()))
        ended_by = _run(store, settings, port=port, processes=assess, spec=spec, url=url)
    end_log()
    say("stopped; every post that was accepted is kept, and what waits goes on at the next start")
    if ended_by:
        # as the shell counts it: 130 for Ctrl+C, 143 for SIGTERM; said already
        end_stopped(128 + ended_by)


def _oidc(issuer: str, client: str, role: str) -> "OidcSettings":
    """What was given of a provider of identities.

    Raises:
        InputError: If something is missing or not safe.
    """
    from crisislens.serve.oidc import OidcSettings
    from crisislens.store.accounts import role_of

    secret = os.environ.get(_OIDC_SECRET, "")
    if not client or not secret:
        raise InputError(f"--oidc-issuer needs --oidc-client, and the secret in {_OIDC_SECRET}")
    return OidcSettings(issuer, client, secret, role_of(role))


def _network(given: str) -> "IPv4Network | IPv6Network":
    from ipaddress import ip_network

    try:
        return ip_network(given)
    except ValueError as error:
        raise InputError(
            f"--proxy {given}: {error}; give an address or a network, such as 10.1.2.3 or 10.1.0.0/16"
        ) from error


def _base_map(path: Path) -> Path:
    """A file of tiles.

    Raises:
        InputError: If it is none.
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(_TILES))
    except OSError as error:
        raise InputError(f"--basemap {path} cannot be read: {error.strerror or error}") from error
    if start != _TILES:
        raise InputError(f"--basemap {path} is no file of tiles; expected .pmtiles of version 3")
    return path.resolve()


def _run(
    store: "Store",
    settings: "ServeSettings",
    *,
    port: int,
    processes: int,
    spec: "_Models",
    url: str,
) -> int:
    """Serves until a signal arrives; returns its number."""
    from crisislens.alerts.postman import Ways
    from crisislens.alerts.runner import AlertRunner
    from crisislens.serve.app import create_app
    from crisislens.serve.demo_feed import DemoFeed
    from crisislens.serve.server import ServiceServer

    pool = _pool(store, processes, spec)
    feed = DemoFeed(store) if settings.demo else None
    app = create_app(store, settings, explain=pool.explain if pool is not None else None)
    server = ServiceServer(app, host=settings.host, port=port)
    alerts = AlertRunner(store, Ways(settings.guard, settings.mail, _linked_at(settings, server.url)))
    alerts.start()
    say(f"page      {server.url}")
    say(f"store     {url}")
    _say_first_link(store, _reached_at(settings, server.url))
    say("Ctrl+C ends it; every post that was accepted is kept.")
    if pool is not None:
        # models take seconds to load, and posts can come in meanwhile
        threading.Thread(target=_start, args=(pool,), name="models", daemon=True).start()
    if feed is not None:
        feed.start()
    try:
        return server.serve_until_stopped()
    finally:
        alerts.stop()
        if feed is not None:
            feed.stop()
        if pool is not None:
            pool.stop(patience_s=_PATIENCE_S)


def _reached_at(settings: "ServeSettings", listened: str) -> str:
    """Where a person reaches the service: behind a proxy by its public name; without one the port is needed,
    and a name in place of "every address".
    """
    if settings.secure and settings.public_url:
        return settings.public_url
    if settings.host not in _EVERY_ADDRESS:
        return listened
    name = settings.names[0] if settings.names else _LOOPBACK
    return f"http://{name}:{urlsplit(listened).port}"


def _linked_at(settings: "ServeSettings", listened: str) -> str:
    """Where links in messages lead. Who reads them is elsewhere, so a service that listens to this computer
    only, or names a proxy, is reached through the proxy by its public name.
    """
    behind = bool(settings.proxies) or settings.host in _THIS_COMPUTER
    if behind and settings.public_url:
        return settings.public_url
    return _reached_at(settings, listened)


@dataclass(frozen=True)
class _Models:
    """The models that were named: the first choice, and those for texts that it cannot read."""

    models: tuple[str, ...]
    fallbacks: tuple[str, ...]


def _pool(store: "Store", processes: int, spec: _Models) -> "AssessPool | None":
    if not processes:
        return None
    from crisislens.assess import AnalystSpec, AssessPool

    return AssessPool(store, AnalystSpec(spec.models, spec.fallbacks), processes=processes)


def _start(pool: "AssessPool") -> None:
    try:
        pool.start()
        say("the models are loaded; posts are assessed as they come")
    except CrisisLensError as error:
        say_error(f"{error}; posts are taken in, and wait until a service with a model is started")


def _say_first_link(store: "Store", url: str) -> None:
    """A link for the first administrator, as long as none has a password: there is no default one."""
    admin = _first_admin(store)
    if admin is None:
        return
    token = store.sessions.link(admin.id, minutes=_LINK_MIN)
    say(f"sign in   {url}/welcome/{token}")
    say(f"          as {admin.name}, once, within {_LINK_MIN} minutes; set a password then")


def _first_admin(store: "Store") -> "UserRow | None":
    """The administrator who has no password yet, made where there is none; None where one has a password.

    Several `serve` of one PostgreSQL may start at once, and all but the first find the name taken.
    """
    for _ in range(_FIRST_TRIES):
        admins = [user for user in store.users.all() if user.role == "admin" and user.active]
        if any(user.has_password for user in admins):
            return None
        if admins:
            return admins[0]
        name = "admin" if store.users.by_name("admin") is None else "admin-2"
        with suppress(ConflictError):
            return store.users.add(name, "admin", actor="cli")
    return None
