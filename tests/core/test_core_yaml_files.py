"""The strict reader of YAML: what it takes, what it refuses, and that it ends quickly."""

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from crisislens.core.errors import ConfigError
from crisislens.core.yaml_files import MOST_BYTES, dump_yaml, parse_yaml, read_yaml

_TEXT = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=20)
_AWKWARD = st.sampled_from(["no", "on", "007", "1e-3", "null", "~", "", "0x1F", "${a}", "2020-01-01", "a: b"])
_SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXT | _AWKWARD
_VALUES = st.recursive(
    _SCALAR,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT | _AWKWARD, inner, max_size=4),
    max_leaves=12,
)

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{below}'] * 10)}]\n"
    for below, name in zip("abcdef", "bcdefg", strict=True)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("FALSE", False),
        ("tRue", "tRue"),
        ("007", "007"),
        ("0", 0),
        ("-17", -17),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("12:30:45", "12:30:45"),
        ("2023-02-06", "2023-02-06"),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("~", None),
        ("", None),
        ("$HOME/${oc.env:HOME}", "$HOME/${oc.env:HOME}"),
        ("[a, [1, null]]", ["a", [1, None]]),
        ("{on: 1, 7: x}", {"on": 1, "7": "x"}),
        ("a: &x {k: 1}\nb: *x\n", {"a": {"k": 1}, "b": {"k": 1}}),
        ('text: "a\u2028b"', {"text": "a\u2028b"}),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    found = parse_yaml(text, where="x")
    assert found == value
    assert type(found) is type(value)


@given(_VALUES)
def test_what_is_written_is_read_back(values: Any) -> None:
    text = dump_yaml(values)
    assert parse_yaml(text, where="x") == values
    # and other readers take it for the same
    assert yaml.safe_load(text) == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' stands there twice"),
        ("a: {b: 1, b: 2}", "line 1: the key 'b' stands there twice"),
        ("- 1: a\n  '1': b", "line 2: the key '1' stands there twice"),
        ("!!python/object/apply:os.system [x]", "the tag .* is not allowed"),
        ("a: !include /etc/passwd", "the tag '!include' is not allowed"),
        ("a: !!binary aGk=", "the tag .* is not allowed"),
        ("!!set {a}", "the tag .* is not allowed"),
        ("!!int x", "'x' is no int"),
        ("!!bool no", "'no' is no bool"),
        ("a: " + "9" * 5000, "is no int"),
        ("? [a]\n: b", "a key must be a word"),
        ("a: &a [*a]", r"\*a repeats a value that is not finished"),
        ("a: *b", r"\*b repeats a value that is not finished or not there"),
        ("a: 1\n---\nb: 2", "line 2: a second document begins"),
        ("name: [", "cannot be read as YAML: line 1"),
        ("a: b: c", "cannot be read as YAML: line 1: mapping values are not allowed"),
        ("a: \x07", "control character"),
        ('a: "\\UFFFFFFFF"', "a number or an escape that is too large"),
        (f"%YAML 1.{'1' * 5000}\n--- a", "a number or an escape that is too large"),
        (BOMB, "line 5: more than 50000 values"),
        ("[" * 50 + "]" * 50, "nested more than 40 deep"),
        ("{a: " * 50 + "}" * 50, "nested more than 40 deep"),
        ("- " * 50 + "x", "nested more than 40 deep"),
    ],
)
def test_what_is_refused_is_one_sentence(text: str, message: str) -> None:
    started = time.monotonic()
    with pytest.raises(ConfigError, match=message) as caught:
        parse_yaml(text, where="x.yaml")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("x.yaml")
    # the bomb would be ten million values, the deep ones a full stack
    assert time.monotonic() - started < 5


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    with pytest.raises(ConfigError, match="no run file at"):
        read_yaml(path)
    with pytest.raises(ConfigError, match="no run file at"):
        read_yaml(tmp_path)
    path.write_bytes(b"a: \xff\xfe")
    with pytest.raises(ConfigError, match="it is no UTF-8"):
        read_yaml(path)
    path.write_bytes(b"a: " + b"x" * MOST_BYTES)
    with pytest.raises(ConfigError, match="larger than 1000000 bytes"):
        read_yaml(path)
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert read_yaml(path) == {"a": 1, "b": 2}
