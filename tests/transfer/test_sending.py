"""From settled files to records without Kafka: what is refused, what vanishes, and what is remembered of it."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from openmsistream.errors import BrokerUnreachable, TopicError
from openmsistream.files import digest
from openmsistream.files.chunk import Chunk, FileState
from openmsistream.files.split import RACY_NS
from openmsistream.files.wire import Form, decode, native
from openmsistream.files.wire.msgpack import Msgpack
from openmsistream.kafka.producer import ChunkProducer, Report
from openmsistream.ledger.sent import SentLedger
from openmsistream.transfer import opening
from openmsistream.transfer.disk.origin import Origin
from openmsistream.transfer.opening import Select, all_of_it
from openmsistream.transfer.sending import READ_AGAIN_AFTER, Sending, Tally
from openmsistream.transfer.versions import RESUME_WITHIN

Headers = list[tuple[str, bytes]]


@dataclass
class Taken:
    """A producer that takes `window` records of each partition at once and waits to be told what became of them."""

    window: int = 2
    topic: Taken = field(init=False)
    partitions: int = 1
    sent: list[tuple[str, dict[str, bytes], Report]] = field(default_factory=list)
    values: list[bytes] = field(default_factory=list)
    open: int = 0

    def __post_init__(self) -> None:
        self.topic = self

    def room(self, partition: int) -> bool:
        return self.open < self.window

    def send(self, partition: int, key: bytes, value: bytes, headers: Headers, token: object = None) -> None:
        self.open += 1
        self.sent.append((key.decode(), dict(headers), Report(token, partition, len(value) + 512, len(self.sent))))
        self.values.append(value)

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
    form: Form = native.NATIVE
    select: Select = all_of_it

    def __post_init__(self) -> None:
        self.origin = Origin(self.root)
        self.sending = self.anew()

    def anew(self) -> Sending:
        """As after a restart."""
        return Sending(
            self.ledger, self.origin, cast(ChunkProducer, self.producer), chunk_size=4, lanes=2, tally=self.tally,
            form=self.form, select=self.select, again=lambda path, delay: self.again.append((path, delay)),
        )  # fmt: skip

    def restart(self) -> None:
        """End, with what is on its way unanswered, and begin again."""
        self.sending.close()
        self.producer.open = 0
        self.sending = self.anew()

    def send_all(self, *paths: str) -> None:
        """Send these files, each record being answered at once."""
        for path in paths:
            self.sending.want(path)
        for _ in range(1000):
            before = len(self.producer.sent)
            self.sending.pump(lambda: False)
            if len(self.producer.sent) == before:
                return
            for number in range(before, len(self.producer.sent)):
                self.answer(number)

    @property
    def chunks(self) -> list[Chunk]:
        """What the records of the msgpack form say, in the order in which they were sent."""
        said = [decode(None, value, None) for value in self.producer.values]
        return [chunk for chunk in said if isinstance(chunk, Chunk)]

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


def test_what_is_acknowledged_after_a_stop_is_not_sent_again_after_the_next_start(outside: Outside) -> None:
    outside.begin("a", b"0123456789abcdef")  # four chunks, of which the window takes two
    outside.sending.stop_reading()
    outside.answer(0)
    outside.answer(1)
    outside.restart()
    outside.send_all("a")
    assert [int(headers["chunk"]) for _, headers, _ in outside.producer.sent if "chunk" in headers] == [0, 1, 2, 3]
    assert outside.state_of("a") == "sent"


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


def test_a_word_about_a_change_while_a_file_is_read_leaves_its_reading_where_it_is(outside: Outside) -> None:
    outside.producer.window = 1
    file = outside.root / "a"
    file.write_bytes(b"0123456789abcdef")  # just now: what is read first is read again before the end
    outside.sending.want("a")
    outside.sending.pump(lambda: False)
    time.sleep(2 * RACY_NS / 1e9)  # the next chunk is read when the clock can tell a change
    outside.answer(0)
    outside.sending.pump(lambda: False)
    outside.sending.want("a")
    for number in range(1, 4):
        outside.answer(number)
        outside.sending.pump(lambda: False)
    assert b"".join(outside.producer.values) == b"0123456789abcdef"


# -- the bytes that are sent


def test_only_the_selected_bytes_of_a_file_are_sent_one_run_behind_the_other(outside: Outside) -> None:
    outside.select = lambda path: [(8, 12), (1, 3), (15, 99)]
    outside.restart()
    outside.begin("a", b"0123456789abcdef")
    assert b"".join(outside.producer.values) == b"89ab12f"
    assert [dict(headers)["size"] for _, headers, _ in outside.producer.sent] == [b"7", b"7"]
    assert dict(outside.producer.sent[-1][1])["digest"].decode() == digest.of(b"89ab12f")


def test_a_selection_that_cannot_be_fails_its_file_and_the_others_go_on(outside: Outside) -> None:
    def select(path: str) -> list[tuple[int, int]]:
        return {"a": [(4, 2)], "b": [(0, 1)]}[path]

    outside.select = select
    outside.restart()
    for path in "abc":
        outside.begin(path, b"0123")
    assert outside.tally.failed == {
        "a": "the bytes to send could not be chosen: select_bytes has (4, 2), which is not (first byte, end) of a run of "
        "bytes",
        "c": "the bytes to send could not be chosen: 'c'",
    }
    assert outside.state_of("a") == outside.state_of("c") == "failed"
    assert outside.producer.values == [b"0"]


# -- the msgpack form


@pytest.fixture
def msgpack(outside: Outside) -> Outside:
    outside.form = Msgpack()
    outside.restart()
    return outside


WHOLE = b"0123456789abcdef"


def test_each_chunk_carries_the_digest_of_the_whole_file(msgpack: Outside) -> None:
    msgpack.begin("f/a.b", WHOLE)
    msgpack.send_all()
    msgpack.answer(0)
    msgpack.answer(1)
    msgpack.send_all()
    chunks = msgpack.chunks
    assert [chunk.data for chunk in chunks] == [b"0123", b"4567", b"89ab", b"cdef"]
    assert {(chunk.path, chunk.count, chunk.digest, chunk.mtime_ns) for chunk in chunks} == {
        ("f/a.b", 4, digest.of(WHOLE, digest.SHA512), 10**18)
    }
    assert [key for key, _, _ in msgpack.producer.sent] == [f"f_a.b_chunk_{i}_of_4" for i in range(1, 5)]
    row = msgpack.ledger.get("f/a.b")
    assert row is not None
    assert (row.state, row.digest, row.first_offset) == ("sent", digest.of(WHOLE), 0)
    assert msgpack.tally.chunk_bytes == 16


@pytest.mark.parametrize("content", [b"", b"0123"])
def test_a_file_of_one_chunk_is_read_once(msgpack: Outside, content: bytes) -> None:
    msgpack.begin("a", content)
    (chunk,) = msgpack.chunks
    assert (chunk.data, chunk.index, chunk.count) == (content, 0, 1)
    assert chunk.digest == digest.of(content, digest.SHA512)
    msgpack.answer(0)
    assert msgpack.state_of("a") == "sent"


def in_place(file: Path, content: bytes) -> None:
    """Another content with the same size and times, as a memory-mapped writer leaves it."""
    before = file.stat()
    with file.open("r+b") as opened:
        opened.write(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_file_that_differs_between_its_two_readings_is_not_sent_to_its_end(
    msgpack: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = FileState(16, 10**18, 10**18, 1)
    monkeypatch.setattr(opening, "FileState", Unchanging(state))
    monkeypatch.setattr(msgpack.origin, "state", lambda path: state)
    file = msgpack.begin("a", WHOLE)
    assert len(msgpack.producer.sent) == 2
    in_place(file, b"0123456789abcdeX")
    msgpack.answer(0)
    msgpack.answer(1)
    msgpack.sending.pump(lambda: False)
    assert [chunk.is_last for chunk in msgpack.chunks] == [False] * 3
    row = msgpack.ledger.get("a")
    assert row is not None
    assert (row.state, row.reason) == ("abandoned", "it was written to while it was read")
    assert msgpack.again == [("a", 0.0)]


class Unchanging:
    """In place of FileState: a file whose state looks the same for ever."""

    def __init__(self, state: FileState) -> None:
        self.of = lambda stat: state


def test_a_file_that_changes_while_it_is_read_for_the_first_time_leaves_no_trace_on_the_topic(msgpack: Outside) -> None:
    file = msgpack.root / "a"
    file.write_bytes(bytes(400))  # a hundred chunks, of which a few are read at a time
    msgpack.sending.want("a")
    msgpack.sending.pump(lambda: True)
    row = msgpack.ledger.get("a")
    assert row is not None
    assert (row.state, row.generation) == ("sending", None)
    file.write_bytes(bytes(500))
    msgpack.sending.want("a")
    msgpack.sending.pump(lambda: True)
    row = msgpack.ledger.get("a")
    assert row is not None
    assert (row.state, row.generation) == ("abandoned", None)
    assert (msgpack.tally.abandoned, msgpack.producer.sent) == (0, [])


def test_behind_an_unfinished_generation_the_first_chunk_is_sent_twice_in_a_row(msgpack: Outside) -> None:
    file = msgpack.begin("a", WHOLE)
    msgpack.answer(0)
    msgpack.answer(1)
    file.write_bytes(b"another one")
    msgpack.restart()
    msgpack.producer.window = 100
    msgpack.send_all("a")
    assert [(c.index, c.data) for c in msgpack.chunks[2:]] == [
        (0, b"anot"), (0, b"anot"), (1, b"her "), (2, b"one")
    ]  # fmt: skip
    assert msgpack.producer.sent[2][0] == msgpack.producer.sent[3][0]
    row = msgpack.ledger.get("a")
    assert row is not None
    assert (row.state, row.acked_chunks, row.first_offset) == ("sent", 3, 2)
    assert msgpack.tally.chunk_bytes == 8 + 11
    file.write_bytes(b"third")
    msgpack.send_all("a")
    assert [c.index for c in msgpack.chunks[6:]] == [0, 1]


def test_the_first_chunk_counts_as_acknowledged_when_both_of_its_records_are(msgpack: Outside) -> None:
    file = msgpack.begin("a", WHOLE)
    file.write_bytes(b"another one")
    msgpack.restart()
    msgpack.sending.want("a")
    msgpack.sending.pump(lambda: False)
    assert [c.index for c in msgpack.chunks] == [0, 1, 0, 0]
    msgpack.answer(2)
    row = msgpack.ledger.get("a")
    assert row is not None
    assert (row.acked_chunks, row.first_offset) == (0, 2)
    msgpack.answer(3)
    row = msgpack.ledger.get("a")
    assert row is not None
    assert row.acked_chunks == 1


def test_an_interrupted_upload_goes_on_behind_what_is_acknowledged(msgpack: Outside) -> None:
    msgpack.begin("a", WHOLE)
    msgpack.answer(0)
    msgpack.answer(1)
    msgpack.restart()
    msgpack.send_all("a")
    assert [chunk.data for chunk in msgpack.chunks] == [b"0123", b"4567", b"89ab", b"cdef"]
    assert len({chunk.generation for chunk in msgpack.chunks}) == 1
    row = msgpack.ledger.get("a")
    assert row is not None
    assert (row.state, row.digest) == ("sent", digest.of(WHOLE))


@pytest.mark.parametrize("now", [b"X123456789abcdef", b"0123456789abcdeX"], ids=["front", "rest"])
def test_an_interrupted_upload_of_what_is_no_longer_the_same_is_begun_anew(
    msgpack: Outside, now: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = FileState(16, 10**18, 10**18, 1)
    monkeypatch.setattr(opening, "FileState", Unchanging(state))
    monkeypatch.setattr(msgpack.origin, "state", lambda path: state)
    file = msgpack.begin("a", WHOLE)
    msgpack.answer(0)
    msgpack.answer(1)
    in_place(file, now)
    msgpack.restart()
    msgpack.send_all("a")
    assert msgpack.again == [("a", 0.0)]
    msgpack.send_all("a")
    assert b"".join(chunk.data for chunk in msgpack.chunks[3:]) == now
    assert [chunk.index for chunk in msgpack.chunks] == [0, 1, 0, 0, 1, 2, 3]


def test_a_generation_left_unfinished_is_not_forgotten_when_its_file_cannot_be_read(
    msgpack: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    msgpack.begin("a", WHOLE)
    msgpack.restart()
    with monkeypatch.context() as patch:
        patch.setattr(msgpack.origin, "open", refuse)
        msgpack.send_all("a")
    assert msgpack.state_of("a") == "failed"
    msgpack.send_all("a")
    assert [chunk.index for chunk in msgpack.chunks] == [0, 1, 0, 0, 1, 2, 3]


def test_what_was_begun_in_the_native_form_is_given_up_in_it(outside: Outside) -> None:
    outside.begin("a", WHOLE)
    outside.answer(0)
    outside.form = Msgpack()
    outside.restart()
    outside.send_all("a")
    assert outside.producer.abandoned == ["a"]
    assert [key for key, _, _ in outside.producer.sent] == ["a", "a", "a"] + [f"_a_chunk_{i}_of_4" for i in range(1, 5)]
    assert outside.state_of("a") == "sent"


def test_what_was_begun_in_the_msgpack_form_needs_no_record_to_be_given_up(msgpack: Outside) -> None:
    msgpack.begin("a", WHOLE)
    msgpack.answer(0)
    msgpack.form = native.NATIVE
    msgpack.restart()
    msgpack.send_all("a")
    assert msgpack.producer.abandoned == []
    assert [key for key, _, _ in msgpack.producer.sent[2:]] == ["a"] * 4


def test_records_for_old_readers_have_nine_elements(outside: Outside) -> None:
    outside.form = Msgpack(9)
    outside.restart()
    outside.begin("a", b"0123")
    assert outside.producer.values[0][0] == 0x99
    assert outside.chunks[0].mtime_ns is None


def test_selected_bytes_travel_in_the_msgpack_form_too(msgpack: Outside) -> None:
    msgpack.select = lambda path: [(8, 12), (1, 3)]
    msgpack.restart()
    msgpack.begin("a", WHOLE)
    msgpack.send_all()
    assert [(chunk.offset, chunk.data) for chunk in msgpack.chunks] == [(0, b"89ab"), (4, b"12")]
    assert {chunk.digest for chunk in msgpack.chunks} == {digest.of(b"89ab12", digest.SHA512)}


def test_small_files_go_on_while_a_large_one_is_read_for_the_first_time(msgpack: Outside) -> None:
    msgpack.producer.window = 100
    (msgpack.root / "large").write_bytes(bytes(400))
    (msgpack.root / "small").write_bytes(b"0123")
    msgpack.sending.want("large")
    msgpack.sending.pump(lambda: True)
    msgpack.sending.want("small")
    msgpack.sending.pump(lambda: True)
    assert [chunk.path for chunk in msgpack.chunks] == ["small"]
    msgpack.send_all()
    assert len(msgpack.chunks) == 101


@pytest.mark.parametrize("touched", [b"0123456789abcdef", b"0123456789abcdeX"], ids=["same", "another"])
def test_a_file_that_was_only_touched_is_read_and_sent_when_it_is_another(msgpack: Outside, touched: bytes) -> None:
    file = msgpack.begin("a", WHOLE)
    msgpack.answer(0)
    msgpack.answer(1)
    msgpack.send_all()
    in_place(file, touched)
    msgpack.send_all("a")
    row = msgpack.ledger.get("a")
    assert row is not None
    assert (row.state, row.digest) == ("sent", digest.of(touched))
    assert row.generation is not None
    assert [chunk.index for chunk in msgpack.chunks] == [0, 1, 2, 3] * (1 if touched == WHOLE else 2)


def test_behind_a_generation_whose_end_was_sent_twice_the_first_chunk_is_sent_twice(msgpack: Outside) -> None:
    file = msgpack.begin("a", WHOLE)
    msgpack.answer(0)
    msgpack.producer.window = 100
    msgpack.sending.pump(lambda: False)
    msgpack.restart()  # all four chunks are on the topic, one of them acknowledged
    msgpack.send_all("a")
    file.write_bytes(b"another one")
    msgpack.send_all("a")
    assert [chunk.index for chunk in msgpack.chunks] == [0, 1, 2, 3, 1, 2, 3, 0, 0, 1, 2]


# -- silence


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Puts the clock forward by so many seconds in all."""
    real = time.time

    def forward(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)

    return forward


