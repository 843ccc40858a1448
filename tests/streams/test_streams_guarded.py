"""Every source that asks servers asks them through the guarded client, and there is no other door."""

import ast
from pathlib import Path
from typing import Any

import httpcore2
import pytest

pytest.importorskip("feedparser", reason="the extra streams is not installed")
pytest.importorskip("websockets", reason="the extra streams is not installed")

from crisislens import streams
from crisislens.core.errors import CrisisLensError
from crisislens.core.guarded import Guard
from crisislens.streams import StreamOptions, open_source
from crisislens.streams.media_fetch import get_picture
from hostile_urls import HOSTILE_HOSTS

FOLDER = Path(streams.__file__).parent
DOORS = {
    "socket",
    "ssl",
    "http",
    "urllib.request",
    "httpx2",
    "httpcore2",
    "requests",
    "aiohttp",
    "crisislens.core.http",
    "crisislens.core.download",
}
ALLOWED = {
    # a server that the operator names: the service itself
    "service_target.py": {"crisislens.core.http"},
    # the machine's name, for the group of consumers
    "redis_stream.py": {"socket"},
}


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_no_module_of_streams_has_a_door_of_its_own() -> None:
    used = {path.name: imported(path) & DOORS for path in FOLDER.glob("*.py")}
    assert {name: doors for name, doors in used.items() if doors} == ALLOWED


class Nobody(httpcore2.NetworkBackend):
    """Stands for the network: whoever dials fails the test."""

    dialled: list[Any]

    def __init__(self) -> None:
        self.dialled = []

    def connect_tcp(self, *given: Any, **more: Any) -> Any:
        self.dialled.append(given)
        raise httpcore2.ConnectError("nobody is there")


WAYS = (
    *("rss:http://{}/feed", "mastodon:{}/#flood", "jetstream:wss://{}"),
    *("kobo:{}/aX1", "odk:{}/3/f", "picture"),
)


def ask(way: str, host: str, guard: Guard) -> None:
    if way == "picture":
        get_picture(f"http://{host}/p.png", guard)
    else:
        list(open_source(way.format(host), StreamOptions(guard=guard)).look(None))


@pytest.mark.parametrize("way", WAYS)
def test_no_source_dials_a_hostile_host(way: str) -> None:
    """More than fifty ways to write an address of one's own network, and names that lead there."""
    assert len(HOSTILE_HOSTS) > 50
    for host in HOSTILE_HOSTS:
        nobody = Nobody()
        with pytest.raises(CrisisLensError):
            ask(way, host, Guard(resolve=lambda *_: ["10.0.0.1"], dial=nobody))
        assert nobody.dialled == [], host
