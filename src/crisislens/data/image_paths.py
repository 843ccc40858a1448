"""Which file a reference to a picture means: a regular file inside the image folder, or a reason.

A reference comes from an untrusted post, so it is resolved with all links followed and must end
inside the folder. Reasons of `ImageError` here: `bad_path`, `url`, `outside`, `missing`,
`not_a_file`.
"""

# paths are plain text here: a table may name ten thousand photos that are not there
# ruff: noqa: PTH112, PTH116, PTH118

import os
import re
import stat
import unicodedata
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path, PurePath
from threading import Lock
from urllib.parse import unquote

from crisislens.core.errors import ImageError
from crisislens.domain.post import ImageRef

__all__ = ["EXTENSIONS", "resolve_image"]

# what `data.images` decodes; TIFF is not among it
EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".heic", ".heif", ".avif", ".jfif")
_ADDRESS = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*:)?//|data:", re.IGNORECASE)
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_DEEPEST = 32
_MOST_NAMES = 1_000_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def resolve_image(ref: ImageRef, root: Path) -> Path:
    """The file that a post's reference means, which must lie inside a folder.

    Arguments:
        ref: The reference, from an untrusted post. Relative to `root`, or absolute inside it; a
            name without one of `EXTENSIONS` also finds the file that has one (`eclipse_01` finds
            `eclipse_01.jpg`). Where no file has the very name, one counts that differs only in how
            its letters are composed (as a Mac writes them), in case, in `\\` for `/`, or in percent
            signs; of several such, none.
        root: The folder of the pictures.

    Returns:
        The real path of a regular file, all links followed.

    Raises:
        ImageError: With reason `bad_path`, `url`, `outside`, `missing`,
            `not_a_file` or `unreadable`.
    """
    name = ref.path.strip()
    if not name or _CONTROL.search(name):
        raise ImageError(
            "bad_path", f"{name!r:.80} is not the path of a file; give a path relative to the image folder"
        )
    if _ADDRESS.match(name):
        raise ImageError(
            "url",
            f"{name!r:.80} is an address, and pictures are never fetched; download it and give its path",
        )
    # refused by name, before any file is looked at, whether or not it would lead back inside
    if ".." in PurePath(name.replace("\\", "/")).parts:
        raise ImageError(
            "outside", f"{name!r:.80} climbs out of its folder with '..'; give a path inside the image folder"
        )
    try:
        real = os.path.realpath(root)
        found = [path for path in _candidates(name, real) if os.path.lexists(path)]
        # only where no file has the very name: a name as given always wins
        found = found or [path for path in _alike(name, real) if os.path.lexists(path)]
        regular = [path for path in found if stat.S_ISREG(os.lstat(path).st_mode)]
    except (
        OSError,
        ValueError,
    ) as error:  # a name too long, or characters that the file system does not take
        raise ImageError(
            "bad_path",
            f"{name!r:.80} cannot be looked up as a path; give a path relative to the image folder",
        ) from error
    if regular:
        return Path(regular[0])
    if found:
        raise ImageError(
            "not_a_file",
            f"{name!r:.80} is a folder, a device, a pipe or a loop of links; name a picture file",
        )
    raise ImageError(
        "missing", f"no picture at {name!r:.80} in the image folder; check --images and the image column"
    )


def _candidates(name: str, root: str) -> Iterator[str]:
    """The real paths that a name may mean, the name as it is first; all inside `root`, which is
    real already.
    """
    bare = _is_bare(name)
    for extension in ("", *(form for known in EXTENSIONS for form in (known, known.upper()) if bare)):
        yield _inside(os.path.join(root, name + extension), root, name)


def _alike(name: str, root: str) -> Iterator[str]:
    """The real paths of the one file whose name is alike, found folder by folder;
    all inside `root`.
    """
    forms = [name.replace("\\", "/")]
    forms += [unquote(forms[0], errors="strict")] if "%" in name and _PERCENT.search(name) else []
    for form in forms:
        parts = [part for part in form.split("/") if part not in ("", ".")]
        if form.startswith("/") or ".." in parts or _CONTROL.search(form) or len(parts) > _DEEPEST:
            continue
        path: str | None = root
        for i, part in enumerate(parts):
            path = _in_folder(path, part, last=i == len(parts) - 1) if path else None
        if path is None or not parts:
            continue
        yield _inside(path, root, name)


def _inside(path: str, root: str, name: str) -> str:
    """The real path.

    Raises:
        ImageError: If it is not inside `root`.
    """
    real = os.path.realpath(path)
    if real != root and not real.startswith(os.path.join(root, "")):
        raise ImageError("outside", f"{name!r:.80} leads outside the image folder; put the picture inside it")
    return real


def _is_bare(name: str) -> bool:
    """Whether a name has no extension of a picture."""
    return PurePath(name).suffix.lower() not in EXTENSIONS


def _in_folder(folder: str, part: str, *, last: bool) -> str | None:
    """What a folder holds under a name, else under the one name that is alike."""
    path = os.path.join(folder, part)
    if os.path.lexists(path):
        return path
    if not os.path.isdir(folder):
        return None
    names = _LISTINGS.of(folder)
    bare = last and _is_bare(part)
    for extension in ("", *(EXTENSIONS if bare else ())):
        if (found := names.get(_folded(part + extension))) is not None:
            return os.path.join(folder, found) if found else None
    return None


class _Listings:
    """The names in folders, each read once and again only where the folder has changed since.

    A data set keeps its photos in a folder a day, and its rows jump between them; so the folders last
    asked for are kept, as many as hold a million names together.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        # by folder the time of its last change, in nanoseconds, and its names
        self._kept: OrderedDict[str, tuple[int, Mapping[str, str]]] = OrderedDict()
        self._names = 0

    def of(self, folder: str) -> Mapping[str, str]:
        """From the folded to the real names in a folder; to nothing where two are alike.

        Raises:
            OSError: If it cannot be listed.
        """
        # taken before the names are read, so a file that arrives meanwhile is seen the next time
        changed_ns = os.stat(folder).st_mtime_ns
        with self._lock:
            if folder in self._kept and self._kept[folder][0] == changed_ns:
                self._kept.move_to_end(folder)
                return self._kept[folder][1]
        names = _folded_names(folder)
        with self._lock:
            self._forget(folder)
            self._kept[folder] = (changed_ns, names)
            self._names += len(names) + 1
            while self._names > _MOST_NAMES:
                self._forget(next(iter(self._kept)))
        return names

    def _forget(self, folder: str) -> None:
        if folder in self._kept:
            self._names -= len(self._kept.pop(folder)[1]) + 1


_LISTINGS = _Listings()


def _folded_names(folder: str) -> dict[str, str]:
    """From the folded to the real names in a folder; to nothing where two are alike."""
    names: dict[str, str] = {}
    with os.scandir(folder) as entries:
        for entry in islice(entries, _MOST_NAMES):
            key = _folded(entry.name)
            names[key] = "" if key in names else entry.name
    return names


def _folded(name: str) -> str:
    # twice, since case folding may take composed letters apart again
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
