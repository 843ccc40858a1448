"""The browser of the tests that open a page."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from annotate.browsers import Browser


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Callable[[], Browser]]:
    """Opens a browser when it is called; closed at the end."""
    found = next(
        (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))),
        None,
    )
    if found is None:
        pytest.skip("no Chromium here; install it to test the page in a browser")
    opened: list[Browser] = []

    def start() -> Browser:
        opened.append(Browser(found, tmp_path / "profile"))
        return opened[-1]

    yield start
    for one in opened:
        one.close()
