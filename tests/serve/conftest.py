"""A service over a fresh store, with one person and one key of each role."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")
pytest.importorskip("sqlalchemy", reason="the extra serve is not installed")

from serve_site import QUICK, Site, open_site, share_routes


@pytest.fixture(scope="session", autouse=True)
def _shared_routes() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        share_routes(patch)
        yield


@pytest.fixture(autouse=True)
def _quick_hashes(quick_hashes: None) -> None:
    """People of these tests sign in with passwords, and none tells how long that takes."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The service, its store and its people; one a module, since a store takes longer to make than to ask.
    Streams end at once, so that no test waits for one.
    """
    with open_site(tmp_path_factory.mktemp("site"), QUICK) as found:
        yield found


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Site]:
    """A service in which nothing has happened."""
    with open_site(tmp_path, QUICK) as found:
        yield found
