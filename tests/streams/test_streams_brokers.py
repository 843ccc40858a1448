"""Redis and Kafka: acknowledged after the commit, so a crash anywhere takes nothing twice."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("redis", reason="the extra redis is not installed")
pytest.importorskip("confluent_kafka", reason="the extra kafka is not installed")

import confluent_kafka
import redis

from crisislens.core.errors import InputError
from crisislens.core.http_answers import RequestError
from crisislens.store import Store
from crisislens.store.records import Unread
from crisislens.streams import Pump, StoreTarget
from crisislens.streams.broker_rows import Gathered
from crisislens.streams.kafka_topic import KafkaSource, read_properties
from crisislens.streams.redis_stream import RedisSource
from crisislens.streams.rows import RowMaker
from crisislens.streams.tokens import Token
from redis_server import running_redis
from stream_oracle import CrashError, Crashing, kept, survived


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_redis() as address:
        yield address


@pytest.fixture
def client(server: str) -> Iterator[Any]:
    opened = redis.Redis.from_url(server)
    opened.flushall()
    yield opened
    opened.close()


def reader(server: str, **more: Any) -> RedisSource:
    given = {"server": server, "batch": 20, "once": True, "consumer": "a", **more}
    return RedisSource("posts", "r", RowMaker(), **given)


def pending(client: Any) -> int:
    return int(client.xpending("posts", "crisislens")["pending"])


@pytest.mark.parametrize("seed", range(2))
def test_redis_through_crashes(store: Store, server: str, client: Any, seed: int) -> None:
    for i in range(300):
        client.xadd("posts", {"json": json.dumps({"id": i, "text": f"water at {i}"})})
    assert survived(lambda: reader(server), store, seed) >= 2
    assert list(kept(store, "r")) == [str(i) for i in range(300)]
    assert pending(client) == 0
    # the user's stream is as it was
    assert client.xlen("posts") == 300


def test_entries_of_a_consumer_that_is_gone_are_taken_over(store: Store, server: str, client: Any) -> None:
    client.xgroup_create("posts", "crisislens", id="0", mkstream=True)
    for i in range(5):
        client.xadd("posts", {"id": str(i), "text": "bridge down"})
    client.xreadgroup("crisislens", "gone", {"posts": ">"}, count=5)
    Pump(reader(server, silent_ms=0), StoreTarget(store)).run()
    assert list(kept(store, "r")) == ["0", "1", "2", "3", "4"]
    assert pending(client) == 0


def test_what_was_trimmed_unread_is_said(store: Store, server: str, client: Any) -> None:
    client.xgroup_create("posts", "crisislens", id="0", mkstream=True)
    numbers = [client.xadd("posts", {"text": f"t{i}"}) for i in range(3)]
    client.xreadgroup("crisislens", "a", {"posts": ">"}, count=3)
    client.xdel("posts", numbers[1])
    told: list[str] = []
    Pump(reader(server), StoreTarget(store), tell=told.append).run()
    assert len(kept(store, "r")) == 2
    assert any("1 entries were trimmed" in said for said in told)
    assert pending(client) == 0


def test_redis_deletions_and_what_is_no_post(store: Store, server: str, client: Any) -> None:
    for fields in (
        {"id": "1", "text": "a"},
        {"id": "2", "text": "b"},
        {"data": '{"id": "1", "deleted": true}'},
        {"id": "2", "deleted": "true"},
        {"data": "{broken"},
        {"x": b"\xff\xfe"},
    ):
        client.xadd("posts", fields)
    tally = Pump(reader(server), StoreTarget(store)).run()
    assert (kept(store, "r"), tally.dead) == ({}, 2)
    client.xadd("posts", {"id": "1", "text": "a"})
    assert Pump(reader(server), StoreTarget(store)).run().erased == 1


def test_redis_that_cannot_be_used(server: str, client: Any) -> None:
    client.set("posts", "no stream")
    with pytest.raises(InputError, match="as a stream"):
        list(reader(server).look(None))
    client.config_set("requirepass", "right")
    try:
        with pytest.raises(InputError, match="does not let us in"):
            list(reader(server, password=Token("wrong")).look(None))
    finally:
        client.config_set("requirepass", "")
    with pytest.raises(RequestError) as caught:
        list(reader("redis://127.0.0.1:1/0").look(None))
    assert caught.value.transient
    for given in ("http://x", "redis://user:s3cret@host/0"):
        with pytest.raises(InputError) as refused:
            reader(given)
        assert "s3cret" not in str(refused.value)


@pytest.fixture(scope="module")
def brokers() -> Iterator[str]:
    """librdkafka's own mock of a cluster, which lives as long as its producer."""
    producer = confluent_kafka.Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "ignored"})
    [broker] = producer.list_topics(timeout=10).brokers.values()
    yield f"{broker.host}:{broker.port}"
    del producer


