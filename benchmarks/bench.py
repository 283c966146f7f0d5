"""Where the runs take place: a broker's address, a folder to work in, topics and folders made afresh for each run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from openmsistream.program.run import wait_until

from .processes import Measured, ours, running
from .raw_pipe import PARTITIONS

MSGPACK = """[producer]
key.serializer = StringSerializer
value.serializer = DataFileChunkSerializer
[consumer]
key.deserializer = StringDeserializer
value.deserializer = DataFileChunkDeserializer
"""


@dataclass
class Folders:
    """Fresh folders to send from and to receive in, and one beside them to make files in."""

    source: Path
    target: Path
    stock: Path


@dataclass
class Bench:
    """A broker's address and a folder to work in."""

    bootstrap: str
    place: Path
    _number: int = 0
    _admin: AdminClient = field(init=False)

    def __post_init__(self) -> None:
        self._admin = AdminClient({"bootstrap.servers": self.bootstrap})

    def topic(self, partitions: int = PARTITIONS) -> str:
        """A new topic."""
        self._number += 1
        name = f"bench-{self._number}"
        self._admin.create_topics([NewTopic(name, partitions, 1)])[name].result(10)
        return name

    def drop(self, topic: str) -> None:
        self._admin.delete_topics([topic])[topic].result(10)

    def ends(self, topic: str) -> list[int]:
        """How many records there are in each partition; nothing of those whose leader is not known yet."""
        asked = {TopicPartition(topic, p): OffsetSpec.latest() for p in range(PARTITIONS)}
        found = []
        for answer in self._admin.list_offsets(asked).values():
            try:
                found.append(int(answer.result(10).offset))
            except KafkaException:
                continue
        return found

    def folders(self) -> Folders:
        self._number += 1
        made = Folders(*(self.place / f"{name}-{self._number}" for name in ("source", "target", "stock")))
        for folder in (made.source, made.target, made.stock):
            folder.mkdir()
        return made

    def config(self, more: str = "") -> Path:
        """A configuration file with this broker's address, and what else is asked for."""
        file = self.place / f"bench-{abs(hash(more))}.config"
        file.write_text(f"[broker]\nbootstrap.servers = {self.bootstrap}\n{more}")
        return file

    @contextmanager
    def programs(
        self, folders: Folders, topic: str, more: str = "", checkout: Path | None = None
    ) -> Iterator[tuple[Measured, Measured]]:
        """Both our programs while a `with` lasts, warmed up: files come at once then."""
        with ExitStack() as stack:
            up = stack.enter_context(self.uploader(folders, topic, more, checkout))
            down = stack.enter_context(self.downloader(folders, topic, more, checkout))
            warm_up(folders)
            yield up, down

    @contextmanager
    def uploader(
        self, folders: Folders, topic: str, more: str = "", checkout: Path | None = None, *options: str
    ) -> Iterator[Measured]:
        arguments = [str(folders.source), "--config", str(self.config(more)), "--topic_name", topic, *options]
        with running(ours("upload_directory", arguments), self.place / "up.log", checkout) as program:
            yield program

    @contextmanager
    def downloader(
        self, folders: Folders, topic: str, more: str = "", checkout: Path | None = None
    ) -> Iterator[Measured]:
        arguments = [str(folders.target), "--config", str(self.config(more)), "--topic_name", topic]
        with running(ours("download_directory", arguments), self.place / "down.log", checkout) as program:
            yield program


def warm_up(folders: Folders) -> None:
    """Files through both programs until they come at once: what was there before the start is not sent."""
    for number in range(100):
        (folders.source / f"warm-{number}").write_bytes(b"warm")
        if wait_until((folders.target / f"warm-{number}").exists, 0.5):
            break
    for number in range(3):
        one_file(folders, f"warmed-{number}", b"warm")


def one_file(folders: Folders, name: str, data: bytes) -> float:
    """Seconds from the close of a file to its being visible on the other side."""
    with (folders.source / name).open("wb") as file:
        file.write(data)
    closed = time.perf_counter()
    if not wait_until((folders.target / name).exists, 60.0, 0.0002):
        raise SystemExit(f"{name} did not come within a minute")
    return time.perf_counter() - closed
