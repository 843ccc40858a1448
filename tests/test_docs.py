"""The docs cannot drift: the reference is made from the code, and everything that has a name is
documented.
"""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
ROOT_PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")


# in a process of its own, because the checks of the tests would show in the signatures
@pytest.mark.usefixtures("warm_starts")
def test_the_reference_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "make_reference.py"), "--check"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_every_model_encoder_and_label_space_is_documented() -> None:
    from crisislens.domain.tasks import TASKS
    from crisislens.encoders.base import ENCODERS
    from crisislens.models.base import MODELS

    text = (DOCS / "reference" / "models.md").read_text()
    for registry in (MODELS, ENCODERS, TASKS):
        for name, entry in registry.items():
            assert name in text
            if callable(entry):
                assert (entry.__doc__ or "").strip(), name


def test_every_setting_has_a_meaning() -> None:
    rows = [
        line
        for line in (DOCS / "reference" / "settings.md").read_text().splitlines()
        if line.startswith("| `")
    ]
    assert len(rows) > 20
    empty = [row for row in rows if row.rstrip().endswith("|  |")]
    assert not empty


def anchors(page: Path) -> set[str]:
    """The places on a page that a link can lead to: its headings, as GitHub names them."""
    without_code = re.sub(
        r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )
    named: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", without_code, flags=re.MULTILINE):
        name = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(f"{name}-{named[name]}" if named[name] else name)
        named[name] += 1
    return found


def test_an_anchor_is_a_heading_and_one_that_stands_twice_is_counted(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A `name`, 0.9.0\n\n## Scores\n\n```text\n# no heading\n```\n\n## Scores\n")
    assert anchors(page) == {"a-name-090", "scores", "scores-1"}


@pytest.mark.parametrize(
    "page",
    sorted(
        str(path.relative_to(ROOT)) for path in (*(ROOT / name for name in ROOT_PAGES), *DOCS.glob("*.md"))
    ),
)
def test_links_and_named_files_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    assert "@@" not in text
    folder = (ROOT / page).parent
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text):
        # without a file it is a place on the page itself
        linked = folder / target if target else ROOT / page
        assert linked.exists(), f"{page} links to {target}"
        assert not anchor or anchor in anchors(linked), f"{page} links to {target}#{anchor}"
    if page == "CHANGELOG.md":
        # it tells of files that are gone as well
        return
    for target in re.findall(r"`((?:src|docs|configs|benchmarks|scripts|tests)/[\w./-]+\.\w+)`", text):
        assert (ROOT / target).exists(), f"{page} names {target}"
    for run in re.findall(r"configs/runs/[\w.-]+\.yaml", text):
        assert (ROOT / run).exists(), f"{page} names {run}"


def test_every_page_stands_in_the_contents_of_the_site() -> None:
    contents = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert {page for page in pages if f": {page}\n" not in contents} == set(), "add it to mkdocs.yml"


def test_nothing_names_a_private_place() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    for name in tracked:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".yaml", ".txt", ".json"} and path.is_file():
            assert "/" + "work/" not in path.read_text(encoding="utf-8"), name
