"""A task: how raw labels lead to classes, what people read, and what a post's answers weigh."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.core.errors import DataError
from crisislens.domain.task import Label, Task, own_task, readable
from crisislens.domain.tasks import ASKED, MARKED, SETTINGS, TASKS

WEATHER = Task(
    name="weather",
    question="sky",
    labels=(
        Label(name="storm", urgency=0.9, tone="grave"),
        Label(name="light_rain", urgency=0.4),
        Label(name="sun", title="Sunshine", nothing=True),
    ),
    merges={"hail": "storm", "drizzle": "light_rain"},
    dropped=frozenset({"indoors"}),
)
SEVERAL = WEATHER.model_copy(update={"several": True})


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("missing_or_found_people", "Missing or found people"),
        ("Already Words", "Already Words"),
        ("_edge_", "Edge"),
        ("éclair", "Éclair"),
        ("", ""),
        ("___", ""),
    ],
)
def test_a_name_is_read_as_words(name: str, expected: str) -> None:
    assert readable(name) == expected


@pytest.mark.parametrize(("within", "sun"), [("flood", ""), ("storm", ""), ("sun", "storm")])
def test_a_label_lies_within_an_outer_one_of_its_task_or_in_none(within: str, sun: str) -> None:
    labels = (Label(name="storm", within=within), Label(name="sun", within=sun))
    with pytest.raises(ValueError, match=r"'storm'.* lie within what is no outer label"):
        Task(name="sky", question="sky", labels=labels, several=True)


def test_labels_lie_within_others_only_where_several_may_hold() -> None:
    labels = (Label(name="storm", within="sun"), Label(name="sun"))
    assert Task(name="sky", question="sky", labels=labels, several=True).labels[0].within == "sun"
    with pytest.raises(ValueError, match="only where several may hold"):
        Task(name="sky", question="sky", labels=labels)


@given(st.text())
def test_what_is_readable_stays_so(name: str) -> None:
    assert readable(readable(name)) == readable(name)
    assert "_" not in readable(name)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [("storm", "storm"), ("hail", "storm"), ("drizzle", "light_rain"), ("sun", "sun"), ("indoors", None)],
)
def test_raw_labels_lead_to_classes(raw: str, expected: str | None) -> None:
    assert WEATHER.resolve(raw) == expected
    if expected is not None:
        assert WEATHER.classes[WEATHER.index(raw)] == expected


@pytest.mark.parametrize("raw", ["Storm", " storm", "", "snow"])
def test_a_label_is_taken_as_it_is_spelled(raw: str) -> None:
    with pytest.raises(
        DataError, match="is not in weather; expected one of storm, light_rain, sun, hail, drizzle"
    ):
        WEATHER.resolve(raw)


def test_a_long_label_is_cut_in_the_message() -> None:
    with pytest.raises(DataError) as caught:
        WEATHER.resolve("x" * 5_000)
    assert len(str(caught.value)) < 300


def test_what_people_read() -> None:
    assert [WEATHER.title(name) for name in WEATHER.classes] == ["Storm", "Light rain", "Sunshine"]
    assert WEATHER.title("never_listed") == "Never listed"
    assert WEATHER.label("never_listed") == Label(name="never_listed")
    assert (WEATHER.heading, WEATHER.setting) == ("Sky", "weather")
    titled = WEATHER.model_copy(update={"topic": "The sky above", "settings": {"S1": "sky"}})
    assert (titled.heading, titled.setting) == ("The sky above", "S1")
    assert WEATHER.nothing == {"sun"}
    assert WEATHER.lead.name == "storm"
    assert len(WEATHER) == 3


def test_the_first_of_labels_that_count_alike_leads() -> None:
    assert own_task("need", ["water", "food"], urgency={"water": 0.5, "food": 0.5}).lead.name == "water"


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        # one holds: the expected weight; several may hold: the largest, so that doubts do not add up
        (WEATHER, 0.5 * 0.9 + 0.5 * 0.4),
        (SEVERAL, 0.45),
    ],
)
def test_weights_are_added_or_the_largest_counts(task: Task, expected: float) -> None:
    assert task.weight({"storm": 0.5, "light_rain": 0.5, "sun": 0.0}) == pytest.approx(expected)
    assert task.weight({}) == 0
    assert task.weight({"unknown": 1.0}) == 0


@given(
    st.dictionaries(st.sampled_from(WEATHER.classes), st.floats(0, 1)),
    st.sampled_from([WEATHER, SEVERAL]),
)
def test_a_weight_is_a_share_and_grows_with_every_probability(odds: dict[str, float], task: Task) -> None:
    weight = task.weight(odds)
    assert 0 <= weight <= 1
    for name in task.classes:
        assert task.weight({**odds, name: 1.0}) >= weight - 1e-12, "rounding of sums"


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"classes": ["a", "a"]}, "cannot be used: .* at least 2 different names"),
        ({"classes": ["a"]}, "at least 2 different names"),
        ({"classes": []}, "at least 2 different names"),
        ({"classes": [], "several": True}, "at least 1 different names"),
        ({"classes": ["a", ""]}, "cannot be used"),
        ({"classes": ["a", "b"], "titles": {"c": "C"}}, r"titles of task 'need' name \['c'\]; its classes"),
        ({"classes": ["a", "b"], "urgency": {"c": 1.0}}, "urgency of task 'need' name"),
        ({"classes": ["a", "b"], "urgency": {"a": 1.5}}, "less than or equal to 1"),
        ({"classes": ["a", "b"], "urgency": {"a": -0.1}}, "greater than or equal to 0"),
    ],
)
def test_a_task_of_ones_own_that_makes_none(given_: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        own_task("need", **given_)  # type: ignore[arg-type]
    assert len(str(caught.value)) < 500
    assert not re.search("https?:|validation error|type=", str(caught.value))


def test_a_task_of_ones_own() -> None:
    one = own_task("need", ["water"], several=True, titles={"water": "Drinking water"}, urgency={"water": 1})
    assert (one.classes, one.several, one.lead.words) == (("water",), True, "Drinking water")
    assert (one.name, one.question, one.setting) == ("need", "need", "need")
    scale = own_task("depth", ["low", "high"], ordered=True)
    assert (scale.ordered, scale.weight({"high": 1.0})) == (True, 0.0)


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_what_ships_is_consistent(task: Task) -> None:
    assert TASKS[task.name] is task
    assert not task.dropped & {*task.classes}, "a class cannot be dropped"
    assert not {*task.merges} & {*task.classes}, "a class of its own does not lead to another"
    certain = {name: task.weight({name: 1.0}) for name in task.classes}
    assert all(weight == task.label(name).urgency for name, weight in certain.items())
    assert all(certain[name] == 0 for name in task.nothing)
    assert Task.model_validate_json(task.model_dump_json()) == task


def test_what_every_post_is_asked() -> None:
    assert [task.question for task in ASKED] == ["informativeness", "humanitarian", "damage"]
    gates = [task for task in ASKED if task.gate]
    assert [task.question for task in gates] == ["informativeness"]
    # urgency is at most 1: the shares of what stands behind the gate add up to it
    assert sum(task.share for task in ASKED if not task.gate) == pytest.approx(1.0)
    assert MARKED in ASKED
    assert {"A1", "A2", "A3", "B2"} <= {*SETTINGS}
    assert all(setting in SETTINGS[setting].settings for setting in SETTINGS)
