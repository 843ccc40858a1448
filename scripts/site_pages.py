"""Pages of the site that lie outside of `docs`: the README is its home, changelog and contributing follow.

A hook of mkdocs: their links are rewritten from the root of the project to `docs`, so that they are checked
as all others are.
"""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGES = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
_LINK = re.compile(r"(\]\()([^)#:\s]+)")


def as_page(text: str) -> str:
    """The text of a file at the root, as a page of the site: links from there to `docs` and to each other.

    >>> as_page("[How](docs/how-to.md#bytes), [new](CHANGELOG.md), [far](https://example.org)")
    '[How](how-to.md#bytes), [new](changelog.md), [far](https://example.org)'
    """
    return _LINK.sub(lambda found: found[1] + _target(found[2]), text)


def _target(path: str) -> str:
    return PAGES.get(path, path.removeprefix("docs/"))


def up_to_root(text: str) -> str:
    """The text of a page in `docs`: what it names of the root by `../` are pages beside it now.

    >>> up_to_root("[how to help](../CONTRIBUTING.md)")
    '[how to help](contributing.md)'
    """
    return _LINK.sub(lambda found: found[1] + PAGES.get(found[2].removeprefix("../"), found[2]), text)


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages; mkdocs calls it."""
    from mkdocs.structure.files import File

    for source, target in PAGES.items():
        text = as_page((ROOT / source).read_text(encoding="utf-8"))
        files.append(File.generated(config, target, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Mends the links of the other pages; mkdocs calls it."""
    return up_to_root(markdown)
