"""Each of several needs has its own probability: filters go by it; below 70 % an answer holds "perhaps"."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from opened_report import CATCH, count, found_at, shown
from two_questions import CALL, META, NEEDS, TASKS, told

from annotate.browsers import Browser
from crisislens.domain.assessment import Assessment
from crisislens.domain.place import GeoLocation
from crisislens.report.build import write_report
from crisislens.report.cards import CardMaker, TaskAnswer
from crisislens.report.flat import columns_of, row_of
from crisislens.report.geojson import feature
from crisislens.report.groups import Groups
from crisislens.report.lines import line_of
from crisislens.report.selection import Listed
from crisislens.report.tally import is_perhaps

HERE = {"location": GeoLocation(lat=18.2, lon=-66.1, source="post", confidence=1.0)}
RUN = tuple(
    one.model_copy(update=HERE)
    for one in (
        told("both", CALL, {"request": 0.98, "medical": 0.55}, urgency=0.9),
        told("hurt", CALL, {"request": 0.61, "medical": 0.97}, urgency=0.8),
        told("edge", CALL, {"medical": 0.7}, urgency=0.7),
        told("low", needs={"warning": 0.99, "medical": 0.51}, urgency=0.6),
        told("none", urgency=0.5),
        told("open", CALL, {"water": 0.99}, sure=0.3, urgency=0.4),
        told("lean", CALL, {"water": 0.99}, sure=0.58, urgency=0.3),
    )
)


def needs_of(a: Assessment) -> TaskAnswer:
    answers = CardMaker(TASKS, lambda post: None).card(0, Listed(a, 1, None)).answers
    return next(answer for answer in answers if answer.task == NEEDS.question)


def test_a_card_says_perhaps_of_what_is_below_seventy_percent() -> None:
    both, edge, low = (needs_of(one) for one in (RUN[0], RUN[2], told("low", needs={"medical": 0.51})))
    assert [(one.title, one.percent, one.perhaps) for one in both.each] == [
        ("Asks for help", "98%", False),
        ("Perhaps: Medical help needed", "55%", True),
    ]
    assert (edge.label, edge.percent, edge.perhaps) == ("Medical help needed", "70%", False)
    assert (low.label, low.percent, low.perhaps) == ("Perhaps: Medical help needed", "51%", True)


@pytest.mark.parametrize(("p", "expected"), [(0.5, True), (0.694, True), (0.696, False), (0.7, False)])
def test_what_is_shown_as_seventy_percent_is_no_perhaps(p: float, expected: bool) -> None:
    found = told("x", needs={"water": p}).tasks[NEEDS.question]
    assert is_perhaps(NEEDS, found, "water") == expected


@pytest.mark.parametrize(
    ("p", "label"),
    [(0.58, "Perhaps: Call for help"), (0.69, "Perhaps: Call for help"), (0.7, "Call for help")],
)
def test_a_question_with_one_answer_says_it_as_well(p: float, label: str) -> None:
    a = told("x", CALL, {"request": 0.69}, sure=p)
    [category, needs] = CardMaker(TASKS, lambda post: None).card(0, Listed(a, 1, None)).answers
    assert (category.label, category.perhaps) == (label, p < 0.7)
    assert needs.label == "Perhaps: Asks for help"


def test_what_is_not_sure_is_no_perhaps() -> None:
    [category, _] = CardMaker(TASKS, lambda post: None).card(0, Listed(RUN[5], 1, None)).answers
    assert (category.label, category.perhaps) == ("Humanitarian category: not sure", False)


def test_a_line_says_so_too() -> None:
    line = line_of(RUN[0], 1, [task.task for task in TASKS], Groups())
    assert [(chip.title, chip.perhaps) for chip in line.chips] == [
        ("Call for help", False),
        ("Asks for help", False),
        ("Perhaps: Medical help needed", True),
    ]


def test_tables_and_geojson_keep_the_bare_labels() -> None:
    row = row_of(RUN[0], columns_of(RUN[0]))
    assert "erhaps" not in json.dumps(row, default=str)
    assert "medical" in json.dumps(row, default=str)
    assert "erhaps" not in json.dumps(feature(RUN[0]), default=str)


@pytest.fixture(scope="module")
def page_of_needs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("needs") / "report.html"
    # two in full, so that the other cards are made in the page
    return write_report(
        path, assessments=RUN, failed=[], clusters=[], thumbnails=lambda post: None, meta=META, top=2
    )


def test_the_page_says_it_in_words_and_not_by_color_alone(page_of_needs: Path) -> None:
    page = page_of_needs.read_text(encoding="utf-8")
    hollow = re.findall(r'<span class="label \w+ perhaps">([^<]*)</span>', page)
    assert hollow
    assert all(title.startswith("Perhaps: ") for title in hollow)
    assert page.count(">Perhaps: ") == len(hollow)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        # the surest label of "both" is another one
        ("#needs=medical&confidence=60", ["hurt", "edge"]),
        ("#needs=medical&confidence=70", ["hurt", "edge"]),
        ("#needs=medical&confidence=75", ["hurt"]),
        ("#needs=request&confidence=95", ["both"]),
        ("#needs=request&confidence=50", ["both", "hurt"]),
        ("#needs=medical&humanitarian=requests_or_urgent_needs&confidence=55", ["both", "hurt", "edge"]),
        # of what is grave, not of the warning beside it
        ("#of_tone=grave&confidence=50", ["both", "hurt", "edge", "low", "open", "lean"]),
        ("#of_tone=grave&confidence=55", ["both", "hurt", "edge", "open", "lean"]),
        ("#of_tone=warm&confidence=95", ["low"]),
        ("#needs=none&confidence=60", ["none"]),
        ("#humanitarian=not_sure&confidence=25", ["open"]),
        ("#humanitarian=not_sure&confidence=35", []),
        # of every answer where none is chosen: of several needs the surest
        ("#confidence=90", ["both", "hurt", "low"]),
    ],
)
def test_the_filter_by_confidence_goes_by_what_is_chosen(
    opened: Callable[..., Browser], page_of_needs: Path, address: str, expected: list[str]
) -> None:
    browser = opened(address, page_of_needs)
    assert shown(browser) == expected
    assert count(browser) == f"{len(expected)} of {len(RUN)} posts."


@pytest.mark.browser
def test_cards_that_the_page_makes_say_the_same(opened: Callable[..., Browser], page_of_needs: Path) -> None:
    browser = opened("#view=read", page_of_needs)
    said = "[...document.querySelectorAll('{} .said')].map(x => x.textContent.trim())"
    assert browser.run(said.format("#post-1")) == [
        "Call for help 90%",
        "Asks for help 98%",
        "Perhaps: Medical help needed 55%",
    ]
    assert browser.run(said.format("#post-3")) == ["Call for help 90%", "Medical help needed 70%"]
    assert browser.run(said.format("#post-4")) == [
        "Not humanitarian 90%",
        "Warns 99%",
        "Perhaps: Medical help needed 51%",
    ]
    # a question with one answer, too
    assert browser.run(said.format("#post-7")) == ["Perhaps: Call for help 58%", "Water needed 99%"]
    # hollow: nothing behind the word
    style = "getComputedStyle(document.querySelector('#post-{} .label.perhaps')).backgroundColor"
    assert {browser.run(style.format(i)) for i in (1, 4, 7)} == {"rgba(0, 0, 0, 0)"}
    assert found_at(browser, "#needs=medical") == 4


@pytest.mark.browser
def test_what_is_copied_says_perhaps_and_tables_do_not(
    opened: Callable[..., Browser], page_of_needs: Path
) -> None:
    browser = opened("#needs=medical&confidence=0", page_of_needs)
    browser.run(CATCH)
    browser.run("document.querySelector('[data-send=text]').click()")
    browser.until("window.copied")
    copied = browser.run("window.copied")
    assert "Calls and needs: Asks for help; Perhaps: Medical help needed" in copied
    assert copied.count("Perhaps: ") == 3
    browser.run("location.hash = '#needs=water&confidence=0'")
    browser.until("document.querySelector('#post-7')")
    browser.run("window.copied = ''; document.querySelector('[data-send=text]').click()")
    browser.until("window.copied")
    assert "category: Perhaps: Call for help" in browser.run("window.copied")
    browser.run("location.hash = '#needs=medical&confidence=0'")
    browser.until("document.querySelector('#post-1')")
    for form in ("csv", "geojson"):
        browser.run(f"document.querySelector('[data-send={form}]').click()")
        browser.until("window.caught.length")
        table = browser.run("window.caught.pop()")
        assert "Perhaps" not in table
        assert "Asks for help; Medical help needed" in table
