"""What leaves, on both databases: taken by one, tried ten times, given up and sent again by a person."""

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
from sqlalchemy import insert, update

from alert_posts import NOW, WATER, ask
from crisislens.alerts.evaluate import evaluate
from crisislens.core.errors import ConflictError, InputError, NotFoundError
from crisislens.store import Store
from crisislens.store.deliveries import BACKOFF_S
from crisislens.store.models import Delivery, table_of
from crisislens.store.records import OutletRow

HOOK = "https://hooks.example.org/in"


def way(store: Store, name: str = "hook", **more: object) -> OutletRow:
    return store.outlets.add(name, "webhook", HOOK, actor="cli", **more)[1]  # type: ignore[arg-type]


def due_now(store: Store) -> None:
    """As if the pause were over."""
    past = NOW - timedelta(days=1)
    values = {"next_at": past, "lease_until": past}
    store.database.write(lambda tx: tx.connection.execute(update(Delivery).values(values)).rowcount)


def test_each_way_out_gets_what_it_wants(store: Store) -> None:
    rule = store.alert_rules.add("water", WATER, actor="cli")
    other = store.alert_rules.add("food", WATER.model_copy(update={"label": "food"}), actor="cli")
    way(store, "usual")
    way(store, "closings", kinds=("alert.closed",))
    way(store, "of food", rules=(other.id,))
    way(store, "of water", rules=(rule.id,))
    off = way(store, "off")
    store.outlets.switch(off.id, False, actor="cli")
    ask(store, -25, -24, -23)
    evaluate(store, now=NOW)
    ask(store, -22, -21, -20)
    evaluate(store, now=NOW)
    [alert] = store.alerts.list()
    store.alerts.close(alert.id, "answered", actor="user:ann")
    got = sorted((row.outlet, row.kind) for row in store.deliveries.list())
    assert got == [
        ("closings", "alert.closed"),
        ("of water", "alert.escalated"),
        ("of water", "alert.opened"),
        ("usual", "alert.escalated"),
        ("usual", "alert.opened"),
    ]
    assert len({row.uid for row in store.deliveries.list()}) == 5


def test_a_rule_that_there_is_not_is_named(store: Store) -> None:
    rule = store.alert_rules.add("water", WATER, actor="cli")
    told = rf"there is no rule 4242, 4243; there are: {rule.id} \(water\)"
    with pytest.raises(InputError, match=told):
        way(store, rules=(4243, rule.id, 4242))


def test_ten_tries_and_then_a_person(store: Store) -> None:
    one = way(store)
    store.outlets.ping(one.id, actor="cli")
    [row] = store.deliveries.list()
    for number in range(len(BACKOFF_S) + 1):
        [message] = store.deliveries.claim("a")
        assert message.row.uid == row.uid
        assert store.deliveries.missed("a", row.id, "busy", status=503)
        state = store.deliveries.get(row.id)
        assert state.tries == number + 1
        assert store.deliveries.claim("a") == ()
        if number < len(BACKOFF_S):
            pause = (state.next_at - datetime.now(UTC)).total_seconds()
            assert BACKOFF_S[number] - 5 < pause <= BACKOFF_S[number]
        due_now(store)
    assert store.deliveries.get(row.id).state == "failed"
    [seen] = store.outlets.all()
    assert (seen.failed, seen.waiting, seen.said) == (1, 0, "busy")
    assert [event.kind for event in store.events.after(0, kinds=("delivery.failed",))] == ["delivery.failed"]
    again = store.deliveries.redeliver(row.id, actor="user:ann")
    assert (again.state, again.tries, again.uid, again.body) == ("waiting", 0, row.uid, row.body)
    with pytest.raises(ConflictError, match="still on its way"):
        store.deliveries.redeliver(row.id, actor="user:ann")
    [message] = store.deliveries.claim("b")
    assert store.deliveries.sent("b", row.id, status=200)
    [seen] = store.outlets.all()
    assert (seen.failing_since, seen.said) == (None, None)
    assert seen.last_ok_at is not None


def test_a_lease_that_is_over_is_somebody_elses(store: Store) -> None:
    one = way(store)
    store.outlets.ping(one.id, actor="cli")
    [message] = store.deliveries.claim("a")
    due_now(store)
    [same] = store.deliveries.claim("b")
    assert same.row.uid == message.row.uid
    assert not store.deliveries.sent("a", message.row.id, status=200)
    assert not store.deliveries.missed("a", message.row.id, "late")
    assert store.deliveries.sent("b", message.row.id, status=200)


