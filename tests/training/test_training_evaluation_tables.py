"""What is printed of an evaluation: tables that leave out what says nothing, sentences that do not praise."""

import numpy as np
import pytest

from crisislens.evaluation.abstention import selective_scores
from crisislens.evaluation.calibration import calibration_scores
from crisislens.evaluation.classification import evaluate
from crisislens.training.config import Published
from crisislens.training.evaluate import Evaluation

CLASSES = ("none", "some", "severe")
P = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.1, 0.2, 0.7], [0.6, 0.3, 0.1]])
Y = np.array([0, 1, 2, 1])


def evaluation(
    events: tuple[str, ...] | None = None,
    *,
    ordered: bool = False,
    above: float = 0.5,
    clusters: bool = False,
) -> Evaluation:
    report = evaluate(
        Y,
        P,
        CLASSES,
        groups=None if events is None else np.array(events),
        clusters=np.arange(4) // 2 if clusters else None,
        ordered=ordered,
        resamples=20,
    )
    honest = calibration_scores(P, Y)
    return Evaluation(
        setting="A2",
        split="test",
        report=report,
        temperature=1.25,
        before=honest,
        after=honest,
        selective=selective_scores(P.max(1), P.argmax(1) == Y, above),
    )


def test_published_numbers_stand_beside_ours_and_a_missing_one_is_a_dash() -> None:
    found = evaluation()
    text = found.markdown([Published(system="Theirs", source="Table 2", accuracy=92.9)])
    ours = next(line for line in text.split("\n") if line.startswith("| ours |"))
    assert ours == (
        f"| ours | {found.report.accuracy.percent()} | {found.report.macro_f1.percent()} | "
        f"{found.report.weighted_f1.percent()} | measured |"
    )
    assert "| Theirs | 92.90 | – | – | Table 2 |" in text


def test_every_class_has_a_line_in_percent() -> None:
    lines = evaluation().markdown().split("\n")
    assert "| none | 50.00 | 100.00 | 66.67 | 1 |" in lines
    assert "| some | 100.00 | 50.00 | 66.67 | 2 |" in lines
    assert "| severe | 100.00 | 100.00 | 100.00 | 1 |" in lines


@pytest.mark.parametrize(
    ("events", "shown"),
    [
        (("flood", "flood", "quake", "quake"), True),
        # one that names it is worth a table, none is not
        (("flood", "unknown", "unknown", "unknown"), True),
        (("unknown",) * 4, False),
        (None, False),
    ],
)
def test_events_have_a_table_where_posts_name_them(events: tuple[str, ...] | None, shown: bool) -> None:
    text = evaluation(events).markdown()
    assert ("| event |" in text) == shown
    assert "\n\n\n" not in text


def test_no_answer_is_not_called_free_of_error() -> None:
    assert "0.0 % are answered, none is answered." in evaluation(above=0.9).markdown()
    some = evaluation(above=0.65).markdown()
    assert (
        "below a confidence of 0.65 it abstains: 75.0 % are answered, 0.00 % of the answers are wrong."
        in some
    )


def test_scales_and_tweets_are_said_where_there_are_any() -> None:
    assert "Quadratic kappa" not in evaluation().markdown()
    assert "steps." in evaluation(ordered=True).markdown().split("\n\n")[-1]
    assert "(bootstrap over posts, 20 resamples)" in evaluation().markdown()
    assert "(bootstrap over 2 tweets, 20 resamples)" in evaluation(clusters=True).markdown()


def test_the_headline_is_one_line_with_the_setting_first() -> None:
    line = evaluation().headline()
    assert line.startswith("A2 test, 4 posts: accuracy 75.00 [")
    assert "\n" not in line


def test_an_evaluation_survives_being_kept() -> None:
    found = evaluation(("flood", "flood", "quake", "quake"), ordered=True)
    assert Evaluation.model_validate(found.as_dict()) == found
    assert Evaluation.model_validate(found.as_dict()).markdown() == found.markdown()
