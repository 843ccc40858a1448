"""Events: numbered in the order in which they are seen, never used again, and without anybody's words."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from crisislens.store import Store
from crisislens.store.records import EVENT_KINDS
from store_posts import PONCE, assess_all, fill, new

CANARY = "zanzibarcanary"


def test_a_reader_that_polls_misses_none_of_many_writers(opened: Any) -> None:
    """Two processes' worth of writers on PostgreSQL; SQLite has one."""
    store: Store = opened()
    writers = [store] if store.database.sqlite else [store, opened()]
    seen: list[int] = []
    ended = threading.Event()

    def read() -> None:
        last = 0
        while True:
            over = ended.is_set()
            events = store.events.after(last, most=7)
            for event in events:
                seen.append(event.seq)
                last = event.seq
            if over and not events:
                return

    def write(which: Store, name: str) -> None:
        for i in range(15):
            which.posts.accept(name, [new(i), new(f"{i} again")])

    reader = threading.Thread(target=read)
    threads = [
        threading.Thread(target=write, args=(which, f"source {i} {j}"))
        for i, which in enumerate(writers)
        for j in range(3)
    ]
    for thread in (reader, *threads):
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    ended.set()
    reader.join(timeout=60)
    whole = [event.seq for event in store.events.after(0, most=10_000)]
    # thirty posts of each, and that there is a new source
    assert len(whole) == 31 * len(threads)
    assert seen == whole == sorted(whole)


def test_what_leaves_the_store_holds_nobodys_words(store: Store) -> None:
    ann = store.users.add("ann", "reviewer", actor="cli")
    one, two = fill(
        store,
        new(1, f"{CANARY} the bridge in Ponce is down and we need boats", author=CANARY, url=CANARY),
        new(2, f"{CANARY} the bridge in Ponce is down and we need boats!", event=CANARY),
        place=PONCE,
    )
    store.reviews.hold(one, ann.id)
    store.reviews.add(one, ann.id, verdict="unsure", task="damage", note=CANARY)
    store.dead_letters.add("api", CANARY, "no id")
    store.queue.retry(one, actor="cli")
    [job] = store.queue.claim("w")
    store.queue.fail("w", job.post_id, f"could not be assessed: {CANARY}")
    store.erasure.posts([two], actor="cli")
    events, entries = store.events.after(0, most=1000), store.audit.list(most=1000)
    kinds = {event.kind for event in events}
    assert kinds == {kind for kind in EVENT_KINDS if kind.startswith("post.")} | {
        "cluster.changed",
        "source.changed",
    }
    assert CANARY not in str(events)
    assert CANARY not in str(entries)


def test_events_are_asked_for_by_kind_and_in_parts(quick: Store) -> None:
    quick.sources.ensure("api", "api")
    before = quick.events.last()
    # texts too short to be alike
    fill(quick, *(new(i, str(i)) for i in range(6)))
    every = quick.events.after(before)
    assert [event.kind for event in every] == ["post.accepted"] * 6 + ["post.assessed"] * 6
    assert quick.events.after(0, kinds=["post.assessed"], most=2) == every[6:8]
    assert quick.events.after(0, kinds=["post.assessed", "post.accepted"]) == every
    assert quick.events.after(every[7].seq, kinds=["post.assessed"]) == every[8:]
    assert quick.events.after(0, kinds=["nothing"]) == ()
    walked = []
    last = before
    while part := quick.events.after(last, most=5):
        walked += part
        last = part[-1].seq
    assert tuple(walked) == every
    assert (quick.events.first(), quick.events.last()) == (1, every[-1].seq)


def test_a_number_is_never_used_again(store: Store) -> None:
    """Nor that of a post: a client that remembers one never gets another thing for it."""
    numbers = fill(store, new(1), new(2))
    last = store.events.last()
    later = datetime.now(UTC) + timedelta(days=400)
    store.retention.run(keep_days=1, now=later)
    assert store.posts.states(numbers) == {}
    assert store.events.after(0) == ()
    assert (store.events.first(), store.events.last()) == (0, 0)
    [third] = fill(store, new(3))
    assert third > max(numbers)
    assert store.events.first() > last


def test_waiting_ends_with_the_event_and_without_one_with_the_time(quick: Store) -> None:
    began = time.monotonic()
    assert not quick.events.wait(0, timeout_s=0.02)
    assert time.monotonic() - began >= 0.02
    woken = threading.Event()

    def wait() -> None:
        if quick.events.wait(0, timeout_s=30):
            woken.set()

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    quick.posts.accept("api", [new(1)])
    for thread in threads:
        thread.join(timeout=30)
    assert woken.is_set()
    # what has happened already is not waited for
    assert quick.events.wait(0, timeout_s=0)
    assert not quick.events.wait(quick.events.last(), timeout_s=0)


def test_a_listener_that_fails_costs_nobody_anything(quick: Store) -> None:
    told: list[str] = []

    def broken() -> None:
        told.append("broken")
        raise RuntimeError("mine")

    quick.events.on_change(broken)
    quick.events.on_change(lambda: told.append("whole"))
    quick.posts.accept("api", [new(1)])
    # the commit is told of after the caller may have gone on
    assess_all(quick)
    quick.settings.put("x", {}, actor="cli")
    assert told[:2] == ["broken", "whole"]
    assert quick.posts.by_key("api", "1") is not None
