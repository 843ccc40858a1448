"""A provider of identities without a network: its document, keys and tokens, and all of it gone wrong."""

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from crisislens.core.http import Response

__all__ = ["CLIENT", "ISSUER", "StandIn"]

ISSUER, CLIENT = "https://id.example.org/realm", "crisislens"
Break = Callable[[dict[str, Any]], dict[str, Any]]


class StandIn:
    """Answers what `core.http.ask_json` would fetch.

    Attributes:
        claims: Changes the claims before they are signed.
        document: Changes the provider's document.
        sign: Signs claims; RS256 with the published key by default.
        forms: What was sent to the token endpoint.
    """

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.curve = ec.generate_private_key(ec.SECP256R1())
        self.kid = "one"
        self.reset()

    def reset(self) -> None:
        """Behaves again."""
        self.claims: Break = lambda claims: claims
        self.document: Break = lambda document: document
        self.sign = lambda claims: jwt.encode(claims, self.key, "RS256", headers={"kid": self.kid})
        self.answer: Break = lambda answer: answer
        self.forms: list[dict[str, str]] = []
        self.nonce, self.subject, self.asked = "", "7f3a", []

    def ask(self, url: str, *, form: dict[str, str] | None = None, **_limits: Any) -> Response:
        """One request."""
        self.asked.append(url)
        if url == f"{ISSUER}/.well-known/openid-configuration":
            names = {"authorization_endpoint": "auth?tenant=1", "token_endpoint": "token", "jwks_uri": "keys"}
            document = {"issuer": ISSUER, **{name: f"{ISSUER}/{path}" for name, path in names.items()}}
            return Response(self.document(document), 0.0)
        if url == f"{ISSUER}/keys":
            return Response({"keys": [self.published()]}, 0.0)
        assert url == f"{ISSUER}/token"
        assert form is not None
        self.forms.append(form)
        return Response(self.answer({"id_token": self.token()}), 0.0)

    def published(self) -> dict[str, Any]:
        """The public key."""
        found = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {**found, "kid": self.kid, "use": "sig"}

    def token(self) -> str:
        """A signed ID token."""
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": CLIENT, "sub": self.subject, "iat": now, "exp": now + 300}
        claims |= {"nonce": self.nonce, "preferred_username": "ann@example.org"}
        return self.sign(self.claims(claims))

    def visited(self, url: str) -> dict[str, str]:
        """A browser comes with a question; gives what it asked."""
        parts = urlsplit(url)
        assert url.startswith(f"{ISSUER}/auth?tenant=1&")
        found = {name: values[0] for name, values in parse_qs(parts.query).items()}
        self.nonce = found["nonce"]
        return found
