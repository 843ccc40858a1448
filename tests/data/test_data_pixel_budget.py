"""However many threads decode, the pixels in their hands stay within one budget."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from time import sleep

import pytest
from PIL import Image

from crisislens.data import images
from crisislens.data.images import decode_image
from crisislens.data.pixel_budget import PixelBudget


@pytest.mark.parametrize(
    ("budget", "sizes", "most"),
    [(100, [60, 60, 60, 60], 60), (100, [50] * 6, 100), (100, [1_000, 1_000, 5], 105), (10, [1] * 40, 10)],
)
def test_what_is_held_stays_within_the_budget(budget: int, sizes: Sequence[int], most: int) -> None:
    shared, lock, held, peak = PixelBudget(budget), Lock(), 0, 0

    def work(size: int) -> None:
        nonlocal held, peak
        with shared.take(size):
            with lock:
                held += min(size, budget)
                peak = max(peak, held)
            sleep(0.002)
            with lock:
                held -= min(size, budget)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, sizes))
    assert held == 0
    assert 0 < peak <= min(most, budget)


def test_a_failed_decoder_gives_its_pixels_back() -> None:
    shared = PixelBudget(10)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), shared.take(10):
            raise ValueError("broken")
    with shared.take(10):
        pass


def test_pictures_are_decoded_within_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    class Watching(PixelBudget):
        def take(self, pixels: int):  # type: ignore[no-untyped-def]
            asked.append(pixels)
            return super().take(pixels)

    monkeypatch.setattr(images, "_BUDGET", Watching())
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.png")
    assert decode_image(tmp_path / "a.png").pixels.shape == (30, 40, 3)
    assert asked == [1200]
