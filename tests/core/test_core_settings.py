"""Values from the command line, read by the type that waits for them; threads; optional packages."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from crisislens.core import threads
from crisislens.core.config import Config
from crisislens.core.errors import ConfigError, MissingExtraError
from crisislens.core.optional import require
from crisislens.core.settings import keys_at, parse_setting, parse_value, schema_at, split_setting
from crisislens.core.version import __version__
from crisislens.core.yaml_files import dump_yaml, parse_yaml


class Leaf(Config):
    name: str = ""
    rate: float = 0.1


class Tree(Config):
    leaf: Leaf = Leaf()
    perhaps: Annotated[Leaf | None, Field()] = None
    leaves: tuple[Leaf, ...] = ()
    by_name: dict[str, Leaf] = Field(default={})
    either: Leaf | int = 0
    pair: tuple[str, int] = ("", 0)
    anything: Any = None
    bare: list = Field(default=[])  # type: ignore[type-arg]


@pytest.mark.parametrize(
    ("pair", "found"),
    [
        ("a=b", ("a", "b")),
        (" a.b =c", ("a.b", "c")),
        ("a=", ("a", "")),
        ("a=b=c", ("a", "b=c")),
        ("a= b ", ("a", " b ")),
    ],
)
def test_key_and_value(pair: str, found: tuple[str, str]) -> None:
    assert split_setting(pair) == found


@pytest.mark.parametrize("pair", ["a", "", "=b", " =b", "a..b=c", ".a=c", "a.=c"])
def test_what_is_no_pair(pair: str) -> None:
    with pytest.raises(ConfigError, match="is not of the form KEY=VALUE, as in epochs=3"):
        split_setting(pair)


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("no", str, "no"),
        ("no", bool, "no"),
        ("true", bool, True),
        ("1", str, "1"),
        ("1", int, 1),
        ("1e-3", float, 0.001),
        ("007", int, "007"),
        ("null", str, "null"),
        ("null", str | None, None),
        ("null", int | None, None),
        ("", str, ""),
        ("", Path, None),
        (" ", Path | None, None),
        ("no", Path, "no"),
        ("no", Literal["no", "yes"], "no"),
        ("1", Literal["1", 1], 1),
        ("[no, 007, null]", list[str], ["no", "007", "null"]),
        ("[1, a]", tuple[str, int], ["1", "a"]),
        ("[1, 2, 3]", tuple[str, int], ["1", 2, 3]),
        ("{a: no, b: 1}", dict[str, str], {"a": "no", "b": "1"}),
        ("{a: no, b: 1}", Mapping[str, int], {"a": "no", "b": 1}),
        ("[a, 1]", Sequence[str | None], ["a", "1"]),
        ("[a, null]", Sequence[str | None], ["a", None]),
        ("{name: 1, rate: 1, odd: 1}", Leaf, {"name": "1", "rate": 1, "odd": 1}),
        ("[{name: 1}]", tuple[Leaf, ...], [{"name": "1"}]),
        ("{name: 1}", Leaf | None, {"name": "1"}),
        ("{name: 1}", Leaf | int, {"name": "1"}),
        ("[1]", Any, [1]),
        ("[1]", list, [1]),
        ("[1]", int, [1]),
    ],
)
def test_a_text_is_read_by_the_type_that_waits_for_it(text: str, schema: Any, value: object) -> None:
    found = parse_value(text, schema, where="--set x")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["[", "{a", "a: b: c", "'"])
def test_what_is_no_yaml_is_told_with_its_key(text: str) -> None:
    with pytest.raises(ConfigError, match="--set sizes"):
        parse_setting(f"sizes={text}", type("Sizes", (Config,), {"__annotations__": {"sizes": list[int]}}))


@pytest.mark.parametrize(
    ("key", "schema"),
    [
        ("leaf", Leaf),
        ("leaf.name", str),
        ("perhaps.rate", float),
        ("leaves.3.name", str),
        ("by_name.any.rate", float),
        ("either.name", str),
        ("pair.0", str),
        ("pair.1", int),
        ("pair.2", Any),
        ("pair.x", Any),
        ("anything.deep.down", Any),
        ("bare.0", Any),
        ("leaf.odd", Any),
        ("leaf.name.deeper", Any),
        ("odd", Any),
    ],
)
def test_what_stands_at_a_key(key: str, schema: object) -> None:
    assert schema_at(Tree, key.split(".")) == schema


@pytest.mark.parametrize(
    ("at", "keys"),
    [
        ([], [*Tree.model_fields]),
        (["leaf"], ["name", "rate"]),
        (["perhaps"], ["name", "rate"]),
        (["leaves", "0"], ["name", "rate"]),
        (["by_name", "x"], ["name", "rate"]),
        (["leaf", "name"], []),
        (["by_name"], []),
        (["odd"], []),
    ],
)
def test_the_keys_of_what_stands_there(at: list[str], keys: list[str]) -> None:
    assert keys_at(Tree, at) == keys


@given(st.text(max_size=20))
def test_any_text_is_itself_where_a_text_is_wanted(text: str) -> None:
    assert parse_setting(f"leaf.name={text}", Tree) == {"leaf": {"name": text}}


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(PLAIN)
def test_values_that_are_written_mean_the_same_when_read(value: object) -> None:
    printable = dump_yaml(value)
    assert parse_yaml(printable, where="x") == value


def test_a_record_is_told_from_a_plain_class() -> None:
    class Plain(BaseModel):
        x: int = 0

    assert keys_at(Plain, []) == ["x"]


def test_threads_that_the_user_chose_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    assert threads.limit_threads(3) == 3
    assert [os.environ[f"{name}_NUM_THREADS"] for name in ("OMP", "MKL", "OPENBLAS")] == ["7", "3", "3"]


@pytest.mark.parametrize(("count", "cores"), [(None, 1), (4, 4)])
def test_without_an_affinity_mask_the_machine_is_asked(
    count: int | None, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(threads.os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(threads.os, "cpu_count", lambda: count)
    assert threads.available_cores() == cores


def test_a_package_that_breaks_for_want_of_another_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "needs_more.py").write_text("import no_such_module_anywhere\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(
        MissingExtraError, match=r"needs_more is not installed; .*'crisislens\[ocr\]'"
    ) as caught:
        require("needs_more", extra="ocr")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    (tmp_path / "is_broken.py").write_text("1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        # a bug of that package is not to be mended by installing it
        require("is_broken", extra="ocr")


def test_the_version_is_one() -> None:
    assert [part.isdecimal() for part in __version__.split(".")] == [True] * 3
