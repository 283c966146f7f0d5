"""What tests against a real broker work with: a topic and folders of their own, the programs, and what stands on the topic."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

import openmsistream
from openmsistream.config import Settings, load
from openmsistream.files import digest
from openmsistream.files.chunk import Chunk, new_generation
from openmsistream.files.wire import native
from openmsistream.kafka.partitions import partition_of
from openmsistream.processing.callers.in_thread import InThread
from openmsistream.processing.engine import Processing, ProcessingOptions
from openmsistream.processing.file import File
from openmsistream.processing.stage import Callbacks
from openmsistream.processing.work import Outcome, Result, Work
from openmsistream.program.run import wait_until as wait_until
from openmsistream.transfer.downloader import Downloader, DownloadOptions
from openmsistream.transfer.reader import Reader
from openmsistream.transfer.uploader import Uploader, UploadOptions

UPLOAD = "openmsistream.transfer.upload_directory"
DOWNLOAD = "openmsistream.transfer.download_directory"
UPLOAD_ONE = "openmsistream.transfer.upload_data_file"
UMBRELLA = "openmsistream.commands.main"

QUICK_GROUP = "session.timeout.ms = 3000\nheartbeat.interval.ms = 500\n"
"""A member that was killed is missed after 3 s instead of 10."""


ByHand = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]]]
"""Key, value and headers of a record."""


def expect(condition: Callable[[], bool], limit: float = 30.0, shown: Callable[[], object] = str) -> None:
    """Wait for a condition; fail, showing what is there instead, when it does not come true in time."""
    assert wait_until(condition, limit, step=0.05), f"not so within {limit:g} s: {shown()}"


# -- folders -----------------------------------------------------------------------------------------------


def put(root: Path, path: str, content: bytes | str = b"") -> Path:
    """A file below a root, written and closed at once."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def files_of(root: Path) -> dict[str, Path]:
    """Every visible file below a root but those of LOGS/."""
    found = {}
    for folder, folders, names in os.walk(root):
        inside = Path(folder).relative_to(root)
        folders[:] = [name for name in folders if not name.startswith(".") and (inside / name) != Path("LOGS")]
        found.update({(inside / name).as_posix(): Path(folder) / name for name in names if not name.startswith(".")})
    return found


def tree(root: Path) -> dict[str, bytes]:
    """The content of every visible file below a root."""
    return {path: file.read_bytes() for path, file in files_of(root).items()}


def same(one: Path, other: Path) -> bool:
    """Do both roots hold the same visible files, byte for byte?"""
    left, right = files_of(one), files_of(other)
    if left.keys() != right.keys() or any(left[p].stat().st_size != right[p].stat().st_size for p in left):
        return False
    return all(left[path].read_bytes() == right[path].read_bytes() for path in left)


def parts_in(root: Path) -> list[Path]:
    """What is left of files that were being received."""
    return [path for path in root.rglob(".oms-*.part") if path.is_file()]


# -- programs ------------------------------------------------------------------------------------------------


