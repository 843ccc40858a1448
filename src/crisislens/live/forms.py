"""A digest as Markdown and as HTML: every sentence with the addresses of its posts."""

import re
from html import escape
from typing import Final

from crisislens.live.digest import Digest
from crisislens.report.display import moment, visible

__all__ = ["html_digest", "markdown_digest"]

_MARKED: Final = re.compile(r"([\\`*_{}\[\]()#+.!|<>~-])")


def markdown_digest(digest: Digest, base_url: str) -> str:
    """As Markdown, in which nothing of a name is markup.

    Arguments:
        digest: The digest.
        base_url: Where people reach the service, without a slash at the end.
    """
    lines = [f"**{_md(digest.headline)}**", ""]
    for one in digest.sentences:
        posts = " ".join(f"[{number}]({base_url}/posts/{number})" for number in one.post_ids)
        lines.append(f"- [{_md(one.text)}]({base_url}/posts?{one.query}) Posts: {posts}")
    lines += ["", f"{moment(digest.since)} to {moment(digest.until)} UTC. {_md(digest.basis)}"]
    lines.append(f"Rising: {_md(digest.test)}.")
    return "\n".join(lines) + "\n"


def html_digest(digest: Digest, base_url: str) -> str:
    """As a piece of HTML without scripts and styles.

    Arguments:
        digest: The digest.
        base_url: Where people reach the service, without a slash at the end.
    """
    base = escape(base_url, quote=True)
    lines = [f"<p><strong>{_html(digest.headline)}</strong></p>", "<ul>"]
    for one in digest.sentences:
        posts = " ".join(f'<a href="{base}/posts/{number}">{number}</a>' for number in one.post_ids)
        link = f"{base}/posts?{escape(one.query, quote=True)}"
        lines.append(f'<li><a href="{link}">{_html(one.text)}</a> Posts: {posts}</li>')
    lines.append("</ul>")
    lines.append(f"<p>{moment(digest.since)} to {moment(digest.until)} UTC. {_html(digest.basis)}")
    lines.append(f"Rising: {_html(digest.test)}.</p>")
    return "\n".join(lines) + "\n"


def _md(text: str) -> str:
    return _MARKED.sub(r"\\\1", " ".join(visible(text).split()))


def _html(text: str) -> str:
    return escape(" ".join(visible(text).split()), quote=True)
