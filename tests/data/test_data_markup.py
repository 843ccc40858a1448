"""Markup in posts: what is seen stays, what only a browser needs goes, plain text is not touched."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisislens.data.markup import has_markup, without_markup
from crisislens.data.sidecar import Sidecar
from crisislens.data.tabular import read_posts
from crisislens.domain.post import Post

LINK = (
    '<a href="https://example.org/long/rest" rel="nofollow"><span class="invisible">https://</span>'
    '<span class="ellipsis">example.org/lo</span><span class="invisible">ng/rest</span></a>'
)
MARKUP = {
    "paragraphs": ("<p>Bridge is down</p><p>send boats</p>", "Bridge is down\nsend boats"),
    "line breaks": ("Bridge<br>is<br/>down<br />now", "Bridge\nis\ndown\nnow"),
    "entities": ("<p>trapped &amp; waiting &lt;3 &#128546; &nbsp;ok</p>", "trapped & waiting <3 😢 ok"),
    "a hashtag": ('<p>near <a class="mention hashtag" href="x">#<span>Ponce</span></a>!</p>', "near #Ponce!"),
    "a mention": ('<p><span class="h-card"><a href="x">@<span>ann</span></a></span> go</p>', "@ann go"),
    "an address in parts": (f"<p>see {LINK} now</p>", "see https://example.org/long/rest now"),
    "a link with words": ('<p>see <a href="https://x.org">the map</a></p>', "see the map"),
    "hidden words": ('<p>a<span class="invisible">b<span>c</span></span>d</p>', "ad"),
    "a custom emoji": (
        '<p><img class="emojione custom-emoji" alt=":flood:" src="x"/> here</p>',
        ":flood: here",
    ),
    "a picture": ('Flood <img src="a.jpg" alt="water over a bridge"> here', "Flood here"),
    "a script": ("<p>a</p><script>alert('b')</script><style>p {}</style><p>c</p>", "a\nc"),
    "a comment": ("<p>a<!-- b > c --></p>d", "a\nd"),
    "a list": ("<ul><li>water</li><li>food</li></ul>", "water\nfood"),
    "a table": ("<table><tr><td>water</td><td>12</td></tr></table>", "water 12"),
    "escaped twice": ("&lt;p&gt;Bridge &amp;amp; mill&lt;/p&gt;", "Bridge & mill"),
    "capitals": ("<P>Bridge<BR>down</P>", "Bridge\ndown"),
    "never closed": ("<p>Bridge is <b>down</b>, send <i>boats", "Bridge is down, send boats"),
    "a sign among tags": ("<p>5 < 6 and 7 > 6, I <3 you</p>", "5 < 6 and 7 > 6, I <3 you"),
    "blanks": ("<p>  a   b\t c </p>\n\n\n<p>d</p>", "a b c\nd"),
    "Arabic": ("<p dir='rtl'>نحتاج إلى ماء</p>", "نحتاج إلى ماء"),
}


@pytest.mark.parametrize("name", MARKUP)
def test_what_is_seen_stays(name: str) -> None:
    text, seen = MARKUP[name]
    assert without_markup(text) == seen


PLAIN = [
    "Flood waters took the bridge & the mill",
    "a < b and c > d",
    "I <3 this town",
    "water level <5m, rising >2cm/h",
    "use <b> for bold",
    "<image> </s> <|im_end|>",
    "x<y>z",
    "<name> please call",
    "AT&amp;T is down",
    "if (a<b && c>d) return",
    "<- here -> there",
    "<script>alert(1)</script> <svg onload=alert(4)>",
    "<p",
    "</p",
    "",
    "&lt;3 from Ponce",
    "a &lt; b &gt; c",
]


@pytest.mark.parametrize("text", PLAIN)
def test_plain_text_is_not_touched(text: str) -> None:
    assert not has_markup(text)
    assert without_markup(text) == text


@given(st.text(st.sampled_from("<>/pab &;!-\"'=\n"), max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_becomes_text_without_pairs_of_tags(text: str) -> None:
    plain = without_markup(text)
    assert plain == text or not plain.startswith("<p>")
    # letters that stand outside of all signs are never lost
    assert without_markup(f"word <p>{text.replace('<', '').replace('&', '')}</p>").startswith("word")


@pytest.mark.parametrize(
    "text",
    [
        "<p></p>" + "<a " * 20_000,
        "<p></p>" + "<!--" * 20_000,
        "<p></p>" + "<a x='" * 10_000,
        "<b>" * 20_000 + "</b>",
        "<p>" * 20_000 + "x",
        "&lt;p" * 20_000,
        "<p " * 20_000,
    ],
)
def test_no_text_costs_more_than_a_moment(text: str) -> None:
    import time

    started = time.process_time()
    without_markup(text)
    # quadratic parsing takes half a minute here
    assert time.process_time() - started < 3


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv", ".json"])
def test_every_reader_strips_and_says_so(tmp_path: Path, suffix: str) -> None:
    text, path = "<p>Bridge is down</p><p>&amp; gone</p>", tmp_path / f"posts{suffix}"
    sign = {".csv": ",", ".tsv": "\t"}.get(suffix)
    row = {"id": "1", "content": text}
    content = json.dumps([row] if suffix == ".json" else row)
    path.write_text(f"id{sign}content\n1{sign}{text}\n2{sign}a < b\n" if sign else content, encoding="utf-8")
    source = read_posts(path)
    posts = [post for post in source if isinstance(post, Post)]
    assert posts[0].text == "Bridge is down\n& gone"
    assert posts[0].remarks == ("the text was HTML; markup was removed",)
    assert all(post.remarks == () for post in posts[1:])
    notes = source.describe()["notes"]
    assert isinstance(notes, list)
    assert "1 texts were HTML; markup was removed" in notes
    # of the reading, not of the post
    assert "remarks" not in posts[0].model_dump()
    assert "remarks" not in Post.model_json_schema()["properties"]


def test_texts_beside_posts_are_stripped_too(tmp_path: Path) -> None:
    path = tmp_path / "captions.jsonl"
    path.write_text(json.dumps({"id": "1", "text": "<p>Water over a <b>bridge</b></p>"}))
    assert Sidecar.read(path).by_id["1"] == "Water over a bridge"
