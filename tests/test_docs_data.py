"""The tables behind the benchmark pages: each can be read by a program, and a reader finds the way to it."""

import csv
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "docs" / "data"
FILES = sorted(str(path.relative_to(DATA)) for path in DATA.rglob("*.csv"))
# digits and what pages print around them: "1.2 ± 0.3", "+1.2 [−0.8, +3.3], p .7", "2,874", "12 %", ".4 / .5"
PRINTED = re.compile(r"[p\s.,;±\[\]()/%<>+−-]*\d[p\s\d.,;±\[\]()/%<>+−-]*")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def faults(text: str) -> list[str]:
    """What keeps a program from reading this table."""
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    found = []
    if "" in header or len(set(header)) < len(header):
        found.append(f"columns without a name of their own: {header}")
    if all(NUMBER.fullmatch(name) for name in header):
        found.append("no header")
    if not rows:
        found.append("no rows")
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            found.append(f"line {number} has {len(row)} cells and the header {len(header)}")
        for cell in filter(None, row):
            if PRINTED.fullmatch(cell) and not NUMBER.fullmatch(cell):
                found.append(f"line {number}: {cell!r} is no plain number")
    return found


def test_there_are_files() -> None:
    assert len(FILES) > 3


@pytest.mark.parametrize("name", FILES)
def test_a_program_can_read_it(name: str) -> None:
    assert faults((DATA / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", FILES)
def test_its_page_links_to_it_and_the_list_names_it(name: str) -> None:
    page = ROOT / "docs" / f"{Path(name).parent}.md"
    assert f"](data/{name})" in page.read_text(encoding="utf-8")
    assert f"]({name})" in (DATA / "README.md").read_text(encoding="utf-8")


def test_the_list_names_nothing_else() -> None:
    links = re.findall(r"\]\(([^)]*)\)", (DATA / "README.md").read_text(encoding="utf-8"))
    assert sorted(link for link in links if link.endswith(".csv")) == FILES
    assert [link for link in links if not (DATA / link).is_file()] == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("system,f1\na,1.5\nb\n", "line 3 has 1 cells and the header 2"),
        ("system,f1\na,1.5,2\n", "line 2 has 3 cells and the header 2"),
        ("system,system\na,1.5\n", "columns without a name"),
        ("system,\na,1.5\n", "columns without a name"),
        ("1,2\n3,4\n", "no header"),
        ("system,f1\n", "no rows"),
        ("system,f1\na,+1.2 [−0.8]\n", "line 2"),
        ("system,f1\na,1.2 ± 0.3\n", "line 2"),
        ("system,f1\na,−1.2\n", "line 2"),
        ("system,f1\na,.731\n", "line 2"),
        ('system,f1\na,"2,874"\n', "line 2"),
        ("system,f1\na,12 %\n", "line 2"),
        ("system,p\na,p < 0.001\n", "line 2"),
        ("system,f1\na,83.5 / 82.9\n", "line 2"),
    ],
)
def test_a_table_that_no_program_can_read_is_found(text: str, told: str) -> None:
    assert told in "; ".join(faults(text))
