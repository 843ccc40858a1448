"""Large files from a server: resumed where they were cut off,
never taken for whole before they are.

What has arrived lies in `NAME.part`, and `NAME.part.json` says of which version (ETag or
Last-Modified) and how large the whole is. A restart asks for the rest with `Range` and `If-Range`,
so a server whose file has changed sends it anew instead of the end of another one. The file gets
its name when its size is the one that the server told; what is *in* it only a digest can tell.
"""

import ipaddress
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from crisislens.core.errors import InputError
from crisislens.core.files import atomic_write
from crisislens.core.http import (
    Answer,
    CutOffError,
    RequestError,
    check_address,
    open_stream,
    shown_address,
)

__all__ = ["check_download_address", "download"]

ByteProgress = Callable[[int, int | None], None]

_BLOCK_BYTES: Final = 1 << 20
# left free on the disk: other programs fail in worse ways than we do
_SPARE_BYTES: Final = 64 * 1024 * 1024
_LONGEST_WAIT_S: Final = 60.0


@dataclass(frozen=True)
class _Version:
    """Which version of a file a part belongs to.

    Attributes:
        url: Where it comes from.
        mark: A strong ETag, or the date of the last change; empty where the server tells neither.
        total: Size of the whole file in bytes.
    """

    url: str
    mark: str
    total: int


def check_download_address(url: str) -> str:
    """The address, if it is https, or http of this computer itself (a
    local mirror, a tunnel, a test).

    Raises:
        InputError: If it is not.
    """
    parts = urlsplit(check_address(url))
    if parts.scheme == "https" or _is_loopback(parts.hostname or ""):
        return url
    raise InputError(
        f"{shown_address(url)} is not https; downloads are taken over https only (http from this computer "
        f"itself)"
    )


def download(
    url: str,
    to: Path,
    *,
    max_bytes: int,
    block_timeout_s: float = 60.0,
    attempts: int = 5,
    wait_s: float = 2.0,
    progress: ByteProgress = lambda done, total: None,
) -> Path:
    """Downloads a file, or the rest of it; does nothing where it is there.

    Arguments:
        url: https, or http of this computer itself.
        to: Where the file goes; `NAME.part` and `NAME.part.json` lie beside it until it is whole.
        max_bytes: The largest file that is taken.
        block_timeout_s: Deadline of each block of 1 MiB, in seconds.
        attempts: How often in a row nothing may arrive before it is given up; whatever arrives sets
            the count back.
        wait_s: Wait before the second attempt, in seconds; doubled each time. A server that asks
            for more gets it, up to a minute.
        progress: Told the bytes so far and the total.

    Returns:
        `to`.

    Raises:
        InputError: If the address is not allowed, or there is no room on the disk.
        RequestError: If the server cannot be reached, refuses, or does not send what it announced.
    """
    check_download_address(url)
    if to.is_file():
        return to
    to.parent.mkdir(parents=True, exist_ok=True)
    part, failures = to.with_name(to.name + ".part"), 0
    most = _size(part)
    while True:
        try:
            version = _fetch(
                url, part, max_bytes=max_bytes, block_timeout_s=block_timeout_s, progress=progress
            )
        except RequestError as error:
            # more than ever, not more than before: a server that cuts off and starts anew for ever
            # would never be given up
            failures = 1 if _size(part) > most else failures + 1
            most = max(most, _size(part))
            if not error.transient or failures >= attempts:
                raise
            time.sleep(min(_LONGEST_WAIT_S, max(error.wait_s or 0.0, wait_s * 2 ** (failures - 1))))
        else:
            break
    found = _size(part)
    if found != version.total:
        _forget(part)
        raise RequestError(
            f"{shown_address(url)} sent {found} bytes and announced {version.total}; start again"
        )
    part.replace(to)
    _forget(part)
    return to


def _fetch(
    url: str, part: Path, *, max_bytes: int, block_timeout_s: float, progress: ByteProgress
) -> _Version:
    """One request: the whole file, or what is missing of it."""
    known, have = _known(part, url), _size(part)
    if known is not None and have == known.total:
        return known
    # without a mark nobody can tell whether the rest belongs to what is here
    if known is None or not known.mark or have > known.total:
        known, have = None, 0
    with _opened(url, part, known, have, block_timeout_s) as answer:
        # where redirects led counts, not where they began
        check_download_address(answer.url)
        if (coding := answer.headers.get("Content-Encoding", "identity")) != "identity":
            raise RequestError(
                f"{shown_address(url)} answers in the coding {coding!r:.40}, which was not asked for"
            )
        start, total = _announced(answer, url)
        # a server may ignore Range and send all of it; any other start leaves a hole or an overlap
        if start not in (0, have) or (known is not None and start and total != known.total):
            _forget(part)
            raise RequestError(
                f"{shown_address(url)} sent another part than was asked for; it starts anew", transient=True
            )
        _check_room(url, part.parent, start, total, max_bytes)
        version = _Version(url, _mark(answer), total)
        with part.open("r+b" if start else "wb") as stream:
            # the note after the cut: a note about a new version must not
            # stand beside the bytes of an old one
            atomic_write(_note(part), json.dumps(asdict(version)))
            stream.seek(start)
            _copy(answer, stream.write, url, start, total, block_timeout_s, progress)
            stream.flush()
            os.fsync(stream.fileno())
    return version


