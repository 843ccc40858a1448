"""Messages to servers, signed as Standard Webhooks says (https://www.standardwebhooks.com, version 1).

The signature is HMAC-SHA256 over `id.timestamp.body` with the secret's bytes, in base64 behind `v1,`; while a
secret is being renewed there are two, with a blank between. A receiver checks one of them, the age of the
timestamp, and whether it has seen the id: `verified` does the first two.
"""

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from crisislens.core.errors import InputError
from crisislens.core.guarded_post import Posted, post
from crisislens.core.guarded_rules import Guard, parsed_address
from crisislens.store.deliveries import Outgoing

__all__ = ["check_target", "send_webhook", "signature", "verified"]

_PREFIX: Final = "whsec_"
_TOLERANCE_S: Final = 300
_ID, _TIME, _SIGNED = "webhook-id", "webhook-timestamp", "webhook-signature"


def signature(secret: str, uid: str, timestamp: int, body: bytes) -> str:
    """The signature of a message, with the scheme in front.

    Arguments:
        secret: As it was shown when it was made: `whsec_` and base64.
        uid: The message's id.
        timestamp: When it is sent, in seconds since 1970.
        body: What is sent.

    Raises:
        InputError: If the secret is none.
    """
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except ValueError:
        raise InputError("a secret is whsec_ and base64; this one is not") from None
    signed = b"%s.%d.%s" % (uid.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def verified(secret: str, headers: Mapping[str, str], body: bytes, *, now_s: float | None = None) -> bool:
    """Whether a message is from whoever has the secret, and from the last five minutes; for receivers.

    Arguments:
        secret: The secret.
        headers: By names in lower case.
        body: As it came, before anything parsed it.
        now_s: The time it is, in seconds since 1970.
    """
    stamp = headers.get(_TIME, "")
    now = time.time() if now_s is None else now_s
    if not (stamp.isascii() and stamp.isdecimal()) or abs(now - int(stamp)) > _TOLERANCE_S:
        return False
    wanted = signature(secret, headers.get(_ID, ""), int(stamp), body)
    given = headers.get(_SIGNED, "").split(" ")
    return any(hmac.compare_digest(wanted.encode(), one.encode()) for one in given)


def signed_headers(uid: str, secrets: Sequence[str], body: bytes, timestamp: int) -> dict[str, str]:
    """The headers of a message."""
    signatures = " ".join(signature(secret, uid, timestamp, body) for secret in secrets)
    return {
        "Content-Type": "application/json",
        _ID: uid,
        _TIME: str(timestamp),
        _SIGNED: signatures,
    }


def send_webhook(message: Outgoing, guard: Guard) -> Posted:
    """Sends a message; any status is an answer.

    Raises:
        RefusedError: If its address is none that may be asked.
        RequestError: If there is no answer in time.
    """
    body = message.row.body.encode()
    headers = signed_headers(message.row.uid, message.secrets, body, int(time.time()))
    return post(message.outlet.target, body, headers=headers, guard=guard)


def check_target(url: str, guard: Guard) -> None:
    """Holds an address against the rules before it is kept, so that its owner is told at once: scheme, port,
    an address that stands for itself. What a name leads to is looked at each time something is sent.

    Raises:
        RefusedError: If it may not be asked.
        InputError: If it is not encrypted and none of one's own.
    """
    scheme, host, port, _ = parsed_address(url)
    if scheme != "https" and not _is_own(host, port, guard):
        raise InputError("a way out begins with https://; http:// is for hosts that --allow-private names")
    # a name is taken as public here: to look it up now would say nothing about later
    named = replace(guard, resolve=lambda *_: ["1.1.1.1"])
    named.addresses(scheme, host, port, within_s=guard.seconds)


def _is_own(host: str, port: int, guard: Guard) -> bool:
    own = {name.lower() for name in guard.allow_private}
    return host in own or f"{host}:{port}" in own
