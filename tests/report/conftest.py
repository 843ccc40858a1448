"""The marker of tests that open the report in a real browser, the browser, and a report in it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from made_up_posts import crisis, meta, thumbnails
from opened_report import POSTS, made_up_run

from annotate.browsers import Browser
from crisislens.report.build import write_report


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


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    _, failed, clusters = crisis(POSTS)
    path = tmp_path_factory.mktemp("report") / "report.html"
    # few in full, so that most cards are made in the page
    options: dict[str, Any] = {"thumbnails": thumbnails, "meta": meta(), "top": 30}
    options["summary"] = path.with_name("summary")
    return write_report(path, assessments=made_up_run(), failed=failed, clusters=clusters, **options)


@pytest.fixture(scope="session")
def browser(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    one = Browser(chromium, tmp_path_factory.mktemp("profile"))
    yield one
    one.close()


@pytest.fixture
def opened(browser: Browser, report: Path) -> Callable[[str], Browser]:
    """Opens the report at an address, from nothing, and waits for its script."""

    def open_at(address: str, path: Path = report) -> Browser:
        browser.call("Page.navigate", {"url": "about:blank"})
        browser.open(f"{path.as_uri()}{address}")
        browser.until("document.documentElement.dataset.ready === 'yes'", 60)
        return browser

    return open_at
