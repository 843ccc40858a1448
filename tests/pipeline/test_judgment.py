"""Abstention gives its reason; calibration is applied by the kind of evidence; urgency is what its docstring
says.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.domain.assessment import TaskAssessment
from crisislens.domain.calibration import NEVER_SURE
from crisislens.domain.task import Label, Task
from crisislens.domain.tasks import TASKS, own_task
from crisislens.pipeline.bundle import Calibration, EvidenceKind, TaskConfig
from crisislens.pipeline.judgment import evidence_kind, judge, urgency

TASK = TaskConfig(
    artifact="damage",
    label_space="damage_severity",
    calibration={
        "text": Calibration(temperature=2.0, abstain_below=0.9, basis="made up"),
        "both": Calibration(temperature=1.0, abstain_below=0.5, basis="made up"),
    },
)


def answer(logits: list[float], evidence: EvidenceKind | None, unread: str | None = None) -> TaskAssessment:
    return judge(
        np.array(logits, np.float32),
        space=TASKS["damage_severity"],
        task=TASK,
        evidence=evidence,
        unread=unread,
    )


def test_temperature_follows_the_evidence() -> None:
    sharp, soft = answer([0, 0, 2], "both"), answer([0, 0, 2], "text")
    # softmax of (0, 0, 2) and of (0, 0, 1), rounded to the four digits of the record
    assert sharp.probabilities["severe_damage"] == pytest.approx(np.e**2 / (2 + np.e**2), abs=5e-5)
    assert soft.probabilities["severe_damage"] == pytest.approx(np.e / (2 + np.e), abs=5e-5)


@pytest.mark.parametrize(
    ("logits", "evidence", "unread", "reason"),
    [
        ([0, 0, 9], "both", None, None),
        ([0, 0, 9], "both", "In Spanish.", "In Spanish. Its photo alone does not say what it asks for"),
        ([0, 0, 9], "image", "In Spanish.", "not calibrated to judge damage from a photo alone"),
        ([0, 0, 1], "text", None, "Leaning to “Severe damage” at 45%, below the 90%"),
        ([0, 0, 9], "text", "In Spanish.", r"^In Spanish\.$"),
        ([0, 0, 9], "image", None, "not calibrated to judge damage from a photo alone"),
        ([0, 0, 9], None, None, "no readable text or photo"),
    ],
)
def test_each_abstention_says_why(
    logits: list[float], evidence: EvidenceKind | None, unread: str | None, reason: str | None
) -> None:
    found = answer(logits, evidence, unread)
    assert found.label == "severe_damage"
    assert found.abstained == (reason is not None)
    if reason is None:
        assert found.reason is None
    else:
        assert found.reason is not None
        assert __import__("re").search(reason, found.reason)


def test_no_label_is_more_probable_than_the_one_that_it_lies_within() -> None:
    labels = (Label(name="request"), Label(name="rescue", within="request"), Label(name="water"))
    space = Task(name="calls", question="needs", several=True, labels=labels)
    calibration = Calibration(temperature=1.0, abstain_below=0.0, basis="made up")
    task = TaskConfig(artifact="needs", label_space="calls", calibration={"text": calibration})
    # people who were saved: rescue is spoken of, and nobody asks
    told = judge(np.array([-2, 3, 1], np.float32), space=space, task=task, evidence="text")
    assert told.probabilities["rescue"] == told.probabilities["request"] < 0.2
    assert told.labels == ("water",)
    asked = judge(np.array([3, 2, 1], np.float32), space=space, task=task, evidence="text")
    assert asked.labels == ("request", "rescue", "water")
    assert asked.label == "request"
    # what was held to the outer label leads where it would have led: a reader filters by it
    led = judge(np.array([2, 3, 1], np.float32), space=space, task=task, evidence="text")
    assert led.label == "rescue"
    assert asked.probabilities["rescue"] == pytest.approx(1 / (1 + np.exp(-2)), abs=5e-5)


def test_a_question_may_be_one_that_is_never_surely_told() -> None:
    never = Calibration(temperature=1.0, abstain_below=NEVER_SURE, basis="made up")
    task = TASK.model_copy(update={"calibration": {"text": never}})
    # so probable that it is 1 in every digit
    found = judge(np.array([0, 0, 99], np.float32), space=task.space, task=task, evidence="text")
    assert (found.label, found.confidence, found.labels) == ("severe_damage", 1.0, ())
    assert found.reason
    assert found.reason.startswith("Severity is never surely told from text alone:")


@pytest.mark.parametrize("space", ["damage_severity", "needs"])
def test_of_what_nobody_could_read_nothing_is_probable(space: str) -> None:
    asked = TASKS[space]
    task = TaskConfig(artifact="x", label_space=space, calibration={})
    logits = np.array([9.0] + [1.0] * (len(asked) - 1), np.float32)
    found = judge(logits, space=asked, task=task, evidence=None)
    each = 0.0 if asked.several else round(1 / len(asked), 4)
    assert {*found.probabilities.values()} == {each}
    assert (found.confidence, found.labels) == (each, ())


@pytest.mark.parametrize("evidence", ["text", "both", "image"])
def test_letters_that_may_be_wrong_give_no_sure_answer(evidence: EvidenceKind) -> None:
    calibration = dict.fromkeys(("text", "both", "image"), TASK.calibration["both"])
    task = TASK.model_copy(update={"calibration": calibration})
    found = judge(
        np.array([0, 0, 9], np.float32),
        space=TASKS["damage_severity"],
        task=task,
        evidence=evidence,
        unread=None,
        doubt="The letters may be wrong.",
    )
    # a photo alone does not rest on letters
    assert found.reason == (None if evidence == "image" else "The letters may be wrong.")


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=3, max_size=3))
def test_probabilities_are_probabilities_whatever_the_logits(logits: list[float]) -> None:
    p = answer(logits, "both").probabilities
    assert all(0 <= x <= 1 for x in p.values())
    # three numbers rounded to four digits
    assert sum(p.values()) == pytest.approx(1, abs=2e-4)


def test_evidence_is_what_could_be_read() -> None:
    kinds = [evidence_kind(text=t, image=i) for t in (True, False) for i in (True, False)]
    assert kinds == ["both", "text", "image", None]


def certain(space: object, label: str) -> TaskAssessment:
    classes = space.classes  # type: ignore[attr-defined]
    return TaskAssessment(
        label=label, confidence=1, probabilities={c: float(c == label) for c in classes}, abstained=False
    )


SHIPPED = {
    "informativeness": TASKS["informativeness"],
    "humanitarian": TASKS["humanitarian_b2"],
    "damage": TASKS["damage_severity"],
}
WORST = {
    name: certain(task, label)
    for (name, task), label in zip(SHIPPED.items(), ("informative", "affected", "severe_damage"), strict=True)
}


@pytest.mark.parametrize(
    ("question", "label", "expected"),
    [
        ("informativeness", "informative", 1.0),
        ("informativeness", "not_informative", 0.0),
        ("damage", "mild_damage", 0.7 + 0.15),
        ("humanitarian", "not_humanitarian", 0.3),
        ("humanitarian", "other_relevant_information", 0.7 * 0.2 + 0.3),
    ],
)
def test_urgency_is_the_formula(question: str, label: str, expected: float) -> None:
    answers = {**WORST, question: certain(SHIPPED[question], label)}
    assert urgency(answers, SHIPPED) == pytest.approx(expected)


def test_without_answers_nothing_is_urgent() -> None:
    assert urgency({}, SHIPPED) == 0


def test_many_small_doubts_about_several_labels_are_not_one_large_need() -> None:
    task = own_task("need", ["water", "food", "shelter"], several=True, urgency={"water": 1.0, "food": 1.0})
    answer = TaskAssessment(
        label="water",
        confidence=0.2,
        probabilities={"water": 0.4, "food": 0.4, "shelter": 1.0},
        abstained=False,
    )
    assert urgency({"need": answer}, {"need": task}) == pytest.approx(0.4)


def test_several_labels_hold_from_one_half_and_the_set_must_be_sure() -> None:
    task = own_task("need", ["water", "food"], several=True)
    calibration = Calibration(temperature=1.0, abstain_below=0.6, basis="made up")
    config = TaskConfig(artifact="", label_space="need", calibration={"text": calibration})
    sure = judge(np.array([3.0, -3.0], np.float32), space=task, task=config, evidence="text", unread=None)
    assert (sure.labels, sure.abstained) == (("water",), False)
    # 0.9 x 0.6 is below the 60 % that are needed
    unsure = judge(np.array([2.2, 0.4], np.float32), space=task, task=config, evidence="text", unread=None)
    assert (unsure.labels, unsure.abstained) == ((), True)
    assert str(unsure.reason).startswith("Sure of the whole set of labels at 5")


def test_a_task_that_reads_the_text_alone_says_so_of_a_post_with_a_photo_alone() -> None:
    found = judge(
        np.zeros(3, np.float32), space=TASKS["damage_severity"], task=TASK, evidence=None, only="text"
    )
    assert found.abstained
    assert found.reason == "This is judged from the text alone, and the post has none that can be read."
