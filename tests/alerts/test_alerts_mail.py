"""Mail: what is written, what a server may answer, and that nothing goes in plain."""

import email
from email.message import Message
from typing import Any

import pytest
from receivers import MailStandIn, mail_stand_in

from alert_posts import NOW, WATER, ask
from crisislens.alerts.evaluate import evaluate
from crisislens.alerts.mail import MailServer, mailboxes
from crisislens.alerts.postman import Postman, Ways
from crisislens.core.errors import InputError
from crisislens.store import Store
from crisislens.store.records import DeliveryRow

TO = "ann@example.org, bea@example.org"


def sent(store: Store, there: MailStandIn, *, scheme: str = "smtp+plain", user: str = "") -> DeliveryRow:
    """One alert by mail, tried once."""
    server = MailServer.read(f"{scheme}://{user}127.0.0.1:{there.port}", "lens@example.org", seconds=2.0)
    store.outlets.add("duty", "mail", TO, actor="cli")
    store.alert_rules.add("water", WATER, actor="cli")
    ask(store, *[-20 + i / 10 for i in range(25)])
    evaluate(store, now=NOW)
    Postman(store, Ways(mail=server, base_url="https://lens.example.org")).step()
    [row] = store.deliveries.list()
    return row


def test_a_mail_links_to_the_alert_and_its_posts(store: Store) -> None:
    with mail_stand_in() as there:
        row = sent(store, there)
    assert (row.state, row.said) == ("sent", "taken")
    [text] = there.mails
    mail: Message = email.message_from_string(text)
    assert mail["To"] == TO
    assert mail["From"] == "lens@example.org"
    assert mail["Message-ID"] == f"<{row.uid}@example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    subject = str(email.header.make_header(email.header.decode_header(mail["Subject"])))
    assert subject == "Alert: Calls and needs: Water needed – Ponce (level 4)"
    payload: Any = mail.get_payload(decode=True)
    body = payload.decode().replace("\r\n", "\n")
    [alert] = store.alerts.list()
    assert f"https://lens.example.org/alerts/{alert.id}\n" in body
    assert f"https://lens.example.org/posts/{alert.post_ids[0]}\n" in body
    assert "and 5 more" in body
    assert not any(store.posts.get(number).text in body for number in alert.post_ids)


REFUSED = [
    ("for a while", {"MAIL": "451 busy"}, "waiting", 451),
    ("for good", {"MAIL": "550 no"}, "failed", 550),
    ("all mailboxes", {"RCPT": "550 unknown"}, "failed", 550),
    ("all mailboxes for a while", {"RCPT": "450 later"}, "waiting", 450),
    ("the mail", {"DATA": "554 spam"}, "failed", 554),
]


@pytest.mark.parametrize(("refuse", "state", "status"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_servers_that_refuse(store: Store, refuse: dict[str, str], state: str, status: int) -> None:
    with mail_stand_in(**refuse) as there:
        row = sent(store, there)
    assert (row.state, row.status) == (state, status)
    assert there.mails == []


def test_one_mailbox_that_is_refused_is_told(store: Store) -> None:
    with mail_stand_in(**{"RCPT_TO:<bea": "550 unknown"}) as there:
        row = sent(store, there)
    assert (row.state, row.said) == ("sent", "taken, but not for bea@example.org")


def test_nothing_goes_in_plain_where_the_server_offers_no_encryption(store: Store) -> None:
    with mail_stand_in() as there:
        row = sent(store, there, scheme="smtp", user="lens:s3cret@")
    assert row.state == "waiting"
    assert there.mails == []
    assert not any("AUTH" in line or "s3cret" in line for line in there.said)
    assert "s3cret" not in (row.said or "")


def test_a_password_that_smtp_cannot_send_is_one_clear_failure(store: Store) -> None:
    with mail_stand_in(EHLO="250-stand-in\r\n250 AUTH PLAIN LOGIN") as there:
        row = sent(store, there, user="lens:p%C3%A4ss@")
    assert (row.state, row.tries) == ("failed", 1)
    assert "letters that cannot be sent" in (row.said or "")
    assert "p\xe4ss" not in (row.said or "")


def test_a_message_that_makes_no_mail_is_one_clear_failure(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("of the text")

    monkeypatch.setattr("crisislens.alerts.mail.message_of", broken)
    with mail_stand_in() as there:
        row = sent(store, there)
    assert (row.state, row.said) == ("failed", "this message cannot be written as a mail (ValueError)")


def test_without_a_server_mail_waits_and_says_so(store: Store) -> None:
    outlet = store.outlets.add("duty", "mail", TO, actor="cli")[1]
    store.outlets.ping(outlet.id, actor="cli")
    Postman(store, Ways()).step()
    [row] = store.deliveries.list()
    assert (row.state, "--smtp" in (row.said or "")) == ("waiting", True)


BAD_SERVERS = [
    "",
    "mail.example.org",
    "http://mail.example.org",
    "smtp+plain://mail.example.org",
    "smtp://:99",
]


@pytest.mark.parametrize("url", BAD_SERVERS)
def test_servers_that_cannot_be(url: str) -> None:
    with pytest.raises(InputError):
        MailServer.read(url, "lens@example.org")


def test_an_address_is_read_and_its_password_is_not_shown() -> None:
    server = MailServer.read("smtps://lens:p%40ss@mail.example.org", "lens@example.org")
    assert (server.scheme, server.host, server.port, server.user) == (
        "smtps",
        "mail.example.org",
        465,
        "lens",
    )
    assert server.password == "p@ss"
    assert "p@ss" not in repr(server)


BAD_BOXES = [
    "",
    "ann",
    "ann@host",
    "@example.org",
    "a b@example.org",
    "a@example.org\nBcc: x@y.org",
    "x <a@b.org>",
]


@pytest.mark.parametrize("text", BAD_BOXES)
def test_mailboxes_that_cannot_be(text: str) -> None:
    with pytest.raises(InputError, match="commas between"):
        mailboxes(text)
