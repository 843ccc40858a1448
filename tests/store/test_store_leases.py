"""One holder at a time, also of several processes, and the next one when that one is gone."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from crisislens.store import Store
from crisislens.store.models import Setting


def later(store: Store, seconds: float) -> None:
    """Moves the end of the lease into the past."""
    until = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()
    with store.database.read() as connection:
        value = connection.execute(select(Setting.value).where(Setting.name == "lease:a")).scalar_one()
    ended = {**value, "until": until}
    store.database.write(
        lambda tx: tx.connection.execute(update(Setting).where(Setting.name == "lease:a").values(value=ended))
    )


def test_one_at_a_time_and_the_next_when_it_is_over(store: Store) -> None:
    leases = store.leases
    assert leases.take("a", "ann", 30)
    assert leases.take("a", "ann", 30)
    assert not leases.take("a", "ben", 30)
    # another thing is another lease
    assert leases.take("b", "ben", 30)
    later(store, 1)
    assert leases.take("a", "ben", 30)
    assert not leases.take("a", "ann", 30)


def test_it_is_given_back_by_its_holder_alone(store: Store) -> None:
    leases = store.leases
    leases.give_back("a", "ann")
    leases.take("a", "ann", 30)
    leases.give_back("a", "ben")
    assert not leases.take("a", "ben", 30)
    leases.give_back("a", "ann")
    assert leases.take("a", "ben", 30)


@pytest.mark.parametrize(("first", "second", "taken"), [(0, 1, True), (1, 0, False), (1, 1, False)])
def test_who_can_more_takes_it_over(store: Store, first: int, second: int, taken: bool) -> None:
    assert store.leases.take("a", "ann", 30, rank=first)
    assert store.leases.take("a", "ben", 30, rank=second) is taken
    assert store.leases.take("a", "ann", 30, rank=first) is not taken


def test_of_many_that_come_at_once_one_has_it(store: Store) -> None:
    won: list[int] = []
    together = threading.Barrier(8)

    def come(number: int) -> None:
        together.wait()
        if store.leases.take("a", f"n{number}", 30):
            won.append(number)

    threads = [threading.Thread(target=come, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_holding_on_costs_no_write(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.leases.take("a", "ann", 30)
    monkeypatch.setattr(store.leases._database, "write", None)
    assert store.leases.take("a", "ann", 30)
    assert not store.leases.take("a", "ben", 30)
