"""The report in a real browser: search and filters over all posts, views, copies, sending on, the map, print,
hostile posts.
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_up_posts import crisis, hostile, meta, thumbnails
from opened_report import CATCH, POSTS, count, made_up_run, shown
from report_questions import played
from report_views import page_count

from annotate.browsers import Browser
from crisislens.domain.assessment import Assessment
from crisislens.report.build import write_report

pytestmark = pytest.mark.browser

# a circle is an element of SVG, which has no click() of its own
CLICK = "dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}))"


def answers(a: Assessment, task: str, label: str) -> bool:
    """Whether a label is said of a post, and not in doubt."""
    return a.tasks[task].label == label and not a.tasks[task].abstained


def sure(a: Assessment) -> bool:
    return not any(task.abstained for task in a.tasks.values())


def later(a: Assessment, when: str) -> bool:
    return a.post.created_at is not None and a.post.created_at.isoformat() >= when


def placed(a: Assessment, source: str) -> bool:
    return a.location is not None and a.location.source == source


def grave(a: Assessment) -> bool:
    return answers(a, "humanitarian", "affected") or answers(a, "damage", "severe_damage")


@pytest.mark.parametrize(
    ("address", "fits"),
    [
        ("#humanitarian=affected", lambda a: answers(a, "humanitarian", "affected")),
        ("#humanitarian=not_sure", lambda a: a.tasks["humanitarian"].abstained),
        ("#unsure=hide&photo=yes", lambda a: sure(a) and "image" in a.modalities),
        ("#language=es&event=maria", lambda a: a.language == "es" and a.post.event == "maria"),
        ("#from=2017-09-21T00%3A00", lambda a: later(a, "2017-09-21")),
        ("#place=ponce", lambda a: placed(a, "text")),
        ("#place=%22Ponce%2C+PR%22+%22Utuado%2C+PR%22", lambda a: placed(a, "text")),
        ("#lacking=place", lambda a: not placed(a, "text")),
        ("#lacking=position", lambda a: a.location is None),
        ("#lacking=time", lambda a: a.post.created_at is None),
        ("#of_tone=grave", grave),
        ("#post_id=910000000000007919", lambda a: a.post.id == "910000000000007919"),
        ("#box=-66.2,18,-66,19", lambda a: placed(a, "post")),
        ("#q=MAYAGUEZ", lambda a: "Mayagüez" in a.post.text),
        ("#q=%22water+still+rising%22", lambda a: "water still rising" in a.post.text),
        ("#nonsense=1&humanitarian=no_such&sort=sideways", lambda a: True),
    ],
)
def test_filters_hold_for_every_post_of_the_run(
    opened: Callable[[str], Browser], address: str, fits: Callable[[Assessment], bool]
) -> None:
    found = made_up_run()
    order = sorted(range(POSTS), key=lambda i: (-found[i].urgency, i))
    expected = [found[i].post.id for i in order if fits(found[i])]
    browser = opened(f"{address}&copies=all")
    assert count(browser) == f"{len(expected)} of {POSTS} posts."
    assert shown(browser) == expected[:25]
    assert expected


def test_copies_are_one_message_until_they_are_asked_for(opened: Callable[[str], Browser]) -> None:
    clusters = crisis(POSTS)[2]
    browser = opened("#view=read&q=school")
    copies = max(c.size for c in clusters if c.one_message)
    assert "different messages" in count(browser)
    assert browser.run("document.querySelectorAll('[data-show=like]').length") >= 1
    browser.run("document.querySelector('[data-show=like]').click()")
    assert count(browser) == f"{copies} of {POSTS} posts."
    assert len(shown(browser)) == copies


def test_pages_hold_all_posts_and_a_line_leads_to_its_post(opened: Callable[[str], Browser]) -> None:
    browser = opened("#view=read&copies=all")
    seen = shown(browser)
    for _ in range(3):
        browser.run("document.getElementById('page-on').click()")
        seen += shown(browser)
    assert len(seen) == len(set(seen)) == POSTS
    # the last post of all, from another view
    browser.run("location.hash = '#now'")
    browser.until("!document.getElementById('now').hidden")
    browser.run(f"location.hash = '#post-{POSTS}'")
    browser.until("!document.getElementById('read').hidden")
    assert browser.run(f"document.activeElement.id === 'post-{POSTS}'")


def test_a_cell_of_the_needs_opens_its_posts(opened: Callable[[str], Browser]) -> None:
    browser = opened("#needs")
    cell = "document.querySelector('.needs td:nth-child(5) a')"
    number = browser.run(f"{cell}.textContent")
    browser.run(f"{cell}.click()")
    assert count(browser).startswith(f"{number} of {POSTS} posts")
    assert "view=read" in browser.run("location.hash")
    assert not browser.run("document.getElementById('read').hidden")


def test_only_one_view_is_shown_and_the_address_says_which(opened: Callable[[str], Browser]) -> None:
    browser = opened("")
    visible = "[...document.querySelectorAll('.view')].filter(x => !x.hidden).map(x => x.id).join()"
    assert browser.run(visible) == "now"
    for view in ("needs", "map", "read", "about"):
        browser.run(f"document.querySelector('header nav a[href=\"#{view}\"]').click()")
        assert browser.run(visible) == view
        assert browser.run("location.hash") == f"#{view}"
    assert browser.run("document.querySelector('[aria-current=page]').textContent") == "About"


def test_chosen_posts_become_text_csv_and_geojson(opened: Callable[[str], Browser]) -> None:
    browser = opened("#place=ponce&copies=all")
    made = {}
    browser.run(CATCH)
    for form in ("csv", "geojson"):
        browser.run(f"document.querySelector('[data-send={form}]').click()")
        browser.until("window.caught.length")
        made[form] = browser.run("window.caught.pop()")
    sent = [a for a in made_up_run() if placed(a, "text")]
    features = json.loads(made["geojson"])["features"]
    assert {f["properties"]["id"] for f in features} == {a.post.id for a in sent}
    assert all(f["geometry"]["coordinates"] == [-66.61, 18.01] for f in features)
    assert made["csv"].count("\r\n") == len(sent) + 1
    # with where each stands on the web
    addresses = {a.post.url for a in sent}
    assert {f["properties"]["url"] for f in features} == addresses
    assert {line.rsplit(",", 1)[1] for line in made["csv"].split("\r\n")[1:-1]} == addresses
    # two are selected, and then only these are sent
    browser.run("[...document.querySelectorAll('.choose')].slice(0, 2).forEach(box => box.click())")
    assert browser.run("document.getElementById('send-what').textContent") == "2 selected:"
    browser.run("document.querySelector('[data-send=text]').click()")
    browser.until("window.copied")
    text = browser.run("window.copied")
    assert text.count("urgency ") == 2
    assert all(f"id {identity}" in text for identity in shown(browser)[:2])
    assert text.count("https://example.org/") == 2


def test_the_map_is_moved_by_keys_and_its_circles_open_posts(opened: Callable[[str], Browser]) -> None:
    browser = opened("#map")
    browser.until("document.querySelector('#map-box svg .marker')")
    assert browser.run("document.getElementById('still-maps').hidden")
    assert browser.run("document.querySelector('#map-box .scale text').textContent").endswith("m")
    assert browser.run("document.getElementById('map-count').textContent").startswith("36 of 90 posts")
    path = "document.querySelector('#map-box .land').getAttribute('d')"
    before = browser.run(path)
    browser.run("document.getElementById('map-box').focus()")
    browser.key("+")
    assert browser.run(path) != before
    # also where a circle had the focus, which is drawn anew
    browser.run("document.querySelector('#map-box .marker').focus()")
    browser.key("ArrowLeft")
    assert browser.run("document.activeElement.id") == "map-box"
    browser.run("document.querySelector('#map-home').click()")
    assert browser.run(path) == before
    circle = "document.querySelector('#map-box .marker:not(.region)')"
    said = browser.run(f"{circle}.querySelector('title').textContent")
    browser.run(f"{circle}.{CLICK}")
    assert count(browser).startswith(said.split(" ")[0])


def test_the_printer_gets_the_summary_and_twenty_posts(opened: Callable[[str], Browser]) -> None:
    browser = opened("#view=now")
    browser.call("Emulation.setEmulatedMedia", {"media": "print"})
    browser.run("window.dispatchEvent(new Event('beforeprint'))")
    cards = "[...document.querySelectorAll('.card')].filter(c => c.getBoundingClientRect().height > 0).length"
    assert browser.run(cards) == 20
    assert browser.run("document.querySelector('.print-only').getBoundingClientRect().height") > 100
    assert browser.run("document.getElementById('now').getBoundingClientRect().height") == 0
    browser.call("Emulation.setEmulatedMedia", {"media": ""})
    browser.run("window.dispatchEvent(new Event('afterprint'))")
    assert len(shown(browser)) == 25


def test_the_print_has_two_pages(opened: Callable[[str], Browser]) -> None:
    browser = opened("#view=map")
    pdf = base64.b64decode(browser.call("Page.printToPDF", {"preferCSSPageSize": True})["data"])
    assert page_count(pdf) == 2


def test_five_questions_find_an_answer_within_three_clicks(browser: Browser, report: Path) -> None:
    found = {line["question"]: line for line in played(browser, report)}
    assert max(line["clicks"] for line in found.values()) <= 3
    assert found["Who needs help, and where?"]["places"][0] == "Ponce, PR"
    assert found["What can I send?"]["what"] == ["25 selected:"]
    # this run was compared with none, and all of it was read
    assert "changes" in found["What changed?"]["missing"] or "fresh" in found["What changed?"]["missing"]
    assert "unread" in found["What could no model read?"]["missing"]


def test_hostile_posts_do_nothing(tmp_path: Path, opened: Callable[..., Browser]) -> None:
    title = "<img src=x onerror=alert(1)>"
    options: dict[str, Any] = {"thumbnails": thumbnails, "meta": meta(title=title), "top": 2}
    path = write_report(tmp_path / "h.html", assessments=hostile(), failed=[], clusters=[], **options)
    browser = opened("#q=alert", path)
    assert browser.run("document.querySelectorAll('script').length") == 1
    assert browser.run("document.querySelectorAll('#cards img[src=x], #cards b, #cards script').length") == 0
    assert "<script>alert(1)</script>" in browser.run("document.getElementById('cards').textContent")
    assert browser.run(
        "[...document.querySelectorAll('*')].every(x => !x.getAttributeNames().some(n => n.startsWith('on')))"
    )
    # the cards of this post were made in the page
    assert browser.run("document.querySelectorAll('.light').length") >= 1


def test_a_browser_that_cannot_unpack_still_shows_the_listed_posts(browser: Browser, report: Path) -> None:
    browser.call("Page.navigate", {"url": "about:blank"})
    off = browser.call(
        "Page.addScriptToEvaluateOnNewDocument", {"source": "delete window.DecompressionStream"}
    )
    browser.open(report.as_uri())
    browser.until("document.documentElement.dataset.ready === 'yes'", 60)
    browser.call("Page.removeScriptToEvaluateOnNewDocument", off)
    assert "search and filters are off" in browser.run("document.getElementById('trouble').textContent")
    assert len(shown(browser)) == 30
    # also on paper, and afterwards
    for event in ("beforeprint", "afterprint"):
        browser.run(f"window.dispatchEvent(new Event('{event}'))")
        assert len(shown(browser)) == 30, event
