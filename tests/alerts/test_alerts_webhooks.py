"""Webhooks: the signature of Standard Webhooks, and receivers that misbehave."""

import json
from datetime import timedelta

import pytest
from receivers import Receiver, answer, receiver

from alert_posts import NOW, WATER, ask
from crisislens.alerts.evaluate import evaluate
from crisislens.alerts.postman import Postman, Ways
from crisislens.alerts.webhooks import check_target, signature, verified
from crisislens.core.errors import CrisisLensError, InputError
from crisislens.core.guarded_rules import Guard
from crisislens.store import Store
from crisislens.store.records import DeliveryRow

# the example of the standard's own libraries
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
UID, STAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
HEADERS = {"webhook-id": UID, "webhook-timestamp": str(STAMP), "webhook-signature": SIGNED}


def test_the_signature_is_that_of_the_standard() -> None:
    assert signature(SECRET, UID, STAMP, BODY) == SIGNED
    with pytest.raises(InputError, match="whsec_ and base64"):
        signature("whsec_*", UID, STAMP, BODY)


FORGED = [
    ("whole", {}, BODY, 0, True),
    ("second of two", {"webhook-signature": f"v1,AAAA {SIGNED}"}, BODY, 0, True),
    ("another body", {}, BODY + b" ", 0, False),
    ("another id", {"webhook-id": "msg_x"}, BODY, 0, False),
    ("another time", {"webhook-timestamp": str(STAMP + 1)}, BODY, 0, False),
    ("too old", {}, BODY, 301, False),
    ("from the future", {}, BODY, -301, False),
    ("no time", {"webhook-timestamp": "now"}, BODY, 0, False),
    ("no signature", {"webhook-signature": ""}, BODY, 0, False),
    ("not ascii", {"webhook-signature": "v1,é"}, BODY, 0, False),
]


@pytest.mark.parametrize(
    ("change", "body", "late", "good"), [c[1:] for c in FORGED], ids=[c[0] for c in FORGED]
)
def test_what_a_receiver_takes(change: dict[str, str], body: bytes, late: int, good: bool) -> None:
    assert verified(SECRET, {**HEADERS, **change}, body, now_s=STAMP + late) is good


def alerted(store: Store, there: Receiver) -> str:
    """One alert with one webhook; the secret."""
    secret, _ = store.outlets.add("hook", "webhook", there.url, actor="cli")
    store.alert_rules.add("water", WATER, actor="cli")
    ask(store, -20, -15, -10)
    assert len(evaluate(store, now=NOW)) == 1
    assert secret is not None
    return secret


def only(store: Store) -> DeliveryRow:
    [row] = store.deliveries.list()
    return row


def postman(store: Store, there: Receiver) -> Postman:
    return Postman(store, Ways(Guard(allow_private=there.own, seconds=0.5)))


def test_a_message_is_signed_and_says_on_which_posts_it_rests(store: Store) -> None:
    with receiver(answer(204)) as there:
        secret = alerted(store, there)
        assert postman(store, there).step() == 1
    [(headers, body)] = there.got
    assert verified(secret, headers, body)
    row = only(store)
    assert (row.state, row.status, row.tries, row.uid) == ("sent", 204, 1, headers["webhook-id"])
    told = json.loads(body)
    assert told["type"] == "alert.opened"
    [alert] = store.alerts.list()
    assert told["data"]["alert"]["post_ids"] == list(alert.post_ids)
    assert told["data"]["alert"]["path"] == f"/alerts/{alert.id}"
    # no text of a post leaves
    texts = [store.posts.get(number).text for number in alert.post_ids]
    assert not any(text in body.decode() for text in texts)


MISBEHAVED = [
    ("500", answer(500, b"broken"), "waiting", "answered 500: broken"),
    ("a redirect", answer(302, b"", "Location: https://example.org/"), "waiting", "answered 302"),
    ("404", answer(404), "waiting", "answered 404"),
    ("gone", answer(410), "failed", "answered 410"),
    ("silence", b"hang", "waiting", "did not answer within 0.5 s"),
    ("closed at once", b"", "waiting", "cannot be reached or speaks no HTTP"),
    ("no HTTP", b"220 mail\r\n", "waiting", "cannot be reached or speaks no HTTP"),
]