class Program:
    """One of the programs as a process of its own; what it says goes to a file."""

    def __init__(
        self, module: str, *args: object, log: Path, env: dict[str, str] | None = None, prefix: Sequence[str] = ()
    ) -> None:
        self._log = log
        package = str(Path(openmsistream.__file__).parents[1])
        paths = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "PYTHONPATH": paths, "PYTHONIOENCODING": "utf-8", **(env or {})}
        environment.pop("OPENMSISTREAM_STATE_DIR", None)
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [*prefix, sys.executable, "-m", module, *map(str, args)],
                stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, env=environment,
            )  # fmt: skip

    @property
    def said(self) -> str:
        """All that it has written so far."""
        return self._log.read_text("utf-8", "replace")

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def wait_for(self, pattern: str, limit: float = 30.0) -> str:
        """Wait until it has said something that this regular expression finds, and give that."""

        def found() -> bool:
            return re.search(pattern, self.said) is not None

        wait_until(lambda: found() or not self.running, limit, step=0.05)
        match = re.search(pattern, self.said)
        assert match, f"no {pattern!r} within {limit:g} s (exit code {self.process.poll()}) in:\n{self.said}"
        return match.group()

    def signal(self, number: signal.Signals = signal.SIGINT) -> None:
        self.process.send_signal(number)

    def tell(self, command: str) -> None:
        """Write a line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()

    def ends(self, limit: float = 30.0) -> int:
        """Its exit code, when it ends within the limit."""
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {limit:g} s:\n{self.said}") from None

    def stop(self) -> int:
        """End it in good order."""
        self.signal(signal.SIGTERM)
        return self.ends(10)

    def kill(self) -> None:
        """SIGKILL, as by the system when memory is short."""
        if self.running:
            self.process.kill()
        self.process.wait(10)
        if self.process.stdin is not None:
            self.process.stdin.close()


# -- a test's own topic ----------------------------------------------------------------------------------------


@dataclass
class Lab:
    """One test's own topic and folders at a broker. `source` is uploaded from, `target` downloaded to."""

    address: str
    place: Path
    topic: str = field(default_factory=lambda: f"e2e-{uuid.uuid4().hex[:10]}")
    prefix: Sequence[str] = ()
    """A command that programs are run by, for example to take rights from them."""
    _programs: list[Program] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.source = self.place / "source"
        self.target = self.place / "target"
        self.source.mkdir()
        self.config = self.config_file()

    def config_file(self, name: str = "test", *, address: str = "", consumer: str = QUICK_GROUP) -> Path:
        """A configuration file for the broker, with these lines in its [consumer] section."""
        file = self.place / f"{name}.config"
        file.write_text(f"[broker]\nbootstrap.servers = {address or self.address}\n[consumer]\n{consumer}", "utf-8")
        return file

    @property
    def settings(self) -> Settings:
        return load(self.config)

    # programs

    def program(self, module: str, *args: object, env: dict[str, str] | None = None) -> Program:
        log = self.place / f"program{len(self._programs)}.log"
        started = Program(module, *args, log=log, env=env, prefix=self.prefix)
        self._programs.append(started)
        return started

    def upload_program(self, *args: object, config: Path | None = None) -> Program:
        """DataFileUploadDirectory on `source`, ready when it has said what the topic is like."""
        return self.program(UPLOAD, self.source, "--config", config or self.config, "--topic_name", self.topic, *args)

    def download_program(self, *args: object, target: Path | None = None, config: Path | None = None) -> Program:
        """DataFileDownloadDirectory to `target`."""
        return self.program(
            DOWNLOAD, target or self.target, "--config", config or self.config, "--topic_name", self.topic, *args
        )

    def umbrella(self, *args: object) -> tuple[int, str]:
        """The exit code and the words of an `openmsistream` command."""
        program = self.program(UMBRELLA, *args)
        return program.ends(), program.said

    def close(self) -> None:
        for number, program in enumerate(self._programs):
            program.kill()
            print(f"-- program {number} (exit code {program.process.returncode}) said:\n{program.said[-5000:]}")

    # the same, inside this process

    @contextmanager
    def uploading(self, **options: object) -> Iterator[Uploader]:
        """An uploader of `source` for the time of a `with`; it must not have died at its end."""
        root = options.pop("root", self.source)
        uploader = Uploader(UploadOptions(root, self.topic, **options), self.settings)  # type: ignore[arg-type]
        with _running(uploader):
            yield uploader

    @contextmanager
    def downloading(self, target: Path | None = None, **options: object) -> Iterator[Downloader]:
        """A downloader to `target`, likewise."""
        made = DownloadOptions(target or self.target, self.topic, **options)  # type: ignore[arg-type]
        downloader = Downloader(made, self.settings)
        with _running(downloader):
            yield downloader

    @contextmanager
    def processing(
        self, work: Work, *, workers: int = 2, callbacks: Callbacks | None = None, **options: object
    ) -> Iterator[Processing]:
        """An engine that runs `work` on the files of the topic, likewise."""
        made = ProcessingOptions(**{"root": self.target, "topic": self.topic, "program": "test", **options})  # type: ignore[arg-type]
        engine = Processing(
            made, self.settings, lambda: [InThread(work) for _ in range(workers)], callbacks or Silent()
        )
        with _running(engine):
            yield engine

    # the topic

    @cached_property
    def admin(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.address})

    def make_topic(self, partitions: int = 1, **config: str) -> None:
        new = NewTopic(self.topic, partitions, config={k.replace("_", "."): v for k, v in config.items()})
        expect(lambda: self._made(new), 20)
        expect(lambda: self._partitions() == partitions, 20)

    def _made(self, new: NewTopic) -> bool:
        try:
            self.admin.create_topics([new])[self.topic].result(15)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
            return False  # one of this name is still being deleted
        return True

    def delete_topic(self) -> None:
        self.admin.delete_topics([self.topic])[self.topic].result(15)

    def add_partitions(self, count: int) -> None:
        self.admin.create_partitions([NewPartitions(self.topic, count)])[self.topic].result(15)

    def _partitions(self) -> int:
        topics = self.admin.list_topics(timeout=10).topics
        return len(topics[self.topic].partitions) if self.topic in topics else 0

    def records(self) -> list[Message]:
        """All records that stand on the topic, by partition and offset."""
        consumer = Consumer(
            {"bootstrap.servers": self.address, "group.id": "look", "enable.auto.commit": False,
             "isolation.level": "read_committed", "auto.offset.reset": "earliest", "fetch.wait.max.ms": 50}
        )  # fmt: skip
        try:
            return [m for p in range(self._partitions()) for m in self._read(consumer, p)]
        finally:
            consumer.close()

    def _read(self, consumer: Consumer, partition: int) -> list[Message]:
        place = TopicPartition(self.topic, partition)
        low, high = consumer.get_watermark_offsets(place, timeout=15)
        if high <= low:
            return []
        consumer.assign([TopicPartition(self.topic, partition, low)])
        found: list[Message] = []

        def read_all() -> bool:
            found.extend(message for message in consumer.consume(500, 0.2) if not message.error())
            return consumer.position([place])[0].offset >= high

        expect(read_all)
        return found

    def produce(self, *records: ByHand, partition: int = 0) -> None:
        """Put records (key, value, headers) on the topic by hand."""
        producer = Producer({"bootstrap.servers": self.address, "acks": "all", "message.max.bytes": 10_000_000})
        said: list[object] = []
        for key, value, headers in records:
            producer.produce(
                self.topic, value, key, partition=partition, headers=list(headers),
                on_delivery=lambda error, _: said.append(error),
            )  # fmt: skip
        producer.flush(20)
        assert said == [None] * len(records), said

    def committed(self, group: str, partitions: int = 1) -> list[int]:
        """The group's committed offsets, one for each partition; below zero where there is none."""
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": group, "enable.auto.commit": False})
        try:
            places = [TopicPartition(self.topic, partition) for partition in range(partitions)]
            return [place.offset for place in consumer.committed(places, 15)]
        except KafkaException as error:  # a coordinator that was just chosen does not know of it yet
            if error.args[0].code() not in (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_LOAD_IN_PROGRESS):
                raise
            return []
        finally:
            consumer.close()


