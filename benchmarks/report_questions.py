"""The five questions of a duty officer, played in a headless Chromium on a real report.

    python benchmarks/report_questions.py results/report.html

Who needs help, and where? What changed? What can I send? What could no model read? Why does the model say so?
Each is played as a person would, from the page as it opens, with clicks on what is seen; a JSON line says how
many clicks it took and what was found. The report is best made with `--explain` and `--since` or
`--compare-with`. Needs Chromium.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from report_search import Browser, opened

SEEN = "(element) => element && element.checkVisibility() && element.getClientRects().length > 0"


class Player:
    """Clicks on what is seen, and counts."""

    def __init__(self, browser: Browser, report: Path) -> None:
        self._browser = browser
        self.clicks = 0
        opened(browser, report, "")

    def click(self, selector: str) -> None:
        """Clicks on the first element of a selector.

        Raises:
            LookupError: If none is there, or it is not seen.
        """
        found = self._browser.run(
            f"(() => {{ const element = document.querySelector({json.dumps(selector)}); "
            f"if (!({SEEN})(element)) return false; "
            "element.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true })); "
            "return true; })()"
        )
        if not found:
            raise LookupError(f"nothing is seen at {selector}")
        self.clicks += 1
        self._browser.run("new Promise((done) => setTimeout(done, 200))")

    def texts(self, selector: str, most: int = 3) -> list[str]:
        """What the first seen elements of a selector say."""
        found: list[str] = self._browser.run(
            f"[...document.querySelectorAll({json.dumps(selector)})].filter({SEEN})"
            ".map((element) => element.textContent.trim().replace(/\\s+/g, ' ').slice(0, 160))"
        )
        return found[:most]


def who_needs_help_where(player: Player) -> dict[str, Any]:
    """The gravest need, where most ask for it, and the first posts there."""
    player.click("header nav a[href='#needs']")
    row = "#needs .needs tbody tr:first-child"
    need, places = player.texts(f"{row} th"), player.texts("#needs .needs thead th:nth-child(n+5)", 4)
    player.click(f"{row} td:nth-child(n+5) a")
    return {
        "need": need,
        "places": places,
        "found": player.texts("#count", 1),
        "first": player.texts("#cards .text"),
    }


def what_changed(player: Player) -> dict[str, Any]:
    """What is new and what rises, on the first page."""
    new, rising = player.texts("#changes-title + p", 1), player.texts("#now .moved li")
    player.click("a[href='#fresh=1']")
    return {"new": new, "moved": rising, "found": player.texts("#count", 1)}


def what_can_i_send(player: Player) -> dict[str, Any]:
    """The first page of posts as text."""
    player.click("header nav a[href='#read']")
    player.click("#select-page")
    what = player.texts("#send-what", 1)
    player.click("[data-send='text']")
    return {"what": what, "sent": player.texts("#sent", 1)}


def what_was_not_read(player: Player) -> dict[str, Any]:
    """The lane of what no model read, and all posts of its first language."""
    lane = player.texts(".lane.unread summary")
    player.click(".lane.unread details[open] > p a")
    return {"lane": lane, "found": player.texts("#count", 1), "reason": player.texts("#cards .reason", 1)}


def why_does_the_model_say_so(player: Player) -> dict[str, Any]:
    """The evidence of the post to read first: words, photo, contributions."""
    player.click(".lane.grave .said-text a")
    words, photo = (
        player.texts("#cards .card:first-child mark"),
        player.texts("#cards .card:first-child .evidence", 1),
    )
    player.click("#cards .card:first-child .answers details summary")
    return {
        "words": words,
        "evidence": photo,
        "more": player.texts("#cards .card:first-child .answers details", 1),
    }


QUESTIONS: dict[str, Callable[[Player], dict[str, Any]]] = {
    "Who needs help, and where?": who_needs_help_where,
    "What changed?": what_changed,
    "What can I send?": what_can_i_send,
    "What could no model read?": what_was_not_read,
    "Why does the model say so?": why_does_the_model_say_so,
}


def played(browser: Browser, report: Path) -> Iterator[dict[str, Any]]:
    """Each question, its clicks and what was found; or what was not seen."""
    for question, play in QUESTIONS.items():
        player = Player(browser, report)
        try:
            found = play(player)
        except LookupError as error:
            found = {"missing": str(error)}
        yield {"question": question, "clicks": player.clicks, **found}


def main() -> None:
    """Prints the answers as JSON lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("report", type=Path)
    given = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory() as folder:
        browser = Browser(chromium, Path(folder) / "profile")
        try:
            for line in played(browser, given.report.resolve()):
                print(json.dumps(line, ensure_ascii=False), flush=True)
        finally:
            browser.close()


if __name__ == "__main__":
    main()
