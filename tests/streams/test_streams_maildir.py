"""Mail: each message once, its words and pictures, and the mailbox as it was."""

import io
from email.message import EmailMessage
from pathlib import Path

import pytest
from PIL import Image

from crisislens.core.errors import InputError
from crisislens.store import Store
from crisislens.store.records import NewPost, Unread
from crisislens.streams import Pump, StoreTarget, StreamOptions, open_source
from crisislens.streams.maildir import MaildirSource, message_post
from stream_oracle import kept


def picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (80, 60), (120, 40, 20)).save(buffer, "PNG")
    return buffer.getvalue()


def mail(number: int, text: str = "Bridge down", photo: bytes | None = None, **headers: str) -> bytes:
    message = EmailMessage()
    given = {"Subject": f"Report {number}", "From": "Ann <ann@example.org>", "Message-ID": f"<{number}@x>"}
    for name, value in {**given, **headers}.items():
        message[name] = value
    message["Date"] = "Fri, 20 Nov 2026 10:00:00 +0200"
    message.set_content(text)
    if photo is not None:
        message.add_attachment(photo, maintype="image", subtype="png", filename="../../x.png")
    return bytes(message)


@pytest.fixture
def box(tmp_path: Path) -> Path:
    for name in ("new", "cur", "tmp"):
        (tmp_path / "box" / name).mkdir(parents=True)
    return tmp_path / "box"


def take(store: Store, box: Path) -> str:
    return Pump(MaildirSource(box, "m", batch=2, once=True), StoreTarget(store)).run().said()


def test_a_mailbox_is_read_once_and_left_as_it_was(store: Store, box: Path) -> None:
    for i in range(5):
        (box / "new" / f"10{i}.a.host").write_bytes(mail(i))
    (box / "tmp" / "109.a.host").write_bytes(mail(9))
    (box / "new" / "link").symlink_to(box / "new" / "100.a.host")
    before = sorted(path.relative_to(box) for path in box.rglob("*"))
    assert take(store, box) == "5 posts taken"
    assert sorted(path.relative_to(box) for path in box.rglob("*")) == before
    # a mail program moves and marks them: they are the same
    (box / "new" / "100.a.host").rename(box / "cur" / "100.a.host:2,S")
    (box / "cur" / "110.a.host:2,").write_bytes(mail(10))
    assert take(store, box) == "1 posts taken"
    assert list(kept(store, "m")) == [f"<{i}@x>" for i in (0, 1, 2, 3, 4, 10)]


def test_words_sender_time_and_pictures(store: Store, box: Path) -> None:
    (box / "new" / "1.a").write_bytes(mail(1, photo=picture()))
    (box / "new" / "2.a").write_bytes(mail(2, photo=b"no picture"))
    take(store, box)
    first, second = store.posts.by_key("m", "<1@x>"), store.posts.by_key("m", "<2@x>")
    assert first is not None
    assert second is not None
    assert (first.text, first.author) == ("Report 1\nBridge down", "Ann <ann@example.org>")
    assert str(first.created_at) == "2026-11-20 08:00:00+00:00"
    assert [(photo.state, photo.width) for photo in first.photos] == [("stored", 80)]
    assert [photo.state for photo in second.photos] == ["refused"]


HTML = b"Message-ID: <h@x>\nContent-Type: text/html\n\n<p>Water <script>x()</script>rises</p>"
MESSAGES: list[tuple[bytes, str | None]] = [
    (HTML, "Water rises"),
    (b"Subject: =?utf-8?q?Agua_=F0=9F=8C=8A?=\n\n", "Agua 🌊"),
    (b"Content-Type: text/plain; charset=no-such\n\nsube", "sube"),
    (b"Content-Type: text/plain; charset=iso-8859-1\n\ncr\xfde", "cr\xfde"),
    (b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\nhalf of one", "half of one"),
    (b"Content-Transfer-Encoding: base64\n\n!!!!", None),
    (b"", None),
    (b"\0\0\0", None),
    (b"Subject: " + b"x" * 20_000 + b"\n\n", "x" * 10_000),
    (b"From: " + b"<" * 9_000 + b"\nDate: never\n\nhelp", "help"),
]


@pytest.mark.parametrize(("data", "text"), MESSAGES, ids=range(len(MESSAGES)))
def test_any_message_is_a_post_or_says_why_not(data: bytes, text: str | None) -> None:
    made, _ = message_post(data, "mail-1")
    assert isinstance(made, Unread if text is None else NewPost)
    if isinstance(made, NewPost):
        assert made.text.replace("\0", "") == text


def test_what_is_no_mailbox_is_one_sentence(tmp_path: Path, box: Path) -> None:
    with pytest.raises(InputError, match="no Maildir"):
        open_source(f"maildir:{tmp_path}", StreamOptions())
    assert open_source(f"maildir:{box}", StreamOptions()).name == "mail box"
    (box / "cur").rmdir()
    with pytest.raises(InputError, match="no Maildir any more"):
        list(MaildirSource(box, "m").look(None))
