"""Disguises are taken out, honest writing stays, numbers do not claim what is not known."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisislens.report.display import (
    count_hidden,
    lines_of,
    moment,
    number,
    percent,
    shorten,
    utc,
    visible,
)

FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("Bridge is down", "Bridge is down"),
        ("line\r\nline\rline\u2028line\x85line", "line\nline\nline\nline\nline"),
        ("\u202egnp.exe\u202c \u2066x\u2069", "gnp.exe x"),
        ("ze\u200bro \ufeffwidth \u00adsoft", "zero width soft"),
        ("a\x00b\x1bc\ud800d", "a\ufffdb\ufffdc\ufffdd"),
        ("tag\U000e0041\U000e0042", "tag"),
        # joiners carry meaning: a family emoji, Persian, Devanagari
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467 \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", None),
        ("\u0915\u094d\u0937\u093f caf\u00e9 e\u0301 \u2764\ufe0f", None),
    ],
)
def test_disguises_go_and_writing_stays(given_text: str, expected: str | None) -> None:
    assert visible(given_text) == (given_text if expected is None else expected)


def test_piled_marks_are_limited() -> None:
    assert visible("z" + "\u0301" * 50 + "a") == "z" + "\u0301" * 4 + "a"


@given(st.text(st.characters(codec=None)))
def test_no_text_keeps_a_disguise(text: str) -> None:
    shown = visible(text)
    assert not FORBIDDEN.search(shown)
    assert visible(shown) == shown
    shown.encode("utf-8")


def test_hidden_characters_are_counted_only_where_they_deceive() -> None:
    assert count_hidden("caf\u00e9 \u200f\u0639\u200e \u00ad \u200b") == 0
    assert count_hidden("\u202eabc\u202c\x00") == 3
    assert count_hidden("two\r\nlines") == 0


@given(st.text("ab \n", max_size=200), st.integers(5, 60), st.integers(1, 6))
def test_a_clipped_text_loses_nothing_but_white_space(text: str, limit: int, lines: int) -> None:
    start, rest = shorten(text, limit, lines)
    assert (start + rest).replace(" ", "").replace("\n", "") == text.replace(" ", "").replace("\n", "")
    assert len(start) <= limit
    assert start.count("\n") < lines


def test_times_are_utc_and_survive_the_ends_of_the_calendar() -> None:
    assert moment(datetime(2017, 9, 20, 10, 5, tzinfo=timezone(timedelta(hours=-4)))) == "2017-09-20 14:05"
    assert utc(datetime(2017, 9, 20)) == datetime(2017, 9, 20, tzinfo=UTC)
    assert moment(datetime.max.replace(tzinfo=timezone(timedelta(hours=-14)))).startswith("9999-12-31")
    assert moment(datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))).startswith("0001-01-01")


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (0.99999, ">99%"),
        (0.00001, "<1%"),
        (0.994, "99%"),
        (0.005, "0%"),
        (0.5, "50%"),
    ],
)
def test_percent_never_claims_certainty(p: float, expected: str) -> None:
    assert percent(p) == expected


def test_numbers_have_thousands_apart() -> None:
    assert number(1234567) == "1,234,567"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (r"a\nb", "a\nb"),
        (r"soon)\n\n(now", "soon)\n\n(now"),
        (r"a\r\nb", "a\nb"),
        (r"century.\rhttps://t.co/x\r#Nepal", "century.\nhttps://t.co/x\n#Nepal"),
        (r"C:\new", r"C:\new"),
        (r"C:\new\reports", r"C:\new\reports"),
        ("a\nb", "a\nb"),
        (r"no\tab", r"no\tab"),
        ("2 &amp; a half --&gt; &lt;b&gt;", "2 & a half --> <b>"),
        # once, as it was escaped once
        ("&amp;lt;", "&lt;"),
    ],
)
def test_a_written_line_break_is_one(written: str, shown: str) -> None:
    assert lines_of(written) == shown
