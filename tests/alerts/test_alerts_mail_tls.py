"""Mail is encrypted, and only to the server that was named; certificates are made here, handshakes real."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="no certificates can be made")

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from receivers import MailStandIn, mail_stand_in

from crisislens.alerts.mail import MailServer
from crisislens.alerts.postman import Postman, Ways
from crisislens.store import Store
from crisislens.store.records import DeliveryRow

WAYS = [("smtps", True), ("smtp", False)]


def certificate(folder: Path, host: str, *, days: int = 1) -> tuple[Path, ssl.SSLContext]:
    """A certificate that signs itself: its file, and what a server encrypts with."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    try:
        alternative: x509.GeneralName = x509.IPAddress(ip_address(host))
    except ValueError:
        alternative = x509.DNSName(host)
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file, secret = folder / "server.pem", folder / "server.key"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    plain = serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, secret)
    return file, context


def sent(store: Store, there: MailStandIn, scheme: str, *, trusted: Path | None) -> DeliveryRow:
    """One message, tried once by somebody who has to sign in."""
    context = ssl.create_default_context(cafile=trusted)
    url = f"{scheme}://lens:s3cret@127.0.0.1:{there.port}"
    server = MailServer.read(url, "lens@example.org", seconds=2.0, context=context)
    _, outlet = store.outlets.add("duty", "mail", "ann@example.org", actor="cli")
    store.outlets.ping(outlet.id, actor="cli")
    Postman(store, Ways(mail=server)).step()
    [row] = store.deliveries.list()
    return row


@pytest.mark.parametrize(("scheme", "implicit"), WAYS)
def test_what_is_secret_is_said_after_the_handshake(
    store: Store, tmp_path: Path, scheme: str, implicit: bool
) -> None:
    trusted, tls = certificate(tmp_path, "127.0.0.1")
    with mail_stand_in(tls=tls, implicit=implicit) as there:
        row = sent(store, there, scheme, trusted=trusted)
    assert (row.state, row.said, len(there.mails)) == ("sent", "taken", 1)
    plain = [said for said in there.said if not said.startswith("tls ")]
    assert [said.split()[0].upper() for said in plain] == ([] if implicit else ["EHLO", "STARTTLS"])
    assert any(said.startswith("tls AUTH PLAIN") for said in there.said)
    assert any(said.upper().startswith("TLS RCPT TO:<ANN@EXAMPLE.ORG>") for said in there.said)


WRONG = [("nobody knows who signed it", "127.0.0.1", 1, False)]
WRONG += [("of another server", "mail.example.org", 1, True), ("it is over", "127.0.0.1", -1, True)]


@pytest.mark.parametrize(("scheme", "implicit"), WAYS)
@pytest.mark.parametrize(("host", "days", "known"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_another_certificate_gets_neither_mail_nor_password(
    store: Store, tmp_path: Path, host: str, days: int, known: bool, scheme: str, implicit: bool
) -> None:
    file, tls = certificate(tmp_path, host, days=days)
    with mail_stand_in(tls=tls, implicit=implicit) as there:
        row = sent(store, there, scheme, trusted=file if known else None)
    # somebody may mend the certificate, so it is tried again
    assert (row.state, row.tries) == ("waiting", 1)
    assert "SSLCertVerificationError" in (row.said or "")
    assert there.mails == []
    assert not any("AUTH" in said for said in there.said)


def test_a_server_that_speaks_plain_where_encryption_begins(store: Store, tmp_path: Path) -> None:
    trusted, _ = certificate(tmp_path, "127.0.0.1")
    with mail_stand_in() as there:
        row = sent(store, there, "smtps", trusted=trusted)
    assert (row.state, there.mails) == ("waiting", [])
    assert "cannot be reached or used" in (row.said or "")
