"""A process that starts warm is what a cold one would be, to who started it."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from warm import understood

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux hands orphans over")

TELL = """
import json, os, sys
print(json.dumps([sys.argv, os.getcwd(), os.environ.get("A"), sys.stdin.read(), "torch" in sys.modules]))
print("beside", file=sys.stderr)
"""


@pytest.mark.usefixtures("warm_starts")
def test_it_has_what_it_was_given(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TELL, "x", "ü"]
    done = subprocess.run(command, input="in", capture_output=True, text=True, env={"A": "1"}, cwd=tmp_path)
    assert json.loads(done.stdout) == [["-c", "x", "ü"], str(tmp_path), "1", "in", True]
    assert (done.returncode, done.stderr) == (0, "beside\n")


@pytest.mark.usefixtures("warm_starts")
@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('a sentence')", 1, "a sentence"),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, ""),
        ("raise KeyboardInterrupt", -signal.SIGINT, "KeyboardInterrupt"),
        ("import atexit, os; atexit.register(os.write, 2, b'at the end')", 0, "at the end"),
    ],
)
def test_it_ends_as_a_cold_one_does(code: str, status: int, said: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == status
    assert said in done.stderr
    assert bool(said) == bool(done.stderr)


@pytest.mark.usefixtures("warm_starts")
def test_it_is_a_child_and_can_be_stopped() -> None:
    code = "import time; print('ready', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert process.poll() is None
        process.terminate()
        assert process.wait(10) == -signal.SIGTERM
        # whatever it had open is closed with it
        assert process.stdout.read() == ""


@pytest.mark.usefixtures("warm_starts")
def test_processes_of_multiprocessing_start_warm_too() -> None:
    context = multiprocessing.get_context("spawn")
    mine, yours = context.Pipe()
    process = context.Process(target=os.write, args=(1, b""))
    process.start()
    process.join(20)
    assert process.exitcode == 0
    sender = context.Process(target=yours.send, args=("said",))
    sender.start()
    assert mine.poll(20)
    assert mine.recv() == "said"
    sender.join(20)
    for end in (mine, yours):
        end.close()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([sys.executable, "-m", "crisislens", "demo"], ["-m", "crisislens", "demo"]),
        ([sys.executable, "-B", "-c", "pass"], ["-c", "pass"]),
        ([sys.executable, "script.py", "-x"], ["script.py", "-x"]),
        # options of the interpreter, other programs, and the tracker that outlives its starter
        ([sys.executable, "-I", "-c", "pass"], []),
        ([sys.executable], []),
        (["/bin/true"], []),
        ([sys.executable, "-c", "from multiprocessing.resource_tracker import main"], []),
    ],
)
def test_what_is_not_understood_starts_cold(command: list[str], words: list[str]) -> None:
    assert understood(command) == words
