"""CrisisMMD v2.0 from its official address, checked and laid out where `data.crisismmd` reads it.

Two files: the release (tables and photos; its tables lie in a zip within) and the tables of the
rows whose labels agree. DIR then holds

- `crisismmd_datasplit_all/`, `data_image/` and `agreed/` (variants `full`
  and `agreed` of the reader),
- `archives/`: what was downloaded, each with `NAME.sha256` beside it,
- `crisismmd.json`: what was unpacked, written last.

The publisher states no SHA-256 that we could find. So a digest is compared with the one that the
user gives; without one it is recorded at the first use and every later use is compared with that. A
first download without a given digest is therefore trusted as far as https and the size are: whether
it is what others have, it cannot tell.
"""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from crisislens.core.download import check_download_address, download
from crisislens.core.errors import DataError, InputError
from crisislens.core.http import RequestError
from crisislens.data.archive_digests import checked_digest, compare_digests, recorded_digest, verify_archive
from crisislens.data.archives import ArchiveLimits, UnpackTally, unpack_tar, unpack_zip
from crisislens.data.fetch_note import OFFICIAL, FetchNote

__all__ = ["AGREED", "OFFICIAL", "RELEASE", "Fetched", "fetch_crisismmd", "recorded_digest"]

RELEASE: Final = "CrisisMMD_v2.0.tar.gz"
AGREED: Final = "crisismmd_datasplit_agreed_label.zip"
FOLDERS: Final = ("crisismmd_datasplit_all", "data_image", "agreed")

# far more than the files have; what is larger is something else
_MAX_BYTES: Final = {RELEASE: 4 * 1024**3, AGREED: 64 * 1024 * 1024}
_TABLE = re.compile(
    r"task_(?:informative|humanitarian|damage)_text_img_(agreed_lab_)?(?:train|dev|test)\.tsv"
)
_INNER_ZIP: Final = "crisismmd_datasplit_all.zip"
_STAGING: Final = ".unpacking"
_READY: Final = "ready.json"

FetchProgress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class Fetched:
    """What is in place.

    Attributes:
        root: The folder to give to the reader.
        digests: SHA-256 of each archive by its name.
        files: Files unpacked.
        already: Whether all of it was there before.
        unverified: Archives whose digest was given by nobody and compared with nothing.
    """

    root: Path
    digests: dict[str, str]
    files: int
    already: bool
    unverified: tuple[str, ...] = ()


def fetch_crisismmd(
    to: Path,
    *,
    archives: tuple[Path, ...] = (),
    sha256: str | None = None,
    sha256_agreed: str | None = None,
    agreed: bool = True,
    mirror: str = OFFICIAL,
    limits: ArchiveLimits = ArchiveLimits(),
    block_timeout_s: float = 60.0,
    wait_s: float = 2.0,
    progress: FetchProgress = lambda what, done, total: None,
) -> Fetched:
    """Gets, checks and lays out the data set; does nothing where that was done, and goes on where
    it was killed.

    Arguments:
        to: The folder.
        archives: Files that are here already, by their official names; then nothing is downloaded.
        sha256: The digest that the release must have.
        sha256_agreed: The digest that the agreed tables' archive must have.
        agreed: Whether to get the agreed tables too.
        mirror: Address of the folder that holds both files; https, or http of this computer.
        limits: What the archives may hold.
        block_timeout_s: Deadline of each MiB of a download, in seconds.
        wait_s: Wait before the second attempt of a download, in seconds.
        progress: Told what is done, how far, and of how much.

    Raises:
        InputError: If an argument cannot be used, or the folder holds such data from elsewhere.
        DataError: If a digest differs, or an archive is damaged or dangerous.
        RequestError: If a download fails; the message says which file to put where by hand.
    """
    expected = {RELEASE: checked_digest(sha256), AGREED: checked_digest(sha256_agreed)}
    given = _given(archives)
    check_download_address(mirror)
    wanted = [RELEASE, *([AGREED] if agreed and (not archives or AGREED in given) else [])]
    done = FetchNote.read(to / "crisismmd.json")
    if done is not None and set(wanted) <= set(done.digests) and all((to / f).is_dir() for f in done.folders):
        compare_digests(done.digests, expected, given)
        return Fetched(to, done.digests, done.files, already=True)
    staging = to / _STAGING
    ready = FetchNote.read(staging / _READY)
    if ready is None:
        _refuse_foreign(to, done)
        places: dict[str, Path] = {}
        for name in wanted:
            places[name] = given.get(name) or _download(name, to, mirror, block_timeout_s, wait_s, progress)
        unverified = _unverified(places, expected, progress)
        _unpack(places, staging, limits, progress)
        ready = _note_of(places, staging, unverified)
        # written last: a staging folder without it is the rest of a killed run
        ready.write(staging / _READY)
    else:
        compare_digests(ready.digests, expected, given)
    _move(staging, to, ready, done)
    return Fetched(to, ready.digests, ready.files, already=False, unverified=tuple(ready.unverified))


