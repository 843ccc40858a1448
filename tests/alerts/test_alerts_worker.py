"""Who sends: one process of several, and a worker too where it is told so."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from receivers import Receiver, answer, receiver
from typer.testing import CliRunner

from alert_posts import NOW, WATER, ask
from crisislens import assess
from crisislens import store as store_room
from crisislens.alerts.mail import MailServer
from crisislens.alerts.postman import Ways
from crisislens.alerts.runner import AlertRunner
from crisislens.assess.pool import PoolState
from crisislens.cli.main import app
from crisislens.store import Store

MAIL = MailServer.read("smtps://mail.example.org", "lens@example.org")


def turns(store: Store, *runners: AlertRunner) -> list[bool]:
    """Who does something when each is asked, in their order."""
    did: list[bool] = []
    for runner in runners:
        found: list[int] = []
        runner._in_turn(lambda found=found: found.append(1))()
        did.append(bool(found))
    return did


def test_one_of_several_does_it_until_it_ends(store: Store) -> None:
    first, second = AlertRunner(store), AlertRunner(store)
    assert turns(store, first, second, first, second) == [True, False, True, False]
    for loop in first._loops:
        loop.thread.start()
    first.stop()
    assert turns(store, second, AlertRunner(store)) == [True, False]


def test_who_can_send_mail_goes_before_who_cannot(store: Store) -> None:
    without, able = AlertRunner(store), AlertRunner(store, Ways(mail=MAIL))
    assert turns(store, without, able, without, able, AlertRunner(store, Ways(mail=MAIL))) == [
        True,
        True,
        False,
        True,
        False,
    ]


class Idle:
    """A pool of processes without any."""

    begun: Callable[[], None]

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def start(self) -> None:
        type(self).begun()

    def stop(self) -> None:
        pass

    def state(self) -> PoolState:
        return PoolState()


@pytest.fixture
def signals() -> Iterator[None]:
    before = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    # a command that ended early is not to end the tests
    signal.signal(signal.SIGTERM, lambda *_: None)
    yield
    for number, handler in before:
        signal.signal(number, handler)


def end_soon(there: Receiver, seconds: float) -> None:
    """Ends this process' worker when the receiver got something, or after a while."""

    def wait() -> None:
        ends = time.monotonic() + seconds
        while not there.got and time.monotonic() < ends:
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


@pytest.mark.usefixtures("signals")
@pytest.mark.parametrize("told", [True, False])
def test_a_worker_sends_where_it_is_told_to(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: bool
) -> None:
    with receiver(answer(204)) as there:
        store.outlets.add("hook", "webhook", there.url, actor="cli")
        store.alert_rules.add("water", WATER.model_copy(update={"late_h": 24 * 366}), actor="cli")
        days = (datetime.now(NOW.tzinfo) - NOW).total_seconds() / 60
        ask(store, *[days - late for late in (20, 15, 10)])
        # long enough for what must not come, where it is not told to
        begun = partial(end_soon, there, 20.0 if told else 0.3)
        monkeypatch.setattr(Idle, "begun", begun, raising=False)
        monkeypatch.setattr(assess, "AssessPool", Idle)
        # the command wants PostgreSQL, and what it does with its store is the same
        monkeypatch.setattr(store_room, "open_store", lambda *_, **__: Kept(store))
        # it ends the process at once, which here is that of the tests
        monkeypatch.setattr("crisislens.cli.worker.end_stopped", lambda code: None)
        given = ["worker", "--db", "postgresql://nowhere/x", "--blobs", str(tmp_path)]
        given += ["--alerts", "--allow-private", f"127.0.0.1:{there.port}"] if told else []
        done = CliRunner().invoke(app, given)
        assert done.exit_code == 0, done.output
        assert (len(there.got), [row.state for row in store.deliveries.list()]) == (
            (1, ["sent"]) if told else (0, [])
        )


class Kept:
    """A store that stays open."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def __enter__(self) -> Store:
        return self.store

    def __exit__(self, *_: object) -> None:
        pass
