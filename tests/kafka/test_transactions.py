"""Results and offsets in one transaction, with a real broker: all or nothing, whatever is killed, frozen or taken over."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from confluent_kafka import KafkaError, TopicPartition
from lab import Lab, expect

from openmsistream.broker import RunningBroker, temporary
from openmsistream.config import load
from openmsistream.errors import AccessRefused, ConfigError, TopicError
from openmsistream.kafka.admin import Admin, Topic
from openmsistream.kafka.attempt import Attempt
from openmsistream.kafka.commits import MAX_METADATA, Commit
from openmsistream.kafka.consumer import ChunkConsumer, Interrupted
from openmsistream.kafka.resuming import Extent
from openmsistream.kafka.transaction_errors import in_words
from openmsistream.kafka.transactions import (
    Fenced,
    NotCommitted,
    Rebalancing,
    ResultsRefused,
    TransactionalProducer,
)

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
        return {partition: None for partition in commits}

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

    def seen(self) -> list[bytes | None]:
        """What a reader of results sees that takes only what was committed."""
        return [message.value() for message in self.results.records(committed=True)]


def bench_at(lab: Lab, place: Path, **config: str) -> Bench:
    lab.make_topic(1)
    place.mkdir()
    results = Lab(lab.address, place)
    results.make_topic(1, **config)
    return Bench(lab, results, f"group-{lab.topic}")


@pytest.fixture
def bench(lab: Lab) -> Iterator[Bench]:
    made = bench_at(lab, lab.place / "results")
    with made.stack:
        yield made


def after(offset: int) -> dict[int, Commit]:
    return {0: Commit(offset, f"read up to {offset}")}
