"""Archives of others, unpacked so that nothing in them chooses where it
lands or how large it grows.

A member is a plain file or a folder, under a relative path without `..`, or the whole archive is
refused: links, devices, sparse files and absolute paths have no place in a data set. The caller
says where each file goes (`place`), so a name in the archive is looked up, never obeyed. Numbers
and bytes are limited before anything is written and while it is. A gzip stream is read under an
allowance: what a header claims, or a header that never ends, cannot make it deliver more than the
limits.
"""

import gzip
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from crisislens.core.errors import DataError

__all__ = ["ArchiveLimits", "UnpackTally", "unpack_tar", "unpack_zip"]

Destination = Callable[[PurePosixPath], PurePosixPath | None]
"""From a member's path to where it goes below the target folder; None leaves it out."""

_BLOCK: Final = 1 << 20
# headers, long names and padding between two files
_HEADER_BYTES: Final = 1 << 20
_DRIVE: Final = ":"


@dataclass(frozen=True)
class ArchiveLimits:
    """What an archive may hold.

    Attributes:
        members: Files and folders, those in it that are left out included.
        file_bytes: Unpacked size of one file.
        total_bytes: Unpacked size of all files, those that are left out included.
    """

    members: int = 100_000
    file_bytes: int = 256 * 1024 * 1024
    total_bytes: int = 8 * 1024**3


@dataclass
class UnpackTally:
    """What was seen so far; one may count several archives, such as one within another.

    Attributes:
        members: Files and folders seen.
        total_bytes: Their unpacked size.
        written: Files written.
    """

    members: int = 0
    total_bytes: int = 0
    written: int = 0
    # what was written, in small letters: two names may be one file on another system
    _taken: set[PurePosixPath] = field(default_factory=set)

    def admit(self, name: str, size: int, limits: ArchiveLimits, where: str) -> PurePosixPath:
        """Counts a member and gives its path.

        Raises:
            DataError: If it is beyond a limit, or its path leaves the archive.
        """
        self.members, self.total_bytes = self.members + 1, self.total_bytes + size
        if self.members > limits.members:
            raise DataError(
                f"{where} holds more than {limits.members} files; it is not the archive expected here"
            )
        if size > limits.file_bytes or size < 0:
            raise DataError(
                f"{where} holds {name!r:.80} of {size} bytes; one file may have {limits.file_bytes}"
            )
        if self.total_bytes > limits.total_bytes:
            raise DataError(
                f"{where} unpacks to more than {limits.total_bytes} bytes; it is not the archive expected "
                f"here"
            )
        path = PurePosixPath(name)
        if (
            path.is_absolute()
            or ".." in path.parts
            or "\\" in name
            # C: leads elsewhere on Windows, so a name with a colon is refused everywhere
            or _DRIVE in name
            or any(ord(c) < 32 for c in name)
        ):
            raise DataError(
                f"{where} holds the path {name!r:.80}, which leads outside or hides something; nothing of it "
                f"is used"
            )
        return path

    def take(self, target: PurePosixPath, where: str) -> None:
        """Notes that a file is written.

        Raises:
            DataError: If two files want the same place, upper and lower case alike.
        """
        folded = PurePosixPath(str(target).casefold())
        if folded in self._taken:
            raise DataError(f"{where} holds two files for {target}; nothing of it is used")
        self._taken.add(folded)
        self.written += 1


def unpack_tar(
    archive: Path,
    to: Path,
    place: Destination,
    *,
    limits: ArchiveLimits,
    tally: UnpackTally,
    progress: Callable[[int], None],
) -> None:
    """Unpacks a `.tar.gz` in one pass.

    Arguments:
        archive: The file.
        to: Folder to write below; nobody else may write there.
        place: Where each file goes.
        limits: What the archive may hold.
        tally: Counts on.
        progress: Told the number of files written.

    Raises:
        DataError: If the archive is damaged, or holds what it must not.
    """
    with _readable(archive), archive.open("rb") as raw, gzip.GzipFile(fileobj=raw) as unzipped:
        stream = _Allowance(unzipped, archive.name)
        stream.allow(_HEADER_BYTES)
        with tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]
            for member in tar:
                path = tally.admit(member.name, member.size, limits, archive.name)
                if not (member.isreg() or member.isdir()) or member.issparse():
                    raise DataError(
                        f"{archive.name} holds {member.name!r:.80}, a link or another thing that is no file; "
                        f"nothing of it is used"
                    )
                # Python's own rules on top of ours; it raises where ours have a hole
                tarfile.data_filter(member, str(to))
                # what the header claims and the next header: a bomb runs out of it at once
                stream.allow(member.size + _HEADER_BYTES)
                target = place(path) if member.isreg() else None
                if target is not None:
                    tally.take(target, archive.name)
                    source = tar.extractfile(member)
                    assert source is not None
                    _write(source.read, to / target, member.size, archive.name)
                    progress(tally.written)


def unpack_zip(
    archive: Path, to: Path, place: Destination, *, limits: ArchiveLimits, tally: UnpackTally
) -> None:
    """Unpacks a `.zip`. Arguments and errors as in `unpack_tar`."""
    with _readable(archive), zipfile.ZipFile(archive) as zipped:
        for member in zipped.infolist():
            path = tally.admit(member.filename, member.file_size, limits, archive.name)
            # the upper half holds the mode of Unix; 0 where the archive is from elsewhere
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or member.flag_bits & 1:
                raise DataError(
                    f"{archive.name} holds {member.filename!r:.80}, a link or an encrypted file; nothing of "
                    f"it is used"
                )
            target = None if member.is_dir() else place(path)
            if target is not None:
                tally.take(target, archive.name)
                with zipped.open(member) as source:
                    _write(source.read, to / target, member.file_size, archive.name)


def _write(read: Callable[[int], bytes], path: Path, size: int, where: str) -> None:
    """Writes a file of exactly `size` bytes where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    done = 0
    # x: a file that is there was written by somebody else meanwhile
    with path.open("xb") as out:
        # one byte more than claimed, so that a longer file is seen without reading it all
        while block := read(min(_BLOCK, size + 1 - done)):
            done += len(block)
            if done > size:
                break
            out.write(block)
    if done != size:
        raise DataError(f"{path.name} in {where} is not as large as it says; the archive is damaged")


class _Allowance:
    """A stream that delivers what was allowed since the last time, and no more."""

    def __init__(self, stream: gzip.GzipFile, name: str) -> None:
        self._stream, self._name, self._left = stream, name, 0

    def allow(self, count: int) -> None:
        """Sets how many bytes may still be read."""
        self._left = count

    def read(self, count: int) -> bytes:
        """The next bytes."""
        if count > self._left:
            raise DataError(f"{self._name} has a header without end; nothing of it is used")
        block = self._stream.read(count)
        self._left -= len(block)
        return block


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    """One kind of error for whatever is wrong with an archive."""
    try:
        yield
    except tarfile.FilterError as error:
        raise DataError(f"{archive.name} holds what it must not ({error}); nothing of it is used") from error
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        gzip.BadGzipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        UnicodeError,
    ) as error:
        raise DataError(f"{archive.name} is damaged or no such archive ({error}); get it again") from error