def generations(outside: Outside) -> list[str]:
    """Of each chunk that was sent."""
    return [headers["gen"].decode() for _, headers, _ in outside.producer.sent if "abandoned" not in headers]


@pytest.mark.parametrize("rest_is_under_way", [True, False])
def test_a_generation_of_which_nothing_was_acknowledged_for_an_hour_is_given_up_and_begun_anew(
    outside: Outside, later: Callable[[float], None], rest_is_under_way: bool
) -> None:
    outside.begin("a", WHOLE)
    outside.answer(0)
    if rest_is_under_way:
        outside.producer.window = 10
        outside.sending.pump(lambda: False)
        later(RESUME_WITHIN + 10)
        for number in (1, 2, 3):
            outside.answer(number)
    else:
        outside.answer(1)
        later(RESUME_WITHIN + 10)
        outside.sending.pump(lambda: False)
    row = outside.ledger.get("a")
    assert row is not None
    assert (row.state, row.reason) == (
        "abandoned", "nothing of it was acknowledged for so long that readers may have given it up"
    )  # fmt: skip
    assert (outside.producer.abandoned, outside.again, outside.tally.files) == (["a"], [("a", 0.0)], 0)
    sent_before = set(generations(outside))
    values = len(outside.producer.values)
    outside.producer.window = 100
    outside.send_all("a")
    assert not sent_before & set(generations(outside)[-4:])
    assert b"".join(outside.producer.values[values:]) == WHOLE
    assert outside.state_of("a") == "sent"


