"""Thousands of posts through sources of every kind that misbehave, with crashes at random points: the short
form of `benchmarks/stream_chaos_all.py`, without processes. A crash here is before the commit, or between it
and the acknowledgement; the next start is a new source on the same store.
"""

import json
import os
import random
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("redis", reason="the extra redis is not installed")
pytest.importorskip("websockets", reason="the extra streams is not installed")

import redis

from crisislens.core.guarded import Guard
from crisislens.store import Store
from crisislens.store.upkeep import check
from crisislens.streams import StoreTarget
from crisislens.streams.jetstream import JetstreamSource
from crisislens.streams.maildir import MaildirSource
from crisislens.streams.mastodon import MastodonSource, Timeline
from crisislens.streams.redis_stream import RedisSource
from crisislens.streams.rows import RowMaker
from crisislens.streams.tail import FileSource
from redis_server import running_redis
from stream_fakes import FakeJetstream, FakeMastodon, Faults, stopping
from stream_oracle import kept, survived

pytestmark = pytest.mark.usefixtures("warm_starts")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_redis() as address:
        yield address


def test_a_rotated_file(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "posts.jsonl"

    def make() -> FileSource:
        return FileSource(path, "f", RowMaker(), batch=20, once=True)

    for part in range(6):
        lines = (json.dumps({"id": i, "text": f"house {i}"}) for i in range(part * 200, part * 200 + 200))
        if part:
            older = tmp_path / f"posts.jsonl.{part}"
            path.rename(older)
            os.utime(older, (part, part))
        path.write_text("\n".join(lines) + "\n")
        if part in (0, 5):
            # the first place is in a part that is rotated away
            assert survived(make, store, part) >= 1
    assert list(kept(store, "f")) == [str(i) for i in range(1_200)]


def test_a_stream_of_redis(store: Store, server: str) -> None:
    client, rng, truth = redis.Redis.from_url(server), random.Random(4), dict[str, str]()
    pipe = client.pipeline(transaction=False)
    for i in range(1_500):
        truth[str(i)] = f"road {i} is closed"
        pipe.xadd("posts", {"json": json.dumps({"id": i, "text": truth[str(i)]})})
        if rng.random() < 0.02:
            gone = rng.choice(list(truth)[-50:])
            del truth[gone]
            pipe.xadd("posts", {"json": json.dumps({"id": gone, "deleted": True})})
    pipe.execute()
    more: Any = {"server": server, "batch": 50, "once": True, "consumer": "a"}
    assert survived(lambda: RedisSource("posts", "r", RowMaker(), **more), store, 5) >= 5
    found = kept(store, "r")
    assert found == truth
    assert list(found) == sorted(truth, key=int)
    client.close()


def test_jetstream(store: Store) -> None:
    with stopping(FakeJetstream(6, Faults(cut=0.02))) as fake:
        guard = Guard(allow_private={fake.host}, seconds=30.0)

        class UpToNow(JetstreamSource):
            """Ends where the server is, which the real one never does."""

            def ended(self) -> bool:
                cursor = StoreTarget(store).cursor(self)
                return cursor is not None and cursor["seq"] >= len(fake.events)

        fake.publish(1_500)
        store.sources.ensure("j", "jetstream")
        # as if it had listened from the start
        start = json.dumps({"host": f"ws://{fake.host}", "seq": 0})
        store.posts.accept("j", [], kind="jetstream", cursor=start)
        crashes = survived(lambda: UpToNow(f"ws://{fake.host}", "j", guard=guard, batch=100), store, 7)
        found = kept(store, "j")
        assert crashes >= 3
        assert found == fake.truth
    for names in fake.by_account.values():
        first = [name for name in names if found.get(name, "").startswith("create")]
        assert [name for name in found if name in set(first)] == first


def test_mastodon_by_pages(store: Store) -> None:
    with stopping(FakeMastodon(8, Faults(0.05, 0.05, 0.05))) as fake:
        fake.publish(30)
        guard = Guard(allow_private={fake.host}, seconds=30.0)
        timeline = Timeline(f"http://{fake.host}", "flood")

        def make() -> MastodonSource:
            return MastodonSource(timeline, "m", guard=guard, once=True)

        survived(make, store, 9)
        fake.publish(700)
        # each start begins ten minutes earlier, which here is nearly everything
        survived(make, store, 10, chance=0.02)
        assert kept(store, "m") == fake.truth


def test_a_mailbox_and_all_of_it_together(store: Store, tmp_path: Path) -> None:
    for name in ("new", "cur", "tmp"):
        (tmp_path / name).mkdir()
    for i in range(300):
        message = EmailMessage()
        message["Message-ID"], message["Subject"] = f"<{i}@x>", f"Report {i}"
        message.set_content("Bridge down")
        path = tmp_path / "new" / f"{i:05d}.host"
        path.write_bytes(bytes(message))
        os.utime(path, (i + 1, i + 1))
    assert survived(lambda: MaildirSource(tmp_path, "mail", batch=10, once=True), store, 11) >= 3
    assert list(kept(store, "mail")) == [f"<{i}@x>" for i in range(300)]
    assert check(store) == []
