"""The logarithmic opinion pool against hand-computed values, and the choice of its weight."""

import numpy as np
import pytest

from crisislens.training.opinion_pool import choose_weight, pool


def test_the_ends_are_the_classifiers_and_the_middle_is_their_geometric_mean() -> None:
    a, b = np.array([[0.9, 0.1], [0.5, 0.5]]), np.array([[0.2, 0.8], [0.1, 0.9]])
    assert np.allclose(pool(a, b, 0.0), a)
    assert np.allclose(pool(a, b, 1.0), b)
    # sqrt(.9 * .2) : sqrt(.1 * .8) = .4243 : .2828
    assert np.allclose(pool(a, b, 0.5)[0], [0.6, 0.4])
    # an impossible class stays finite
    assert np.isfinite(pool(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]), 0.5)).all()


def test_the_weight_is_that_of_the_best_pool_and_the_smallest_of_equals() -> None:
    y = np.array([0, 0, 1, 1])
    wrong, right = (
        np.array([[0.4, 0.6], [0.4, 0.6], [0.6, 0.4], [0.6, 0.4]]),
        np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9]]),
    )
    assert choose_weight(y, [right], right) == 0.0
    # 0.4 * 9^w > 0.6 * ... from log(1.5) / (log(1.5) + log(9)) = 0.16 on
    assert choose_weight(y, [wrong, wrong], right) == 0.2
    assert choose_weight(y, [right], wrong) == 0.0


@pytest.mark.parametrize("weight", [-0.1, 1.5])
def test_a_weight_outside_is_refused(weight: float) -> None:
    with pytest.raises(ValueError, match=r"weight in \[0, 1\]"):
        pool(np.full((1, 2), 0.5), np.full((1, 2), 0.5), weight)