@pytest.mark.parametrize(
    ("wire", "state", "said"), [c[1:] for c in MISBEHAVED], ids=[c[0] for c in MISBEHAVED]
)
def test_receivers_that_misbehave(store: Store, wire: bytes, state: str, said: str) -> None:
    with receiver(wire) as there:
        alerted(store, there)
        postman(store, there).step()
    row = only(store)
    assert (row.state, row.tries) == (state, 1)
    assert said in (row.said or "")
    [outlet] = store.outlets.all()
    assert outlet.failing_since is not None
    assert outlet.enabled is (state != "failed")
    assert said in (outlet.said or "")


def test_a_yes_counts_whatever_becomes_of_its_body(store: Store) -> None:
    cut_off = answer(200, b"x").replace(b"Content-Length: 1", b"Content-Length: 9999999")
    with receiver(cut_off) as there:
        alerted(store, there)
        postman(store, there).step()
    assert only(store).state == "sent"


def test_retry_after_is_heard_and_no_body_fills_the_table(store: Store) -> None:
    with receiver(answer(429, b"y" * 100_000, "Retry-After: 7200")) as there:
        alerted(store, there)
        postman(store, there).step()
    row = only(store)
    assert row.next_at - row.made_at > timedelta(hours=1.9)
    assert len(row.said or "") <= 2_000


def test_dead_between_sending_and_marking_it_is_sent_again_with_the_same_id(store: Store) -> None:
    with receiver(answer(200)) as there:
        alerted(store, there)
        ways = Ways(Guard(allow_private=there.own, seconds=2))

        def die() -> None:
            raise RuntimeError("killed")

        with pytest.raises(RuntimeError):
            Postman(store, ways, before_mark=die).step()
        assert only(store).state == "leased"
        # nobody takes it while the lease holds
        assert Postman(store, ways).step() == 0
        expire(store)
        assert Postman(store, ways).step() == 1
    assert [headers["webhook-id"] for headers, _ in there.got] == [only(store).uid] * 2
    assert there.got[0][1] == there.got[1][1]
    assert only(store).state == "sent"


def expire(store: Store) -> None:
    """As if a minute had passed."""
    from sqlalchemy import update

    from crisislens.store.models import Delivery

    past = NOW - timedelta(days=1)
    store.database.write(lambda tx: tx.connection.execute(update(Delivery).values(lease_until=past)).rowcount)


def test_the_former_secret_signs_too_while_it_is_good(store: Store) -> None:
    with receiver(answer(200)) as there:
        old = alerted(store, there)
        [outlet] = store.outlets.all()
        new = store.outlets.rotate(outlet.id, actor="cli")
        postman(store, there).step()
        store.outlets.rotate(outlet.id, keep_h=0.0, actor="cli")
        store.outlets.ping(outlet.id, actor="cli")
        postman(store, there).step()
    (headers, body), (later, ping) = there.got
    assert new != old
    assert verified(old, headers, body)
    assert verified(new, headers, body)
    assert not verified(new, later, ping)
    assert not verified(old, later, ping)
    assert json.loads(ping)["type"] == "ping"


def test_an_address_of_the_house_is_never_asked(store: Store) -> None:
    with receiver(answer(200)) as there:
        alerted(store, there)
        Postman(store, Ways(Guard(seconds=0.5))).step()
    assert there.got == []
    assert only(store).state == "failed"
    assert "was not asked" in (only(store).said or "")


TARGETS = [
    ("https://hooks.example.org/x", True),
    ("http://hooks.example.org/x", False),
    ("https://127.0.0.1/x", False),
    ("https://[::1]/x", False),
    ("https://169.254.169.254/latest", False),
    ("https://hooks.example.org:8443/x", False),
    ("https://user@hooks.example.org/x", False),
    ("ftp://hooks.example.org/x", False),
    ("http://127.0.0.1:9/x", True),
    ("http://own.lan/x", True),
    ("javascript:alert(1)", False),
    ("", False),
]


@pytest.mark.parametrize(("url", "good"), TARGETS)
def test_targets_that_are_kept(url: str, good: bool) -> None:
    guard = Guard(allow_private=frozenset({"127.0.0.1:9", "own.lan"}))
    if good:
        check_target(url, guard)
        return
    with pytest.raises(CrisisLensError):
        check_target(url, guard)