def sent(brokers: str, topic: str, messages: list[tuple[str | None, str | None]]) -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": brokers})
    for key, value in messages:
        producer.produce(topic, value=value, key=key, partition=0)
    assert producer.flush(20) == 0


def test_kafka_through_a_crash(store: Store, brokers: str) -> None:
    """One start is killed between commit and acknowledgement; one more is slow, since groups are."""
    given: list[tuple[str | None, str | None]] = [
        (None, json.dumps({"id": i, "text": f"water at {i}"})) for i in range(100)
    ]
    given += [("7", None), (None, ""), (None, "[]"), ("x", '{"text": "b"}')]
    sent(brokers, "posts", given)

    def make() -> KafkaSource:
        quick = {"session.timeout.ms": "6000"}
        return KafkaSource("posts", "k", RowMaker(), brokers=brokers, properties=quick, batch=50, once=True)

    first = make()
    with pytest.raises(CrashError):
        Pump(first, Crashing(store, random.Random(0), 0.5)).run()
    assert 0 < len(kept(store, "k")) <= 100
    tally = Pump(make(), StoreTarget(store)).run()
    assert tally.same > 0
    assert list(kept(store, "k")) == [str(i) for i in range(100) if i != 7] + ["posts-0-103"]
    assert (tally.gone, tally.dead) == (1, 2)
    place = confluent_kafka.TopicPartition("posts", 0)
    asked = confluent_kafka.Consumer({"bootstrap.servers": brokers, "group.id": "crisislens"})
    assert asked.committed([place], timeout=10)[0].offset == 104
    asked.close()


def test_kafka_that_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "kafka.properties"
    file.write_text("# ours\nsasl.mechanism=PLAIN\nsasl.password = a=b\n\n")
    assert read_properties(file) == {"sasl.mechanism": "PLAIN", "sasl.password": "a=b"}
    file.write_text("nonsense")
    with pytest.raises(InputError, match="line 1"):
        read_properties(file)
    with pytest.raises(InputError, match="cannot be read"):
        read_properties(tmp_path / "none")
    with pytest.raises(InputError, match="like this"):
        KafkaSource("t", "k", RowMaker(), properties={"no.such": "x"})


GONE: list[tuple[str, tuple[str, ...]]] = [
    ('{"id": 7, "deleted": true}', ("7",)),
    ('{"id": "7", "deleted": "true"}', ()),
    ('{"id": "7", "deleted": true, "text": "still here"}', ()),
    ('{"id": true, "deleted": true}', ()),
    ('{"deleted": true}', ()),
    ('{"id": "' + "x" * 501 + '", "deleted": true}', ()),
    ('["deleted"]', ()),
    ('{"deleted"', ()),
]


@pytest.mark.parametrize(("text", "gone"), GONE)
def test_what_takes_a_post_back(text: str, gone: tuple[str, ...]) -> None:
    gathered = Gathered(RowMaker())
    gathered.add(text, "made")
    assert gathered.batch(lambda: None, None).gone == gone


def test_the_last_word_of_a_post_counts() -> None:
    gathered = Gathered(RowMaker())
    for text in ('{"id": 1, "text": "a"}', '{"id": 1, "deleted": true}', '{"id": 2, "deleted": true}'):
        gathered.add(text, "made")
    gathered.add('{"id": 2, "text": "b"}', "made")
    gathered.refuse("x", "why")
    batch = gathered.batch(lambda: None, {"at": 1}, "note")
    assert ([post.external_id for post in batch.posts], batch.gone) == (["2"], ("1",))
    assert (batch.dead, batch.note) == ((Unread(raw="x", reason="why"),), "note")
