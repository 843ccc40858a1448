import platform

import pytest

from crisislens.core.allocator import keep_freed_memory, release_freed_memory


def test_does_no_harm_and_says_whether_it_was_taken() -> None:
    taken = keep_freed_memory()
    assert isinstance(taken, bool)
    assert sum(len(bytearray(1 << 26)) for _ in range(3)) == 3 << 26


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_glibc_takes_it() -> None:
    assert keep_freed_memory()


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert not keep_freed_memory()


@pytest.mark.parametrize("system", ["darwin", "win32"])
def test_nothing_is_released_elsewhere(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    monkeypatch.setattr("sys.platform", system)
    assert not release_freed_memory()


def test_releasing_says_whether_anything_was() -> None:
    assert isinstance(release_freed_memory(), bool)
