"""One strict reader of YAML: plain values and nothing else, within bounds,
with one sentence per fault.

A run file may come from anywhere, so it can do no more than hold values:

- no tags but those of plain values, no interpolation
  (`$` is a character as any other), no merge keys;
- aliases count as often as they are used, so that a small file cannot grow into millions of values;
- a key that stands twice is refused, keys are text as written;
- at most 1 MB, 50,000 values, 40 deep.

Scalars follow the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema): `no`,
`on` and `yes` are text, only `true` and `false` are booleans, `1e-3` is a number, a date is text.
One thing is stricter: a number with leading zeros (`007`) is text,
as it is a name wherever we have seen one.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import yaml

from crisislens.core.errors import ConfigError

__all__ = ["dump_yaml", "parse_yaml", "read_yaml"]

MOST_BYTES: Final = 1_000_000
_MOST_VALUES: Final = 50_000
_MOST_DEPTH: Final = 40

_PREFIX = "tag:yaml.org,2002:"
_LINE_ENDS = re.compile("[\x85\u2028\u2029]")
_CORE: Final = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
)


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Which scalars are no text, by their first character, as PyYAML keeps it."""
    found: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for name, pattern, first in _CORE:
        for character in first:
            # anchored at the end, as PyYAML matches from the start only
            found.setdefault(character, []).append((_PREFIX + name, re.compile(rf"(?:{pattern})\Z")))
    return found


class _Loader(yaml.SafeLoader):
    """The tokenizer of PyYAML with the scalars of YAML 1.2."""

    yaml_implicit_resolvers = _resolvers()  # type: ignore[misc]


class _Dumper(yaml.SafeDumper):
    """Quotes what this reader, or one of YAML 1.1, would not take for text."""

    yaml_implicit_resolvers = {  # type: ignore[misc]  # noqa: RUF012 - as the base class has it
        first: [*yaml.SafeDumper.yaml_implicit_resolvers.get(first, []), *_resolvers().get(first, [])]
        for first in {*yaml.SafeDumper.yaml_implicit_resolvers, *_resolvers()}
    }


