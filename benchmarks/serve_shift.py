"""A shift at the service, played in a browser: posts arrive, a reviewer works by keys, another one beside.

    crisislens serve --demo &          # prints the link
    python benchmarks/serve_shift.py http://127.0.0.1:8765/welcome/TOKEN --out shift/ --axe axe.min.js

Needs Playwright (`pip install playwright==1.65.2`) and a Chromium; `axe.min.js` is that of axe-core from npm.
It signs in, makes a key and a second reviewer, sends ten posts, reviews by keys alone, undoes, exports, looks
at every page in both themes and on a phone, and prints what it measured: posts reviewed a minute, the time
from a key to the next post in hand and to the server's answer (ms), and what axe-core found.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

# no extra of the package has it, and --help is told without it
if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

PAGES = (
    "/",
    "/queue",
    "/posts",
    "/posts/1",
    "/alerts",
    "/alerts/outlets",
    "/rising",
    "/events",
    "/map",
    "/timeline",
    "/model",
    "/sources",
    "/admin",
    "/account",
)
PUBLIC = ("/sign-in", "/about", "/v1/docs")
SIZES = {"wide": (1280, 900), "phone": (390, 844)}


class Shift:
    """One play."""

    def __init__(self, browser: "Browser", link: str, out: Path, axe: Path | None) -> None:
        parts = urlsplit(link)
        self.browser, self.link, self.out, self.axe = browser, link, out, axe
        self.base = f"{parts.scheme}://{parts.netloc}"
        self.problems: list[str] = []
        out.mkdir(parents=True, exist_ok=True)

    def context(self, **more: Any) -> "BrowserContext":
        return self.browser.new_context(viewport={"width": 1280, "height": 900}, **more)

    def page(self, context: "BrowserContext") -> "Page":
        page = context.new_page()
        page.on("console", lambda m: m.type in ("error", "warning") and self.problems.append(m.text))
        page.on("pageerror", lambda e: self.problems.append(f"script: {e}"))
        return page

    def sign_in(self, link: str) -> "tuple[BrowserContext, Page]":
        from playwright.sync_api import expect

        context = self.context()
        page = self.page(context)
        page.goto(link)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        return context, page

    def look(self, context: "BrowserContext") -> dict[str, list[str]]:
        """Every page in both themes and two widths: a picture, and what axe-core finds."""
        found: dict[str, list[str]] = {}
        page = self.page(context)
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            for theme in ("light", "dark"):
                page.emulate_media(color_scheme=theme)
                for path in (*PAGES, *PUBLIC):
                    page.goto(self.base + path)
                    # the map draws its tiles, and every part that asks for itself has come
                    page.wait_for_timeout(3_000 if path == "/map" else 250)
                    name = path.strip("/").replace("/", "-") or "situation"
                    page.screenshot(path=self.out / f"{name}-{size}-{theme}.png", full_page=size == "wide")
                    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
                    if wide > 1:
                        found.setdefault(f"{path} {size}", []).append(f"{wide} px too wide")
                    found.setdefault(f"{path} {size} {theme}", []).extend(self.violations(page))
        page.close()
        return {where: what for where, what in found.items() if what}

    def violations(self, page: "Page") -> list[str]:
        if self.axe is None:
            return []
        page.evaluate(self.axe.read_text())
        result = page.evaluate("axe.run({resultTypes: ['violations']})")
        return [f"{v['id']} ({v['impact']}): {v['nodes'][0]['html'][:160]}" for v in result["violations"]]

    def key(self, page: "Page") -> str:
        """A key for sending, made on the admin page as a person makes it."""
        page.goto(self.base + "/admin")
        form = page.locator("form[action='/admin/keys']")
        form.get_by_label("Name").fill("shift")
        form.get_by_role("button").click()
        return page.locator(".once code").inner_text()

    def second(self, page: "Page", name: str) -> str:
        """A second reviewer's link."""
        page.goto(self.base + "/admin")
        form = page.locator("form[action='/admin/users']")
        form.get_by_label("Name").fill(name)
        form.get_by_label("Role").select_option("reviewer")
        form.get_by_role("button").click()
        return page.locator(".once code").inner_text()

    def send(self, page: "Page", key: str, count: int) -> None:
        head = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        stamp = int(time.time())
        posts = [
            {"id": f"shift-{stamp}-{i}", "text": f"House {i} is flooded, {i} people on the roof, send help"}
            for i in range(count)
        ]
        answer = page.request.post(self.base + "/v1/posts?source=shift", headers=head, data=json.dumps(posts))
        assert answer.status == 202, answer.text()

    def review(self, page: "Page", count: int) -> dict[str, float]:
        """Reviews by keys alone; how fast it goes."""
        from playwright.sync_api import expect

        page.goto(self.base + "/queue")
        expect(page.locator(".item.current")).to_have_count(1, timeout=20_000)
        steps, answers = [], []
        began = time.perf_counter()
        for i in range(count):
            item = page.locator(".item.current")
            number = item.get_attribute("data-id")
            state = f"document.querySelector('#item-{number}').dataset.state"
            pressed = time.perf_counter()
            sure = item.locator("[data-key='c']").count() > 0
            page.keyboard.press("c" if sure and i % 3 else "1")
            expect(page.locator(f".item.current:not([data-id='{number}'])")).to_have_count(1)
            steps.append(time.perf_counter() - pressed)
            expect(page.locator(f"#item-{number} .done")).to_have_count(1, timeout=10_000)
            answers.append(time.perf_counter() - pressed)
            assert page.evaluate(state) == "reviewed"
        whole = time.perf_counter() - began
        return {
            "reviewed": count,
            "a_minute": round(60 * count / whole, 1),
            "next_in_hand_ms_p50": round(1000 * statistics.median(steps), 1),
            "answered_ms_p50": round(1000 * statistics.median(answers), 1),
            "answered_ms_max": round(1000 * max(answers), 1),
        }

    def undo(self, page: "Page") -> None:
        from playwright.sync_api import expect

        before = page.locator(".item[data-state='reviewed']").count()
        page.keyboard.press("z")
        expect(page.locator(".item[data-state='reviewed']")).to_have_count(before - 1)

    def ids(self, page: "Page") -> set[str]:
        waiting = page.locator(".item:not([data-state='reviewed'])")
        found = waiting.evaluate_all("e => e.map(x => x.dataset.id)")
        return set(found)


