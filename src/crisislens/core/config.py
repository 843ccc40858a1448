"""Configuration: frozen, strict, with units in the docstrings; read from YAML and overridden by
`key.sub=value`.

A file may name others under `include`, relative to itself; they are merged in order, its own keys
last. Mappings are merged key by key, everything else is replaced. Included files must lie in the
run file's folder or, where that stands below a folder named `configs`, in the nearest such folder:
a run file that somebody sends reads nothing else of a computer.

`KEY=VALUE` is read by what stands at KEY. Where a text, a path or one of several words is wanted,
VALUE is taken as it stands (`data.root=no` is a path, `name=007` is a name); everywhere else it is
read as YAML (`seeds=[0, 1]`, `lora=null`, `optimizer.learning_rate=1e-3`).

Values are checked by pydantic, so a wrong key or type is one sentence naming the key,
never a stack trace.
"""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from crisislens.core.errors import ConfigError
from crisislens.core.fingerprint import fingerprint
from crisislens.core.settings import keys_at, parse_setting
from crisislens.core.yaml_files import read_yaml

__all__ = ["Config", "merged", "read_with_includes"]

# not typing.Self: the shape checks of the tests decorate methods one by one,
# where beartype refuses it
C = TypeVar("C", bound="Config")

_INCLUDE_DEPTH: Final = 5
_MOST_FILES: Final = 100
_ROOT: Final = "configs"


class Config(BaseModel):
    """The base of every configuration: immutable, unknown keys refused, fingerprinted."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @classmethod
    def load(
        cls: type[C],
        path: Path,
        overrides: list[str] | None = None,
        *,
        on_top: Sequence[Path] = (),
        within: Path | None = None,
    ) -> C:
        """Reads a YAML file with its includes and applies overrides such as
        `optimizer.learning_rate=1e-3`.

        Arguments:
            path: The run file.
            overrides: `KEY=VALUE` pairs, which win over all files.
            on_top: Files whose keys win over the run file's, such as another setting.
            within: The folder that included files must lie in; by default as described above.

        Raises:
            ConfigError: If a file is missing or unreadable, or a key or value does not fit.
        """
        values: dict[str, Any] = {}
        for file in (path, *on_top):
            values = merged(values, read_with_includes(file, within=within))
        # before the overrides: a path on the command line is the user's, not the file's
        values = cls.adapt_files(values)
        for pair in overrides or []:
            values = merged(values, parse_setting(pair, cls))
        return cls.parse(values, where=str(path))

    @classmethod
    def adapt_files(cls, values: dict[str, Any]) -> dict[str, Any]:
        """What the files say, before overrides; a configuration may place its folders here."""
        return values

    @classmethod
    def parse(cls: type[C], values: object, *, where: str) -> C:
        """Checks plain values.

        Raises:
            ConfigError: Naming each wrong key and what it expects.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            faults = "; ".join(_fault(cls, e["loc"], e["type"], e["msg"], e["input"]) for e in error.errors())
            raise ConfigError(f"{where} does not fit {cls.__name__}: {faults}") from error

    def fingerprint(self) -> str:
        """16 hex digits over all values, defaults included."""
        return fingerprint(self.model_dump(mode="json"))


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """One mapping over another: mappings key by key, everything else replaced.

    >>> merged({"a": {"x": 1, "y": [1]}, "b": 2}, {"a": {"y": [3]}})
    {'a': {'x': 1, 'y': [3]}, 'b': 2}
    """
    found = dict(below)
    for key, value in above.items():
        old = found.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            value = merged(old, value)
        found[key] = value
    return found


def read_with_includes(path: Path, *, within: Path | None = None) -> dict[str, Any]:
    """The values of a run file over those of the files that it includes.

    Arguments:
        path: The run file.
        within: The folder that included files must lie in; by default the nearest folder above that
            is named `configs`, else the file's own.

    Raises:
        ConfigError: If a file is missing, unreadable, no mapping, or lies outside.
    """
    return _Includes(_include_root(path) if within is None else within.resolve()).read(path, _INCLUDE_DEPTH)


class _Includes:
    """Reads files within a folder; counts them, as a file that includes
    itself twice would grow fast.

    Arguments:
        root: The folder, resolved.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.files = root, 0

    def read(self, path: Path, depth: int) -> dict[str, Any]:
        """The values of a file over those that it includes."""
        self.files += 1
        # depth ends a circle; the number ends files that include two others each, level by level
        if depth == 0 or self.files > _MOST_FILES:
            raise ConfigError(
                f"{path} is included more than {_INCLUDE_DEPTH} files deep or with more than {_MOST_FILES} "
                f"files; does a file include itself?"
            )
        own = read_yaml(path)
        if not isinstance(own, dict):
            raise ConfigError(f"{path} must hold keys and values; examples stand in configs/")
        # taken out, since no configuration has such a key
        names = own.pop("include", None) or []
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ConfigError(
                f"{path}, include: give a list of files, as in include: [../models/concat.yaml]"
            )
        values: dict[str, Any] = {}
        for name in names:
            values = merged(values, self.read(self._inside(path, name), depth - 1))
        return merged(values, own)

    def _inside(self, path: Path, name: str) -> Path:
        file = path.parent / name
        try:
            # links are followed first, so that none leads out
            real = file.resolve()
            # a name that no system takes is told only when the file is asked for
            file.is_file()
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path} includes {name!r:.60}, which is no file's name") from error
        if not real.is_relative_to(self.root):
            raise ConfigError(
                f"{path} includes {name}, which lies outside of {self.root}; included files must lie in the "
                f"run file's folder, or with it below a folder named {_ROOT}"
            )
        return file


def _include_root(path: Path) -> Path:
    folder = path.absolute().parent
    # the nearest one, so that a project within another's `configs` reads its own
    named = [parent for parent in (folder, *folder.parents) if parent.name == _ROOT]
    return (named[0] if named else folder).resolve()


def _fault(root: type[BaseModel], at: tuple[int | str, ...], kind: str, message: str, given: object) -> str:
    key = ".".join(map(str, at))
    if kind == "extra_forbidden":
        message += _nearest(root, at)
    return f"{key or 'the whole file'}: {message} (got {given!r:.60})"


def _nearest(root: type[BaseModel], at: tuple[int | str, ...]) -> str:
    """The key that was likely meant, or all that there are."""
    names = keys_at(root, [str(part) for part in at[:-1]])
    close = difflib.get_close_matches(str(at[-1]), names, n=1)
    if close:
        return f", did you mean {close[0]!r}?"
    return f", known keys: {', '.join(names)}" if names else ""
