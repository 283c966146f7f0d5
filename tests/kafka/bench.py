"""What tests of transactions work with: a topic that is read by a group, a topic for results, and what a reader of these sees."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from lab import Lab, expect

from openmsistream.kafka.admin import Admin, Topic
from openmsistream.kafka.commits import Commit
from openmsistream.kafka.consumer import ChunkConsumer
from openmsistream.kafka.resuming import Extent
from openmsistream.kafka.transactions import TransactionalProducer

WITHIN = 20.0


@dataclass(frozen=True)
class Result:
    value: bytes | None
    key: bytes | None = b"key"
    headers: Sequence[tuple[str, bytes]] = ()


class Reader:
    """A member of a group that does nothing with what it reads; `on_giving_up` is called when partitions are taken away."""

    def __init__(self, lab: Lab, group: str, **properties: str) -> None:
        self.partitions: set[int] = set()
        self.on_giving_up: Callable[[], None] = lambda: None
        self.consumer = ChunkConsumer({**lab.settings.consumer.properties, **properties}, group, lab.topic, self)

    def gained(self, commits: Mapping[int, Commit | None], extents: Mapping[int, Extent]) -> Mapping[int, int | None]:
        self.partitions |= commits.keys()
        return dict.fromkeys(commits)

    def giving_up(self, partitions: frozenset[int]) -> None:
        self.on_giving_up()
        self.partitions -= partitions

    def lost(self, partitions: frozenset[int]) -> None:
        self.partitions -= partitions

    def not_committed(self, partitions: frozenset[int]) -> None: ...

    def has(self, *partitions: int) -> bool:
        self.consumer.records(0.05)
        return self.partitions == set(partitions)


@dataclass
class Bench:
    """A topic that is read, with one partition, a member of a group that reads it, and a topic for results."""

    lab: Lab
    results: Lab
    group: str
    stack: ExitStack = field(default_factory=ExitStack)

    @property
    def topic(self) -> Topic:
        found = Admin.of(self.results.settings).topic(self.results.topic)
        assert found is not None
        return found

    def reader(self, **properties: str) -> Reader:
        made = Reader(self.lab, self.group, **properties)
        self.stack.callback(made.consumer.close, 2.0)
        return made

    def member(self) -> ChunkConsumer:
        made = self.reader()
        expect(lambda: made.has(0))
        return made.consumer

    def producer(self, name: str = "one", **properties: str) -> TransactionalProducer:
        given = {**self.lab.settings.transactional.properties, **properties}
        made = TransactionalProducer(given, self.topic, f"{self.group}-{name}")
        return self.stack.enter_context(closing(made))

    def records(self) -> list[Message]:
        """The results that a reader sees who takes only what was committed, up to what is not decided yet."""
        consumer = Consumer({"bootstrap.servers": self.lab.address, "group.id": "look", "enable.auto.commit": False,
                             "isolation.level": "read_committed", "enable.partition.eof": True})  # fmt: skip
        consumer.assign([TopicPartition(self.results.topic, 0, 0)])
        found: list[Message] = []

        def read_all() -> bool:
            found.extend(consumer.consume(100, 0.2))
            return any(m.error() and m.error().code() == KafkaError._PARTITION_EOF for m in found)

        try:
            expect(read_all)
            return [message for message in found if not message.error()]
        finally:
            consumer.close()

    @property
    def seen(self) -> list[bytes | None]:
        return [message.value() for message in self.records()]

    def committed(self) -> Commit | None:
        """What the group has committed, asked by somebody else."""
        asking = Consumer({"bootstrap.servers": self.lab.address, "group.id": self.group, "enable.auto.commit": False})
        try:
            (place,) = asking.committed([TopicPartition(self.lab.topic, 0)], WITHIN)
        finally:
            asking.close()
        return Commit(place.offset, place.metadata or "") if place.offset >= 0 else None


def bench_at(lab: Lab, place: Path, **config: str) -> Bench:
    lab.make_topic(1)
    place.mkdir()
    results = Lab(lab.address, place)
    results.make_topic(1, **config)
    return Bench(lab, results, f"group-{lab.topic}")


def after(offset: int) -> dict[int, Commit]:
    return {0: Commit(offset, f"read up to {offset}")}
