"""`python -m crisislens` among files that bear the names of libraries."""

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[1] / "src"
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "NO_COLOR": "1", "PYTHONPATH": str(SOURCE)}
TRAP = "from pathlib import Path\nPath(__file__).with_name('sprung').touch()\nraise SystemExit('trap')\n"


def run(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "crisislens", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=ENVIRONMENT | more, cwd=folder, timeout=100
    )


def test_names_of_libraries_in_the_working_folder_are_not_loaded(tmp_path: Path) -> None:
    for name in (
        "numpy.py",
        "yaml.py",
        "typer.py",
        "pydantic.py",
        "rich.py",
        "torch.py",
        "PIL.py",
        "json.py",
    ):
        (tmp_path / name).write_text(TRAP)
    for name in ("redis", "filelock", "email"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(TRAP.replace("__file__", "__file__ + '/..'"))
    (tmp_path / "posts.csv").write_text("id,text\n1,Bridge is down\n")
    # reads the posts, so the libraries for tables are loaded too
    done = run(tmp_path, "caption", "posts.csv", "--backend", "nobody")
    assert done.returncode == 2, done.stderr
    assert "nobody" in done.stderr
    assert done.stderr.count("\n") == 1
    # an empty entry of PYTHONPATH is the working folder by another name
    done = run(tmp_path, "--version", PYTHONPATH=os.pathsep + str(SOURCE))
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(tmp_path.rglob("sprung"))


def test_it_runs_where_the_package_itself_stands(tmp_path: Path) -> None:
    done = run(SOURCE, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("crisislens ")
