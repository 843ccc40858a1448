"""What every test shares: user folders redirected, no network, the research data where it is."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# no test is timed: a busy machine must not fail one
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# before any library reads them: a test must never look for a hub
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# tests run side by side, and tiny matrices are not worth two threads
os.environ.setdefault("OMP_NUM_THREADS", "1")

_ROOT = Path(__file__).resolve().parent.parent


def _data_folder() -> Path:
    return Path(os.environ.get("CRISISLENS_DATA", _ROOT.parent / "shared" / "data"))


@pytest.fixture
def shared_data() -> Path:
    """The folder of research data, which is not part of the project."""
    folder = _data_folder()
    if not folder.is_dir():
        pytest.skip("the research data is not here; set CRISISLENS_DATA to its folder")
    return folder


@pytest.fixture(autouse=True)
def _redirected_user_folders(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