def test_a_file_that_waits_for_its_broker_is_not_given_up_as_long_as_it_waits(
    outside: Outside, later: Callable[[float], None]
) -> None:
    outside.producer.window = 3
    outside.begin("a", WHOLE)
    later(RESUME_WITHIN + 10)
    outside.producer.window = 4
    outside.sending.pump(lambda: False)
    assert outside.producer.abandoned == []
    assert len(outside.producer.sent) == 4


def test_one_chunk_may_be_acknowledged_however_late(outside: Outside, later: Callable[[float], None]) -> None:
    outside.begin("a", b"0123")
    later(RESUME_WITHIN + 10)
    outside.answer(0)
    assert outside.state_of("a") == "sent"


def test_being_started_again_and_again_makes_a_generation_no_younger(
    outside: Outside, later: Callable[[float], None]
) -> None:
    outside.begin("a", WHOLE)
    outside.answer(0)
    for part in (0.4, 0.8):
        later(RESUME_WITHIN * part)
        outside.sending.stop_reading()
        outside.restart()
        outside.sending.want("a")
        outside.sending.pump(lambda: False)
    assert len(set(generations(outside))) == 1
    later(RESUME_WITHIN * 1.2)
    outside.answer(len(outside.producer.sent) - 1)
    assert outside.state_of("a") == "abandoned"


