"""Every view of a report in light and dark, on a desktop and a phone, and printed: pictures to look at, and
what axe-core finds.

    npm pack axe-core@4.10.2 && tar xzf axe-core-4.10.2.tgz package/axe.min.js
    python benchmarks/report_views.py results/report.html --axe package/axe.min.js --out pictures

Prints a JSON line a view with the violations that axe-core calls serious or critical, and whether the page is
wider than the screen; then how many pages the print has. Needs Chromium.
"""

import argparse
import base64
import json
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from annotate.browsers import Browser  # noqa: E402 - the browser's driver is that of the tests

VIEWS = ("now", "needs", "map", "read", "about")
SCREENS = {"desktop": (1300, 1000), "phone": (390, 844)}
THEMES = ("light", "dark")
# a picture of a long list says nothing that its start does not
TALLEST = 2400
CHECK = """
axe.run(document, { resultTypes: ["violations"] }).then((result) => result.violations
  .filter((found) => ["serious", "critical"].includes(found.impact))
  .map((found) => ({ rule: found.id, where: found.nodes.length, first: found.nodes[0].html.slice(0, 200) })))
"""


def opened(browser: Browser, report: Path, view: str, theme: str, screen: str) -> None:
    """Opens one view as it looks at rest."""
    width, height = SCREENS[screen]
    looks = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": screen == "phone"}
    browser.call("Emulation.setDeviceMetricsOverride", looks)
    browser.call("Page.navigate", {"url": "about:blank"})
    browser.call("Page.navigate", {"url": f"{report.as_uri()}#view={view}&theme={theme}"})
    browser.until("document.documentElement?.dataset.ready === 'yes'", 120)
    if view == "map":
        browser.until("document.querySelector('#map-box svg') || !document.getElementById('live-map')", 60)
    browser.run("new Promise((done) => setTimeout(done, 400))")


def pictured(browser: Browser, out: Path) -> None:
    """A picture of the whole page, or of its start."""
    size = browser.call("Page.getLayoutMetrics")["cssContentSize"]
    width, height = size["width"], min(size["height"], TALLEST)
    # cards that are not on the screen are not drawn, so the screen is made as tall as the picture
    looks = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.call("Emulation.setDeviceMetricsOverride", looks)
    browser.run("new Promise((done) => setTimeout(done, 300))")
    shot = browser.call("Page.captureScreenshot")
    out.write_bytes(base64.b64decode(shot["data"]))


def printed(browser: Browser, report: Path, out: Path) -> int:
    """The print as PDF; returns its pages."""
    opened(browser, report, "now", "dark", "desktop")
    pdf = base64.b64decode(browser.call("Page.printToPDF", {"preferCSSPageSize": True})["data"])
    out.write_bytes(pdf)
    return page_count(pdf)


def page_count(pdf: bytes) -> int:
    """The pages of a PDF as Chromium writes it."""
    return len(re.findall(rb"/Type\s*/Page\b", pdf))


def checked(browser: Browser, axe: str | None) -> list[dict[str, Any]] | None:
    """What axe-core finds; None where none was given."""
    if axe is None:
        return None
    # by the debugger, because the page's policy forbids foreign scripts
    browser.call("Runtime.evaluate", {"expression": axe})
    found: list[dict[str, Any]] = browser.run(CHECK)
    return found


def main() -> None:
    """Reads the arguments, writes the pictures and prints JSON lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("--axe", type=Path, help="axe.min.js of the npm package axe-core")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    axe = given.axe.read_text(encoding="utf-8") if given.axe else None
    report = given.report.resolve()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with tempfile.TemporaryDirectory() as folder:
        browser = Browser(chromium, Path(folder) / "profile")
        try:
            for screen in SCREENS:
                for theme in THEMES:
                    for view in VIEWS:
                        opened(browser, report, view, theme, screen)
                        pictured(browser, given.out / f"{view}-{theme}-{screen}.png")
                        wide = browser.run("document.documentElement.scrollWidth > innerWidth")
                        line = {"view": view, "theme": theme, "screen": screen, "too_wide": wide}
                        print(json.dumps(line | {"serious": checked(browser, axe)}), flush=True)
            print(json.dumps({"pages": printed(browser, report, given.out / "print.pdf")}), flush=True)
        finally:
            browser.close()


if __name__ == "__main__":
    main()
