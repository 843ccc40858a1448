"""Which rows of a table are equal, without a copy of the table.

`numpy.unique` of rows copies them three times, which for the signatures of a million posts are two
gigabytes beside the models. Here only places are sorted: by the leading columns first, which tell nearly
all rows apart, and where they do not by all columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, UInt32

__all__ = ["Distinct", "distinct_rows"]

_LEADING = 4
Column = UInt32[np.ndarray, " b"]


@dataclass(frozen=True)
class Distinct:
    """The different ones of m rows, in the order of their content, first column first.

    Attributes:
        rows: Where each of u different rows stands in the table, once.
        inverse: For each of the m rows which of the different ones it is.
        copies: How often each occurs.
    """

    rows: Int[np.ndarray, " u"]
    inverse: Int[np.ndarray, " m"]
    copies: Int[np.ndarray, " u"]


def distinct_rows(columns: Sequence[Column], where: Int[np.ndarray, " m"]) -> Distinct:
    """Finds the different ones among some rows of a table.

    >>> found = distinct_rows([np.array([7, 3, 7, 0], np.uint32)], np.array([0, 1, 2]))
    >>> found.rows.tolist(), found.inverse.tolist(), found.copies.tolist()
    ([1, 0], [1, 0, 1], [1, 2])

    Arguments:
        columns: The table's columns, of equal length.
        where: The rows that are looked at.
    """
    leading = [column[where] for column in columns[:_LEADING]]
    order = np.lexsort(leading[::-1])
    same = np.ones(max(len(where) - 1, 0), bool)
    for column in leading:
        ordered = column[order]
        same &= ordered[1:] == ordered[:-1]
    tied = np.zeros(len(where), bool)
    tied[1:] |= same
    tied[:-1] |= same
    # within their own places: the leading columns stay in order
    order[tied] = _by_content(columns, where, order[tied])
    equal = np.flatnonzero(same)
    for column in columns[_LEADING:]:
        here, following = where[order[equal]], where[order[equal + 1]]
        equal = equal[column[here] == column[following]]
    new = np.ones(len(where), bool)
    new[equal + 1] = False
    starts = np.flatnonzero(new)
    inverse = np.empty(len(where), np.int64)
    inverse[order] = np.cumsum(new) - 1
    return Distinct(where[order[starts]], inverse, np.diff(starts, append=len(where)))


def _by_content(
    columns: Sequence[Column], where: Int[np.ndarray, " m"], some: Int[np.ndarray, " k"]
) -> Int[np.ndarray, " k"]:
    """Some of the rows sorted by all columns, of which only one at a time is in memory."""
    for column in reversed(columns):
        some = some[np.argsort(column[where[some]], kind="stable")]
    return some
