"""The memory of encoded pictures: its bound, what it forgets and when."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.features.picture_memory import Picture, PictureMemory, pixels_key


def picture(name: str, numbers: int = 4) -> Picture:
    return Picture(torch.empty(0, 2), torch.zeros(numbers), name, f"pixels of {name}", None, ())


def names(memory: PictureMemory, version: int = 0) -> list[str]:
    return list(memory.known(version))


@settings(max_examples=30, deadline=None)
@given(
    most=st.integers(0, 20_000),
    used=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2_000)), max_size=30),
)
def test_it_never_holds_more_bytes_than_its_bound(most: int, used: list[tuple[int, int]]) -> None:
    memory = PictureMemory(most)
    memory.known(0)
    for name, numbers in used:
        memory.keep([picture(str(name), numbers)], 0)
        held = memory.known(0)
        assert sum(one.size for one in held.values()) <= most
        # the last one used stays wherever it fits by itself
        assert (str(name) in held) == (picture(str(name), numbers).size <= most)
    assert len(memory) == len(memory.known(0))


def test_the_one_that_was_used_longest_ago_goes_first() -> None:
    memory = PictureMemory(3 * picture("a").size)
    memory.known(0)
    memory.keep([picture(name) for name in "abc"], 0)
    memory.keep([picture("a")], 0)
    memory.keep([picture("d")], 0)
    assert names(memory) == ["c", "a", "d"]


def test_other_weights_forget_and_late_pictures_of_the_old_ones_are_not_taken() -> None:
    memory = PictureMemory(10_000)
    assert names(memory, 1) == []
    memory.keep([picture("a")], 1)
    assert names(memory, 1) == ["a"]
    assert names(memory, 2) == []
    memory.keep([picture("late")], 1)
    assert names(memory, 2) == []


@pytest.mark.parametrize("place", [(0, 0, 0), (3, 4, 2)])
def test_one_other_bit_is_another_key(place: tuple[int, int, int]) -> None:
    pixels = np.zeros((4, 5, 3), np.uint8)
    other = pixels.copy()
    other[place] = 1
    assert pixels_key(pixels) != pixels_key(other)
    # a view is read as it looks, not as it lies in memory
    assert pixels_key(other[::-1, ::-1]) == pixels_key(other[::-1, ::-1].copy())
