"""Pages that renew themselves, in a real browser: they say when they cannot, and come back."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from serve_browser import at_a_port, chromium_or_skip
from serve_site import QUICK, Site

from annotate.browsers import Browser
from crisislens.serve.access import COOKIE
from crisislens.serve.news import News

# waits that people do not notice are a twentieth as long here, and the streams of a page are at hand
EARLY = """
(function () {
  var wait = window.setTimeout;
  window.setTimeout = function (call, ms) { return wait(call, (ms || 0) / 20); };
  var Real = window.EventSource;
  window.sources = [];
  window.EventSource = function (address) {
    var source = new Real(address);
    window.sources.push(source);
    return source;
  };
  window.EventSource.CLOSED = Real.CLOSED;
})();
"""
POSTS = "document.querySelector('.tiles strong').textContent"
ALOUD = "document.getElementById('aloud')"
LOST = "This page does not renew itself for now; it tries again."


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    one = Browser(chromium_or_skip(), tmp_path_factory.mktemp("profile"))
    one.call("Page.addScriptToEvaluateOnNewDocument", {"source": EARLY})
    yield one
    one.close()


@dataclass(frozen=True)
class Open:
    """A browser before a service at a port."""

    browser: Browser
    site: Site
    url: str
    news: News

    def open(self, address: str, *, role: str = "viewer") -> None:
        """Opens a page as somebody who only looks, or who has another role."""
        cookie = {"name": COOKIE, "value": self.site.people[role].token, "url": self.url}
        self.browser.call("Network.setCookie", cookie)
        self.browser.open(self.url + address)

    def post(self, name: str) -> None:
        """One more post, assessed."""
        now = datetime.now(UTC).isoformat()
        self.site.send({"id": name, "text": f"the bridge {name} is destroyed", "created_at": now})
        self.site.work()

    def listening(self, listeners: int) -> None:
        """Waits until so many streams are open."""
        end = time.monotonic() + 20
        while self.news.listeners != listeners:
            assert time.monotonic() < end, f"{self.news.listeners} listeners"
            time.sleep(0.02)

    def see(self, hidden: bool) -> None:
        """Hides the page from view, or shows it again."""
        there = f"{{value: {str(hidden).lower()}, configurable: true}}"
        self.browser.run(f"Object.defineProperty(document, 'hidden', {there}) && null")
        self.browser.run("document.dispatchEvent(new Event('visibilitychange'))")

    def slide(self, hours: int) -> None:
        """Moves the slider of time as a person does."""
        self.browser.run(f"void (document.getElementById('at').value = '{hours}')")
        change = "new Event('change', {bubbles: true})"
        self.browser.run(f"document.getElementById('at').dispatchEvent({change})")


@pytest.fixture
def opened(browser: Browser, fresh: Site) -> Iterator[Open]:
    limits = replace(QUICK.limits, stream_s=600.0)
    with at_a_port(fresh.store, replace(QUICK, host="127.0.0.1", limits=limits)) as (url, app):
        yield Open(browser, fresh, url, app.state.service.news)
        browser.open("about:blank")


def test_a_page_that_is_turned_away_says_so_and_comes_back(opened: Open) -> None:
    most, opened.news.most = opened.news.most, 0
    opened.open("/")
    opened.browser.until(f"{ALOUD}.textContent === '{LOST}'")
    opened.post("1")
    # other words go after 0.4 s here; these stay while they are true
    time.sleep(0.6)
    assert opened.browser.run(f"{ALOUD}.classList.contains('shown')")
    assert opened.browser.run(POSTS) == "0"
    opened.news.most = most
    opened.browser.until(f"{POSTS} === '1'")
    opened.browser.until(f"{ALOUD}.textContent === 'This page renews itself again.'")
    opened.browser.until(f"!{ALOUD}.classList.contains('shown')")
    opened.listening(1)
    opened.post("2")
    opened.browser.until(f"{POSTS} === '2'")


def test_it_waits_longer_from_time_to_time(opened: Open) -> None:
    opened.news.most = 0
    opened.open("/")
    started = time.monotonic()
    opened.browser.until("window.sources.length === 4")
    # 10, 20 and 40 s, a twentieth as long here
    assert time.monotonic() - started > 3


def test_a_gap_renews_the_page(opened: Open) -> None:
    opened.open("/")
    opened.listening(1)
    opened.browser.run("void (document.querySelector('.tiles').dataset.old = 'yes')")
    opened.browser.run("window.sources[0].dispatchEvent(new MessageEvent('gap'))")
    opened.browser.until("!document.querySelector('.tiles').dataset.old")


def test_a_page_that_nobody_sees_holds_no_connection(opened: Open) -> None:
    opened.open("/")
    opened.listening(1)
    opened.see(hidden=True)
    opened.listening(0)
    opened.post("1")
    opened.see(hidden=False)
    opened.browser.until(f"{POSTS} === '1'")
    opened.listening(1)
    assert opened.browser.run(f"{ALOUD}.textContent") == ""


def test_the_queue_counts_what_came_while_nobody_saw_it(opened: Open) -> None:
    told = "document.querySelector('#fresh:not([hidden]) span')?.textContent"
    opened.open("/queue")
    opened.listening(1)
    opened.post("1")
    opened.browser.until(f"{told} === '1 new'")
    opened.see(hidden=True)
    opened.listening(0)
    opened.post("2")
    opened.see(hidden=False)
    opened.browser.until(f"{told} === '2 new'")


def test_what_comes_between_two_streams_is_counted_before_anything_was_heard(
    browser: Browser, fresh: Site
) -> None:
    """A stream that ends leaves its number with the browser, also where it told of nothing."""
    told = "document.querySelector('#fresh:not([hidden]) span')?.textContent"
    limits = replace(QUICK.limits, stream_s=1.0)
    with at_a_port(fresh.store, replace(QUICK, host="127.0.0.1", limits=limits)) as (url, app):
        opened = Open(browser, fresh, url, app.state.service.news)
        opened.open("/queue")
        opened.listening(1)
        opened.listening(0)
        # the browser comes back 2 s after the end
        opened.post("1")
        browser.until(f"{told} === '1 new'")
        browser.open("about:blank")


def test_what_a_reviewer_takes_is_new_no_more(opened: Open) -> None:
    told = "document.querySelector('#fresh:not([hidden]) span')?.textContent"
    opened.open("/queue", role="reviewer")
    opened.listening(1)
    opened.post("1")
    opened.browser.until(f"{told} === '1 new'")
    opened.browser.run("document.querySelector('#fresh button').click()")
    opened.browser.until("document.querySelectorAll('.item').length === 1")
    assert opened.browser.run("document.getElementById('fresh').hidden") is True
    opened.post("2")
    opened.browser.until(f"{told} === '1 new'")


def test_a_page_of_the_past_that_is_slid_to_now_renews_itself(opened: Open) -> None:
    steps = "document.querySelector('.steps').textContent"
    opened.open("/?hours=6&at=-28")
    opened.listening(1)
    assert "Now" in opened.browser.run(steps)
    opened.slide(0)
    opened.browser.until(f"!{steps}.includes('Now')")
    opened.post("1")
    opened.browser.until(f"{POSTS} === '1'")
    assert not opened.browser.run(f"{steps}.includes('Now')")
    # and back: what is past stays as it was
    opened.slide(-28)
    opened.browser.until(f"{steps}.includes('Now')")
    opened.browser.run("void (document.querySelector('.tiles').dataset.old = 'yes')")
    opened.post("2")
    time.sleep(0.6)
    assert opened.browser.run("document.querySelector('.tiles').dataset.old") == "yes"


def test_the_last_place_of_the_slider_is_the_one_that_is_shown(opened: Open) -> None:
    later = "document.querySelector('.steps a:nth-child(2)')?.getAttribute('href')"
    opened.open("/?hours=6")
    # a key that is held moves the slider faster than pages come, and a renewal may be on its way
    opened.browser.run("void window.htmx.trigger(document.getElementById('situation'), 'refresh')")
    moves = [f"slider.value = '{hours}'; slider.dispatchEvent(change())" for hours in (-9, -7, -5, -3)]
    begin = "var slider = document.getElementById('at')"
    make = "var change = function () { return new Event('change', {bubbles: true}); }"
    opened.browser.run(f"(function () {{ {begin}; {make}; {'; '.join(moves)} }})()")
    opened.browser.until(f"{later} === '/?hours=6&at=-2'")
    time.sleep(0.3)
    assert opened.browser.run(later) == "/?hours=6&at=-2"
    assert opened.browser.run(f"{ALOUD}.textContent") == ""
