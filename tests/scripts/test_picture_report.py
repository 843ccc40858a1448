"""The words that stand beside the README's picture are those that the picture shows."""

import hashlib
import struct

import pytest
from picture_report import IMAGES, POSTS_SHOWN, text_beside, words_on

REPORT = """
<p>Not shown.</p>
<header><h1><bdi>A &amp; B</bdi></h1><p>posts.csv · 3 posts · analyzed 2026-01-01 00:00 UTC</p></header>
<section class="print-only"><p>Only on paper.</p></section>
<section id="now"><h2>Now</h2>
<ul><li><span>Posts</span> <strong>3</strong></li></ul>
<section class="panel lane grave"><h3>Calls</h3>
<ol class="lines"><li><p>one</p></li><li><p>two</p></li><li><p>three</p></li></ol></section>
<section class="panel lane unread"><h3>A person must read these</h3></section>
</section><section id="needs"><h2>Needs</h2></section>
"""


def test_the_words_are_those_of_the_headline_and_the_first_view() -> None:
    assert words_on(REPORT) == ["A & B", "posts.csv · 3 posts", "Now", "Posts 3", "Calls", "one", "two"]


@pytest.mark.parametrize(
    ("old", "new"),
    [("<strong>3</strong>", "<strong>4</strong>"), ("<p>two</p>", "<p>2</p>"), ("Calls</h3>", "Call</h3>")],
)
def test_another_count_post_or_heading_is_noticed(old: str, new: str) -> None:
    assert words_on(REPORT) != words_on(REPORT.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("2026-01-01", "2026-02-02"),
        ("<p>three</p>", "<p>3</p>"),
        ("Only on paper.", "Paper."),
        ("<li>", "<li>\n"),
    ],
)
def test_what_the_picture_does_not_show_is_left_out(old: str, new: str) -> None:
    assert words_on(REPORT) == words_on(REPORT.replace(old, new))


@pytest.mark.parametrize("text", ["", "<p>a page</p>", "<header></header><section id='needs'></section>"])
def test_what_is_no_report_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no report"):
        words_on(text)


def test_picture_and_words_belong_together() -> None:
    picture = (IMAGES / "report.png").read_bytes()
    first = (IMAGES / "report.txt").read_text(encoding="utf-8").partition("\n")[0]
    assert first == f"report.png SHA-256 {hashlib.sha256(picture).hexdigest()}"
    assert text_beside(picture, REPORT).startswith(first)


def test_the_picture_is_small_and_wide_enough_to_read() -> None:
    picture = (IMAGES / "report.png").read_bytes()
    assert len(picture) <= 200_000
    width, height = struct.unpack(">II", picture[16:24])
    assert 1200 <= width <= 2400
    assert 800 <= height <= width
    assert POSTS_SHOWN >= 1
