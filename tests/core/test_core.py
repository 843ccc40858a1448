"""Errors, registry, fingerprints, files and configuration: each promise of the docstrings."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.core import errors
from crisislens.core.config import Config
from crisislens.core.errors import (
    ConfigError,
    CrisisLensError,
    InputError,
    MissingExtraError,
    NotRegisteredError,
)
from crisislens.core.files import atomic_write, sole_writer
from crisislens.core.fingerprint import fingerprint, fingerprint_file, fingerprint_lines, sha256_of_file
from crisislens.core.optional import require
from crisislens.core.registry import Registry
from crisislens.core.threads import available_cores, limit_threads

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=4), x, max_size=3),
    max_leaves=8,
)


class Inner(Config):
    rate: float = 0.1


class Outer(Config):
    name: str
    inner: Inner = Inner()


def test_every_error_is_one_of_the_tree_with_its_own_exit_code() -> None:
    classes = [getattr(errors, name) for name in errors.__all__]
    assert all(issubclass(c, CrisisLensError) for c in classes)
    assert {c.exit_code for c in classes} == {1, 2, 3, 4, 5, 6, 7, 8, 130, 143}
    assert all(400 <= c.http_status <= 599 for c in classes)


def test_a_name_without_an_end_is_cut_in_the_sentence() -> None:
    with pytest.raises(NotRegisteredError, match=r"no fruit named 'x{100}…'; known: none$"):
        Registry[int]("fruit")["x" * 10_000]


def test_a_failed_look_up_names_the_nearest() -> None:
    fruits: Registry[int] = Registry("fruit")
    fruits.register("apple")(1)
    fruits.register("pear")(2)
    with pytest.raises(
        NotRegisteredError, match="no fruit named 'appel'; known: apple, pear; did you mean 'apple'"
    ):
        fruits["appel"]
    assert "apple" in fruits
    assert "appel" not in fruits
    assert list(fruits) == ["apple", "pear"]
    with pytest.raises(ValueError, match="registered already"):
        fruits.register("apple")(3)


@given(st.dictionaries(st.text(max_size=4), JSON, max_size=4))
def test_fingerprint_ignores_the_order_of_keys(values: dict[str, object]) -> None:
    assert fingerprint(values) == fingerprint(dict(reversed(list(values.items()))))


@given(st.lists(st.text()), st.lists(st.text()))
def test_fingerprint_of_lines_tells_lists_apart(a: list[str], b: list[str]) -> None:
    assert (fingerprint_lines(a) == fingerprint_lines(b)) == (a == b)


def test_fingerprint_refuses_what_json_cannot_hold() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        fingerprint(float("nan"))
    with pytest.raises(TypeError):
        fingerprint(object())


def test_file_digests_follow_the_bytes(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"x" * 3_000_000)
    b.write_bytes(b"x" * 2_999_999 + b"y")
    assert fingerprint_file(a) != fingerprint_file(b)
    (tmp_path / "empty").write_bytes(b"")
    assert (
        sha256_of_file(tmp_path / "empty")
        == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )


def test_atomic_write_leaves_the_old_file_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    atomic_write(path, "old")
    with pytest.raises(TypeError):
        atomic_write(path, 3)  # type: ignore[arg-type]
    assert path.read_text() == "old"
    atomic_write(path, b"new")
    assert path.read_text() == "new"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


def test_an_absent_package_names_its_extra() -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'crisislens\[cluster\]'"):
        require("no_such_module_anywhere", extra="cluster")
    assert require("json", extra="cluster").dumps(1) == "1"


def test_config_reads_yaml_and_overrides(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("name: a\ninner: {rate: 0.5}\n")
    assert Outer.load(path).inner.rate == 0.5
    assert Outer.load(path, ["inner.rate=0.25", "name=b"]) == Outer(name="b", inner=Inner(rate=0.25))
    assert Outer.load(path).fingerprint() != Outer.load(path, ["name=b"]).fingerprint()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\ninner: {rat: 1}\n", r"inner\.rat: Extra inputs"),
        ("inner: {rate: fast}\nname: a\n", r"inner\.rate: Input should be a valid number.*'fast'"),
        ("{}", "name: Field required"),
        ("name: [", "cannot be read as YAML"),
    ],
)
def test_config_says_which_key_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        Outer.load(path)


def test_config_says_where_examples_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="examples stand in configs/"):
        Outer.load(tmp_path / "none.yaml")


def test_threads_are_limited_before_the_libraries_load() -> None:
    code = (
        "from crisislens.core.threads import limit_threads; import os; limit_threads(1); "
        "print(os.environ['OMP_NUM_THREADS'])"
    )
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == "1"
    assert limit_threads() == available_cores() >= 1


def test_one_run_writes_into_a_folder(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with sole_writer(out):
        assert out.is_dir()
        held = subprocess.run(
            [
                sys.executable,
                "-c",
                f"from crisislens.core.files import *; from pathlib import Path\nwith "
                f"sole_writer(Path({str(out)!r})): pass",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "another run is writing into" in held.stderr.splitlines()[-1]
    assert list(out.iterdir()) == []
    with sole_writer(out):
        pass


def test_a_killed_run_lets_go_of_its_folder(tmp_path: Path) -> None:
    code = f"""
import os
from pathlib import Path
from crisislens.core.files import sole_writer
with sole_writer(Path({str(tmp_path)!r})):
    os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    with sole_writer(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_folder_to_write_into(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    for out in (tmp_path / "out", tmp_path / "out" / "deeper"):
        with pytest.raises(InputError, match="--out"), sole_writer(out):
            pass
    assert (tmp_path / "out").read_text() == "mine"
