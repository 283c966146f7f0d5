"""Runs a program of `programs/`, which users of the published package might have written, with ours."""

from __future__ import annotations

import os
from pathlib import Path

from confluent_kafka import Consumer
from confluent_kafka.admin import NewTopic
from lab import Lab, Program, chunks, expect, record_of

import openmsistream

PROGRAMS = Path(__file__).with_name("programs")


def written(lab: Lab, name: str, *args: object) -> Program:
    """Start one, as a script of a person who has our package installed."""
    paths = os.pathsep.join((str(PROGRAMS), str(Path(openmsistream.__file__).parents[1])))
    return lab.program(name, *args, env={"PYTHONPATH": paths})


def options(lab: Lab) -> list[object]:
    """The options that every such program has."""
    return [
        "--config", lab.config, "--topic_name", lab.topic, "--output_dir", lab.target, "--consumer_group_id", lab.topic,
    ]  # fmt: skip


def send(lab: Lab, **files: str | bytes) -> None:
    """Put files on the topic; in a name "__" is a slash and "_" a dot."""
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        lab.produce(*map(record_of, chunks(name.replace("__", "/").replace("_", "."), data, 1 << 14)))


def read_when_complete(file: Path, lines: int) -> list[str]:
    """The lines of a file, sorted, when it has so many."""
    expect(lambda: file.is_file() and len(file.read_text("utf-8").splitlines()) >= lines, 30)
    return sorted(file.read_text("utf-8").splitlines())


def second_topic(lab: Lab) -> str:
    """A topic for results."""
    name = f"{lab.topic}-results"
    lab.admin.create_topics([NewTopic(name, 1)])[name].result(15)
    return name


def values_on(lab: Lab, topic: str, count: int) -> dict[str, str]:
    """Keys and values of so many committed records."""
    settings = {"bootstrap.servers": lab.address, "group.id": "look", "auto.offset.reset": "earliest"}
    consumer = Consumer({**settings, "isolation.level": "read_committed", "enable.auto.commit": False})
    consumer.subscribe([topic])
    found: dict[str, str] = {}

    def look() -> bool:
        for message in consumer.consume(10, 0.2):
            assert message.error() is None
            found[(message.key() or b"").decode()] = (message.value() or b"").decode()
        return len(found) >= count

    try:
        expect(look, 30, lambda: found)
    finally:
        consumer.close()
    return found