class Silent:
    """Callbacks that do nothing."""

    def failed(self, file: File, outcome: Outcome) -> None: ...

    def mismatched(self, file: File, reason: str) -> None: ...

    def refused(self, result: Result) -> str | None: ...


@contextmanager
def _running(worker: Uploader | Reader) -> Iterator[None]:
    worker.start()
    try:
        yield
    except BaseException as failure:
        if worker.error is not None:
            failure.add_note(f"its {type(worker).__name__} had died: {worker.error!r}")
        raise
    finally:
        worker.stop(6.0)
        worker.join()
    if worker.error is not None:
        raise worker.error


# -- chunks by hand ----------------------------------------------------------------------------------------------


def chunks(path: str, content: bytes, chunk_size: int = 1 << 16, generation: str | None = None) -> list[Chunk]:
    """The chunks of a file, as an uploader would cut it."""
    name, size = generation or new_generation(), len(content)
    starts = range(0, max(size, 1), chunk_size)
    return [
        Chunk(path, name, index, at, size, 1_600_000_000_000_000_000, content[at : at + chunk_size],
              digest.of(content) if at == starts[-1] else None, index + 1 if at == starts[-1] else None)
        for index, at in enumerate(starts)
    ]  # fmt: skip


def record_of(chunk: Chunk) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    """A chunk as a record that can be produced."""
    return native.key(chunk.path), chunk.data, native.headers(chunk)


def path_in_partition(partition: int, partitions: int, prefix: str = "f") -> str:
    """A path whose key belongs to this partition."""
    paths = (f"{prefix}{number}.dat" for number in range(10_000))
    return next(path for path in paths if partition_of(native.key(path), partitions) == partition)


def header(message: Message, name: str) -> bytes | None:
    """The value of one header of a record."""
    return dict(message.headers() or []).get(name)
