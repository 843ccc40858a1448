"""The keys of a reviewer in a real browser: what is on the screen is answered, and nothing else."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from serve_browser import at_a_port, chromium_or_skip
from serve_site import QUICK, Site, answer

from annotate.browsers import Browser
from crisislens.domain.tasks import CATEGORY, NEEDED, TASKS
from crisislens.serve.access import COOKIE
from crisislens.store.records import ReviewRow

ASKED = "document.querySelector('.item.current .task:not([hidden])').dataset.task"
ALOUD = "document.getElementById('aloud').textContent"
CURRENT = "Number(document.querySelector('.item.current').dataset.id)"
TALLY = "document.getElementById('tally').textContent"
# a form that scripts send; a moment earlier a browser would, and load the page again
READY = "[data-htmx-powered]"
# what the page sends waits until it is let go
HOLD = """
(function () {
  var real = window.fetch, held = [];
  window.fetch = function (address, options) {
    return new Promise(function (go) {
      held.push(function () { go(real(address, options)); });
    });
  };
  window.letGo = function () {
    window.fetch = real;
    held.forEach(function (send) { send(); });
  };
})()
"""

# the next thing that the page sends does not arrive
LOSE = """
(function () {
  var real = window.fetch;
  window.fetch = function () { window.fetch = real; return Promise.reject(new TypeError("lost")); };
})()
"""
COUNT = """
document.addEventListener("submit", function (event) {
  if (event.target.closest(".item")) window.sent += 1;
}, true)
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    one = Browser(chromium_or_skip(), tmp_path_factory.mktemp("profile"))
    yield one
    one.close()


@dataclass(frozen=True)
class Open:
    """A browser before a service, with what it opens as a reviewer."""

    browser: Browser
    site: Site
    url: str

    def open(self, address: str) -> None:
        """Opens a page; the queue with the posts that it takes."""
        cookie = {"name": COOKIE, "value": self.site.people["reviewer"].token, "url": self.url}
        self.browser.call("Network.setCookie", cookie)
        self.browser.open(self.url + address)
        self.browser.until(f"document.querySelector('.item .choose{READY}')")

    def press(self, *keys: str) -> None:
        """Presses keys, one after another."""
        for key in keys:
            self.browser.key(key)

    def until_told(self, number: int, words: str) -> None:
        """Waits until the server has said of a post what was done with it."""
        told = f"document.querySelector('#item-{number} .done{READY} strong')"
        self.browser.until(f"{told} && {told}.textContent.startsWith('{words}')")

    def until_open(self, number: int) -> None:
        """Waits until a post is to be answered again."""
        self.browser.until(f"document.querySelector('#item-{number} .choose{READY}')")

    def reviews(self, number: int) -> tuple[ReviewRow, ...]:
        """What stands of a post."""
        return self.site.store.posts.get(number).reviews


@pytest.fixture
def opened(browser: Browser, fresh: Site) -> Iterator[Open]:
    """Four posts, each with a question of one answer, one of several, and one of three answers."""
    words = ("bridge over the river", "school of the village", "harbour", "hospital roof")
    fresh.send(*({"id": text, "text": f"the {text} is destroyed"} for text in words))
    tasks = {
        "humanitarian": answer(CATEGORY, "requests_or_urgent_needs", 0.8),
        "needs": answer(NEEDED, "water", 0.9),
        "damage": answer(TASKS["damage_severity"], "severe_damage", 0.9),
    }
    fresh.work(tasks=tasks)
    with at_a_port(fresh.store, replace(QUICK, host="127.0.0.1")) as (url, _):
        yield Open(browser, fresh, url)
        browser.open("about:blank")


def test_a_key_answers_no_question_that_is_not_on_the_screen(opened: Open) -> None:
    browser = opened.browser
    opened.open("/queue")
    number = browser.run(CURRENT)
    assert browser.run(ASKED) == "humanitarian"
    # of several answers is another question
    opened.press("y")
    assert browser.run(ALOUD) == "This key does nothing here."
    opened.press("t", "t")
    assert browser.run(ASKED) == "damage"
    browser.run(f"void ({ALOUD} = '')")
    # the first question has a fourth answer, this one has three
    opened.press("4")
    assert browser.run(ALOUD) == "This key does nothing here."
    assert browser.run(CURRENT) == number
    opened.press("2")
    opened.until_told(number, "You said: Mild damage.")
    [review] = opened.reviews(number)
    assert (review.task, review.labels) == ("damage", ("mild_damage",))


