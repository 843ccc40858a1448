"""Seeds of random numbers: which numbers may be one, and that none stands twice."""

from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from crisislens.core.errors import InputError

__all__ = ["MOST_SEED", "Seeds", "check_seed_numbers"]

MOST_SEED: Final = 2**32 - 1
"""The largest number that every library that draws takes as a seed."""


def check_seed_numbers(seeds: Sequence[int]) -> None:
    """Refuses seeds that no library takes, and one that stands twice.

    Arguments:
        seeds: What was given, or none.

    Raises:
        InputError: In one sentence.
    """
    for seed in seeds:
        if not 0 <= seed <= MOST_SEED:
            raise InputError(f"{seed} is no seed; give a whole number from 0 to {MOST_SEED}")
    try:
        _distinct(tuple(seeds))
    except ValueError as error:
        raise InputError(str(error)) from None


def _distinct(seeds: tuple[int, ...]) -> tuple[int, ...]:
    """One training that is counted twice would pass for two, and its interval for a narrow one."""
    for at, seed in enumerate(seeds):
        if seed in seeds[:at]:
            raise ValueError(f"seeds must differ, and {seed} stands there twice; give each once")
    return seeds


Seeds = Annotated[
    tuple[Annotated[int, Field(ge=0, le=MOST_SEED)], ...], Field(min_length=1), AfterValidator(_distinct)
]
"""The seeds of a run file."""
