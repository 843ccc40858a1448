"""The site builds from the pages as they are, asks nobody for anything, and a broken link ends the build."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from site_pages import as_page, up_to_root

ROOT = Path(__file__).resolve().parents[2]
# what a browser would load by itself; a link that a reader may follow is no such thing
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|link(?=[^>]*stylesheet))[^>]*(?:src|href)=["'](https?:)?//"""
)


def build(config: Path, site: Path) -> subprocess.CompletedProcess[str]:
    # without --quiet: it also silences what --strict counts
    command = [sys.executable, "-m", "mkdocs", "build", "-f", str(config), "-d", str(site)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT / "mkdocs.yml", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_built_and_the_readme_is_the_first(site: Path) -> None:
    pages = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    assert len(pages) > 30
    # the page of a folder is its index, which is what opens at the address of the folder
    built = [
        page.with_name("index.html" if page.name == "README.md" else f"{page.stem}.html") for page in pages
    ]
    assert [page for page in built if not (site / page).is_file()] == []
    home = (site / "index.html").read_text(encoding="utf-8")
    assert 'src="images/report.png"' in home
    assert 'href="tutorial.html"' in home
    assert 'href="changelog.html"' in home


def test_data_files_lie_beside_the_pages_that_link_to_them(site: Path) -> None:
    files = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs" / "data").rglob("*.csv")]
    assert files
    for file in files:
        assert (site / file).read_bytes() == (ROOT / "docs" / file).read_bytes()
        page = (site / f"{file.parent.name}.html").read_text(encoding="utf-8")
        assert f'href="{file.as_posix()}"' in page


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert LOADED.findall(page.read_text(encoding="utf-8")) == [], page.name
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(?:https?:)?//|@import", style.read_text(encoding="utf-8"))
    assert (site / "assets" / "iframe-worker.js").is_file()


def test_search_knows_the_glossary_and_works_from_the_disk(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    places = {entry["location"] for entry in index["docs"]}
    assert {"glossary.html#abstention", "glossary.html#auroc", "glossary.html#near-duplicate"} <= places
    assert (site / "search" / "search_index.js").read_text(encoding="utf-8").startswith("var __index = ")


@pytest.mark.parametrize(
    ("link", "told"),
    [
        ("[gone](gone.md)", "gone.md"),
        ("[no such part](glossary.md#no-such-part)", "no-such-part"),
        ("![no picture](images/gone.png)", "images/gone.png"),
    ],
)
def test_a_broken_link_ends_the_build(tmp_path: Path, link: str, told: str) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# Home\n\n[Words](glossary.md)\n\n{link}\n")
    (tmp_path / "docs" / "glossary.md").write_text("# Glossary\n\n## A word\n")
    # the settings of the real site that decide what is broken; its theme and search take a second more
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    validation = settings[settings.index("validation:") : settings.index("nav:")]
    config = tmp_path / "mkdocs.yml"
    config.write_text(f"site_name: small\nstrict: true\nplugins: []\ntheme: {{name: mkdocs}}\n{validation}")
    done = build(config, tmp_path / "site")
    assert done.returncode != 0
    assert told in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("[a](docs/a.md)", "[a](a.md)"),
        ("[a](docs/a.md#part)", "[a](a.md#part)"),
        ("![a](docs/images/a.png)", "![a](images/a.png)"),
        ("[a](CHANGELOG.md)", "[a](changelog.md)"),
        ("[a](https://example.org/docs/a.md)", "[a](https://example.org/docs/a.md)"),
        ("[a](#part)", "[a](#part)"),
    ],
)
def test_links_of_the_root_become_links_of_the_site(text: str, page: str) -> None:
    assert as_page(text) == page


def test_links_up_to_the_root_become_links_beside() -> None:
    assert up_to_root("[a](../CONTRIBUTING.md), [b](b.md)") == "[a](contributing.md), [b](b.md)"
    assert up_to_root("[a](../README.md#install)") == "[a](index.md#install)"
