"""How many pixels may be decoded at a time, over all threads of the process.

A picture of 50 million pixels takes half a gigabyte while it is decoded, whatever its file weighs.
One after the other that is harmless; eight threads at once are not. So a decoder takes its picture's
pixels from one budget first and gives them back when it is done. Small pictures never wait.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

__all__ = ["PIXELS_IN_FLIGHT", "PixelBudget"]

PIXELS_IN_FLIGHT = 60_000_000
"""Pixels that may be in decoders at a time; one picture of `ImageLimits.max_pixels` and some small ones."""


class PixelBudget:
    """Pixels that threads share.

    Arguments:
        pixels: How many there are.
    """

    def __init__(self, pixels: int = PIXELS_IN_FLIGHT) -> None:
        self.pixels, self._taken = pixels, 0
        self._changed = Condition()

    @contextmanager
    def take(self, pixels: int) -> Iterator[None]:
        """Waits until there is room, and holds it.

        Arguments:
            pixels: How many are needed; a picture larger than the budget takes all of it.
        """
        share = min(pixels, self.pixels)
        with self._changed:
            self._changed.wait_for(lambda: self._taken + share <= self.pixels)
            self._taken += share
        try:
            yield
        finally:
            with self._changed:
                self._taken -= share
                self._changed.notify_all()
