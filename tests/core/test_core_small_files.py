"""JSON of strangers, lines, locks, fingerprints, permission for hubs: one sentence or the right value."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.core.errors import InputError, ModelError
from crisislens.core.files import LOCK, atomic_write, sole_writer
from crisislens.core.fingerprint import fingerprint, fingerprint_file, fingerprint_lines
from crisislens.core.hub import ALLOW_HUB, allow_hub, hub_allowed
from crisislens.core.json_files import MAX_BYTES, MAX_DEPTH, read_object
from crisislens.core.lines import cut_lines, first_line


def deep(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not readable JSON"),
        (b"{", "is not readable JSON"),
        (b"[1]", "it holds a list where an object is expected"),
        (b"3", "it holds a int where an object is expected"),
        (b"null", "it holds a NoneType where an object is expected"),
        (b'{"a": "\xff"}', "is not readable JSON"),
        (b'{"a": "\\ud800"}', "surrogates not allowed"),
        (b'{"\\udfff": 1}', "surrogates not allowed"),
        (b'{"a": ["\\ud800"]}', "surrogates not allowed"),
        (deep(MAX_DEPTH).encode(), f"nested more than {MAX_DEPTH} deep"),
        (deep(100_000).encode(), "is not readable JSON"),
        (b'{"a": "' + b"x" * MAX_BYTES + b'"}', f"larger than {MAX_BYTES} bytes"),
    ],
    ids=range(12),
)
def test_json_that_is_none_is_one_sentence(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        read_object(path, advice="give another model")
    said = str(caught.value)
    assert said.endswith("; give another model")
    assert "\n" not in said
    assert len(said) < 400 + len(str(path))


def test_json_that_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(deep(MAX_DEPTH - 1), encoding="utf-8")
    assert read_object(path, advice="")["a"]
    path.write_text('{"a": [{"b": null}], "ü": 1.5}', encoding="utf-8")
    assert read_object(path, advice="") == {"a": [{"b": None}], "ü": 1.5}


def test_what_is_no_regular_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "absent", "."):
        with pytest.raises(ModelError, match="missing or no regular file"):
            read_object(tmp_path / name, advice="")


@given(st.lists(st.text(st.characters(exclude_characters="\n\r"), max_size=8), max_size=6))
def test_lines_are_cut_at_line_feeds_alone(lines: list[str]) -> None:
    for end in ("\n", "\r\n"):
        assert cut_lines("".join(line + end for line in lines)) == lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("\n", [""]),
        ("a", ["a"]),
        ("a\n\nb", ["a", "", "b"]),
        ("a\rb\r\n", ["a\rb"]),
        ("a\u2028b\u0085c\x0bd\x0ce\n", ["a\u2028b\u0085c\x0bd\x0ce"]),
    ],
)
def test_lines_by_hand(text: str, lines: list[str]) -> None:
    assert cut_lines(text) == lines


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError("\n\n one \n"), "one"),
        (ValueError(""), "ValueError"),
        (KeyError(), "KeyError"),
        (OSError(2, "No such file"), "[Errno 2] No such file"),
    ],
)
def test_the_first_line_of_an_error(error: Exception, said: str) -> None:
    assert first_line(error) == said


@pytest.mark.parametrize(
    ("value", "allowed"),
    [("1", True), ("true", True), (" Yes ", True), ("0", False), ("no", False), ("", False), ("on", False)],
)
def test_a_hub_is_asked_only_where_the_user_said_so(
    value: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ALLOW_HUB, value)
    assert hub_allowed() is allowed
    monkeypatch.delenv(ALLOW_HUB)
    assert not hub_allowed()
    allow_hub()
    assert hub_allowed()


def test_runs_that_hold_different_locks_write_side_by_side(tmp_path: Path) -> None:
    with sole_writer(tmp_path), sole_writer(tmp_path, lock=".other.lock"):
        assert {LOCK, ".other.lock"} <= {path.name for path in tmp_path.iterdir()}
    assert [*tmp_path.iterdir()] == []


def test_a_busy_folder_is_told_in_the_callers_words(tmp_path: Path) -> None:
    with sole_writer(tmp_path):
        with pytest.raises(InputError, match=r"another run is writing into .*--out"), sole_writer(tmp_path):
            pass
        with pytest.raises(InputError, match=r"^wait$"), sole_writer(tmp_path, busy="wait"):
            pass
    with sole_writer(tmp_path):
        pass


def test_an_error_lets_go_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), sole_writer(tmp_path):
        raise RuntimeError
    with sole_writer(tmp_path):
        assert (tmp_path / LOCK).exists()


def test_what_is_written_may_be_read_by_others(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    atomic_write(path, "half \ud800")
    assert path.stat().st_mode & 0o777 == 0o644
    assert path.read_bytes() == b"half \xed\xa0\x80"
    # a name that a pattern of the shell would take for more
    atomic_write(tmp_path / "[a] *.json", json.dumps({}))
    assert (tmp_path / "[a] *.json").read_text() == "{}"


def test_a_folder_in_the_files_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(OSError, match=r"directory|Directory"):
        atomic_write(tmp_path / "out", "x")
    assert [path.name for path in tmp_path.iterdir()] == ["out"], "nothing half written stays"


def test_fingerprints_do_not_change_between_versions(tmp_path: Path) -> None:
    """They name caches and stand in result files, so a change of any of these loses both."""
    path = tmp_path / "file"
    path.write_bytes(b"flood")
    assert fingerprint({"b": [1, 2.5, None], "a": "ü"}) == "c8056bec61d159a2"
    assert fingerprint_lines(["a", "b"]) == "5cac45a33e5893ed"
    assert fingerprint_file(path) == "97bbdc84cad7b3cd"


@given(st.binary(max_size=64))
def test_a_file_has_the_fingerprint_of_its_bytes(content: bytes) -> None:
    import hashlib
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(content)
        assert fingerprint_file(path) == hashlib.blake2b(content).hexdigest()[:16]


@given(st.lists(st.text(max_size=4), max_size=4), st.integers(0, 4))
def test_joining_two_lines_is_another_list(lines: list[str], at: int) -> None:
    if at + 1 < len(lines):
        joined = [*lines[:at], lines[at] + lines[at + 1], *lines[at + 2 :]]
        assert fingerprint_lines(joined) != fingerprint_lines(lines)
