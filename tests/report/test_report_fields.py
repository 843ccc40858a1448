"""A user's own question may have the name of something that the report and its exports have already."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_posts import THRESHOLDS, assessment, crisis, meta, task, thumbnails
from opened_report import count, found_at

from annotate.browsers import Browser
from crisislens.domain.assessment import Assessment
from crisislens.domain.place import GeoLocation
from crisislens.domain.post import Post
from crisislens.domain.tasks import own_task
from crisislens.report.build import write_report
from crisislens.report.fields import OF_PAGE, field_of
from crisislens.report.flat import columns_of, row_of
from crisislens.report.geojson import feature
from crisislens.report.model import ReportTask
from crisislens.report.page import asset

HERE = GeoLocation(lat=18.2, lon=-66.1, source="post", confidence=0.25)


def asked(question: str, said: str = "yes") -> Assessment:
    """A post with one answer, which is to a question of that name."""
    post = Post(id="7", text="Water", event="maria", lang="en")
    found = task(own_task(question, ["yes", "no"], urgency={"yes": 1.0}), said, 0.9)
    return assessment(post).model_copy(update={"tasks": {question: found}, "location": HERE})


def test_every_filter_of_the_page_is_known() -> None:
    page = asset("read.html")
    fields = {*re.findall(r'<(?:input|select)[^>]* name="([a-z_]+)"', page)}
    [hidden] = re.findall(r"for name in (\(.*?\))", page)
    fields |= {*re.findall(r'"(\w+)"', hidden)}
    assert len(fields) > 15
    assert fields <= OF_PAGE
    head = re.search(r"const head = \[(.*?)\.\.\.schema.*?\), (.*?)\]", asset("send.js"))
    assert head is not None
    assert {*re.findall(r'"(\w+)"', head[1] + head[2])} <= OF_PAGE
    own = re.search(r"OWN_KEYS = \[(.*?)\]", asset("page.js"))
    assert own is not None
    assert {*re.findall(r'"(\w+)"', own[1])} <= OF_PAGE
    scripts = "".join(asset(name) for name in ("page.js", "read.js"))
    of_form = {*re.findall(r"\bform\.(\w+)", scripts)}
    assert "elements" in of_form
    # a click beside the fields has the form for its target
    assert of_form | {*re.findall(r"\bevent\.target\.(closest)\b", scripts)} <= OF_PAGE


def test_two_questions_never_come_to_one_name() -> None:
    names = ("event", "answer_event", "answer_answer_event", "damage", "answer_damage")
    assert len({field_of(name) for name in names}) == len(names)
    assert field_of("damage") == "damage"


@pytest.mark.parametrize("question", ["event", "place", "source", "place_type", "urgency"])
def test_geojson_keeps_both(question: str) -> None:
    [given, plain] = [feature(asked(name)) for name in (question, "need")]
    assert given is not None
    assert plain is not None
    told, expected = given["properties"], plain["properties"]
    assert isinstance(told, dict)
    assert isinstance(expected, dict)
    assert told[f"answer_{question}"] == "yes"
    assert {name: value for name, value in told.items() if "answer_" not in name} == {
        name: value for name, value in expected.items() if not name.startswith("need")
    }


@pytest.mark.parametrize("question", ["location", "place_type"])
def test_tables_keep_both(question: str) -> None:
    one = asked(question)
    row = row_of(one, columns_of(one))
    assert (row[f"answer_{question}_label"], row[f"answer_{question}_confidence"]) == ("yes", 0.9)
    assert (row["location_confidence"], row["place_type_label"]) == (0.25, None)
    # what meant one thing always is called as it was
    assert row_of(asked("event"), columns_of(asked("event")))["event_label"] == "yes"


@pytest.mark.browser
def test_the_page_filters_by_such_questions(tmp_path: Path, opened: Callable[..., Browser]) -> None:
    names = ("language", "event", "place", "answer_event", "elements", "closest", "constructor")
    spaces = [own_task(name, ["yes", "no"], urgency={"yes": 1.0}) for name in names]
    found = []
    for i, one in enumerate(crisis(9)[0]):
        answers = {space.question: task(space, "yes" if i < 4 else "no", 0.9) for space in spaces}
        found.append(one.model_copy(update={"tasks": answers, "language": "es" if i else "en"}))
    own = replace(meta(), tasks=tuple(ReportTask(space, THRESHOLDS) for space in spaces))
    path = write_report(
        tmp_path / "own.html", assessments=found, failed=[], clusters=[], thumbnails=thumbnails, meta=own
    )
    browser = opened("#needs", path)
    assert browser.run("document.getElementById('trouble').hidden")
    cells = browser.run("[...document.querySelectorAll('.needs td a')].map(a => [a.hash, +a.textContent])")
    assert {f"#answer_{name}=yes" for name in names} <= {link for link, _ in cells}
    assert {link: found_at(browser, link) for link, _ in cells} == dict(cells)
    assert found_at(browser, "#language=es") == 8
    # the form's own properties are still the form's
    assert found_at(browser, "#sort=newest") == 9
    browser.run("document.getElementById('filters').click()")
    browser.run("document.querySelector('[name=answer_constructor]').value = 'yes'")
    browser.run("document.getElementById('filters').dispatchEvent(new Event('input'))")
    assert count(browser).startswith("4 of 9")
