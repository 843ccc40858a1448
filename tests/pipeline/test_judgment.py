"""Abstention gives its reason; calibration is applied by the kind of evidence; urgency is what its docstring
says.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.domain.assessment import TaskAssessment
from crisislens.domain.labels import DAMAGE_SEVERITY, HUMANITARIAN_B2, INFORMATIVENESS
from crisislens.pipeline.bundle import Calibration, Evidence, TaskConfig
from crisislens.pipeline.judgment import evidence_of, judge, urgency

TASK = TaskConfig(
    artifact="damage",
    label_space="damage_severity",
    calibration={
        "text": Calibration(temperature=2.0, abstain_below=0.9, basis="made up"),
        "both": Calibration(temperature=1.0, abstain_below=0.5, basis="made up"),
    },
)


def answer(logits: list[float], evidence: Evidence | None, foreign: str | None = None) -> TaskAssessment:
    return judge(
        np.array(logits, np.float32), space=DAMAGE_SEVERITY, task=TASK, evidence=evidence, foreign=foreign
    )


def test_temperature_follows_the_evidence() -> None:
    sharp, soft = answer([0, 0, 2], "both"), answer([0, 0, 2], "text")
    # softmax of (0, 0, 2) and of (0, 0, 1), rounded to the four digits of the record
    assert sharp.probabilities["severe_damage"] == pytest.approx(np.e**2 / (2 + np.e**2), abs=5e-5)
    assert soft.probabilities["severe_damage"] == pytest.approx(np.e / (2 + np.e), abs=5e-5)


@pytest.mark.parametrize(
    ("logits", "evidence", "foreign", "reason"),
    [
        ([0, 0, 9], "both", None, None),
        ([0, 0, 9], "both", "es", None),
        ([0, 0, 1], "text", None, "Leaning to “Severe damage” at 45%, below the 90%"),
        ([0, 0, 9], "text", "es", r"another language \(es\)"),
        ([0, 0, 9], "image", None, "not calibrated to judge damage from a photo alone"),
        ([0, 0, 9], None, None, "no readable text or photo"),
    ],
)
def test_each_abstention_says_why(
    logits: list[float], evidence: Evidence | None, foreign: str | None, reason: str | None
) -> None:
    found = answer(logits, evidence, foreign)
    assert found.label == "severe_damage"
    assert found.abstained == (reason is not None)
    if reason is None:
        assert found.reason is None
    else:
        assert found.reason is not None
        assert __import__("re").search(reason, found.reason)


@pytest.mark.parametrize("evidence", ["text", "both", "image"])
def test_letters_that_may_be_wrong_give_no_sure_answer(evidence: Evidence) -> None:
    calibration = dict.fromkeys(("text", "both", "image"), TASK.calibration["both"])
    task = TASK.model_copy(update={"calibration": calibration})
    found = judge(
        np.array([0, 0, 9], np.float32),
        space=DAMAGE_SEVERITY,
        task=task,
        evidence=evidence,
        foreign=None,
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
    kinds = [evidence_of(text=t, image=i) for t in (True, False) for i in (True, False)]
    assert kinds == ["both", "text", "image", None]


def certain(space: object, label: str) -> TaskAssessment:
    classes = space.classes  # type: ignore[attr-defined]
    return TaskAssessment(
        label=label, confidence=1, probabilities={c: float(c == label) for c in classes}, abstained=False
    )


def test_urgency_is_the_formula() -> None:
    worst = {
        "informativeness": certain(INFORMATIVENESS, "informative"),
        "humanitarian": certain(HUMANITARIAN_B2, "affected"),
        "damage": certain(DAMAGE_SEVERITY, "severe_damage"),
    }
    assert urgency(worst) == 1
    assert urgency({**worst, "informativeness": certain(INFORMATIVENESS, "not_informative")}) == 0
    assert urgency({**worst, "damage": certain(DAMAGE_SEVERITY, "mild_damage")}) == pytest.approx(0.7 + 0.15)
    assert urgency({**worst, "humanitarian": certain(HUMANITARIAN_B2, "not_humanitarian")}) == pytest.approx(
        0.3
    )
    assert urgency({}) == 0
