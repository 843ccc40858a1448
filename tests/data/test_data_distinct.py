"""The different rows of a table, as numpy finds them from copies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.data.distinct import distinct_rows


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(0, 40),
    width=st.integers(1, 7),
    values=st.sampled_from([1, 2, 3, 2**32]),
    seed=st.integers(0, 99),
)
def test_are_those_of_numpy(rows: int, width: int, values: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = rng.integers(0, values, (rows, width), dtype=np.uint32)
    # some repeat whatever the values are, and not all are asked for
    table[rows // 2 :] = table[: rows - rows // 2]
    where = np.flatnonzero(rng.random(rows) < 0.8)
    found = distinct_rows(list(table.T), where)
    unique, inverse, copies = np.unique(table[where], axis=0, return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(table[found.rows], unique)
    np.testing.assert_array_equal(found.inverse, inverse.reshape(-1))
    np.testing.assert_array_equal(found.copies, copies)
    assert set(found.rows.tolist()) <= set(where.tolist())


@pytest.mark.parametrize("column", [0, 3, 4, 65])
def test_rows_that_differ_in_one_column_differ(column: int) -> None:
    table = np.full((3, 66), 9, np.uint32)
    table[1, column] = 8
    found = distinct_rows(list(table.T), np.arange(3))
    assert found.inverse.tolist() == [1, 0, 1]
    assert found.copies.tolist() == [1, 2]
