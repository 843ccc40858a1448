"""What contradicts a call is not sure, and nothing else changes."""

import pytest

from crisislens.domain.assessment import TaskAssessment
from crisislens.domain.task import Label, Task
from crisislens.domain.tasks import TASKS
from crisislens.pipeline.agreement import agreed, contradicted

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
        probabilities={name: 0.7 if name == best else 0.1 for name in classes},
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


@pytest.mark.parametrize(("needs", "unsure"), [((), False), (("offer",), False), (("request",), True)])
def test_without_a_sure_and_urgent_label_all_stand(needs: tuple[str, ...], unsure: bool) -> None:
    given = answers(*needs, unsure=unsure)
    assert agreed(given, SPACES) == given


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