def test_an_upload_of_chosen_bytes_is_begun_anew_by_a_program_that_sends_all_of_it(outside: Outside) -> None:
    outside.select = lambda path: [(0, 8)]
    outside.restart()
    outside.producer.window = 1
    outside.begin("a", WHOLE)
    outside.answer(0)
    outside.select = all_of_it
    outside.restart()
    outside.send_all("a")
    assert outside.producer.abandoned == ["a"]
    assert b"".join(value for value in outside.producer.values if value) == b"0123" + WHOLE
    assert len(set(generations(outside)[1:])) == 1


def test_a_generation_whose_end_was_sent_twice_is_not_forgotten_when_its_file_fails(
    msgpack: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    msgpack.begin("a", WHOLE)
    msgpack.answer(0)
    msgpack.restart()
    msgpack.send_all("a")
    with monkeypatch.context() as patch:
        patch.setattr(msgpack.origin, "open", refuse)
        (msgpack.root / "a").write_bytes(b"another one")
        msgpack.send_all("a")
    assert msgpack.state_of("a") == "failed"
    before = len(msgpack.chunks)
    msgpack.send_all("a")
    assert [chunk.index for chunk in msgpack.chunks[before:]] == [0, 0, 1, 2]


def test_a_change_while_the_content_is_compared_leaves_known_that_the_end_was_sent_twice(msgpack: Outside) -> None:
    content = bytes(400)  # a hundred chunks, of which a few are read at a time
    file = msgpack.begin("a", content)
    msgpack.answer(0)
    msgpack.restart()
    msgpack.send_all("a")
    in_place(file, content)
    msgpack.sending.want("a")
    msgpack.sending.pump(lambda: True)
    file.write_bytes(b"another one")
    msgpack.sending.want("a")
    msgpack.sending.pump(lambda: True)
    assert msgpack.state_of("a") == "abandoned"
    before = len(msgpack.chunks)
    msgpack.send_all("a")
    assert [chunk.index for chunk in msgpack.chunks[before:]] == [0, 0, 1, 2]
