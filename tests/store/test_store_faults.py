"""What a database raises becomes one sentence that repeats no statement, value or password."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, NoSuchTableError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from crisislens.core.errors import InputError, StoreError, StoreFullError
from crisislens.store import Store
from crisislens.store.engines import parsed_url
from crisislens.store.faults import again, as_store_error
from store_posts import new

URL = parsed_url("postgresql://ann:hushhush@db.example/crisis")


class Raised(Exception):
    """What a driver raises."""

    def __init__(self, said: str, sqlstate: str | None = None) -> None:
        super().__init__(said)
        self.sqlstate = sqlstate


def wrapped(said: str, sqlstate: str | None = None) -> DBAPIError:
    """As SQLAlchemy hands it on, with the statement and its values."""
    return DBAPIError("INSERT INTO post VALUES (:text)", {"text": "canary"}, Raised(said, sqlstate))


SENTENCES: list[tuple[str, str | None, type[StoreError], str]] = [
    ("database or disk is full", None, StoreFullError, "is full; free some room"),
    ("could not extend file", "53100", StoreFullError, "is full; free some room"),
    ("attempt to write a readonly database", None, StoreError, "is read-only; mend that"),
    ("cannot execute INSERT in a read-only transaction", "25006", StoreError, "is read-only; mend that"),
    ("unable to open database file", None, StoreError, "is the disk read-only"),
    ("database is locked", None, StoreError, "locked by another process"),
    ("database disk image is malformed", None, StoreError, "restore a backup"),
    ("file is not a database", None, StoreError, "restore a backup"),
    ("no such table: post", None, StoreError, "crisislens store upgrade"),
    ('relation "post" does not exist', "42P01", StoreError, "crisislens store upgrade"),
    ("connection refused\n\tIs the server running?", None, StoreError, "Is the server running"),
]


@pytest.mark.parametrize(
    ("said", "state", "kind", "sentence"), SENTENCES, ids=[row[0][:20] for row in SENTENCES]
)
def test_each_fault_says_what_holds_and_what_to_do(
    said: str, state: str | None, kind: type[StoreError], sentence: str
) -> None:
    error = as_store_error(wrapped(said, state), URL)
    assert type(error) is kind
    assert sentence in str(error)
    assert "db.example" in str(error)
    for hidden in ("hushhush", "canary", "INSERT INTO", "\n"):
        assert hidden not in str(error)
    if isinstance(error, StoreFullError):
        assert error.status == 507


def test_a_long_fault_is_cut() -> None:
    assert len(str(as_store_error(wrapped("very " * 200), URL))) < 400


def test_a_sentence_that_cannot_be_read_is_one_of_a_damaged_file() -> None:
    # SQLite quotes a damaged name of its schema
    error = UnicodeDecodeError("utf-8", b"malformed \x88", 10, 11, "invalid start byte")
    assert "restore a backup" in str(as_store_error(error, URL))


def test_faults_that_are_of_no_driver() -> None:
    assert "all connections" in str(as_store_error(PoolTimeout(), URL))
    said = str(as_store_error(NoSuchTableError("secret_table"), URL))
    assert "NoSuchTableError" in said
    assert "secret_table" not in said


@pytest.mark.parametrize(
    ("error", "right"),
    [
        (wrapped("deadlock detected", "40P01"), True),
        (wrapped("could not serialize access", "40001"), True),
        (wrapped("duplicate key", "23505"), False),
        (wrapped("database is locked"), False),
        (ValueError("40001"), False),
    ],
)
def test_only_what_may_come_through_is_tried_again(error: BaseException, right: bool) -> None:
    assert again(error) is right


def fails(times: int, state: str) -> tuple[Callable[[Any], str], list[int]]:
    """A job that is refused some times, and how often it was run."""
    runs: list[int] = []

    def job(tx: Any) -> str:
        runs.append(len(runs))
        tx.connection.execute(text("SELECT 1"))
        if len(runs) <= times:
            raise wrapped("deadlock detected", state)
        return "done"

    return job, runs


def test_a_job_is_run_again_after_a_deadlock_and_not_for_ever(quick: Store) -> None:
    job, runs = fails(2, "40P01")
    assert quick.database.write(job) == "done"
    assert len(runs) == 3
    job, runs = fails(99, "40P01")
    with pytest.raises(StoreError, match="deadlock"):
        quick.database.write(job)
    assert 3 <= len(runs) <= 6
    job, runs = fails(1, "23505")
    with pytest.raises(StoreError):
        quick.database.write(job)
    assert len(runs) == 1


def test_jobs_come_in_their_order_and_each_answer_to_its_caller(quick: Store) -> None:
    order: list[int] = []

    def numbered(i: int) -> Callable[[Any], int]:
        def job(tx: Any) -> int:
            order.append(i)
            return i

        return job

    futures: list[Future[int]] = [quick.database.write_soon(numbered(i)) for i in range(300)]
    assert [future.result(timeout=30) for future in futures] == list(range(300))
    assert order == list(range(300))


def test_a_job_that_its_caller_gave_up_is_not_run(quick: Store) -> None:
    started, go = threading.Event(), threading.Event()
    ran: list[int] = []

    def block(tx: Any) -> None:
        started.set()
        go.wait(timeout=20)

    busy = quick.database.write_soon(block)
    started.wait(timeout=20)
    given_up = quick.database.write_soon(lambda tx: ran.append(1))
    assert given_up.cancel()
    go.set()
    busy.result(timeout=20)
    quick.settings.put("x", {}, actor="cli")
    assert ran == []


def test_what_waits_is_written_before_the_store_closes(new_sqlite: Any) -> None:
    store: Store = new_sqlite()
    waiting = [store.posts.accept_soon("api", [new(i)]) for i in range(30)]
    store.close()
    store.close()
    assert [future.result(timeout=1)[0].outcome for future in waiting] == ["created"] * 30
    with pytest.raises(StoreError, match="closed"):
        store.settings.put("x", {}, actor="cli")


def test_tending_that_fails_costs_the_store_nothing(quick: Store) -> None:
    def broken(raw: Any) -> None:
        raw.execute("SELECT * FROM nowhere")

    with pytest.raises(StoreError, match="could not be tended"):
        quick.database.outside(broken)
    assert quick.posts.accept("api", [new(1)])[0].outcome == "created"


def test_health_never_raises(quick: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    health = quick.health()
    assert (health.ok, health.reason) == (True, None)
    assert health.database.startswith("sqlite 3.")

    def refuse(job: Any) -> None:
        raise InputError("not today")

    monkeypatch.setattr(quick.database, "write", refuse)
    health = quick.health()
    assert (health.ok, health.reason) == (False, "not today")
    assert health.free_bytes
