"""What the docs and the models' cards tell people to type is understood: every option that they name beside
a command, a benchmark or a script is one of its own.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer

from crisislens.cli.main import app

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "src" / "crisislens" / "assets").rglob("*.md"),
]
FENCED = re.compile(r"^ *```[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
# up to a pipe, another command or a comment
COMMAND = re.compile(r"(?:^|[\s/])(?:((?:benchmarks|scripts)/\w+\.py)|crisislens)(?= |$)([^|;&#]*)")
OPTION = re.compile(r"(?<!\S)--[\w-]+")


def pieces(text: str) -> Iterator[str]:
    """The lines of a page's code blocks, and its code between words."""
    for block in FENCED.findall(text):
        yield from block.replace("\\\n", " ").split("\n")
    for code in re.findall(r"`([^`]+)`", FENCED.sub("", text)):
        yield " ".join(code.split())


@cache
def of_script(name: str) -> frozenset[str]:
    """The options of a benchmark or a script; its parser says them in its source."""
    return frozenset(re.findall(r"[\"'](--[\w-]+)[\"']", (ROOT / name).read_text(encoding="utf-8")))


def of_command(words: list[str]) -> set[str]:
    """The options of the command that words begin with, and of those above it."""
    command: Any = typer.main.get_command(app)
    known = options_of(command)
    for word in words:
        below = getattr(command, "commands", {})
        if word in below:
            command = below[word]
        elif word not in known and "from" in below:
            # `stream SOURCE` is `stream from SOURCE`
            command = below["from"]
        elif word not in known:
            break
        known |= options_of(command)
    return known


def options_of(command: Any) -> set[str]:
    """What a command takes by itself."""
    return {name for one in command.params for name in (*one.opts, *one.secondary_opts)}


def unknown(text: str) -> list[str]:
    """The options that a page names and nothing takes."""
    found = []
    for piece in pieces(text):
        for script, rest in COMMAND.findall(piece):
            known = of_script(script) if script else of_command(rest.split())
            named = {*OPTION.findall(rest)} - known - {"--help"}
            found += [f"{option} in: {piece}" for option in sorted(named)]
    return found


@pytest.mark.parametrize("page", sorted(str(path.relative_to(ROOT)) for path in PAGES))
def test_every_option_that_a_page_names_is_there(page: str) -> None:
    assert unknown((ROOT / page).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("`crisislens analyze POSTS --explain`", []),
        ("`crisislens analyze POSTS --explian`", ["--explian"]),
        ("```bash\ncrisislens study make a b \\\n    --itms 3 --out x\n```\n", ["--itms"]),
        ("`crisislens stream rss:x --db a` and `crisislens stream rss:x --bd a`", ["--bd"]),
        ("`crisislens --allow-hub bench run table2 --data DATA`", []),
        ("`benchmarks/serve_load.py --second 3 --clients 8`", ["--second"]),
        ("`cat x | crisislens demo # --none`", []),
    ],
)
def test_an_option_that_nothing_takes_is_found(text: str, options: list[str]) -> None:
    assert [one.partition(" ")[0] for one in unknown(text)] == options


def test_the_pages_name_options() -> None:
    """Otherwise the pages are read wrongly, and nothing is compared."""
    commands = [c for page in PAGES for p in pieces(page.read_text("utf-8")) for c in COMMAND.findall(p)]
    assert sum(len(OPTION.findall(rest)) for _, rest in commands) > 400
