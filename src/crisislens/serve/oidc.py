"""Signing in at a provider of identities: OpenID Connect, authorization code with PKCE; off by default.

What the provider says is believed only if all of this holds: the answer belongs to the question that this
browser asked (`state` in a cookie), the code is exchanged with our proof (PKCE, S256), and the ID token is
signed by a key that the provider publishes, with an algorithm that has two keys (never `none`, never a
shared secret), is of this issuer, for this service alone, carries our nonce, and has not run out. A person is
known by issuer and subject, never by a name or an address of mail, which could be somebody else's tomorrow;
an account that is here already is never taken over by name.

Source: OpenID Connect Core 1.0, sec. 3.1; RFC 7636 (PKCE); RFC 9700 (what to be afraid of).
"""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from crisislens.core.errors import CrisisLensError, InputError
from crisislens.core.http import ask_json, check_address
from crisislens.core.optional import require
from crisislens.store.records import Role

__all__ = ["Asked", "Identity", "OidcSettings", "Provider"]

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
_LEEWAY_S: Final = 30
_KEPT_S: Final = 3600.0
_ANSWER_S: Final = 10.0
_MOST_BYTES: Final = 200_000
_LONGEST: Final = 200


@dataclass(frozen=True)
class OidcSettings:
    """What a service must know of its provider.

    Attributes:
        issuer: Its address, as its own document says it.
        client_id: The name that it knows this service by.
        secret: What proves that it is this service.
        role: The role of somebody who comes for the first time.
    """

    issuer: str
    client_id: str
    secret: str = field(repr=False)
    role: Role = "viewer"

    def __post_init__(self) -> None:
        """Refuses what cannot be safe.

        Raises:
            InputError: If a remote issuer is reached without encryption, or a word is missing.
        """
        check_address(self.issuer)
        _check_encrypted(self.issuer, "the issuer")
        if not self.client_id or not self.secret:
            raise InputError("a provider needs an id and a secret of this service; give both")


@dataclass(frozen=True)
class Asked:
    """A question that was sent: where the browser goes, and what it keeps until the answer comes."""

    url: str
    kept: str


@dataclass(frozen=True)
class Identity:
    """Somebody whom the provider vouches for; `name` is only what pages show."""

    subject: str
    name: str
    next: str


class RefusedError(CrisisLensError):
    """The provider, or what came in its name, cannot be believed."""

    http_status = 403


