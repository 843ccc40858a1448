"""An e-mail folder in the form of Maildir: each message is a post, its pictures are the post's.

The folder is somebody's mailbox: nothing in it is moved, marked or removed, so that mail programs see it as
before. What was read is remembered with the source, by the name that a message keeps when it is moved from
`new` to `cur` and gets flags.

A message is parsed by the standard library, which fetches nothing. Of HTML what a reader would see is taken.
"""

import email
import email.policy
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from crisislens.core.errors import InputError
from crisislens.core.fingerprint import fingerprint
from crisislens.data import cells
from crisislens.store.records import NewPost, Unread
from crisislens.streams.batch import Batch, Placed
from crisislens.streams.feed import seen_text

__all__ = ["MaildirSource", "is_maildir"]

_MOST_BYTES: Final = 30_000_000
_MOST_TEXT: Final = 10_000
_MOST_PHOTOS: Final = 4
_MOST_PARTS: Final = 200
_MOST_FILES: Final = 100_000
_MOST_ID: Final = 500


def is_maildir(folder: Path) -> bool:
    """Whether a folder is a mailbox in this form."""
    return all((folder / name).is_dir() for name in ("new", "cur", "tmp"))


class MaildirSource(Placed):
    """Reads a mailbox.

    Arguments:
        folder: With `new`, `cur` and `tmp` in it.
        name: Of the source.
        batch: Messages that are taken in together, at most.
        once: Whether to end when all that is there was taken.
    """

    kind = "maildir"
    edits = False

    def __init__(self, folder: Path, name: str, *, batch: int = 50, once: bool = False) -> None:
        self.name, self.every_s = name, 2.0
        self._folder, self._batch, self._once, self._looked = folder, min(batch, 50), once, False

    def ended(self) -> bool:
        """Once, after a look."""
        return self._once and self._looked

    def look(self, cursor: dict[str, Any] | None) -> Iterator[Batch]:
        """Messages that were not read, the oldest first."""
        done = set((cursor or {}).get("done", ()))
        there = self._files()
        # of what is gone from the mailbox nothing need be remembered
        done &= {key for key, _ in there}
        new = [(key, path) for key, path in there if key not in done]
        self._looked = True
        for start in range(0, len(new), self._batch):
            part = new[start : start + self._batch]
            done |= {key for key, _ in part}
            yield _batch(part, {"done": sorted(done)})

    def _files(self) -> list[tuple[str, Path]]:
        """Keys and paths, the oldest first; a message that is being moved may be missing this once."""
        found: list[tuple[float, str, Path]] = []
        try:
            for name in ("new", "cur"):
                for path in (self._folder / name).iterdir():
                    if path.name.startswith(".") or path.is_symlink() or not path.is_file():
                        continue
                    unique = path.name.partition(":")[0]
                    found.append((path.stat().st_mtime, unique, path))
        except FileNotFoundError:
            if not is_maildir(self._folder):
                raise InputError(f"{self._folder} is no Maildir any more; check the path") from None
        except OSError as error:
            raise InputError(f"{self._folder} cannot be read ({error.strerror}); check it") from error
        if len(found) > _MOST_FILES:
            raise InputError(
                f"{self._folder} holds more than {_MOST_FILES:,} messages; have older ones filed away"
            )
        return [(fingerprint(unique)[:12], path) for _, unique, path in sorted(found)]


def _batch(part: list[tuple[str, Path]], cursor: dict[str, Any]) -> Batch:
    posts: list[NewPost] = []
    dead: list[Unread] = []
    pictures: dict[str, tuple[Callable[[], bytes], ...]] = {}
    for key, path in part:
        try:
            size = path.stat().st_size
            data = path.read_bytes() if size <= _MOST_BYTES else None
        except FileNotFoundError:
            # moved from `new` to `cur` just now, where the next look finds it
            cursor["done"] = [name for name in cursor["done"] if name != key]
            continue
        if data is None:
            dead.append(Unread(raw=path.name, reason=f"the message has {size:,} bytes, of {_MOST_BYTES:,}"))
            continue
        made, parts = message_post(data, f"mail-{path.name.partition(':')[0]}")
        if isinstance(made, Unread):
            dead.append(made)
            continue
        posts.append(made)
        if parts:
            pictures[made.external_id] = tuple(partial(_bytes_of, found) for found in parts)
    return Batch(tuple(posts), tuple(dead), cursor, pictures=pictures)


def message_post(data: bytes, name: str) -> tuple[NewPost | Unread, list[EmailMessage]]:
    """The post of a message, and its parts that are pictures.

    Arguments:
        data: The message as it lies in its file.
        name: The id of one that has none.
    """
    raw = data[:8_000].decode("utf-8", "replace")
    try:
        message = email.message_from_bytes(data, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        parts = [part for _, part in zip(range(_MOST_PARTS), message.walk(), strict=False)]
        pictures = [part for part in parts if part.get_content_maintype() == "image"][:_MOST_PHOTOS]
        subject = str(message.get("Subject", "")).strip()
        text = cells.valid_unicode("\n".join(piece for piece in (subject, _body(parts)) if piece))
        given = str(message.get("Message-ID", "")).strip()
        author = cells.valid_unicode(str(message.get("From", ""))[:500].strip()) or None
        sent = _sent(message)
    # the parser keeps what it does not understand, and raises all the same where headers lie grossly
    except (ValueError, LookupError, AttributeError, TypeError, AssertionError, RecursionError) as error:
        return Unread(raw=raw, reason=f"the message cannot be parsed ({type(error).__name__})"), []
    if not text and not pictures:
        return Unread(raw=raw, reason="the message has neither a text nor a picture"), []
    made = cells.valid_unicode(name)[:_MOST_ID]
    own = given if 2 < len(given) <= _MOST_ID and given.isprintable() else made
    try:
        return NewPost(external_id=own, text=text[:_MOST_TEXT], author=author, created_at=sent), pictures
    except ValidationError as error:
        return Unread(raw=raw, reason=f"the message does not fit a post: {error.errors()[0]['msg']}"), []


def _body(parts: list[EmailMessage]) -> str:
    """The words: of plain text if there is any, else of HTML; attached texts are left out."""
    shown = [part for part in parts if part.get_content_disposition() != "attachment"]
    for kind in ("text/plain", "text/html"):
        for part in shown:
            if part.get_content_type() == kind:
                text = _decoded(part).replace("\r\n", "\n").strip()
                return seen_text(text) if kind == "text/html" else text
    return ""


def _decoded(part: EmailMessage) -> str:
    """The text of a part, in the charset that it names, or as UTF-8 where there is no such charset."""
    data = _bytes_of(part)
    try:
        return data.decode(part.get_content_charset() or "utf-8", "replace")
    except LookupError:
        return data.decode("utf-8", "replace")


def _bytes_of(part: EmailMessage) -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _sent(message: EmailMessage) -> datetime | None:
    header = message.get("Date")
    moment = getattr(header, "datetime", None)
    if not isinstance(moment, datetime) or not 1980 < moment.year < 9000:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
