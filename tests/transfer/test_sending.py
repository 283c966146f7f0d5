"""From settled files to records without Kafka: what is refused, what vanishes, and what is remembered of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from openmsistream.errors import BrokerUnreachable, TopicError
from openmsistream.kafka.producer import ChunkProducer, Report
from openmsistream.ledger.sent import SentLedger
from openmsistream.transfer.disk.origin import Origin
from openmsistream.transfer.sending import READ_AGAIN_AFTER, Sending, Tally

Headers = list[tuple[str, bytes]]


@dataclass
class Taken:
    """A producer that takes `window` records of each partition at once and waits to be told what became of them."""

    window: int = 2
    topic: Taken = field(init=False)
    partitions: int = 1
    sent: list[tuple[str, dict[str, bytes], Report]] = field(default_factory=list)
    open: int = 0

    def __post_init__(self) -> None:
        self.topic = self

    def room(self, partition: int) -> bool:
        return self.open < self.window

    def send(self, partition: int, key: bytes, value: bytes, headers: Headers, token: object = None) -> None:
        self.open += 1
        self.sent.append((key.decode(), dict(headers), Report(token, partition, len(value) + 512, len(self.sent))))

    def release(self, report: Report) -> None:
        self.open -= 1

    @property
    def abandoned(self) -> list[str]:
        return [path for path, headers, _ in self.sent if "abandoned" in headers]


@dataclass
class Outside:
    """One root and all that sends it."""

    root: Path
    ledger: SentLedger
    producer: Taken = field(default_factory=Taken)
    again: list[tuple[str, float]] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        self.origin = Origin(self.root)
        self.sending = self.anew()

    def anew(self) -> Sending:
        """As after a restart."""
        return Sending(
            self.ledger, self.origin, cast(ChunkProducer, self.producer), chunk_size=4, lanes=2, tally=self.tally,
            again=lambda path, delay: self.again.append((path, delay)),
        )  # fmt: skip

    def state_of(self, path: str) -> str:
        row = self.ledger.get(path)
        return "" if row is None else row.state

    def begin(self, path: str, content: bytes) -> Path:
        """Send as much of this file as the window takes."""
        file = self.root / path
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
        os.utime(file, ns=(10**18, 10**18))
        self.sending.want(path)
        self.sending.pump(lambda: False)
        return file

    def answer(self, number: int, **facts: object) -> None:
        """What became of the record that was sent as this one."""
        self.sending.settle([replace(self.producer.sent[number][2], **facts)])  # type: ignore[arg-type]


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    root = tmp_path / "root"
    root.mkdir()
    with SentLedger(tmp_path / "l.sqlite") as ledger:
        ledger.use_stream("cluster", "t", "id")
        made = Outside(root, ledger)
        with closing(made.origin), closing(made.sending):
            yield made


LOST = BrokerUnreachable("sending did not work")


def test_after_a_chunk_was_not_taken_the_rest_of_its_file_waits_and_the_others_go_on(outside: Outside) -> None:
    outside.begin("a", b"0123456789abcdef")
    outside.answer(0, error=LOST)
    outside.producer.window = 10
    outside.begin("b", b"b")
    assert outside.again == [("a", 1.0)]
    assert [path for path, _, _ in outside.producer.sent] == ["a", "a", "b"]


def test_a_file_whose_chunk_was_not_taken_goes_on_from_what_is_acknowledged(outside: Outside) -> None:
    outside.begin("a", b"0123456789abcdef")
    outside.answer(0)
    outside.answer(1, error=LOST)
    outside.sending.want("a")
    outside.sending.pump(lambda: False)
    chunks = [(headers["gen"], headers["chunk"]) for _, headers, _ in outside.producer.sent]
    assert [chunk for _, chunk in chunks] == [b"0", b"1", b"1", b"2"]
    assert len({generation for generation, _ in chunks}) == 1


def test_a_file_that_is_refused_for_good_and_changed_meanwhile_is_looked_at_again(outside: Outside) -> None:
    outside.begin("a", b"0123")
    outside.sending.want("a")
    outside.answer(0, error=TopicError("too large"), final=True)
    assert outside.state_of("a") == "failed"
    assert outside.again == [("a", 1.0)]


def test_reports_that_come_after_the_end_mean_nothing(outside: Outside) -> None:
    outside.begin("a", b"0123")
    outside.sending.close()
    outside.answer(0)
    assert (outside.state_of("a"), outside.tally.files) == ("sending", 0)


@pytest.mark.parametrize("folder_became_a_file", [False, True])
def test_readers_are_told_of_an_unfinished_file_that_was_deleted_while_nothing_ran(
    outside: Outside, folder_became_a_file: bool
) -> None:
    file = outside.begin("f/a", b"0123456789abcdef")
    outside.answer(0)
    file.unlink()
    if folder_became_a_file:
        file.parent.rmdir()
        file.parent.write_bytes(b"now a file")
    restarted = outside.anew()
    restarted.want("f/a")
    restarted.pump(lambda: False)
    assert outside.producer.abandoned == ["f/a"]
    assert outside.state_of("f/a") == "abandoned"
    assert outside.tally.failed == {}


def test_too_many_open_files_fail_no_file(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str) -> int:
        raise OSError(errno.EMFILE, "Too many open files", path)

    with monkeypatch.context() as patch:
        patch.setattr(outside.origin, "open", refuse)
        outside.begin("a", b"0123")
    assert outside.again == [("a", READ_AGAIN_AFTER)]
    assert (outside.state_of("a"), outside.tally.failed) == ("", {"a": "Too many open files"})
    outside.sending.want("a")
    outside.sending.pump(lambda: False)
    outside.answer(0)
    assert (outside.state_of("a"), outside.tally.failed) == ("sent", {})
