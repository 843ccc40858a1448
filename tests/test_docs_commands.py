"""Commands in the docs work as printed: each ```bash block of README, tutorial and how-to runs in a folder
that holds what a fresh clone holds, or says above it why it cannot.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from command_line import Command
from crisislens.core import errors
from crisislens.core.errors import CrisisLensError

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "docs/tutorial.md", "docs/how-to.md", "examples/README.md")
BLOCK = re.compile(r"(?:<!-- not run: (?P<reason>[^>]+) -->\n\n)?```bash\n(?P<lines>.*?)\n```", re.DOTALL)
FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<first>.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Printed:
    """A block of commands on a page."""

    page: str
    lines: tuple[str, ...]
    reason: str | None


def printed() -> list[Printed]:
    found = []
    for page in PAGES:
        for match in BLOCK.finditer((ROOT / page).read_text(encoding="utf-8")):
            lines = tuple(match["lines"].split("\n"))
            found.append(Printed(page, lines, match["reason"]))
    return found


def to_run() -> list[str]:
    """Each different command that must run, once."""
    return list(dict.fromkeys(line for block in printed() if block.reason is None for line in block.lines))


def test_the_first_command_after_the_setup_is_run() -> None:
    command = ".venv/bin/crisislens analyze examples/posts.csv --images examples/photos --out results"
    assert command in to_run()
    for page in ("README.md", "docs/tutorial.md"):
        assert any(command in block.lines for block in printed() if block.page == page)


@pytest.mark.parametrize("page", PAGES)
def test_no_commands_hide_in_a_block_without_a_language(page: str) -> None:
    opened = [m for m in FENCE.finditer((ROOT / page).read_text(encoding="utf-8")) if m["language"] == ""]
    hidden = [m["first"] for m in opened if re.match(r"(\.venv/bin/)?(crisislens|make|python)\b", m["first"])]
    assert hidden == []


@pytest.mark.parametrize("block", printed(), ids=lambda block: f"{block.page}: {block.lines[0][:50]}")
def test_what_is_not_run_has_a_reason_and_exists(block: Printed) -> None:
    assert block.reason is None or len(block.reason) > 10
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for line in block.lines:
        words = shlex.split(line, comments=True)
        if words[0] == "make":
            assert words[1] in targets, f"{block.page} names make {words[1]}"
        for word in words:
            if word.startswith(("configs/", "examples/")):
                assert (ROOT / word).exists(), f"{block.page} names {word}"


@pytest.mark.parametrize("line", to_run())
def test_a_printed_command_works(crisislens: Command, tmp_path: Path, line: str) -> None:
    for folder in ("examples", "configs"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    program, *words = shlex.split(line, comments=True)
    assert program in ("crisislens", ".venv/bin/crisislens")
    done = crisislens(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    if "examples/posts.csv" in words:
        assert "8 rows read: 8 posts assessed, 0 rows failed" in done.stdout
        assert (tmp_path / "results" / "report.html").is_file()


@pytest.mark.parametrize("page", PAGES)
def test_no_line_is_wider_than_a_reader_sees(page: str) -> None:
    text = re.sub(r"```text\n.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    # a table cannot be wrapped, and what a program printed is shown as it is
    wide = [line for line in text.split("\n") if len(line) > 100 and not line.startswith("|")]
    assert wide == []


def test_the_example_pictures_are_few_and_small() -> None:
    photos = sorted((ROOT / "examples" / "photos").iterdir())
    named = re.findall(r"\w+\.jpg", (ROOT / "examples" / "posts.csv").read_text(encoding="utf-8"))
    assert {photo.name for photo in photos} == {*named}
    assert all(photo.stat().st_size < 12_000 for photo in photos)


def test_every_exit_code_is_in_the_table() -> None:
    text = (ROOT / "docs" / "how-to.md").read_text(encoding="utf-8")
    told = {int(code) for code in re.findall(r"^\| (\d+) +\|", text, re.MULTILINE)}
    classes = [getattr(errors, name) for name in errors.__all__]
    raised = {kind.exit_code for kind in classes if issubclass(kind, CrisisLensError)}
    assert told == {0, *raised}


PYTHON = re.compile(r"```python\n(?P<code>.*?)\n```", re.DOTALL)


def written() -> list[tuple[str, str]]:
    """Each block of Python and the page that prints it."""
    texts = [(page, (ROOT / page).read_text(encoding="utf-8")) for page in PAGES]
    return [(page, match["code"]) for page, text in texts for match in PYTHON.finditer(text)]


@pytest.mark.parametrize(("page", "code"), written(), ids=lambda value: value[:40])
def test_printed_python_works(
    crisislens: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str, code: str
) -> None:
    """In the folder in which its page left the reader, with the files that it names."""
    from crisislens.runs.sinks import SINKS

    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "posts.jsonl").write_text('{"id": "1", "text": "Bridge is down"}\n', encoding="utf-8")
    if "results" in code:
        assert crisislens("analyze", "examples/posts.csv", "--out", "results").returncode == 0
    before = set(SINKS.names())
    names: dict[str, object] = {"__name__": "printed"}
    exec(compile(code, page, "exec"), names)
    for name in set(SINKS.names()) - before:
        done = crisislens("analyze", "posts.jsonl", "--out", "also", "--also", name)
        monkeypatch.delitem(SINKS._entries, name)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "also" / f"assessments.{name}").read_text(encoding="utf-8") == "1\n"
    if "words.jsonl" in code:
        assert (tmp_path / "words.jsonl").read_text(encoding="utf-8") == '{"id": "1", "words": 3}\n'
    if "assessments =" in code:
        [assessment] = names["assessments"]  # type: ignore[misc]
        assert assessment.tasks["informativeness"].label == "informative"


def test_there_is_python_to_run() -> None:
    assert {page for page, _ in written()} == {"README.md", "docs/tutorial.md", "docs/how-to.md"}
