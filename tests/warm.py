"""Python processes that start warm: forked from one that has imported the libraries already.

A test that kills a command needs a process, and a process that imports torch needs four seconds of a core.
Here each worker of pytest keeps one process, the keeper, that has imported it all and forks itself on demand.
The keeper of a worker is forked from it, once it has imported the libraries and before it imports the package
under the checks of the tests, so that they are not imported a second time.
What tests and the package call stays as it is (`subprocess`, `multiprocessing`): only the system call beneath
is another one. A process started so has the arguments, the environment, the folder and the open files that it
was given, runs without the checks of the tests, ends by its own exit code or signal, and is a child of the
process that asked for it. It differs in this: the libraries read the environment before it was set. Tests of
what is imported, of memory and of threads therefore start cold.

Linux alone hands an orphan to the process that wants it (`PR_SET_CHILD_SUBREAPER`), so elsewhere, and for
commands that are not understood here, processes start cold; so do all once a keeper is gone.
"""

import atexit
import ctypes
import faulthandler
import fcntl
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import traceback
import types
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

LIBRARIES = (
    "torch",
    "pytorch_lightning",
    "transformers",
    "pydantic",
    "sqlalchemy.orm",
    "alembic.migration",
    "pyarrow.parquet",
)
"""What takes nearly all the time of a start."""
PRELOADED = (
    "crisislens.assess.process",
    "crisislens.bench.run",
    "crisislens.captioning.run",
    "crisislens.features.extract",
    "crisislens.pipeline.batch",
    "crisislens.pipeline.extraction",
    "crisislens.runs.processes",
    "crisislens.store",
)
"""No command line: tests put slow parts in the places of others before they import it."""
_SUBREAPER = 36
_HIGH = 500
# arguments of fork_exec, by place
_ARGS, _KEPT, _FOLDER, _ENVIRONMENT = 0, 3, 4, 5
_STDIN, _STDOUT, _STDERR, _ERRORS = 6, 9, 11, 13


class Keeper:
    """The process that forks, as the one that asks sees it."""

    def __init__(self, here: socket.socket, cold: Callable[..., int]) -> None:
        self.here, self.cold = here, cold
        # an answer must reach the thread that asked
        self.alone = threading.Lock()
        self.pid = 0
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)

    def end(self) -> None:
        """Lets it go; it ends where it reads that nobody is there."""
        self.here.close()
        if self.pid:
            os.waitpid(self.pid, 0)

    def fork_exec(self, *given: Any) -> int:
        """In the place of `_posixsubprocess.fork_exec`."""
        words = understood([os.fsdecode(word) for word in given[_ARGS]])
        if not words:
            return self.cold(*given)
        lines = given[_ENVIRONMENT]
        pairs = os.environ.items() if lines is None else (os.fsdecode(x).partition("=")[::2] for x in lines)
        # -1 stands for what this process has itself
        files = {0: given[_STDIN], 1: given[_STDOUT], 2: given[_STDERR]}
        sent = {place: file if file >= 0 else place for place, file in files.items()}
        sent |= {kept: kept for kept in given[_KEPT] if kept != given[_ERRORS]}
        folder = os.fsdecode(given[_FOLDER]) if given[_FOLDER] is not None else str(Path.cwd())
        asked = {"words": words, "environment": dict(pairs), "folder": folder, "places": [*sent]}
        with self.alone:
            socket.send_fds(self.here, [json.dumps(asked).encode()], [*sent.values()])
            return int(self.here.recv(32) or self.cold(*given))


def understood(command: Sequence[str]) -> list[str]:
    """What follows the name of Python, where a command is Python that runs our code; else nothing."""
    if command[0] != sys.executable:
        return []
    # as multiprocessing hands down that no bytecode is kept
    words = [word for word in command[1:] if word != "-B"]
    if not words or "resource_tracker" in " ".join(words[:2]):
        return []
    return words if words[0] in ("-c", "-m") or words[0].endswith(".py") else []


def started() -> Keeper:
    """A keeper of this process, still importing."""
    from _posixsubprocess import fork_exec

    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    place = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, __file__, str(there.fileno())]
    keeper = Keeper(here, fork_exec)
    process = subprocess.Popen(command, env=place, pass_fds=[there.fileno()], stdin=subprocess.DEVNULL)
    # waited for by its number, as one that was forked
    keeper.pid, process.returncode = process.pid, 0
    there.close()
    return keeper


