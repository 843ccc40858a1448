"""What contradicts a call is not sure, and nothing else changes."""

import hypothesis
import pytest
from hypothesis import strategies as st

from crisislens.domain.assessment import TaskAssessment
from crisislens.domain.task import Label, Task
from crisislens.domain.tasks import TASKS
from crisislens.pipeline.agreement import EXCLUDED_BELOW, agreed, contradicted, most_urgent, outvoted

CALLS = Task(
    name="calls",
    question="needs",
    several=True,
    labels=(
        Label(name="request", title="Asks for help", urgency=1.0),
        Label(name="warning", title="Warns", urgency=0.3),
        Label(name="offer", title="Offers help"),
    ),
)
SPACES = {
    "informativeness": TASKS["informativeness"],
    "humanitarian": TASKS["humanitarian_10"],
    "needs": CALLS,
    "damage": TASKS["damage_severity"],
}


def answer(question: str, *labels: str, abstained: bool = False) -> TaskAssessment:
    classes = SPACES[question].classes
    best = labels[0] if labels else classes[0]
    return TaskAssessment(
        label=best,
        labels=() if abstained else labels,
        confidence=0.7,
        probabilities={name: 0.7 if name in labels else 0.01 for name in classes},
        abstained=abstained,
        reason="Nobody knows." if abstained else None,
    )


def answers(*needs: str, unsure: bool = False) -> dict[str, TaskAssessment]:
    return {
        "informativeness": answer("informativeness", "not_informative"),
        "humanitarian": answer("humanitarian", "not_humanitarian"),
        "needs": answer("needs", *needs, abstained=unsure),
        "damage": answer("damage", "little_or_no_damage"),
    }


def test_what_says_nothing_does_not_stand_beside_a_call() -> None:
    given = answers("warning", "request")
    found = agreed(given, SPACES)
    for question in ("informativeness", "humanitarian"):
        assert found[question].abstained
        assert found[question].labels == ()
        assert found[question].probabilities == given[question].probabilities
    said = "Leaning to “Not informative” at 70%, which contradicts “Asks for help”."
    assert found["informativeness"].reason == said
    # the call stands, and little damage does not contradict it
    assert found["needs"] == given["needs"]
    assert found["damage"] == given["damage"]


@pytest.mark.parametrize("needs", [(), ("offer",)])
def test_without_an_urgent_label_all_stand(needs: tuple[str, ...]) -> None:
    given = answers(*needs)
    assert agreed(given, SPACES) == given


def test_what_says_nothing_is_not_sure_where_a_call_is_not_excluded() -> None:
    given = answers("request", unsure=True)
    found = agreed(given, SPACES)
    said = "Leaning to “Not informative” at 70%, while “Asks for help” stands at 70%."
    assert found["informativeness"].reason == said
    assert found["humanitarian"].abstained
    assert outvoted(found["informativeness"])
    assert not contradicted(found["informativeness"]), "it is no even doubt"
    assert found["needs"] == given["needs"]
    assert found["damage"] == given["damage"]


@hypothesis.given(p=st.floats(0, 1))
def test_nothing_is_sure_below_the_bound_and_never_above(p: float) -> None:
    needs = answer("needs")
    raised = needs.model_copy(update={"probabilities": {**needs.probabilities, "request": p}})
    found = agreed(answers() | {"needs": raised}, SPACES)
    assert found["informativeness"].abstained is (p >= EXCLUDED_BELOW)


def test_only_what_weighs_most_counts_and_only_where_several_labels_are_taken() -> None:
    needs = answer("needs")
    raised = needs.model_copy(update={"probabilities": {"request": 0.01, "warning": 0.4, "offer": 0.4}})
    given = answers() | {"needs": raised}
    assert agreed(given, SPACES) == given
    assert most_urgent(given, SPACES) == (0.01, "Asks for help")
    ten = answer("humanitarian", "not_humanitarian")
    shares = {**ten.probabilities, "requests_or_urgent_needs": 0.2}
    given = answers() | {"humanitarian": ten.model_copy(update={"probabilities": shares})}
    assert agreed(given, SPACES) == given
    assert most_urgent({"humanitarian": ten}, SPACES) == (0.0, "")


def test_what_tells_of_something_stands_beside_a_call() -> None:
    given = answers("request") | {"humanitarian": answer("humanitarian", "sympathy_and_support")}
    assert agreed(given, SPACES)["humanitarian"] == given["humanitarian"]


def test_a_category_that_weighs_contradicts_as_well_and_a_scale_does_not() -> None:
    given = answers() | {"humanitarian": answer("humanitarian", "requests_or_urgent_needs")}
    found = agreed(given, SPACES)
    assert contradicted(found["informativeness"])
    assert "contradicts “Call for help”" in (found["informativeness"].reason or "")
    assert not contradicted(found["humanitarian"])
    severe = answers() | {"damage": answer("damage", "severe_damage")}
    assert agreed(severe, SPACES) == severe


def test_questions_that_were_not_answered_are_not_looked_at() -> None:
    given = {"informativeness": answer("informativeness", "not_informative")}
    assert agreed(given, SPACES) == given
