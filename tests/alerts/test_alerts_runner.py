"""The thread beside the pages: it raises what is due, and goes on after a fault."""

import threading

import pytest

from alert_posts import NOW, WATER, ask
from crisislens.alerts import runner as module
from crisislens.alerts.runner import AlertRunner
from crisislens.core.errors import StoreError
from crisislens.store import Store


def test_it_raises_what_comes_and_stops(store: Store) -> None:
    raised = threading.Event()
    store.events.on_change(lambda: raised.set() if store.alerts.count_open() else None)
    runner = AlertRunner(store, every_s=0.05, now=lambda: NOW)
    runner.start()
    store.alert_rules.add("water", WATER, actor="cli")
    ask(store, -20, -15, -10)
    assert raised.wait(20)
    runner.stop()
    assert store.alerts.count_open() == 1


def test_a_fault_of_ours_is_logged_and_the_thread_goes_on(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries, twice = [], threading.Event()

    def broken(*_: object, **__: object) -> None:
        tries.append(1)
        if len(tries) >= 2:
            twice.set()
        raise KeyError("data")

    monkeypatch.setattr(module, "evaluate", broken)
    monkeypatch.setattr(module, "_AFTER_FAULT", 1)
    runner = AlertRunner(store, every_s=0.01)
    runner.start()
    assert twice.wait(20)
    runner.stop()
    assert "a step failed and is tried again" in caplog.text


def test_a_store_that_cannot_be_written_is_tried_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    tries, twice = [], threading.Event()

    def broken(*_: object, **__: object) -> None:
        tries.append(1)
        if len(tries) >= 2:
            twice.set()
        raise StoreError("the disk is full")

    monkeypatch.setattr(module, "evaluate", broken)
    runner = AlertRunner(store, every_s=0.01)
    runner.start()
    assert twice.wait(20)
    runner.stop()
