"""What encoders compute in: single precision, or bfloat16 on processors that multiply in it.

Models are trained on features of one precision, and a bundle says which. Features in bfloat16 differ
from those in the third digit, few decisions change (docs/performance.md), and half the time is asked
for where the processor has instructions for it. So a user may ask for it: `CRISISLENS_PRECISION` is
read once, when encoders are loaded; `auto` takes bfloat16 where the processor multiplies in it, and
elsewhere what the bundle says. What was taken is part of the encoders' fingerprint, so that records
name it and no run joins one with the other.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

from crisislens.core.errors import ConfigError

__all__ = ["ASKED", "Precision", "asked_precision", "choose", "multiplies_in_bfloat16"]

Precision = Literal["auto", "bf16", "fp32"]
ASKED = "CRISISLENS_PRECISION"
"""The variable that asks for a precision, whatever a bundle says."""


def asked_precision() -> str | None:
    """`bf16` or `fp32` where the user asks for it; None where it is left to the bundle, also by
    `auto` on a processor that does not multiply in bfloat16.

    Raises:
        ConfigError: If the variable holds something else.
    """
    said = os.environ.get(ASKED, "").strip().lower()
    if not said:
        return None
    if said not in get_args(Precision):
        raise ConfigError(f"{ASKED} is {said!r:.40}; it takes auto, bf16 or fp32, or nothing")
    if said == "auto":
        return "bf16" if multiplies_in_bfloat16(_processor()) else None
    return said


def choose(precision: Precision) -> str:
    """`bf16` or `fp32`, as this processor computes what is asked for."""
    if precision != "auto":
        return precision
    return "bf16" if multiplies_in_bfloat16(_processor()) else "fp32"


@lru_cache(maxsize=1)
def _processor() -> str:
    """What Linux says of the processor; empty elsewhere."""
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def multiplies_in_bfloat16(description: str) -> bool:
    """Whether a processor has instructions for products in bfloat16; without them bf16 is many times slower.

    >>> multiplies_in_bfloat16("flags : fma avx512f avx512_bf16")
    True
    >>> multiplies_in_bfloat16("flags : fma avx2")
    False

    Arguments:
        description: The text of Linux's `/proc/cpuinfo`.
    """
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(description.split())
