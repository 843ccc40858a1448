"""Answers to two questions that mean nearly the same: a post that has either counts once, the number comes
first, opens exactly these posts, and the answers behind it follow.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from counted_run import at_ponce
from opened_report import count, found_at, shown
from two_questions import ADVICE, CALL, META, MISSING, NEEDS, TASKS, told

from annotate.browsers import Browser
from crisislens.domain.assessment import Assessment
from crisislens.domain.post import Post
from crisislens.domain.tasks import CATEGORY, own_task
from crisislens.report.build import write_report
from crisislens.report.changes import Changes, Earlier
from crisislens.report.groups import Groups
from crisislens.report.labels import LabelTallies
from crisislens.report.meant import meanings_in
from crisislens.report.model import ReportCluster, ReportTask
from crisislens.report.needs import needs_table
from crisislens.report.now import lanes
from crisislens.report.page import asset

PLAIN = [task.task for task in TASKS]
WATER = {"water": 0.9}
RUN = (
    told("both", CALL, {"request": 0.98}, urgency=0.9),
    told("asks", needs={"request": 0.6, **WATER}, urgency=0.8),
    at_ponce(told("calls", CALL, sure=0.8, urgency=0.7)),
    told("unsure", CALL, sure=0.3, urgency=0.6),
    told("lost", needs={"missing_people": 0.7}, urgency=0.5),
    told("found", MISSING, urgency=0.4),
    told("warns", ADVICE, {"warning": 0.9}, urgency=0.3),
    told("advises", ADVICE, urgency=0.2),
    told("thirst", needs=WATER, urgency=0.1),
)
CALLS = "#any_of=humanitarian%3Arequests_or_urgent_needs+needs%3Arequest"


def tallied(found: tuple[Assessment, ...] | list[Assessment], *clusters: ReportCluster) -> LabelTallies:
    tallies = LabelTallies(TASKS, Groups(clusters))
    for position, one in enumerate(found, start=1):
        tallies.add(one, position)
    return tallies


def test_the_lane_says_the_whole_first_and_what_it_is_made_of() -> None:
    grave, warm = lanes(tallied(RUN))
    said = [(link.title, link.count, [(p.title, p.count) for p in link.parts]) for link in grave.links]
    assert said == [
        ("Calls for help", "3", [("Call for help", "2"), ("Asks for help", "2")]),
        ("Water needed", "2", []),
        (
            "Who is missing or found",
            "2",
            [("Missing or found people", "1"), ("People missing or found", "1")],
        ),
    ]
    assert grave.links[0].link == CALLS
    assert [part.link for part in grave.links[0].parts] == [
        f"#{CATEGORY.question}={CALL}",
        f"#{NEEDS.question}=request",
    ]
    assert [(link.title, link.count) for link in warm.links] == [("Warnings and advice", "2")]
    # each answer still has its best post among the lines
    assert [line.id for line in grave.lines] == ["both", "asks", "lost", "found", "calls", "thirst"]


def test_where_one_answer_alone_has_posts_no_number_is_said_twice() -> None:
    grave, _ = lanes(tallied([told("asks", needs={"request": 0.9})]))
    assert [(link.title, link.count, link.parts) for link in grave.links] == [("Asks for help", "1", ())]
    assert tallied([]).together() == []


def test_a_photo_is_told_of_the_whole_too() -> None:
    found = [told(str(i), CALL if i % 2 else ADVICE, {"request": 0.9}) for i in range(12)]
    photo = ReportCluster("0", 11, tuple(map(str, range(11))), "photo")
    grave, _ = lanes(tallied(found, photo))
    assert (grave.links[0].title, grave.links[0].count, grave.links[0].of_one_photo) == (
        "Calls for help",
        "12",
        "11",
    )


def test_answers_of_two_lanes_and_of_ones_own_questions_stay_apart() -> None:
    calm = NEEDS.label("request").model_copy(update={"tone": "calm"})
    other = NEEDS.model_copy(update={"labels": (calm, *NEEDS.labels[1:])})
    assert [one.name for one in meanings_in(PLAIN)] == ["calls_for_help", "missing_people", "warnings"]
    assert [one.name for one in meanings_in([CATEGORY, other])] == ["missing_people", "warnings"]
    assert meanings_in([CATEGORY]) == ()
    assert meanings_in([CATEGORY, own_task("mine", ["request", "warning"])]) == ()
    # a question that asks only whether a post is worth reading is counted nowhere
    worth = own_task("needs", ["request", "no"])
    nothing = worth.labels[1].model_copy(update={"nothing": True})
    worth = worth.model_copy(update={"labels": (worth.labels[0], nothing)})
    assert meanings_in([CATEGORY, worth]) == ()
    LabelTallies([ReportTask(CATEGORY), ReportTask(worth)], Groups())


def test_the_table_of_needs_begins_with_the_wholes() -> None:
    table = needs_table(tallied(RUN), None)
    assert table is not None
    first = table.groups[0]
    assert first.note
    assert [(row.title, row.whole.text) for row in first.rows] == [
        ("Calls for help", "3"),
        ("Who is missing or found", "2"),
        ("Warnings and advice", "2"),
    ]
    assert table.columns == ("Ponce, PR", "Other places", "No place")
    assert [cell.count for cell in first.rows[0].cells] == [1, 0, 2]
    assert [group.title for group in table.groups[1:]] == ["Calls and needs", "Humanitarian category"]
    assert not any(group.note for group in table.groups[1:])
    # a question that steps aside takes the wholes with it
    aside = needs_table(tallied(RUN), None, [CATEGORY.question])
    assert aside is not None
    assert [group.title for group in aside.groups] == ["Calls and needs"]


def moved(changes: Changes) -> list[tuple[str, str, list[tuple[str, str]]]]:
    return [(m.title, m.change, [(p.title, p.change) for p in m.parts]) for m in changes.moved()]


def test_what_is_new_is_counted_once_too() -> None:
    earlier = Earlier.of("before", RUN[:2], PLAIN)
    changes = Changes(TASKS, Groups(), earlier=earlier)
    for position, one in enumerate(RUN, start=1):
        changes.add(one, position, fresh=changes.is_fresh(one))
    assert moved(changes) == [
        (
            "Who is missing or found",
            "+2",
            [("Missing or found people", "+1"), ("People missing or found", "+1")],
        ),
        ("Calls for help", "+1", [("Call for help", "+1"), ("Asks for help", "±0")]),
        ("Water needed", "+1", []),
        ("Warnings and advice", "+2", [("Warning or advice", "+2"), ("Warns", "+1")]),
    ]
    # what is said of the posts of both runs is compared label by label
    assert (changes.kept, changes.judged_anew) == (2, 0)


def test_without_an_earlier_run_the_new_posts_are_taken_off() -> None:
    when = datetime(2026, 5, 1, tzinfo=UTC)
    old, new = (
        Post(id=name, text="x", created_at=when.replace(day=day)) for name, day in (("old", 1), ("new", 3))
    )
    changes = Changes(TASKS, Groups(), since=when.replace(day=2))
    for position, one in enumerate(
        (told("old", CALL, post=old), told("new", needs={"request": 0.9}, post=new)), 1
    ):
        changes.add(one, position, fresh=changes.is_fresh(one))
    [calls] = changes.moved()
    assert (calls.title, calls.then, calls.now) == ("Calls for help", 1, 2)


@pytest.fixture(scope="module")
def page_of_calls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calls")
    options = {"thumbnails": lambda post: None, "meta": META, "top": 2, "summary": folder / "summary"}
    return write_report(folder / "report.html", assessments=RUN, failed=[], clusters=[], **options)  # type: ignore[arg-type]


def test_the_summary_says_the_whole_and_what_it_is_made_of(page_of_calls: Path) -> None:
    summary = page_of_calls.with_name("summary.md").read_text(encoding="utf-8")
    calls = "Calls for help{} 3{} (Call for help 2 or Asks for help 2)"
    assert f"People in danger: {calls.format('', '')}; Water needed 2; " in summary
    assert f"- {calls.format(':', ' posts')}; places: Ponce, PR (1)." in summary
    assert "- Asks for help: " not in summary


@pytest.mark.browser
@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (CALLS, ["both", "asks", "calls"]),
        # each answer by its own probability: either must reach it
        (f"{CALLS}&confidence=60", ["both", "asks", "calls"]),
        (f"{CALLS}&confidence=65", ["both", "calls"]),
        (f"{CALLS}&confidence=90", ["both"]),
        (f"{CALLS}&needs=water", ["asks"]),
        ("#any_of=needs%3Anothing+no%3Asuch", []),
    ],
)
def test_the_whole_opens_exactly_its_posts(
    opened: Callable[..., Browser], page_of_calls: Path, address: str, expected: list[str]
) -> None:
    browser = opened(address, page_of_calls)
    assert shown(browser) == expected
    assert count(browser) == f"{len(expected)} of {len(RUN)} posts."
    chosen = browser.run("document.getElementById('chosen').textContent")
    said = "“Call for help” or “Asks for help”" if expected else "“something unknown” or “something unknown”"
    assert chosen == f"Only posts that say {said}. Show others too"


@pytest.mark.browser
def test_every_number_of_the_lanes_and_of_the_needs_opens_as_many(
    opened: Callable[..., Browser], page_of_calls: Path
) -> None:
    browser = opened("#now", page_of_calls)
    links = "[...document.querySelectorAll('.lane .chips a, .needs td a')].map(a => [a.hash, a.textContent])"
    said = [(link, int(text.rsplit(" ", 1)[-1])) for link, text in browser.run(links)]
    assert len([link for link, _ in said if link.startswith("#any_of=")]) > 6
    for link, number in said:
        assert found_at(browser, link) == number, link


@pytest.mark.browser
def test_the_whole_and_its_parts_are_reached_by_keys(
    opened: Callable[..., Browser], page_of_calls: Path
) -> None:
    browser = opened("#now", page_of_calls)
    browser.run("document.querySelector('.lane .together a').focus()")
    focused = "document.activeElement.textContent"
    reached = [browser.run(focused)]
    for _ in range(3):
        browser.key("Tab")
        reached.append(browser.run(focused))
    assert reached == ["Calls for help 3", "Call for help 2", "Asks for help 2", "Water needed 2"]
    browser.run("document.querySelector('.lane .together a').focus()")
    browser.key("Enter")
    browser.until("!document.getElementById('read').hidden")
    assert count(browser) == f"3 of {len(RUN)} posts."
    # the filter is dropped where it is told
    browser.run("document.querySelector('[data-drop]').click()")
    assert count(browser) == f"{len(RUN)} of {len(RUN)} posts."


def test_the_templates_name_no_answer() -> None:
    names = ("now.html", "needs.html", "read.js", "query.js", "summary.html", "summary.md")
    text = "".join(asset(name) for name in names).replace(
        "`humanitarian:requests_or_urgent_needs needs:request`", ""
    )
    assert not [word for word in ("request", "missing_people", "Calls for help") if word in text]