def main() -> None:
    """Plays it and prints what came of it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("link")
    parser.add_argument("--out", type=Path, default=Path("shift"))
    parser.add_argument("--axe", type=Path)
    parser.add_argument("--posts", type=int, default=20)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    given = parser.parse_args()
    try:
        from playwright.sync_api import expect, sync_playwright
    except ModuleNotFoundError as error:
        raise SystemExit("this needs Playwright; get it with: pip install playwright==1.65.2") from error
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=given.chromium, args=["--no-sandbox"])
        shift = Shift(browser, given.link, given.out, given.axe)
        context, page = shift.sign_in(given.link)
        key = shift.key(page)
        beside = shift.second(page, f"ben-{int(time.time())}")
        shift.send(page, key, 10)
        told = shift.review(page, given.posts)
        shift.undo(page)
        expect(page.locator(".item.current form.choose")).to_have_count(1)
        page.keyboard.press("Enter")
        expect(page.locator(".item.current .evidence-panel")).to_be_visible(timeout=90_000)
        page.screenshot(path=given.out / "review.png")
        page.keyboard.press("?")
        expect(page.locator("#keys")).to_be_visible()
        page.screenshot(path=given.out / "keys.png")
        page.keyboard.press("Escape")
        _, other = shift.sign_in(beside)
        shift_two = shift.review(other, 3)
        mine, theirs = shift.ids(page), shift.ids(other)
        export = page.request.get(shift.base + "/v1/export.csv?source=shift").text()
        looked = shift.look(context)
        browser.close()
    print(
        json.dumps(
            {
                "review": told,
                "second_reviewer": shift_two,
                "posts_both_hold": sorted(mine & theirs),
                "export_rows": len(export.strip().split("\r\n")) - 1,
                "found_on_pages": looked,
                "console": shift.problems[:20],
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