class Provider:
    """One provider.

    Arguments:
        settings: Who it is.
        ask: Asks an address and gives its JSON; `core.http` does.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        settings: OidcSettings,
        *,
        ask: Callable[..., Any] = ask_json,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings, self._ask, self._clock, self._lock = settings, ask, clock, Lock()
        self._kept: dict[str, tuple[float, Any]] = {}
        # told at the start, not when somebody wants to come in
        self._jwt = require("jwt", extra="oidc")

    @property
    def name(self) -> str:
        """What people know it by: its host."""
        return urlsplit(self.settings.issuer).hostname or self.settings.issuer

    def question(self, redirect: str, next_page: str) -> Asked:
        """Where to send a browser that wants to come in.

        Raises:
            CrisisLensError: If the provider's document cannot be read or believed.
        """
        kept = {"state": secrets.token_urlsafe(24), "nonce": secrets.token_urlsafe(24)}
        kept |= {"verifier": secrets.token_urlsafe(48), "next": next_page[:500]}
        digest = hashlib.sha256(kept["verifier"].encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": redirect,
            "scope": "openid profile email",
            "state": kept["state"],
            "nonce": kept["nonce"],
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        where = self._document()["authorization_endpoint"]
        joined = "&" if urlsplit(where).query else "?"
        return Asked(
            where + joined + urlencode(query), base64.urlsafe_b64encode(json.dumps(kept).encode()).decode()
        )

    def identity(self, kept: str, state: str, code: str, redirect: str) -> Identity:
        """Who came back.

        Arguments:
            kept: What the browser kept of the question.
            state: What the answer says.
            code: What is exchanged for the ID token.
            redirect: The address that was asked to come back to.

        Raises:
            RefusedError: If anything does not fit.
            CrisisLensError: If the provider cannot be asked.
        """
        asked = _kept(kept)
        if not secrets.compare_digest(asked["state"].encode(), state.encode("utf-8", "replace")):
            raise RefusedError("this answer belongs to another question; sign in again")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "client_id": self.settings.client_id,
            "client_secret": self.settings.secret,
            "code_verifier": asked["verifier"],
        }
        answer = self._ask(
            self._document()["token_endpoint"], form=form, timeout_s=_ANSWER_S, max_bytes=_MOST_BYTES
        ).value
        token = answer.get("id_token") if isinstance(answer, dict) else None
        if not isinstance(token, str):
            raise RefusedError("the provider gave no ID token")
        claims = self._claims(token, asked["nonce"])
        return Identity(f"{self.settings.issuer} {claims['sub']}", _name_of(claims), asked["next"])

    def _claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        """What a signed token says, if every condition holds."""
        jwt, settings = self._jwt, self.settings
        try:
            key = self._key(jwt.get_unverified_header(token))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=settings.client_id,
                issuer=settings.issuer,
                leeway=_LEEWAY_S,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except jwt.PyJWTError as error:
            raise RefusedError(f"the provider's ID token does not hold: {error}") from error
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != settings.client_id:
            raise RefusedError("the provider's ID token is meant for another service")
        said = claims.get("nonce")
        if not isinstance(said, str) or not secrets.compare_digest(said.encode(), nonce.encode()):
            raise RefusedError("the provider's ID token answers another question")
        if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= _LONGEST:
            raise RefusedError("the provider's ID token names nobody")
        return claims

    def _key(self, header: Mapping[str, Any]) -> Any:
        """The published key that a token says it is signed with; asked for anew once, as keys are changed."""
        algorithm, name = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS:
            raise RefusedError(
                f"the provider's ID token is signed with {algorithm!r:.20}, which is not believed"
            )
        for fresh in (False, True):
            published = self._remembered("keys", self._document()["jwks_uri"], fresh=fresh)
            keys = published.get("keys") if isinstance(published, dict) else None
            usable = [key for key in keys or () if isinstance(key, dict) and key.get("use", "sig") == "sig"]
            named = [key for key in usable if key.get("kid") == name]
            # a token may leave the name out where there is one key alone
            found = named if name is not None else usable[:1] if len(usable) == 1 else []
            if found:
                # the key says which algorithm it is for; where it does not, one of its own kind only
                return self._jwt.PyJWK(found[0], algorithm=None if "alg" in found[0] else algorithm)
        raise RefusedError("the provider publishes no key that this ID token was signed with")

    def _document(self) -> Mapping[str, str]:
        address = f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration"
        document = self._remembered("document", address)
        if not isinstance(document, dict) or document.get("issuer") != self.settings.issuer:
            raise RefusedError("the provider's document is of another issuer")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            value = document.get(name)
            if not isinstance(value, str):
                raise RefusedError(f"the provider's document names no {name}")
            _check_encrypted(check_address(value), name)
        return document

    def _remembered(self, name: str, address: str, *, fresh: bool = False) -> Any:
        with self._lock:
            at, value = self._kept.get(name, (float("-inf"), None))
        if not fresh and self._clock() - at < _KEPT_S:
            return value
        value = self._ask(address, timeout_s=_ANSWER_S, max_bytes=_MOST_BYTES).value
        with self._lock:
            self._kept[name] = (self._clock(), value)
        return value


def _check_encrypted(url: str, what: str) -> None:
    """Refuses an address without encryption, but for this computer's own."""
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise InputError(f"{what} {url!r:.100} is not encrypted; it must begin with https://")


def _kept(kept: str) -> dict[str, str]:
    """What a browser kept of a question."""
    try:
        found = json.loads(base64.urlsafe_b64decode(kept.encode("ascii")))
        names = ("state", "nonce", "verifier", "next")
        values = {name: found[name] for name in names}
        if all((isinstance(value, str) and value) or name == "next" for name, value in values.items()):
            return values
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise RefusedError("nothing was asked from this browser in the last ten minutes; sign in again")


def _name_of(claims: Mapping[str, Any]) -> str:
    """A name to show: visible, of one line, not too long."""
    for claim in ("preferred_username", "email", "name", "sub"):
        value = claims.get(claim)
        if isinstance(value, str):
            words = "".join(c for c in value if c.isprintable()).strip()[:60].strip()
            if words:
                return words
    return "somebody"