def _opened(url: str, part: Path, known: _Version | None, have: int, timeout_s: float) -> Answer:
    """The answer that holds the file, or the rest of it behind the first `have` bytes."""
    headers = {}
    if known is not None and have:
        headers = {"Range": f"bytes={have}-", "If-Range": known.mark}
    try:
        return open_stream(url, headers=headers, timeout_s=timeout_s)
    except RequestError as error:
        # 416: the file has become shorter than what is here
        if error.status == 416 and have:
            _forget(part)
            raise RequestError(
                f"{shown_address(url)} no longer holds what was begun; it starts anew", transient=True
            ) from None
        raise


def _check_room(url: str, folder: Path, start: int, total: int, max_bytes: int) -> None:
    """Refuses a file that is larger than expected, or than the disk."""
    if total > max_bytes:
        raise RequestError(
            f"{shown_address(url)} is {total} bytes large, more than the {max_bytes} expected; is it the "
            f"right address?"
        )
    if (free := shutil.disk_usage(folder).free) < total - start + _SPARE_BYTES:
        raise InputError(
            f"{folder} has {free} bytes free and the download needs {total - start}; give a folder "
            f"with more room"
        )


def _copy(
    answer: Answer,
    write: Callable[[bytes], int],
    url: str,
    start: int,
    total: int,
    timeout_s: float,
    progress: ByteProgress,
) -> None:
    """Writes piece by piece; a block of 1 MiB that takes longer than its deadline ends it."""
    done, block, deadline = start, 0, time.monotonic() + timeout_s
    progress(done, total)
    try:
        for piece in answer.pieces():
            # a server may send more than it announced
            piece = piece[: total - done]
            write(piece)
            block, done = block + len(piece), done + len(piece)
            # not waiting for the end of the stream, which some servers hold open
            if done == total:
                break
            # a deadline a block, not a whole: a slow line may take hours for gigabytes, and is fine
            if block >= _BLOCK_BYTES:
                progress(done, total)
                block, deadline = 0, time.monotonic() + timeout_s
            elif time.monotonic() > deadline:
                raise RequestError(
                    f"{shown_address(url)} sent {block} bytes in {timeout_s:g} s; it is too slow",
                    transient=True,
                )
    except CutOffError:
        pass
    if done < total:
        raise RequestError(f"{shown_address(url)} was cut off after {done} of {total} bytes", transient=True)
    progress(done, total)


def _announced(answer: Answer, url: str) -> tuple[int, int]:
    """The first byte that an answer holds and the size of the whole file."""
    try:
        if answer.status == 206:
            unit, _, span = answer.headers.get("Content-Range", "").partition(" ")
            ends, _, total = span.partition("/")
            first, _, last = ends.partition("-")
            # a part that does not reach the end is another one than was asked for
            if unit != "bytes" or int(last) != int(total) - 1 or not 0 <= int(first) <= int(last):
                raise ValueError(span)
            return int(first), int(total)
        total = answer.headers.get("Content-Length", "")
        if int(total) < 0:
            raise ValueError(total)
        return 0, int(total)
    except (TypeError, ValueError):
        raise RequestError(
            f"{shown_address(url)} does not say how large it is; whether all of it arrives could not be told"
        ) from None


def _mark(answer: Answer) -> str:
    """What If-Range takes: a strong ETag, else the date of the last change."""
    tag = str(answer.headers.get("ETag", ""))
    # weak tags (W/...) say equal meaning, not equal bytes, and If-Range refuses them
    return tag if tag.startswith('"') else str(answer.headers.get("Last-Modified", ""))


def _known(part: Path, url: str) -> _Version | None:
    """What the note beside a part says; None where there is none for this address."""
    try:
        version = _Version(**json.loads(_note(part).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return (
        version
        if version.url == url and isinstance(version.total, int) and isinstance(version.mark, str)
        else None
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)
