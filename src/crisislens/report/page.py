"""The template environment of the report, and the policy that holds its page.

Everything in a post is hostile until shown otherwise. What holds it back, each by itself:

- Jinja2 escapes every value, and before that `display.visible` is applied to every string (as the
  environment's `finalize`), so that no template can forget it; addresses in posts stay text.
- The posts that the page searches stand in it as base64, which no parser can take for anything else; the
  script puts them on the page as text nodes and never as markup.
- A content security policy forbids every request and every script and style but the two whose SHA-256 it
  names, so even a hole in the escaping runs nothing and tells nobody.
- Pictures arrive as small JPEGs that the hardened decoder made, never as the bytes of a post.
"""

import base64
import hashlib
import re
from functools import lru_cache
from html import escape
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from crisislens.domain.language_names import language_name
from crisislens.report.display import instant, number, percent, visible
from crisislens.report.fields import field_of

__all__ = ["asset", "digest", "environment", "policy", "script", "style"]

_INDENTATION = re.compile(r"^[ \t]+", re.MULTILINE)
_MARKS_OF_MARKDOWN = re.compile(r"([\\`*_\[\]#|~])")

TEMPLATES = (
    "report.html", "now.html", "needs.html", "map.html", "read.html", "about.html", "card.html",
    "time.html", "lines.html", "print.html", "summary.html", "summary.md",
)  # fmt: skip
SCRIPTS = ("archive.js", "query.js", "cards.js", "send.js", "read.js", "map.js", "page.js")
"""In the order in which they are joined: each uses only what stands before it, and `page.js` starts all."""
STYLES = ("report.css", "views.css")


def _finalize(value: object) -> object:
    """Applied to everything that a template prints: strings lose their disguises, `None` is a bug and shows
    as one.
    """
    return visible(value) if type(value) is str else value


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates; Markdown is escaped as HTML too, because its readers take HTML for what it is."""
    made = Environment(
        loader=DictLoader({name: _flush(name) for name in TEMPLATES}),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(number=number, percent=percent, instant=instant, language=language_name, line=_line)
    made.filters["field_of"] = field_of
    return made


def _flush(name: str) -> str:
    """A template without the indentation of its own lines, which is a tenth of a report. What it prints, such
    as the lines of a post, is not touched.
    """
    source = asset(name)
    return _INDENTATION.sub("", source) if name.endswith(".html") else source


def _line(text: str) -> Markup:
    """A text on one line of Markdown, in which nothing is markup."""
    plain = _MARKS_OF_MARKDOWN.sub(r"\\\1", " ".join(visible(text).split()))
    # quotes mean nothing outside of tags, and the file is read as plain text too: "d'eau", not "d&#39;eau"
    return Markup(escape(plain, quote=False))


def asset(name: str) -> str:
    """A file of `report/templates`, with line feeds only, as the browser will hash it."""
    path = files("crisislens.report").joinpath("templates", name)
    return path.read_text(encoding="utf-8").replace("\r\n", "\n")


@lru_cache(maxsize=1)
def script() -> str:
    """The one script of the page, in a function of its own."""
    parts = "\n".join(asset(name) for name in SCRIPTS)
    return f'(function () {{\n"use strict";\n{parts}\n}})();\n'


@lru_cache(maxsize=1)
def style() -> str:
    """The one style of the page."""
    return "\n".join(asset(name) for name in STYLES)


def policy() -> str:
    """The content security policy: nothing is loaded, nothing runs but what is hashed here."""
    return (
        f"default-src 'none'; img-src data:; style-src '{digest(style())}'; script-src '{digest(script())}'; "
        f"base-uri 'none'; form-action 'none'"
    )


def digest(text: str) -> str:
    """How a content security policy names a text: `sha256-` and its digest as base64."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
