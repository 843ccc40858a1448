"""Numbers, bars and lines of the report open as many posts as they say, in a real browser."""

import html
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from opened_report import found_at

from annotate.browsers import Browser

pytestmark = pytest.mark.browser


def test_every_number_of_the_needs_opens_as_many_posts(opened: Callable[[str], Browser]) -> None:
    browser = opened("#needs")
    cells = browser.run("[...document.querySelectorAll('.needs td a')].map(a => [a.hash, +a.textContent])")
    # a place, all others and none
    assert {kind for kind in ("place=", "lacking=") if any(kind in link for link, _ in cells)}
    assert len(cells) > 15
    assert {link: found_at(browser, link) for link, _ in cells} == dict(cells)
    assert browser.run(
        "document.querySelectorAll('.needs tbody td:not(.trend):not(.spark):not(:has(a))').length"
    ) == (
        browser.run(
            "[...document.querySelectorAll('.needs tbody td')].filter(x => x.textContent === '0').length"
        )
    )


def test_bars_over_time_are_a_list_for_who_has_no_mouse(opened: Callable[[str], Browser]) -> None:
    browser = opened("#needs")
    browser.run("document.querySelector('.over-time summary').focus()")
    browser.key("Enter")
    browser.until("document.querySelector('.over-time a')")
    bars = browser.run("document.querySelectorAll('.needs')[0].querySelectorAll('[data-link]').length")
    links = "[...document.querySelector('.over-time').querySelectorAll('a')]"
    assert browser.run(f"{links}.length") == bars
    said = browser.run(f"{links}[0].getAttribute('aria-label')")
    posts = int(said.rpartition(": ")[2].split(" ")[0])
    assert browser.run(f"{links}[0].textContent").endswith(f" {posts}")
    # closed and opened again it is the same list
    browser.run(
        "document.querySelector('.over-time').open = false; document.querySelector('.over-time').open = true"
    )
    assert browser.run(f"{links}.length") == bars
    assert found_at(browser, browser.run(f"{links}[0].hash")) == posts


def test_every_line_of_the_summary_opens_its_posts(opened: Callable[[str], Browser], report: Path) -> None:
    page = report.with_name("summary.html").read_text(encoding="utf-8")
    rests = re.findall(r'<span class="ids">(.*?)</span></li>', page, re.DOTALL)
    assert len(rests) > 15
    browser = opened("#about")
    for rest in rests:
        named = re.findall(r'href="report.html(#post_id=[^"]*)"', rest)
        assert [found_at(browser, link) for link in named] == [1] * len(named)
        more = re.search(r'href="report.html(#[^"]*)">and ([\d,]+) more', rest)
        if more and more[1] != "#failed":
            whole = len(named) + int(more[2].replace(",", ""))
            assert found_at(browser, html.unescape(more[1])) == whole, rest
