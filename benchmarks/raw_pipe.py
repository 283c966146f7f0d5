"""The yardstick: the same bytes from memory through the same broker, consumed and dropped, nothing on disk but the log.

`python -m benchmarks.raw_pipe produce|consume BOOTSTRAP TOPIC RECORDS BYTES PARTITIONS`; both print a line when they are
ready, begin when a line comes on standard input, and print `seconds cpu_seconds` in the end.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

PARTITIONS = 4
_UNACKNOWLEDGED = {1: 5}
_UNACKNOWLEDGED_ELSE = 10
"""Records of 512 KiB, by the number of partitions; small records as many as fit in their bytes. With more on one
partition librdkafka's broker thread spins (docs/performance.md)."""


def produce(bootstrap: str, topic: str, records: int, size: int, partitions: int) -> None:
    """Send so many records of so many bytes, few unacknowledged at a time."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 1,
            "batch.size": 1_000_000,
        }
    )
    payload = os.urandom(size)
    most = _UNACKNOWLEDGED.get(partitions, _UNACKNOWLEDGED_ELSE)
    window = threading.Semaphore(max(most, most * 524_288 // max(size, 1024)))

    def reported(error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        window.release()

    producer.list_topics(topic, 10)
    _ready()
    for number in range(records):
        while not window.acquire(blocking=False):
            producer.poll(0.05)
        producer.produce(topic, payload, partition=number % partitions, on_delivery=reported)
        producer.poll(0)
    producer.flush()


def consume(bootstrap: str, topic: str, records: int, size: int, partitions: int) -> None:
    """Take so many records and drop them."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "raw-pipe",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 100,
            "queued.max.messages.kbytes": 16_384,
            "fetch.queue.backoff.ms": 10,
        }
    )
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    _ready()
    left = records
    while left > 0:
        messages = consumer.consume(1, 1.0) + consumer.consume(200, 0)
        left -= sum(len(message) == size for message in messages if message.error() is None)


def _ready() -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    _ready.at = time.perf_counter(), _cpu()  # type: ignore[attr-defined]


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    role, servers, name, *numbers = sys.argv[1:]
    {"produce": produce, "consume": consume}[role](servers, name, *map(int, numbers))
    began, cpu = _ready.at  # type: ignore[attr-defined]
    print(time.perf_counter() - began, _cpu() - cpu, flush=True)