def _unverified(
    places: dict[str, Path], expected: dict[str, str | None], progress: FetchProgress
) -> list[str]:
    """Verifies archives; the names of those whose digest could be compared with nothing."""
    found = []
    for name, path in places.items():
        progress(f"checking {name}", 0, None)
        if not verify_archive(path, expected[name]):
            found.append(name)
    return found


def _note_of(places: dict[str, Path], staging: Path, unverified: list[str]) -> FetchNote:
    """What stands in the staging folder."""
    digests = {name: recorded_digest(path) or "" for name, path in places.items()}
    files = sum(path.is_file() for path in staging.rglob("*"))
    return FetchNote(digests, files, [f for f in FOLDERS if (staging / f).is_dir()], unverified)


def _download(
    name: str, to: Path, mirror: str, block_timeout_s: float, wait_s: float, progress: FetchProgress
) -> Path:
    path = to / "archives" / name
    try:
        return download(
            f"{mirror.rstrip('/')}/{name}",
            path,
            max_bytes=_MAX_BYTES[name],
            block_timeout_s=block_timeout_s,
            wait_s=wait_s,
            progress=lambda done, total: progress(f"downloading {name}", done, total),
        )
    except RequestError as error:
        by_hand = (
            f"Start again to go on from where it stopped; or get {OFFICIAL}/{name} elsewhere and put it at "
            f"{path} (or give --archive FILE)"
        )
        # the reason may end with a question
        said = str(error) if str(error).endswith("?") else f"{error}."
        raise RequestError(f"{said} {by_hand}", status=error.status, transient=error.transient) from error


def _unpack(places: dict[str, Path], staging: Path, limits: ArchiveLimits, progress: FetchProgress) -> None:
    """Unpacks into a folder beside the target; a half-unpacked one of a killed run goes first."""
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    tally = UnpackTally()
    try:
        unpack_tar(
            places[RELEASE],
            staging,
            _place,
            limits=limits,
            tally=tally,
            progress=lambda n: progress("unpacking", n, None),
        )
        inner = staging / _INNER_ZIP
        if inner.is_file():
            unpack_zip(inner, staging, _place_table, limits=limits, tally=tally)
            inner.unlink()
        if AGREED in places:
            unpack_zip(places[AGREED], staging, _place_table, limits=limits, tally=tally)
            if not (staging / "agreed").is_dir():
                raise DataError(
                    f"{places[AGREED].name} holds no table task_…_agreed_lab_….tsv; it is not the one of "
                    f"CrisisMMD v2.0"
                )
        lacking = [folder for folder in FOLDERS[:2] if not (staging / folder).is_dir()]
        if lacking:
            raise DataError(
                f"{places[RELEASE].name} holds nothing for {', '.join(lacking)}; it is not the release of "
                f"CrisisMMD v2.0"
            )
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise


def _place(path: PurePosixPath) -> PurePosixPath | None:
    """Where a file of the release goes; its JSON, annotations and the debris
    of file managers stay out.
    """
    if path.name.startswith("._") or "__MACOSX" in path.parts:
        return None
    if "data_image" in path.parts:
        return PurePosixPath(*path.parts[path.parts.index("data_image") :])
    return PurePosixPath(_INNER_ZIP) if path.name == _INNER_ZIP else _place_table(path)


def _place_table(path: PurePosixPath) -> PurePosixPath | None:
    """Where a table goes."""
    table = _TABLE.fullmatch(path.name)
    if table is None or "__MACOSX" in path.parts:
        return None
    return PurePosixPath("agreed" if table[1] else "crisismmd_datasplit_all") / path.name


def _move(staging: Path, to: Path, ready: FetchNote, done: FetchNote | None) -> None:
    """Renames the unpacked folders into place; a run that was killed in between goes on here."""
    for folder in FOLDERS:
        # a folder that is gone from staging was moved by the run that was killed
        if (staging / folder).is_dir():
            if (to / folder).exists():
                _refuse_foreign(to, done, (folder,))
                shutil.rmtree(to / folder)
            (staging / folder).rename(to / folder)
    ready.write(to / "crisismmd.json")
    shutil.rmtree(staging)


def _refuse_foreign(to: Path, done: FetchNote | None, folders: tuple[str, ...] = FOLDERS) -> None:
    """Stops before data that this command did not lay there.

    Raises:
        InputError: If there is any.
    """
    ours = done.folders if done else []
    there = [folder for folder in folders if (to / folder).exists() and folder not in ours]
    if there:
        raise InputError(
            f"{to} holds {', '.join(there)} from elsewhere, which would be overwritten; give another folder "
            f"with --to"
        )


def _official_name(path: Path) -> str | None:
    """Which of the two archives a file is; people rename downloads, so its ending decides."""
    if path.name.endswith(".zip"):
        return AGREED
    return RELEASE if path.name.endswith((".tar.gz", ".tgz")) else None


def _given(archives: tuple[Path, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in archives:
        name = _official_name(path)
        if name is None or not path.is_file() or name in found:
            raise InputError(
                f"--archive {path} is no file, or not one of {RELEASE} and {AGREED} (each once, by their "
                f"endings)"
            )
        found[name] = path
    if found and RELEASE not in found:
        raise InputError(f"--archive needs {RELEASE}; the agreed tables alone are no data set")
    return found
