"""Records made by hand, and a downloader's inside without Kafka, for the tests here."""

from __future__ import annotations

import itertools
import re
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Self

from openmsistream.config.wire import Wire
from openmsistream.files import digest
from openmsistream.files.chunk import Chunk
from openmsistream.files.wire import form_of, native
from openmsistream.kafka.commits import Commit, Progress
from openmsistream.kafka.record import Record
from openmsistream.ledger.database import reader
from openmsistream.ledger.received import ReceivedLedger, failures
from openmsistream.transfer.disk import Target
from openmsistream.transfer.finishing import Finisher
from openmsistream.transfer.lanes import Tally
from openmsistream.transfer.receiving import Receiving
from openmsistream.transfer.rows import Rows
from openmsistream.transfer.space import MARGIN, Space

MTIME = 1_600_000_000_123_456_789
_generations = itertools.count(1)


def chunks_of(path: str, data: bytes, length: int = 4, *, mtime_ns: int = MTIME, wrong: bool = False) -> list[Chunk]:
    """The chunks of a new generation; `wrong`: with the digest of something else."""
    generation = f"{next(_generations):032x}"
    whole = digest.of(b"something else" if wrong else data)
    return [
        Chunk(
            path,
            generation,
            i,
            at,
            len(data),
            mtime_ns,
            data[at : at + length],
            whole if at + length >= len(data) else None,
            i + 1 if at + length >= len(data) else None,
        )
        for i, at in enumerate(range(0, len(data), length) or [0])
    ]


OPENMSISTREAM = form_of(Wire.OPENMSISTREAM)


def msgpack_chunks_of(path: str, data: bytes, length: int = 4, *, mtime_ns: int = MTIME) -> list[Chunk]:
    """The chunks of a version as the msgpack form has them."""
    starts = range(0, len(data), length) or [0]
    whole = digest.of(data, digest.SHA512)
    return [
        Chunk(path, "", i, at, None, mtime_ns, data[at : at + length], whole, len(starts))
        for i, at in enumerate(starts)
    ]


class Topic:
    """One partition's records, in order; offsets count from `start`."""

    def __init__(self, partition: int = 0, start: int = 0) -> None:
        self.partition = partition
        self.start = start
        self.records: list[Record] = []

    @property
    def end(self) -> int:
        return self.start + len(self.records)

    def raw(
        self, key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes]] | None, timestamp_ms: int = 0
    ) -> Record:
        record = Record("t", self.partition, self.end, timestamp_ms or 1000 + self.end, key, value, headers)
        self.records.append(record)
        return record

    def chunk(self, chunk: Chunk, timestamp_ms: int = 0) -> Record:
        return self.raw(native.key(chunk.path), chunk.data, list(native.headers(chunk)), timestamp_ms)

    def abandoned(self, chunk: Chunk) -> Record:
        return self.raw(native.key(chunk.path), b"", list(native.abandoned_headers(chunk.generation)))

    def msgpack(self, path: str, data: bytes, length: int = 4, *, mtime_ns: int = MTIME) -> list[Record]:
        """A file as one producer of the msgpack form sends it to one partition."""
        return [self.openmsistream(chunk) for chunk in msgpack_chunks_of(path, data, length, mtime_ns=mtime_ns)]

    def openmsistream(self, chunk: Chunk, timestamp_ms: int = 0) -> Record:
        """A chunk in the msgpack form."""
        written = OPENMSISTREAM.record(chunk)
        return self.raw(written.key, written.value, None, timestamp_ms)

    def file(self, path: str, data: bytes, length: int = 4, *, wrong: bool = False) -> list[Chunk]:
        chunks = chunks_of(path, data, length, wrong=wrong)
        for chunk in chunks:
            self.chunk(chunk)
        return chunks

    def since(self, offset: int) -> list[Record]:
        return [record for record in self.records if record.offset >= offset]


class Inside:
    """Ledger, target, finisher and receiving on one folder. `free` and `total` are bytes besides the margin."""

    def __init__(
        self,
        root: Path,
        commits: dict[int, Commit] | None = None,
        *,
        give_up_after: float = 1e9,
        regex: str | None = None,
        partitions: int = 1,
    ) -> None:
        root.mkdir(exist_ok=True)
        self.root = root
        self.free = 10**9
        self.total = 10**10
        path = root / "LOGS" / "download-t.sqlite"
        self.ledger = ReceivedLedger(path)
        self.ledger.use_stream("cluster", "t", "id")
        self.known = reader(path)
        self.target = Target(root)
        self.space = Space(
            lambda: self.free + MARGIN, lambda: self.total + MARGIN, lambda: float(next(_generations)) * 10
        )
        rows = Rows(self.ledger)
        self.finisher = Finisher(root, rows)
        self.tally = Tally()
        self.receiving = Receiving(
            rows, self.known, self.target, self.space, self.finisher, self.tally,
            regex=re.compile(regex) if regex else None, give_up_after=give_up_after, partitions=partitions,
        )  # fmt: skip
        self.commits = dict(commits or {})
        started = {0: Progress(0)} | {p: Progress.of(c) for p, c in self.commits.items()}
        self.receiving.open_lanes(started)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with closing(self.known), closing(self.target), self.ledger, closing(self.finisher):
            self.receiving.close_lanes(frozenset(self.receiving.lanes))
        if kind is None and self.finisher.error is not None:
            raise self.finisher.error

    def feed(self, *topics: Topic | list[Record]) -> None:
        """Take these records, wait until all that is whole is finished, and note the commits."""
        for topic in topics:
            for record in topic.records if isinstance(topic, Topic) else topic:
                self.receiving.take(record)
        assert self.finisher.drain(20)
        self.receiving.settle()
        self.commits.update(self.receiving.commits())

    def files(self) -> dict[str, bytes]:
        """All that stands in the folder, our own state left out."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in self.root.rglob("*")
            if path.is_file() and not path.is_relative_to(self.root / "LOGS")
        }

    def failures(self) -> dict[str, str | None]:
        return {row.path: row.reason for row in failures(self.known, self.ledger.stream)}