@pytest.mark.parametrize("address", ["/queue", "/posts/1"])
def test_enter_in_a_note_gives_no_answer(opened: Open, address: str) -> None:
    browser = opened.browser
    opened.open(address)
    browser.run("void (window.sent = 0)")
    browser.run(COUNT)
    browser.run("document.querySelector('.item [name=note]').focus()")
    opened.press("Enter")
    assert browser.run("window.sent") == 0
    # a button that is pressed is still an answer
    browser.run("document.querySelector('.item [data-key=c]').click()")
    assert browser.run("window.sent") == 1


def test_undo_after_later_takes_that_back_and_no_review(opened: Open) -> None:
    browser = opened.browser
    opened.open("/queue")
    first = browser.run(CURRENT)
    opened.press("c")
    opened.until_told(first, "The model is right")
    second = browser.run(CURRENT)
    assert second != first
    opened.press("s")
    opened.until_told(second, "Later")
    # what is put off is not reviewed
    assert browser.run(TALLY).startswith("1 reviewed")
    opened.press("z")
    opened.until_open(second)
    assert len(opened.reviews(first)) == 1
    opened.press("z")
    opened.until_open(first)
    assert opened.reviews(first) == ()
    assert browser.run(TALLY).startswith("0 reviewed")


def test_undo_before_the_server_has_answered_takes_nothing_else_back(opened: Open) -> None:
    browser = opened.browser
    opened.open("/queue")
    first = browser.run(CURRENT)
    opened.press("c")
    opened.until_told(first, "The model is right")
    second = browser.run(CURRENT)
    browser.run(HOLD)
    opened.press("s", "z")
    assert browser.run(ALOUD) == "The server has not answered yet; press z again."
    browser.run("window.letGo()")
    opened.until_told(second, "Later")
    opened.press("z")
    opened.until_open(second)
    assert len(opened.reviews(first)) == 1


def test_an_undo_that_failed_may_be_tried_again(opened: Open) -> None:
    browser = opened.browser
    opened.open("/queue")
    numbers = []
    for _ in range(2):
        numbers.append(browser.run(CURRENT))
        opened.press("c")
        opened.until_told(numbers[-1], "The model is right")
    browser.run(LOSE)
    opened.press("z")
    browser.until(f"{ALOUD}.startsWith('The server did not answer')")
    assert browser.run(TALLY).startswith("2 reviewed")
    opened.press("z")
    opened.until_open(numbers[1])
    assert opened.reviews(numbers[1]) == ()
    assert len(opened.reviews(numbers[0])) == 1


def test_a_time_with_seconds_does_not_stop_the_form(opened: Open) -> None:
    times = "since=2026-03-06T14:00:30Z&until=2037-03-06T15:00:01.5Z"
    opened.open(f"/queue?{times}&order=time")
    form = "document.querySelector('.filters form')"
    assert opened.browser.run(f"{form}.checkValidity()")
    sent = opened.browser.run(f"String(new URLSearchParams(new FormData({form})))")
    assert "since=2026-03-06T14%3A00%3A30" in sent
    assert "until=2037-03-06T15%3A00%3A01.5" in sent


@pytest.mark.parametrize("button", ["#item-{} [data-key=z]", "#undo-last button"])
def test_what_a_mouse_took_back_is_not_undone_again(opened: Open, button: str) -> None:
    browser = opened.browser
    opened.open("/queue")
    first = browser.run(CURRENT)
    opened.press("c")
    opened.until_told(first, "The model is right")
    second = browser.run(CURRENT)
    opened.press("c")
    opened.until_told(second, "The model is right")
    browser.run(f"document.querySelector('{button.format(second)}').click()")
    opened.until_open(second)
    assert browser.run(TALLY).startswith("1 reviewed")
    opened.press("z")
    opened.until_open(first)
    assert opened.reviews(first) == ()


def test_an_empty_queue_asks_once_and_stands_still(opened: Open) -> None:
    browser = opened.browser
    cookie = {"name": COOKIE, "value": opened.site.people["reviewer"].token, "url": opened.url}
    browser.call("Network.setCookie", cookie)
    browser.open(f"{opened.url}/queue?q=volcano")
    asked = "performance.getEntriesByType('resource').filter((e) => e.name.includes('/queue/take')).length"
    browser.until(asked)
    loaded = browser.run("performance.timeOrigin")
    time.sleep(1.5)
    assert browser.run("performance.timeOrigin") == loaded
    assert browser.run(asked) == 1
    assert browser.run("document.querySelectorAll('.item').length") == 0
