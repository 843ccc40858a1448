"""Which file a reference to a picture means: a regular file inside the image folder, or a reason.

A reference comes from an untrusted post, so it is resolved with all links followed and must end
inside the folder. Reasons of `ImageError` here: `bad_path`, `url`, `outside`, `missing`,
`not_a_file`.
"""

import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePath
from urllib.parse import unquote

from crisislens.core.errors import ImageError
from crisislens.domain.post import ImageRef

__all__ = ["EXTENSIONS", "resolve_image"]

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".heic", ".heif", ".avif")
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
        real = Path(os.path.realpath(root))
        found = [path for path in _candidates(name, real) if os.path.lexists(path)]
        # only where no file has the very name: a name as given always wins
        found = found or [path for path in _alike(name, real) if os.path.lexists(path)]
        regular = [path for path in found if stat.S_ISREG(path.lstat().st_mode)]
    except (
        OSError,
        ValueError,
    ) as error:  # a name too long, or characters that the file system does not take
        raise ImageError(
            "bad_path",
            f"{name!r:.80} cannot be looked up as a path; give a path relative to the image folder",
        ) from error
    if regular:
        return regular[0]
    if found:
        raise ImageError(
            "not_a_file",
            f"{name!r:.80} is a folder, a device, a pipe or a loop of links; name a picture file",
        )
    raise ImageError(
        "missing", f"no picture at {name!r:.80} in the image folder; check --images and the image column"
    )


def _candidates(name: str, root: Path) -> Iterator[Path]:
    """The real paths that a name may mean, the name as it is first; all inside `root`, which is
    real already.
    """
    bare = PurePath(name).suffix.lower() not in EXTENSIONS
    for extension in ("", *(form for known in EXTENSIONS for form in (known, known.upper()) if bare)):
        real = Path(os.path.realpath(root / (name + extension)))
        if not real.is_relative_to(root):
            raise ImageError(
                "outside", f"{name!r:.80} leads outside the image folder; put the picture inside it"
            )
        yield real


def _alike(name: str, root: Path) -> Iterator[Path]:
    """The real paths of the one file whose name is alike, found folder by folder;
    all inside `root`.
    """
    forms = [name.replace("\\", "/")]
    forms += [unquote(forms[0], errors="strict")] if "%" in name and _PERCENT.search(name) else []
    for form in forms:
        parts = [part for part in form.split("/") if part not in ("", ".")]
        if form.startswith("/") or ".." in parts or _CONTROL.search(form) or len(parts) > _DEEPEST:
            continue
        path: Path | None = root
        for i, part in enumerate(parts):
            path = _in_folder(path, part, last=i == len(parts) - 1) if path else None
        if path is None or not parts:
            continue
        real = Path(os.path.realpath(path))
        if not real.is_relative_to(root):
            raise ImageError(
                "outside", f"{name!r:.80} leads outside the image folder; put the picture inside it"
            )
        yield real


def _in_folder(folder: Path, part: str, *, last: bool) -> Path | None:
    """What a folder holds under a name, else under the one name that is alike."""
    if os.path.lexists(folder / part):
        return folder / part
    if not folder.is_dir():
        return None
    # the time of the folder is part of the key, so a file that arrives is seen
    names = _folded_names(str(folder), folder.stat().st_mtime_ns)
    bare = last and PurePath(part).suffix.lower() not in EXTENSIONS
    for extension in ("", *(EXTENSIONS if bare else ())):
        if (found := names.get(_folded(part + extension))) is not None:
            return folder / found if found else None
    return None


@lru_cache(maxsize=4)
def _folded_names(folder: str, changed_ns: int) -> dict[str, str]:
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
