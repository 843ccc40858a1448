"""Lines over conditions: every mean where it belongs, nothing outside, a gap where nothing was run."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.evaluation.significance import MeanInterval
from crisislens.report.curves import CurvePlot, draw_curves


def mean(value: float, half: float | None = 0.01) -> MeanInterval:
    return MeanInterval(mean=value, half_width=half, count=5, level=0.95)


def inside(plot: CurvePlot) -> bool:
    spots = [(dot.x, dot.y) for curve in plot.curves for dot in curve.dots]
    for curve in plot.curves:
        for shape in (*curve.paths, *curve.bands):
            numbers = [float(x) for x in re.findall(r"[\d.]+", shape)]
            spots += list(zip(numbers[::2], numbers[1::2], strict=True))
    return all(plot.left <= x <= plot.right and 0 <= y <= plot.bottom for x, y in spots)


def test_a_better_system_stands_higher_and_a_harder_condition_farther_right() -> None:
    plot = draw_curves((0.0, 0.2, 0.6), [("a", [mean(0.9), mean(0.8), mean(0.6)]), ("b", [mean(0.5)] * 3)])
    a, b = plot.curves
    assert [dot.y for dot in a.dots] == sorted(dot.y for dot in a.dots)
    assert all(one.y < other.y for one, other in zip(a.dots, b.dots, strict=True))
    gaps = [right.x - left.x for left, right in zip(a.dots, a.dots[1:], strict=False)]
    assert gaps[1] == pytest.approx(2 * gaps[0], abs=0.2)
    assert [label for _, label in plot.x_ticks] == ["0", "0.2", "0.6"]
    assert a.dots[0].label == "a, 0: 90.00 ± 1.00"
    assert (a.style, b.style) == (0, 1)


def test_a_tick_stands_where_its_value_would() -> None:
    plot = draw_curves((1.0,), [("a", [mean(0.40)]), ("b", [mean(0.60)])])
    at = {float(label): y for y, label in plot.y_ticks}
    assert at[40.0] == pytest.approx(plot.curves[0].dots[0].y, abs=0.1)
    assert at[60.0] == pytest.approx(plot.curves[1].dots[0].y, abs=0.1)
    # a single condition stands in the middle
    assert plot.curves[0].dots[0].x == pytest.approx((plot.left + plot.right) / 2, abs=0.1)


def test_what_was_not_run_leaves_a_gap_and_one_seed_has_no_band() -> None:
    some, without = [mean(0.5), None, mean(0.6), mean(0.7)], [mean(0.4, None)] * 4
    plot = draw_curves((0, 1, 2, 3), [("a", some), ("b", without)])
    a, b = plot.curves
    assert (len(a.paths), len(a.bands), len(a.dots)) == (2, 2, 3)
    assert (len(b.paths), len(b.bands), len(b.dots)) == (1, 0, 4)


@settings(max_examples=30)
@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=5),
    st.floats(0, 20) | st.none(),
)
def test_nothing_is_drawn_outside(means: list[float], half: float | None) -> None:
    plot = draw_curves(range(len(means)), [("a", [mean(value, half) for value in means])])
    assert inside(plot)
    assert 1 <= len(plot.y_ticks) <= 8