def forked() -> Keeper:
    """A keeper forked from this process, which must not have imported the package yet."""
    from _posixsubprocess import fork_exec

    for name in LIBRARIES:
        # what an extra brings may not be here
        with suppress(ImportError):
            importlib.import_module(name)
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    keeper = Keeper(here, fork_exec)
    with warnings.catch_warnings():
        # the thread that talks to pytest is not there in the new process, which needs it for nothing
        warnings.simplefilter("ignore", DeprecationWarning)
        keeper.pid = os.fork()
    if keeper.pid:
        there.close()
        return keeper
    try:
        _forget_pytest(there.fileno())
        _preload_and_keep(there)
    finally:
        # whatever happened, the tests are not run here a second time
        os._exit(1)


def _forget_pytest(kept: int) -> None:
    """Undoes what a process without pytest would lack: its pipes, hooks, and filters of warnings."""
    faulthandler.disable()
    os.closerange(3, kept)
    os.closerange(kept + 1, _HIGH)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    ours = ("typechecker", "_pytest.assertion.rewrite")
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ not in ours]
    sys.excepthook, threading.excepthook = sys.__excepthook__, threading.__excepthook__
    sys.unraisablehook = sys.__unraisablehook__
    warnings.resetwarnings()
    for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", category)


def _preload_and_keep(there: socket.socket) -> NoReturn:
    # Ctrl+C at the terminal is for pytest
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in PRELOADED:
        importlib.import_module(name)
    keep(there)


def patched(keeper: Keeper, put: Callable[[Any, str, Any], None]) -> None:
    """Lets `subprocess` and `multiprocessing` ask the keeper.

    Arguments:
        keeper: Whom they ask.
        put: `setattr`, or what undoes it.
    """
    import _posixsubprocess

    put(subprocess, "_fork_exec", keeper.fork_exec)
    put(_posixsubprocess, "fork_exec", keeper.fork_exec)


def keep(there: socket.socket) -> NoReturn:
    """Forks on demand until the other side is gone."""
    while True:
        message, files, _, _ = socket.recv_fds(there, 1 << 20, 64)
        if not message:
            os._exit(0)
        number, told = os.pipe()
        if between := os.fork():
            # whose parent is gone is handed to the process that asked, and only then may it wait for it
            os.waitpid(between, 0)
            there.send(os.read(number, 32))
            for file in (*files, number, told):
                os.close(file)
        elif child := os.fork():
            os.write(told, str(child).encode())
            os._exit(0)
        else:
            run(there, json.loads(message), files)


def run(there: socket.socket, asked: dict[str, Any], files: list[int]) -> NoReturn:
    """What the new process does: all that a fresh one would."""
    there.close()
    keeper = _own_keeper(files)
    _open_as(asked["places"], files)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _open_streams()
    patched(keeper, setattr)
    code = _ended(asked["words"])
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _own_keeper(files: list[int]) -> Keeper:
    """Forked before there are threads, and with none of the files: who waits for their end would wait on."""
    import _posixsubprocess

    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        here.close()
        for file in files:
            os.close(file)
        keep(there)
    there.close()
    # out of the way of the numbers that the command line tells
    high = fcntl.fcntl(here.detach(), fcntl.F_DUPFD_CLOEXEC, 2 * _HIGH - 100)
    return Keeper(socket.socket(fileno=high), _posixsubprocess.fork_exec)


def _open_as(places: list[int], files: list[int]) -> None:
    """Gives the files the numbers that the command line tells."""
    high = [fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, _HIGH) for file in files]
    for file in files:
        os.close(file)
    for place, file in zip(places, high, strict=True):
        os.dup2(file, place, inheritable=place > 2)
        os.close(file)


def _open_streams() -> None:
    """The three streams as a fresh process has them."""
    buffering = 1 if "PYTHONUNBUFFERED" in os.environ else -1
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False, buffering=buffering)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False, buffering=1, errors="backslashreplace")  # noqa: SIM115


def _ended(words: list[str]) -> int:
    """Runs a command line of Python and gives its exit code."""
    try:
        if words[0] == "-m":
            sys.argv = words[1:]
            sys.path.insert(0, str(Path.cwd()))
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        elif words[0] == "-c":
            sys.argv = ["-c", *words[2:]]
            sys.path.insert(0, "")
            main = types.ModuleType("__main__")
            sys.modules["__main__"] = main
            exec(compile(words[1], "<string>", "exec"), vars(main))
        else:
            sys.argv = words
            runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        sys.stderr.write(f"{end.code}\n")
        return 1
    except KeyboardInterrupt:
        traceback.print_exc()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    _preload_and_keep(socket.socket(fileno=int(sys.argv[1])))
