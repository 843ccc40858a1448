"""What every test shares: user folders redirected, no network, the research data where it is, and the command
line without a process of its own.
"""

import gc
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import warm
from command_line import Command

# no test is timed: a busy machine must not fail one; fewer examples a run, others in each run
_EXAMPLES = int(os.environ.get("CRISISLENS_EXAMPLES", "50"))
settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=_EXAMPLES
)
settings.load_profile("untimed")

# before any library reads them: a test must never look for a hub
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# tests run side by side, and tiny matrices are not worth two threads
os.environ.setdefault("OMP_NUM_THREADS", "1")
# where a test asks for two threads all the same: they sleep at a barrier while another worker has the core
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_ROOT = Path(__file__).resolve().parent.parent
_NUMBERS = count()

# each worker compiles the whole package for the run-time checks, and each process that a test starts compiles
# its part of it: once, not every time, also where the environment forbids to keep bytecode
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


# a worker takes its part of the whole suite and so needs it; a run of one file starts it when a test asks
_FORKED = warm.forked() if sys.platform == "linux" and "PYTEST_XDIST_WORKER" in os.environ else None


# no test cuts the power, and a killed process loses nothing that it wrote: thousands of waits for the disk
# prove nothing. Processes that tests start do wait.
pytest.MonkeyPatch().setattr(os, "fsync", lambda _: None)


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Iterator[None]:
    """What is imported and collected stays to the end: the collector need not walk it, now or later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
        # 700 new objects are soon made; a larger batch finds the same garbage in fewer walks
        gc.set_threshold(20_000, 20, 20)
        _join_loggers_of_torch()


def _join_loggers_of_torch() -> None:
    """Fifty loggers of torch keep what they hear from the root, and so pytest would hang itself at each of
    them six times a test.
    """
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith("torch") and isinstance(logger, logging.Logger):
            logger.propagate = True


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Neighbors in a file go to one worker, so what they share (a trained model, a bundle) is made once, and
    an idle worker takes half of what the other one has left. An explicit --dist is left alone.
    """
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


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
    # `mktemp` looks at all folders there are for the next number: thousands of tests, thousands of folders
    home = tmp_path_factory.getbasetemp() / "homes" / str(next(_NUMBERS))
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    # what can be made again is made once for all workers; tests of the cache name a folder of their own
    monkeypatch.setenv("CRISISLENS_CACHE", str(tmp_path_factory.getbasetemp().parent / "cache"))


@pytest.fixture(autouse=True)
def _one_thread_a_worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commands take all cores there are, and torch keeps what it was told. With a worker on each core, two
    threads of one wait for each other at every product: a test took five times as long, and so did all that
    came after it in that worker.
    """
    import torch

    monkeypatch.setattr("crisislens.nn.device.limit_threads", lambda count=None: count or 1)
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def _keeper() -> Iterator[warm.Keeper]:
    keeper = _FORKED or warm.started()
    yield keeper
    keeper.end()


@pytest.fixture
def warm_starts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python processes of this test start without importing the libraries anew."""
    if sys.platform == "linux":
        warm.patched(request.getfixturevalue("_keeper"), monkeypatch.setattr)


@pytest.fixture
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real hash of a password takes a fifth of a second, by intent; that it does has a test of its own."""
    from pwdlib import PasswordHash
    from pwdlib.hashers.argon2 import Argon2Hasher

    quick = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),))
    monkeypatch.setattr("crisislens.store.accounts._hasher", lambda: quick)


@pytest.fixture
def crisislens(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command line in this process, with its exit code and what it prints.

    A start of torch and lightning takes longer than most of what is asked of it. What only a process can show
    (signals, what is imported) has tests of its own.
    """
    from crisislens.cli.main import main

    for name, value in (("SOURCE_DATE_EPOCH", "1790000000"), ("NO_COLOR", "1"), ("COLUMNS", "120")):
        monkeypatch.setenv(name, value)

    def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        words = [str(x) for x in arguments]
        with monkeypatch.context() as here:
            here.setattr(sys, "argv", ["crisislens", *words])
            if cwd is not None:
                here.chdir(cwd)
            capsys.readouterr()
            with pytest.raises(SystemExit) as stopped:
                main()
        said = capsys.readouterr()
        return subprocess.CompletedProcess(words, int(stopped.value.code or 0), said.out, said.err)

    return run
