"""Signing in at a provider: the way in, and everything that a provider or somebody in its name gets wrong."""

import base64
import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jwt", reason="the extra oidc is not installed")
pytest.importorskip("fastapi", reason="the extra serve is not installed")

import jwt
from oidc_stand_in import CLIENT, ISSUER, StandIn
from serve_site import Site, open_site
from typer.testing import CliRunner

from crisislens.cli.main import app
from crisislens.core.errors import InputError
from crisislens.serve.access import COOKIE
from crisislens.serve.limits import Limits
from crisislens.serve.oidc import OidcSettings, Provider
from crisislens.serve.service import ServeSettings

SETTINGS = OidcSettings(ISSUER, CLIENT, "very secret")


@pytest.fixture(scope="module")
def keys() -> StandIn:
    return StandIn()


@pytest.fixture
def provider(keys: StandIn) -> StandIn:
    """A provider that behaves until a test changes that."""
    keys.reset()
    return keys


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, keys: StandIn) -> Iterator[Site]:
    limits = Limits(sign_ins_min=10_000)
    settings = dataclasses.replace(ServeSettings(host="testserver"), oidc=SETTINGS, limits=limits)
    with open_site(tmp_path_factory.mktemp("oidc"), settings) as site:
        yield site


@pytest.fixture
def site(shared: Site, provider: StandIn) -> Site:
    """The service, which asks the stand-in and remembers nothing of it."""
    shared.client.cookies.clear()
    shared.app.state.service.provider = Provider(SETTINGS, ask=provider.ask)
    return shared


def go(site: Site, provider: StandIn, **changed: str) -> Any:
    """Out to the provider and back; gives the service's last answer."""
    out = site.client.get("/oidc/start?next=/queue")
    assert out.status_code == 303
    asked = provider.visited(out.headers["location"])
    back = {"state": asked["state"], "code": "c0de", **changed}
    return site.client.get("/oidc/back", params=back)


def test_the_way_back_is_by_https_where_browsers_come_by_https(tmp_path: Path, provider: StandIn) -> None:
    settings = ServeSettings(host="testserver", secure=True, oidc=SETTINGS)
    with open_site(tmp_path, settings) as behind:
        behind.app.state.service.provider = Provider(SETTINGS, ask=provider.ask)
        out = behind.client.get("/oidc/start")
        asked = provider.visited(out.headers["location"])
    assert asked["redirect_uri"] == "https://testserver/oidc/back"


def test_a_person_comes_in_and_is_known_again(site: Site, provider: StandIn) -> None:
    assert "Sign in at id.example.org" in site.client.get("/sign-in").text
    answer = go(site, provider)
    assert (answer.status_code, answer.headers["location"]) == (303, "/queue")
    assert COOKIE in site.client.cookies
    me = site.store.users.by_name("ann@example.org")
    assert me is not None
    assert (me.role, me.has_password) == ("viewer", False)
    assert "ann@example.org" in site.client.get("/map").text
    # what only this service knows went to the provider's server, and the browser never saw it
    [form] = provider.forms
    assert form["client_secret"] == "very secret"
    assert form["redirect_uri"] == "http://testserver/oidc/back"
    site.store.users.change(me.id, role="reviewer", actor="cli")
    assert go(site, provider).status_code == 303
    assert [user.role for user in site.store.users.all() if user.name.startswith("ann@")] == ["reviewer"]
    site.store.users.change(me.id, active=False, actor="cli")
    refused = go(site, provider)
    assert refused.status_code == 403
    assert "may not come in" in refused.text


def test_the_question_carries_a_proof(site: Site, provider: StandIn) -> None:
    out = site.client.get("/oidc/start")
    asked = provider.visited(out.headers["location"])
    assert (asked["response_type"], asked["scope"]) == ("code", "openid profile email")
    assert "httponly" in out.headers["set-cookie"].lower()
    site.client.get("/oidc/back", params={"state": asked["state"], "code": "c"})
    digest = hashlib.sha256(provider.forms[0]["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == asked["code_challenge"]


def test_a_name_that_is_here_is_not_taken_over(site: Site, provider: StandIn) -> None:
    provider.subject = "another"
    provider.claims = lambda claims: {**claims, "preferred_username": "admin"}
    assert go(site, provider).status_code == 303
    assert {u.name: u.role for u in site.store.users.all()}["admin (2)"] == "viewer"
    assert {u.name: u.role for u in site.store.users.all()}["admin"] == "admin"


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"nonce": "another"}, "another question"),
        ({"nonce": None}, "another question"),
        ({"aud": "another service"}, "Audience"),
        ({"aud": ["crisislens", "another"], "azp": "another"}, "another service"),
        ({"iss": "https://evil.example"}, "ssuer"),
        ({"exp": 1_000_000_000}, "expired"),
        ({"iat": 4_000_000_000}, "not yet valid"),
        ({"sub": ""}, "names nobody"),
        ({"sub": "x" * 300}, "names nobody"),
    ],
)
def test_claims_that_do_not_fit(site: Site, provider: StandIn, claims: dict[str, Any], said: str) -> None:
    provider.claims = lambda usual: {**usual, **claims}
    refused(go(site, provider), said)


