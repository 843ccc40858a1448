"""The marker of tests that open the report in a real browser, and the browser."""

import shutil

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "browser: opens the report in a real browser (skipped where Chromium is absent)"
    )


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium or Chrome."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium here; install it to test the report in a browser")
