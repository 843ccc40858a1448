"""A topic of Kafka, as one of a group of consumers.

Offsets are committed when the posts are durable, never by a timer. What was read and not committed when a
process was killed is read again, and what comes twice is one post in the store. Order holds within a
partition, which is what Kafka promises.

The brokers are ones that the operator names, as a database is; nothing in a message leads anywhere.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from crisislens.core.errors import InputError
from crisislens.core.http_answers import RequestError
from crisislens.core.optional import require
from crisislens.streams.batch import Batch
from crisislens.streams.broker_rows import Gathered
from crisislens.streams.rows import RowMaker

__all__ = ["KafkaSource", "read_properties"]

DEFAULT_BROKERS: Final = "127.0.0.1:9092"
_OURS: Final[Mapping[str, Any]] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "enable.partition.eof": True,
    # what waits in this process, whatever the brokers have
    "queued.max.messages.kbytes": 16_384,
    "queued.min.messages": 1_000,
    # what it says of its brokers reaches us by `error_cb`
    "log_level": 0,
}
_WAIT_S = 1.0


class KafkaSource:
    """Reads a topic.

    Arguments:
        topic: Its name.
        name: Of the source.
        rows: How messages become posts.
        brokers: As `kafka1:9092,kafka2:9092`.
        properties: More of librdkafka's, such as for SASL; what is ours stays ours.
        batch: Messages that are taken in together, at most.
        once: Whether to end when all partitions were read to their ends.
    """

    kind = "kafka"
    edits = False

    def __init__(
        self,
        topic: str,
        name: str,
        rows: RowMaker,
        *,
        brokers: str = DEFAULT_BROKERS,
        properties: Mapping[str, str] | None = None,
        batch: int = 200,
        once: bool = False,
    ) -> None:
        self.name, self.every_s = name, 0.0
        self._kafka = require("confluent_kafka", extra="kafka")
        self._topic, self._rows, self._batch, self._once = topic, rows, batch, once
        self._at_end: set[int] = set()
        self._told: list[str] = []
        given = {
            "group.id": "crisislens",
            "auto.offset.reset": "earliest",
            "bootstrap.servers": brokers,
            **(properties or {}),
            **_OURS,
            "error_cb": self._hear,
        }
        try:
            self._consumer = self._kafka.Consumer(given)
            self._consumer.subscribe([topic])
        except self._kafka.KafkaException as error:
            raise InputError(f"Kafka cannot be read like this: {error.args[0].str()}") from None

    def _hear(self, error: Any) -> None:
        """What the client says of its brokers; it tries again by itself."""
        self._told = [str(error.str())[:200]]

    def ended(self) -> bool:
        """Once, when every partition that is ours was read to its end."""
        if not self._once:
            return False
        ours = {part.partition for part in self._consumer.assignment()}
        return bool(ours) and ours <= self._at_end

    def close(self) -> None:
        """Leaves the group, so that others take over at once."""
        self._consumer.close()

    def look(self, cursor: dict[str, Any] | None) -> Iterator[Batch]:
        """The messages of a second, or a batch."""
        gathered, last = Gathered(self._rows), dict[int, int]()
        for message in self._consumer.consume(num_messages=self._batch, timeout=_WAIT_S):
            if message.error() is not None:
                self._note(message)
                continue
            number = message.partition()
            self._at_end.discard(number)
            last[number] = message.offset()
            self._add(gathered, message)
        if last:
            self._told = []
            offsets = {str(number): offset + 1 for number, offset in sorted(last.items())}
            yield gathered.batch(partial(self._commit, last), {"offsets": offsets})
        elif self._told:
            why, self._told = self._told[0], []
            raise RequestError(f"Kafka: {why}", transient=True)

    def _note(self, message: Any) -> None:
        error = message.error()
        if error.code() == self._kafka.KafkaError._PARTITION_EOF:
            self._at_end.add(message.partition())
        elif error.fatal():
            raise InputError(f"Kafka cannot go on: {error.str()}")
        else:
            self._told = [str(error.str())[:200]]

    def _add(self, gathered: Gathered, message: Any) -> None:
        value, key = message.value(), message.key()
        if value is None:
            # the tombstone of a compacted topic
            if key:
                gathered.take_back(key.decode("utf-8", "replace")[:500])
            return
        name = f"{self._topic}-{message.partition()}-{message.offset()}"
        text = value.decode("utf-8", "replace").replace("\0", "").strip()
        if text:
            gathered.add(text, name)
        else:
            gathered.refuse(name, "the message is empty")

    def _commit(self, last: Mapping[int, int]) -> None:
        part = self._kafka.TopicPartition
        offsets = [part(self._topic, number, offset + 1) for number, offset in last.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except self._kafka.KafkaException as error:
            # another member has the partition now and reads them again; they are there then
            self._told = [f"offsets were not committed ({error.args[0].str()})"]


def read_properties(file: Path) -> dict[str, str]:
    """Properties of librdkafka, `name=value` a line; a file, since they may hold a password.

    Raises:
        InputError: If it cannot be read, or a line is none.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read; it holds a name=value of librdkafka a line") from error
    found = {}
    for number, line in enumerate(text.split("\n"), start=1):
        name, sign, value = line.strip().partition("=")
        if not name or name.startswith("#"):
            continue
        if not sign:
            raise InputError(f"line {number} of {file} is no name=value")
        found[name.strip()] = value.strip()
    return found
