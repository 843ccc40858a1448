"""Reads a report as a browser's parser would, for the tests."""

from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "img", "input", "br", "link", "base"}


class Page(HTMLParser):
    """A report taken apart.

    Attributes:
        tags: Every element in order: its name and attributes.
        scripts: The text of every script.
        styles: The text of every style element.
        text: All text outside scripts and styles.
        cards: Per listed post its attributes and text.
        open_at_end: Elements that were never closed.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.cards: list[tuple[dict[str, str], list[str]]] = []
        self.open_at_end: list[str] = []
        self._text: list[str] = []
        self.feed(html)
        self.close()

    @classmethod
    def at(cls, path: Path) -> "Page":
        return cls(path.read_text(encoding="utf-8"))

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._text).split())

    def card_text(self, index: int) -> str:
        return " ".join(" ".join(self.cards[index][1]).split())

    def shown(self) -> list[dict[str, str]]:
        """The attributes of the listed posts that are not hidden, in their order."""
        return [attributes for attributes, _ in self.cards if "hidden" not in attributes]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append((tag, attributes))
        if tag not in VOID:
            self.open_at_end.append(tag)
        if "card" in attributes.get("class", "").split():
            self.cards.append((attributes, []))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open_at_end, f"</{tag}> closes nothing"
        assert self.open_at_end.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        inside = self.open_at_end[-1] if self.open_at_end else ""
        if inside in {"script", "style"}:
            (self.scripts if inside == "script" else self.styles).append(data)
            return
        self._text.append(data)
        if self.cards and "article" in self.open_at_end:
            self.cards[-1][1].append(data)
