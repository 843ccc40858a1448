"""Markup in posts, taken out: Mastodon's `content` is HTML, and so is what feeds,
blogs and scrapers give.

A text counts as markup only where its tags say so: a pair of the same HTML tag (`<b>…</b>`), a
`<br>`, or a paragraph at its very start. `a < b`, `<3`, `<image>`, a lone `<b>` and a script alone
stay as they are. A text that was escaped twice (`&lt;p&gt;`) is unescaped once and looked at again.

What becomes of it: paragraphs and line breaks are line breaks, entities are characters, an emoji's
picture is its `alt`, scripts and styles go. An address keeps its whole form: Mastodon hides its
ends in `<span class="invisible">`, and half an address would be words that nobody wrote.
Hidden parts elsewhere go.

The parser is the standard library's `html.parser`: it never fails, builds no tree, and no HTML
library is among our dependencies. On tags that never close it needs quadratic time (46 seconds for
40,000 characters, measured), so it is given whole tags only: every other `<` is escaped first, and
comments go.
"""

import html
import re
from html.parser import HTMLParser

__all__ = ["has_markup", "without_markup"]

_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "dd", "div", "dl", "dt", "figcaption", "figure", "footer"}
    | {"h1", "h2", "h3", "h4", "h5", "h6", "header", "li", "main", "ol", "p", "pre", "section", "table"}
    | {"tr", "ul"}
)
_INLINE = frozenset(
    {"a", "abbr", "b", "big", "bdi", "bdo", "cite", "code", "del", "em", "font", "i", "ins", "kbd", "label"}
    | {"mark", "q", "s", "small", "span", "strike", "strong", "sub", "sup", "td", "th", "time", "tt", "u"}
    | {"var"}
)
_SILENT = frozenset({"script", "style", "template", "head", "title", "noscript", "iframe", "object", "svg"})
_NAMES = "|".join(sorted(_BLOCKS | _INLINE | {"body", "html"}, key=len, reverse=True))
# bounded, so that a `<` without an end costs no walk to the end of the text
_ATTRIBUTES = r"(?:\s[^<>]{0,4000})?"
_OPENED = re.compile(rf"<({_NAMES}){_ATTRIBUTES}>", re.IGNORECASE)
_CLOSED = re.compile(rf"</({_NAMES})\s*>", re.IGNORECASE)
_ALONE = re.compile(rf"<(?:br|hr|img){_ATTRIBUTES}/?>", re.IGNORECASE)
_PARAGRAPH_FIRST = re.compile(rf"\s*<(?:p|div|blockquote|ul|ol|h[1-6]){_ATTRIBUTES}>", re.IGNORECASE)
_ESCAPED = re.compile(rf"&lt;(?:/?(?:{_NAMES})|br)\b", re.IGNORECASE)
_COMMENT = re.compile(r"<!--(?:[^-]++|-(?!->))*+-->")
_DECLARATION = re.compile(r"<[!?][^<>]{0,4000}>")
_NO_TAG = re.compile(r"<(?!/?[A-Za-z][^<>]{0,4000}>)")
_BLANKS = re.compile(r"[ \t\f\xa0]+")
_LINE_ENDS = re.compile(r" ?\n[ \n]*")
_ADDRESS = re.compile(r"\s*(?:https?://|www\.)", re.IGNORECASE)


def has_markup(text: str) -> bool:
    """Whether a text is HTML, not only a text with the sign `<` in it.

    >>> [has_markup(x) for x in ("<p>Hi</p>", "a<br>b", "a < b > c", "I <3 it", "use <b> here", "<s>")]
    [True, True, False, False, False, False]
    """
    if "<" not in text or ">" not in text:
        return False
    if _ALONE.search(text) or _PARAGRAPH_FIRST.match(text):
        return True
    closed = {name.lower() for name in _CLOSED.findall(text)}
    return bool(closed) and any(name.lower() in closed for name in _OPENED.findall(text))


def without_markup(text: str) -> str:
    """The text that a reader of the page would see; a text without markup comes back as it is.

    >>> without_markup('<p>Bridge near <a href="x">#<span>Ponce</span></a> &amp; mill<br />is down</p>')
    'Bridge near #Ponce & mill\\nis down'

    Arguments:
        text: Any string.
    """
    if not has_markup(text):
        if not _ESCAPED.search(text):
            return text
        # once only: a post about HTML may show escaped tags on purpose
        once = html.unescape(text)
        if not has_markup(once):
            return text
        text = once
    parser = _Reader()
    parser.feed(_NO_TAG.sub("&lt;", _DECLARATION.sub(" ", _without_comments(text))))
    parser.close()
    return _LINE_ENDS.sub("\n", _BLANKS.sub(" ", parser.text())).strip()


def _without_comments(text: str) -> str:
    """Comments go; behind one that never ends, nothing else is looked at."""
    last = text.rfind("-->")
    return text if last < 0 else _COMMENT.sub(" ", text[: last + 3]) + text[last + 3 :]


class _Reader(HTMLParser):
    """Collects what is seen."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._parts: list[str] = []
        self._silent = 0
        # of a hidden span: how many spans are open within it, itself included
        self._hidden = 0
        # what stands in the link that is open, hidden parts included, and where it began
        self._link: list[str] | None = None
        self._link_at = 0

    def text(self) -> str:
        """What was seen so far."""
        self._end_link()
        return "".join(self._parts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Opens a tag."""
        of = {name: value or "" for name, value in attrs}
        if tag in _BLOCKS or tag in ("br", "hr"):
            self._parts.append("\n")
        elif tag in ("td", "th"):
            self._parts.append(" ")
        elif tag in _SILENT:
            self._silent += 1
        elif tag == "img" and "emoji" in of.get("class", ""):
            self.handle_data(of.get("alt", ""))
        elif tag == "a":
            self._end_link()
            self._link, self._link_at = [], len(self._parts)
        elif tag == "span" and (self._hidden or "invisible" in of.get("class", "").split()):
            self._hidden += 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """`<br/>`; of tags that hold something, HTML takes the slash for nothing."""
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """Closes a tag."""
        if tag in _BLOCKS:
            self._parts.append("\n")
        elif tag in _SILENT:
            self._silent = max(0, self._silent - 1)
        elif tag == "a":
            self._end_link()
        elif tag == "span" and self._hidden:
            self._hidden -= 1

    def handle_data(self, data: str) -> None:
        """Text between tags."""
        if self._silent:
            return
        if self._link is not None:
            self._link.append(data)
        if not self._hidden:
            self._parts.append(data)

    def _end_link(self) -> None:
        """An address is put back whole."""
        if self._link is not None and _ADDRESS.match(whole := "".join(self._link)):
            self._parts[self._link_at :] = [whole]
        self._link = None