@pytest.mark.parametrize("missing", ["exp", "iat", "aud", "sub", "nonce"])
def test_claims_that_are_missing(site: Site, provider: StandIn, missing: str) -> None:
    provider.claims = lambda usual: {name: value for name, value in usual.items() if name != missing}
    refused(go(site, provider), "")


def test_tokens_that_nobody_signed(site: Site, provider: StandIn) -> None:
    def unsigned(claims: dict[str, Any]) -> str:
        parts = [{"alg": "none", "kid": "one"}, claims]
        return (
            ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts)
            + "."
        )

    public = jwt.api_jwk.PyJWK(provider.published()).key
    signs = {
        "not believed": unsigned,
        # the public key as a shared secret, which everybody knows
        "is not believed": lambda claims: jwt.encode(
            claims, str(public.public_numbers().n), "HS256", headers={"kid": "one"}
        ),
        "Signature verification failed": lambda claims: jwt.encode(
            claims, provider.other, "RS256", headers={"kid": "one"}
        ),
        "publishes no key": lambda claims: jwt.encode(claims, provider.key, "RS256", headers={"kid": "two"}),
        "does not hold": lambda claims: jwt.encode(claims, provider.curve, "ES256", headers={"kid": "one"}),
        "": lambda claims: "a.b.c",
    }
    for said, sign in signs.items():
        provider.sign = sign
        refused(go(site, provider), said)


def test_keys_that_were_changed_are_asked_for_anew(site: Site, provider: StandIn) -> None:
    provider.subject = "old keys"
    assert go(site, provider).status_code == 303
    provider.kid = "next"
    try:
        provider.subject = "new keys"
        assert go(site, provider).status_code == 303
        assert provider.asked.count(f"{ISSUER}/keys") == 2
        assert provider.asked.count(f"{ISSUER}/.well-known/openid-configuration") == 1
    finally:
        provider.kid = "one"


@pytest.mark.parametrize("answer", [{}, {"id_token": 7}, {"id_token": ""}, {"access_token": "x"}, [], None])
def test_answers_without_a_token(site: Site, provider: StandIn, answer: Any) -> None:
    provider.answer = lambda _usual: answer
    refused(go(site, provider), "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"issuer": "https://evil.example"}, "another issuer"),
        ({"token_endpoint": None}, "names no token_endpoint"),
        ({"jwks_uri": "http://id.example.org/keys"}, "not encrypted"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "is no address"),
    ],
)
def test_documents_that_cannot_be_believed(
    site: Site, provider: StandIn, change: dict[str, Any], said: str
) -> None:
    provider.document = lambda usual: {**usual, **change}
    answer = site.client.get("/oidc/start")
    assert answer.status_code == 502
    assert said in answer.text


@pytest.mark.parametrize(
    "changed",
    [{"state": "another"}, {"state": ""}, {"code": ""}, {"error": "<b>access_denied</b>"}],
)
def test_answers_to_another_question(site: Site, provider: StandIn, changed: dict[str, str]) -> None:
    answer = go(site, provider, **changed)
    refused(answer, "")
    assert "<b>access_denied" not in answer.text
    assert not provider.forms


def test_an_answer_that_nobody_asked_for(site: Site, provider: StandIn) -> None:
    asked = provider.visited(site.client.get("/oidc/start").headers["location"])
    kept = site.client.cookies.get("crisislens_asked")
    site.client.cookies.clear()
    refused(site.client.get("/oidc/back", params={"state": asked["state"], "code": "c"}), "ten minutes")
    for cookie in ("", "x", "e30=", base64.urlsafe_b64encode(b'{"state": 1}').decode(), (kept or "")[:40]):
        headers = {"Cookie": f"crisislens_asked={cookie}"}
        refused(site.client.get("/oidc/back", params={"state": "", "code": "c"}, headers=headers), "")


def test_without_a_provider_there_is_no_way(fresh: Site) -> None:
    assert fresh.client.get("/oidc/start").status_code == 404
    assert fresh.client.get("/oidc/back").status_code == 404
    assert "oidc" not in fresh.client.get("/sign-in").text


def test_what_is_given_of_a_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRISISLENS_OIDC_SECRET", raising=False)
    given = ["serve", "--db", str(tmp_path / "s.db"), "--oidc-issuer", ISSUER]
    for more in ([], ["--oidc-client", "x"]):
        assert "CRISISLENS_OIDC_SECRET" in str(CliRunner().invoke(app, given + more).exception)
    with pytest.raises(InputError, match="not encrypted"):
        OidcSettings("http://id.example.org", "x", "y")
    assert OidcSettings("http://127.0.0.1:9", "x", "y").role == "viewer"
    assert "very secret" not in repr(SETTINGS)


def refused(answer: Any, said: str) -> None:
    """Nobody came in, and the page says why."""
    assert answer.status_code == 403, answer.text
    assert 'role="alert"' in answer.text
    assert said in answer.text
    assert COOKIE not in answer.headers.get("set-cookie", "")
