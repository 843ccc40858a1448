"""Alerts by e-mail: plain text with links, by SMTP over TLS, no text of a post in it.

The server is named by an address with everything in it, given to the process and kept nowhere:
`smtps://user:password@host` (TLS from the first byte, port 465) or `smtp://user:password@host` (STARTTLS,
port 587, refused where the server does not offer it). `smtp+plain://` is for a server on this computer alone.
"""

import json
import smtplib
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from crisislens.alerts.rules import rule_in_words, what_is_counted
from crisislens.core.errors import InputError
from crisislens.core.http_answers import RequestError
from crisislens.report.display import instant, visible
from crisislens.store.deliveries import Outgoing
from crisislens.store.records import RuleSpec

__all__ = ["MailServer", "mailboxes", "message_of", "send_mail"]

_PORTS: Final = {"smtps": 465, "smtp": 587, "smtp+plain": 25}
_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_SHOWN: Final = 20
_WORDS: Final = {
    "alert.opened": "Alert",
    "alert.escalated": "Graver now",
    "alert.closed": "Closed",
    "bulletin.released": "Released for the public",
    "ping": "Trial message",
}


@dataclass(frozen=True)
class MailServer:
    """Where mail is handed over.

    Attributes:
        scheme: `smtps`, `smtp` or `smtp+plain`.
        host: Its name.
        port: Its port.
        user: Who signs in there; empty where nobody has to.
        password: With what.
        sender: The mailbox that messages come from.
        seconds: For each step.
        context: What encrypts; the system's authorities by default.
    """

    scheme: str
    host: str
    port: int
    user: str
    password: str
    sender: str
    seconds: float = 20.0
    context: ssl.SSLContext | None = None

    def __repr__(self) -> str:
        return f"MailServer({self.scheme}://{self.host}:{self.port}, from {self.sender})"

    @classmethod
    def read(cls, url: str, sender: str, **more: Any) -> "MailServer":
        """From an address.

        Raises:
            InputError: If it is none, or would send in plain over a network. The message holds no password.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS[parts.scheme]
            host = parts.hostname or ""
        except (ValueError, KeyError):
            host, port, parts = "", 0, urlsplit("")
        if not host:
            raise InputError("a mail server is given as smtps://USER:PASSWORD@HOST or smtp://…")
        if parts.scheme == "smtp+plain" and host not in _LOOPBACK:
            raise InputError("smtp+plain:// is for a mail server on this computer; use smtps:// or smtp://")
        [mailbox] = mailboxes(sender)
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(parts.scheme, host, port, user, password, mailbox, **more)


def mailboxes(text: str) -> list[str]:
    """Mailboxes with commas between.

    Raises:
        InputError: If one is none.
    """
    found = []
    for part in text.split(","):
        address = parseaddr(part.strip())[1]
        name, at, host = address.rpartition("@")
        usual = address.isascii() and address.isprintable() and " " not in address and part.strip() == address
        if not (name and at and "." in host and usual):
            raise InputError("give mailboxes as name@example.org, with commas between")
        found.append(address)
    return found


def message_of(message: Outgoing, server: MailServer, base_url: str) -> EmailMessage:
    """The message as it is sent.

    Arguments:
        message: What is to be told.
        server: Who sends.
        base_url: Where people reach the service, without a slash at the end.
    """
    told = json.loads(message.row.body)
    mail = EmailMessage()
    mail["From"] = server.sender
    mail["To"] = ", ".join(mailboxes(message.outlet.target))
    mail["Subject"] = " ".join(_subject(told).split())[:200]
    mail["Date"] = format_datetime(datetime.now(UTC))
    # the same for each try, so that a mailbox that gets it twice can tell
    mail["Message-ID"] = f"<{message.row.uid}@{server.sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_text(told, base_url))
    return mail


def send_mail(message: Outgoing, server: MailServer, base_url: str) -> str:
    """Hands a message over; returns what became of it, in words.

    Raises:
        RequestError: If it was not taken; `transient` where it may be later.
    """
    try:
        mail = message_of(message, server, base_url)
        client = _connected(server)
        try:
            refused = client.send_message(mail)
        finally:
            # what a server says to a farewell changes nothing about a mail that it took
            with suppress(OSError, smtplib.SMTPException):
                client.quit()
            client.close()
    except smtplib.SMTPResponseException as error:
        code = int(error.smtp_code)
        raise RequestError(f"the mail server answered {code}", status=code, transient=code < 500) from None
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({code for code, _ in error.recipients.values()})
        said = f"the mail server takes none of the mailboxes ({', '.join(map(str, codes))})"
        raise RequestError(said, status=codes[0], transient=min(codes) < 500) from None
    except (OSError, smtplib.SMTPException, HeaderParseError) as error:
        kind = type(error).__name__
        raise RequestError(f"the mail server cannot be reached or used ({kind})", transient=True) from None
    except UnicodeError:
        # smtplib sends names and passwords in ASCII alone; what the error says would hold the password
        raise RequestError(
            "the mail server's name, user or password holds letters that cannot be sent (ASCII alone can); "
            "change it and send this message again"
        ) from None
    except ValueError as error:
        raise RequestError(f"this message cannot be written as a mail ({type(error).__name__})") from None
    return f"taken, but not for {', '.join(sorted(refused))}" if refused else "taken"


def _connected(server: MailServer) -> smtplib.SMTP:
    context = server.context or ssl.create_default_context()
    if server.scheme == "smtps":
        client: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, timeout=server.seconds, context=context
        )
    else:
        client = smtplib.SMTP(server.host, server.port, timeout=server.seconds)
    try:
        if server.scheme == "smtp":
            # raises where the server does not offer it: nothing is sent in plain
            client.starttls(context=context)
        if server.user:
            client.login(server.user, server.password)
    except BaseException:
        client.close()
        raise
    return client


def _subject(told: Mapping[str, Any]) -> str:
    alert = told["data"].get("alert")
    word = _WORDS.get(told["type"], told["type"])
    if alert is None:
        return f"{word} of crisislens"
    spec = RuleSpec.model_validate(alert["spec"])
    where = alert["place_name"] or alert["place"]
    return visible(f"{word}: {what_is_counted(spec)} – {where} (level {alert['level']})")


def _text(told: Mapping[str, Any], base_url: str) -> str:
    alert = told["data"].get("alert")
    if alert is None:
        return "This way out works. Nothing has happened.\n"
    spec = RuleSpec.model_validate(alert["spec"])
    ids = alert["post_ids"]
    lines = [
        f"{what_is_counted(spec)}, {alert['place_name'] or alert['place']}",
        f"{alert['most']} different posts in one window, level {alert['level']}, {alert['state']}",
        f"first post {instant(alert['began_at'])}, last full {instant(alert['full_at'])}",
        f"rule {alert['rule']}: {rule_in_words(spec)}",
        "",
        f"{base_url}{alert['path']}",
        "",
        "The posts that it rests on:",
        *(f"  {base_url}/posts/{number}" for number in ids[:_SHOWN]),
    ]
    if len(ids) > _SHOWN:
        lines.append(f"  and {len(ids) - _SHOWN} more")
    lines += ["", "A model read these posts and no person has checked it: a reason to look, not a fact."]
    if "cap" in told["data"]:
        lines += ["", told["data"]["cap"]["xml"]]
    return visible("\n".join(lines)) + "\n"
