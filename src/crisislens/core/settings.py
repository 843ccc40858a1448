"""Values that are given on the command line as `KEY=VALUE`,
read by the type that a configuration has at KEY.

Without the type, `no` would be a boolean where a folder of that name is meant, and `007` a number
where a run of that name is meant.
"""

import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from crisislens.core.errors import ConfigError
from crisislens.core.yaml_files import parse_yaml

__all__ = ["keys_at", "parse_setting", "parse_value", "schema_at", "split_setting"]

_UNKNOWN = Any
_SEQUENCES = (tuple, list, set, frozenset, Sequence)
_MAPPINGS = (dict, Mapping)


def split_setting(pair: str) -> tuple[str, str]:
    """Key and value of `KEY=VALUE`.

    Raises:
        ConfigError: If it is none.
    """
    key, sign, value = pair.partition("=")
    key = key.strip()
    if not sign or not all(key.split(".")):
        raise ConfigError(f"--set {pair!r:.80} is not of the form KEY=VALUE, as in epochs=3")
    return key, value


def parse_setting(pair: str, root: type[BaseModel]) -> dict[str, Any]:
    """`a.b=VALUE` as the mapping {a: {b: value}}.

    Arguments:
        pair: The pair as given.
        root: The configuration that says what stands at KEY.

    Raises:
        ConfigError: If it is no pair, or VALUE is no YAML where YAML is wanted.
    """
    key, text = split_setting(pair)
    at = key.split(".")
    value = parse_value(text, schema_at(root, at), where=f"--set {key}")
    for part in reversed(at):
        value = {part: value}
    return value  # type: ignore[no-any-return]


def parse_value(text: str, schema: Any = _UNKNOWN, *, where: str) -> Any:
    """What a text says where a value of this type is wanted.

    Arguments:
        text: The text.
        schema: The annotation; `Any` where nothing is known of it.
        where: What it is, for messages.

    Raises:
        ConfigError: If YAML is wanted and it is none.

    >>> parse_value("no", str, where="--set name")
    'no'
    >>> parse_value("[no, 007]", tuple[str, ...], where="--set names")
    ['no', '007']
    >>> parse_value("null", Path | None, where="--set image_root") is None
    True
    """
    whole, optional = _unwrapped(schema)
    if _is_text(whole):
        if optional and text == "null":
            return None
        # an empty path would be the working folder
        return None if whole is Path and not text.strip() else text
    # lists and mappings are read twice: typed, and as texts for the places that want texts
    typed = parse_yaml(text, where=where)
    if not isinstance(typed, list | dict):
        return typed
    return _along(schema, typed, parse_yaml(text, where=where, plain=True))


def schema_at(root: Any, at: Sequence[str]) -> Any:
    """The annotation at a key, `Any` where there is none.

    Arguments:
        root: A configuration, or another annotation.
        at: The parts of the key.
    """
    schema = root
    for part in at:
        schema = _inside(_unwrapped(schema)[0], part)
    return schema


def keys_at(root: type[BaseModel], at: Sequence[str]) -> list[str]:
    """The keys of the record that stands at a key; none where no record stands."""
    schema, _ = _unwrapped(schema_at(root, at))
    return list(schema.model_fields) if isinstance(schema, type) and issubclass(schema, BaseModel) else []


def _along(schema: Any, typed: Any, plain: Any) -> Any:
    """Of a value read twice, with and without types, what the annotation wants."""
    whole, optional = _unwrapped(schema)
    if isinstance(typed, list):
        pairs = zip(typed, plain, strict=True)
        return [_along(_inside(whole, str(i)), t, p) for i, (t, p) in enumerate(pairs)]
    if isinstance(typed, dict):
        return {key: _along(_inside(whole, key), typed[key], plain[key]) for key in typed}
    if _is_text(whole) and not (optional and typed is None):
        return plain
    return typed


def _inside(schema: Any, key: str) -> Any:
    """The annotation of what stands at a key of a value."""
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        field = schema.model_fields.get(key)
        return _UNKNOWN if field is None else field.annotation
    if get_origin(schema) in (Union, types.UnionType):
        found = [_inside(option, key) for option in get_args(schema)]
        # of several types at a key the first that knows it
        return next((option for option in found if option is not _UNKNOWN), _UNKNOWN)
    origin, arguments = get_origin(schema), get_args(schema)
    if not arguments:
        return _UNKNOWN
    if origin in _MAPPINGS:
        return arguments[1]
    if origin is tuple and Ellipsis not in arguments:
        at = int(key) if key.isdecimal() else len(arguments)
        return arguments[at] if at < len(arguments) else _UNKNOWN
    return arguments[0] if origin in _SEQUENCES else _UNKNOWN


def _unwrapped(schema: Any) -> tuple[Any, bool]:
    """An annotation without what is around it, and whether it may be none."""
    optional = False
    while True:
        if get_origin(schema) is Annotated:
            schema = get_args(schema)[0]
        elif get_origin(schema) in (Union, types.UnionType) and type(None) in get_args(schema):
            options = [option for option in get_args(schema) if option is not type(None)]
            # one type that is left over is that type, since Union of one is no Union
            optional, schema = True, Union[tuple(options)]  # noqa: UP007 - made of a list
        else:
            return schema, optional


def _is_text(schema: Any) -> bool:
    if get_origin(schema) is Literal:
        return all(isinstance(word, str) for word in get_args(schema))
    return isinstance(schema, type) and issubclass(schema, str | Path)
