"""Feeds: what is read of them, and what a hostile one cannot do."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("feedparser", reason="the extra streams is not installed")

from crisislens.core.guarded import Fetched, Guard
from crisislens.core.http_answers import RequestError
from crisislens.store import Store
from crisislens.store.records import PostFilter
from crisislens.streams import Pump, StoreTarget, feed
from crisislens.streams.feed import FeedSource, seen_text

RSS = """<?xml version="1.0"?><rss version="2.0" xmlns:georss="http://www.georss.org/georss"><channel>
<title>Desk</title><language>es</language>
<item><guid isPermaLink="false">2</guid>
<title>Second &lt;script&gt;alert(1)&lt;/script&gt;&amp;amp; last</title>
<link>https://example.org/2</link>
<description>&lt;p onclick="x()"&gt;Roads &lt;b&gt;closed&lt;/b&gt;&lt;/p&gt;</description>
<pubDate>Fri, 20 Nov 2026 10:00:00 +0200</pubDate><georss:point>18.5 -72.3</georss:point></item>
<item><guid isPermaLink="false">1</guid><title>First</title><link>javascript:alert(1)</link>
<author>ann &lt;script&gt;</author></item>
<item><guid>0</guid></item>
</channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>A</title><entry><id>urn:1</id>
<title type="html">&lt;img src=x onerror=alert(1)&gt;Quake</title><updated>2026-11-20T10:00:00Z</updated>
<content type="html">&lt;script&gt;x&lt;/script&gt;Felt in Ponce</content></entry></feed>"""


class Desk:
    """Stands for the guarded client."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked = list(answers), list[dict[str, str]]()

    def __call__(self, url: str, *, headers: dict[str, str], **_: Any) -> Fetched:
        self.asked.append(headers)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Fetched):
            return answer
        head = {"content-type": "text/xml", "etag": '"v1"', "last-modified": "Fri"}
        return Fetched(200, head, answer.encode(), url)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Any:
    def read(*answers: Any) -> tuple[Desk, FeedSource]:
        desk = Desk(*answers)
        monkeypatch.setattr(feed, "fetch", desk)
        return desk, FeedSource("https://example.org/feed", "rss", guard=Guard(), every_s=0.0)

    return read


def test_entries_become_posts_without_markup(read: Any) -> None:
    _, source = read(RSS)
    [batch] = source.look(None)
    first, second = batch.posts
    assert (first.external_id, first.text, first.url) == ("1", "First", None)
    assert second.text == "Second & last\nRoads closed"
    assert (second.lang, second.url, second.lat, second.lon) == ("es", "https://example.org/2", 18.5, -72.3)
    assert str(second.created_at) == "2026-11-20 08:00:00+00:00"
    assert "neither a title nor a text" in batch.dead[0].reason
    assert "<" not in json.dumps([post.model_dump(mode="json") for post in batch.posts])


def test_atom(read: Any) -> None:
    _, source = read(ATOM)
    [batch] = source.look(None)
    assert [post.text for post in batch.posts] == ["Quake\nFelt in Ponce"]


@pytest.mark.parametrize(
    ("markup", "seen"),
    [
        ("<script>alert(1)</script>Flood", "Flood"),
        ("Flood &amp; fire", "Flood & fire"),
        ("a < b and <3", "a < b and <3"),
        ("<img src=x onerror=alert(1)>", ""),
        ("<style>*{}</style><b>Fire</b>", "Fire"),
        (None, ""),
    ],
)
def test_titles_are_read_as_a_page_shows_them(markup: str | None, seen: str) -> None:
    assert seen_text(markup) == seen


def test_what_did_not_change_is_not_sent_again(read: Any) -> None:
    desk, source = read(RSS, Fetched(304, {}, b"", "x"))
    [batch] = source.look(None)
    assert list(source.look(batch.cursor)) == []
    assert desk.asked == [{}, {"If-None-Match": '"v1"', "If-Modified-Since": "Fri"}]


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "'
    + "A" * 1000
    + '">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 100}">' for a, b in ("ab", "bc", "cd", "de"))
    + "]><rss version='2.0'><channel><item><guid>1</guid><title>&e;</title></item></channel></rss>"
)
FILE = """<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]><rss version="2.0"><channel>
<item><guid>1</guid><title>T&f;</title></item></channel></rss>"""


@pytest.mark.parametrize("hostile", [BOMB, FILE], ids=["bomb", "file"])
def test_entities_open_nothing(read: Any, hostile: str) -> None:
    _, source = read(hostile)
    try:
        batches = list(source.look(None))
    except RequestError:
        return
    texts = [post.text for batch in batches for post in batch.posts]
    host = Path("/etc/hostname")
    name = host.read_text().strip() if host.is_file() else "no such name"
    assert all(len(text) < 10_000 and name not in text for text in texts)


def test_a_feed_through_failures_into_the_store(read: Any, store: Store) -> None:
    """It goes on after 429 and garbage; an edited entry stays as it was and is no dead letter."""
    full = RequestError("example.org answered 429", status=429, transient=True, wait_s=0.0)
    edited = RSS.replace("First", "First, corrected")
    desk, source = read(RSS, full, "<html></html>", edited)
    told: list[str] = []
    pump = Pump(source, StoreTarget(store), tell=told.append)

    def stop_at_end() -> bool:
        return not desk.answers

    source.ended = stop_at_end  # type: ignore[method-assign]
    pump._spread = lambda _: 0.0  # type: ignore[method-assign]
    tally = pump.run()
    assert (tally.created, tally.same, tally.changed) == (2, 1, 1)
    assert {row.text for row in store.posts.stream(PostFilter())} == {"First", "Second & last\nRoads closed"}
    assert [("429" in said, "no feed" in said) for said in told] == [(True, False), (False, True)]