def test_two_senders_never_take_one_message(store: Store) -> None:
    ways = [way(store, f"hook {i}") for i in range(6)]
    for one in ways:
        store.outlets.ping(one.id, actor="cli")
    taken: list[int] = []
    barrier = Barrier(3)

    def work(name: str) -> None:
        barrier.wait()
        taken.extend(message.row.id for message in store.deliveries.claim(name, most=4))

    threads = [Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(row.id for row in store.deliveries.list())


def test_one_way_out_takes_no_more_than_its_part(store: Store) -> None:
    slow, quick = way(store, "slow"), way(store, "quick")
    for _ in range(5):
        store.outlets.ping(slow.id, actor="cli")
    store.outlets.ping(quick.id, actor="cli")
    names = [message.outlet.name for message in store.deliveries.claim("a")]
    assert sorted(names) == ["quick", "slow", "slow"]


def test_a_way_out_where_hundreds_wait_starves_no_other(store: Store) -> None:
    slow, quick = way(store, "slow"), way(store, "quick")
    store.outlets.ping(slow.id, actor="cli")
    store.outlets.ping(quick.id, actor="cli")
    [row] = [row for row in store.deliveries.list() if row.outlet == "slow"]
    usual = {"outlet_id": slow.id, "kind": row.kind, "body": row.body, "state": "waiting", "made_at": NOW}
    waiting = [{**usual, "uid": f"slow-{i}", "next_at": NOW + timedelta(seconds=i)} for i in range(250)]
    store.database.write(lambda tx: tx.connection.execute(insert(table_of(Delivery)), waiting).rowcount)
    claimed = store.deliveries.claim("a")
    # those that have waited longest first, and what came last of all as well
    assert [message.row.uid for message in claimed if message.outlet.name == "slow"] == ["slow-0", "slow-1"]
    assert [message.outlet.name for message in claimed].count("quick") == 1
    assert len(store.deliveries.claim("b")) == 2


def test_what_is_switched_off_waits_and_what_is_removed_is_given_up(store: Store) -> None:
    store.alert_rules.add("water", WATER, actor="cli")
    one = way(store)
    ask(store, -25, -24, -23)
    evaluate(store, now=NOW)
    store.outlets.switch(one.id, False, actor="cli")
    assert store.deliveries.claim("a") == ()
    store.outlets.ping(one.id, actor="cli")
    [trial] = store.deliveries.claim("a")
    assert trial.row.kind == "ping"
    store.outlets.remove(one.id, actor="cli")
    assert store.outlets.all() == ()
    due_now(store)
    assert store.deliveries.claim("a") == ()
    states = {row.kind: row.state for row in store.deliveries.list()}
    assert states["alert.opened"] == "failed"
    with pytest.raises(ConflictError, match="was removed"):
        store.deliveries.redeliver(
            next(row.id for row in store.deliveries.list() if row.state == "failed"), actor="cli"
        )


def test_secrets_stand_nowhere_but_where_they_were_made(store: Store) -> None:
    secret, one = store.outlets.add("hook", "webhook", HOOK, actor="cli")
    new = store.outlets.rotate(one.id, actor="cli")
    assert secret is not None
    assert new.startswith("whsec_")
    seen = [one, *store.outlets.all(), *store.audit.list(), *store.events.after(0)]
    text = " ".join(row.model_dump_json() for row in seen)
    assert secret not in text
    assert new not in text


def test_ways_out_that_are_refused(store: Store) -> None:
    way(store)
    with pytest.raises(ConflictError, match="already"):
        way(store)
    for kinds in ((), ("post.accepted",)):
        with pytest.raises(InputError, match="there are the events"):
            way(store, "other", kinds=kinds)
    with pytest.raises(InputError, match="1 to 80 characters"):
        way(store, " ")
    none, mail = store.outlets.add("duty", "mail", "a@example.org", actor="cli")
    assert none is None
    with pytest.raises(InputError, match="not signed"):
        store.outlets.rotate(mail.id, actor="cli")
    for call in (store.outlets.get, store.deliveries.get, store.bulletins.get):
        with pytest.raises(NotFoundError):
            call(99)


def test_old_messages_go_with_old_posts(store: Store) -> None:
    one = way(store)
    store.outlets.ping(one.id, actor="cli")
    store.retention.run(keep_days=1)
    assert len(store.deliveries.list()) == 1
    store.retention.run(keep_days=1, now=datetime.now(UTC) + timedelta(days=3))
    assert store.deliveries.list() == ()


def test_a_message_for_the_public_is_released_once(store: Store) -> None:
    store.alert_rules.add("water", WATER, actor="cli")
    way(store, kinds=("bulletin.released",))
    ask(store, -25, -24, -23)
    [number] = evaluate(store, now=NOW)
    with pytest.raises(NotFoundError):
        store.bulletins.draft(99, "x-1", {}, actor="user:ann")
    first = store.bulletins.draft(number, "x-1", {"status": "Draft"}, actor="user:ann")
    second = store.bulletins.draft(number, "x-2", {}, actor="user:ann")
    assert store.bulletins.withdraw(second.id, actor="user:ann").state == "withdrawn"
    done = store.bulletins.release(first.id, {"status": "Actual"}, "<alert/>", actor="user:bea")
    assert (done.state, done.released_by, done.xml) == ("released", "user:bea", "<alert/>")
    for end in (store.bulletins.withdraw,):
        with pytest.raises(ConflictError, match="an Update or a Cancel"):
            end(first.id, actor="user:ann")
    with pytest.raises(ConflictError, match="released already"):
        store.bulletins.release(first.id, {}, "<alert/>", actor="user:ann")
    assert [row.id for row in store.bulletins.list(alert_id=number, state="released")] == [first.id]
    [message] = store.deliveries.list()
    assert (message.kind, "<alert/>" in message.body) == ("bulletin.released", True)
    audit = store.audit.list(thing="bulletin:x-1")
    assert audit[0].after == {"status": "Actual", "urgency": None, "severity": None, "certainty": None}