def _written(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """A text; what YAML 1.1 takes for the end of a line beside the line feed is escaped, since PyYAML
    writes it as it is and reads a blank back.
    """
    style = '"' if _LINE_ENDS.search(text) else None
    return dumper.represent_scalar(_PREFIX + "str", text, style=style)


_Dumper.add_representer(str, _written)


def read_yaml(path: Path) -> Any:
    """The values of a file.

    Arguments:
        path: The file; UTF-8.

    Raises:
        ConfigError: If it is missing, too large, no text, or no YAML as described above.
    """
    if not path.is_file():
        raise ConfigError(f"no run file at {path}; give the path of a YAML file (examples stand in configs/)")
    try:
        with path.open("rb") as stream:
            # one byte more than allowed tells a file that is too large without reading it
            raw = stream.read(MOST_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8"
        raise ConfigError(f"{path} cannot be read as YAML: {reason}; give a text file") from error
    if len(raw) > MOST_BYTES:
        raise ConfigError(f"{path} is larger than {MOST_BYTES} bytes; is it the run file?")
    return parse_yaml(text, where=str(path))


def parse_yaml(text: str, *, where: str, plain: bool = False) -> Any:
    """The values of a text.

    Arguments:
        text: One YAML document.
        where: What it is, for messages.
        plain: Whether every scalar is taken as the text that stands there.

    Raises:
        ConfigError: If it is no YAML as described above.
    """
    try:
        loader = _Loader(text)
        try:
            return _Builder(loader, plain).document()
        finally:
            loader.dispose()
    except _Refused as error:
        raise ConfigError(f"{where}, {error}") from None
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ConfigError(
            f"{where} cannot be read as YAML: {line}{error.problem or error.context}"
        ) from error
    # PyYAML converts an escape or a version that no YAML has without looking at it
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"{where} cannot be read as YAML: it holds a number or an escape that is too large"
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} cannot be read as YAML: it holds a control character") from error


def dump_yaml(values: object) -> str:
    """Plain values as a text that `parse_yaml` reads back to equal values.

    >>> dump_yaml({"name": "1e-3", "rate": 1e-3, "answer": "no"})
    "name: '1e-3'\\nrate: 0.001\\nanswer: 'no'\\n"
    """
    found: str = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return found


class _Refused(Exception):
    """Something that YAML allows and this reader does not."""

    def __init__(self, event: yaml.Event, message: str) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 1
        super().__init__(f"line {line}: {message}")


class _Builder:
    """Makes values of a parser's events, counting them as it goes.

    Arguments:
        loader: The parser.
        plain: Whether scalars stay text.
    """

    def __init__(self, loader: _Loader, plain: bool) -> None:
        self.loader, self.plain = loader, plain
        self.values = 0
        self.anchors: dict[str, tuple[Any, int]] = {}
        """Value and number of values in it, by anchor."""

    def document(self) -> Any:
        """The value of the only document."""
        self._next()  # the start of the stream
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        value = self._value(self._next(), 0)
        self._next()  # the end of the document
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            raise _Refused(after, "a second document begins; a file holds one")
        return value

    def _next(self) -> Any:
        return self.loader.get_event()  # type: ignore[no-untyped-call]

    def _value(self, event: Any, depth: int) -> Any:
        if depth > _MOST_DEPTH:
            raise _Refused(event, f"values are nested more than {_MOST_DEPTH} deep")
        # before the count below: an alias costs as much as all that it repeats
        if isinstance(event, yaml.AliasEvent):
            return self._repeated(event)
        before = self.values
        self._count(event, 1)
        if isinstance(event, yaml.ScalarEvent):
            value: Any = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(event, depth)
        else:
            value = self._mapping(event, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, self.values - before)
        return value

    def _repeated(self, event: yaml.AliasEvent) -> Any:
        if event.anchor not in self.anchors:
            raise _Refused(event, f"*{event.anchor} repeats a value that is not finished or not there")
        value, size = self.anchors[event.anchor]
        self._count(event, size)
        return value

    def _count(self, event: Any, values: int) -> None:
        self.values += values
        if self.values > _MOST_VALUES:
            raise _Refused(event, f"more than {_MOST_VALUES} values, repeated ones (*) counted each time")

    def _sequence(self, start: Any, depth: int) -> list[Any]:
        self._check_tag(start, "seq")
        values = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            values.append(self._value(event, depth + 1))
        return values

    def _mapping(self, start: Any, depth: int) -> dict[str, Any]:
        self._check_tag(start, "map")
        values: dict[str, Any] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise _Refused(event, "a key must be a word")
            # as written, not as resolved: `no:` and `1:` are the keys "no" and "1"
            key = event.value
            if key in values:
                raise _Refused(event, f"the key {key!r:.60} stands there twice")
            values[key] = self._value(self._next(), depth + 1)
        return values

    def _check_tag(self, event: Any, name: str) -> None:
        if event.tag not in (None, "!", _PREFIX + name):
            raise _Refused(event, f"the tag {event.tag!r:.60} is not allowed; write a plain value")

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        text: str = event.value
        if event.tag in (None, "!"):
            tag = self.loader.resolve(yaml.ScalarNode, text, event.implicit)  # type: ignore[no-untyped-call]
        else:
            tag = event.tag
        kind = tag.removeprefix(_PREFIX)
        if kind not in ("str", "null", "bool", "int", "float"):
            raise _Refused(event, f"the tag {tag!r:.60} is not allowed; write a plain value")
        if self.plain:
            return text
        try:
            return _CONVERT[kind](text)
        except ValueError:
            raise _Refused(event, f"{text!r:.60} is no {kind}") from None


def _as_bool(text: str) -> bool:
    found = {"true": True, "false": False}.get(text.lower())
    if found is None:
        raise ValueError(text)
    return found


def _as_int(text: str) -> int:
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    return int(text, base)


def _as_float(text: str) -> float:
    # YAML writes .inf and .nan; a number keeps the point that stands before it
    return float(re.sub(r"\.(?=[inIN])", "", text))


_CONVERT: Final[dict[str, Callable[[str], Any]]] = {
    "str": str,
    "null": lambda _: None,
    "bool": _as_bool,
    "int": _as_int,
    "float": _as_float,
}
