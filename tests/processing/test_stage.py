"""Whole files on their way through somebody's code: what ends, what waits for what, and what a file leaves behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from openmsistream.files import digest
from openmsistream.files.chunk import Chunk, new_generation
from openmsistream.processing import stage as stage_module
from openmsistream.processing.attempts import Attempts
from openmsistream.processing.callers.in_thread import InThread
from openmsistream.processing.file import File
from openmsistream.processing.keeping import Keeping
from openmsistream.processing.stage import Patience, ProcessingStage
from openmsistream.processing.work import Outcome, Result
from openmsistream.program.run import wait_until
from openmsistream.transfer.disk import Target
from openmsistream.transfer.incoming import Incoming
from openmsistream.transfer.memory import Memory
from openmsistream.transfer.stage import Ending, Finished

ONCE = Patience(0)


class Told:
    """Callbacks that do what a test says."""

    def __init__(self, failed: Callable[[], object] = lambda: None) -> None:
        self._failed = failed

    def failed(self, file: File, outcome: Outcome) -> None:
        self._failed()

    def mismatched(self, file: File, reason: str) -> None: ...

    def refused(self, result: Result) -> str | None: ...


class Bench:
    """A stage on a folder, and whole files for it."""

    def __init__(self, root: Path, work: Callable[[File], None], workers: int, patience: Patience, told: Told) -> None:
        self.memory = Memory(1 << 20)
        self.target = Target(root)
        keeping = Keeping(root, "t", "memory", self.memory.limit)
        attempts = Attempts(root / "attempts", workers)
        self.stage = ProcessingStage([InThread(work) for _ in range(workers)], keeping, told, patience, attempts, {})
        self.ended: list[Finished] = []

    def submit(self, path: str, data: bytes = b"x") -> Incoming:
        chunk = Chunk(path, new_generation(), 0, 0, len(data), 0, data, digest.of(data), 1)
        incoming = Incoming(chunk, (path,), 0, 0, 0, self.memory)
        incoming.add(chunk, self.target)
        self.stage.submit(incoming)
        return incoming

    def ends(self, count: int) -> list[Finished]:
        def all_there() -> bool:
            self.ended += self.stage.results()
            return len(self.ended) >= count

        assert wait_until(all_there, 10), (self.ended, self.stage.error)
        return self.ended


@contextmanager
def bench(
    root: Path,
    work: Callable[[File], None],
    *,
    workers: int = 1,
    patience: Patience = ONCE,
    told: Told | None = None,
) -> Iterator[Bench]:
    made = Bench(root, work, workers, patience, told or Told())
    try:
        yield made
    finally:
        made.stage.close()
        made.target.close()


def test_many_workers_in_code_that_does_not_return_are_left_together(tmp_path: Path) -> None:
    end = threading.Event()
    with bench(tmp_path, lambda file: end.wait(30) and None, workers=12) as made:
        for number in range(12):
            made.submit(f"{number}")
        assert wait_until(lambda: len(made.stage.running) == 12, 10)
        began = time.monotonic()
        made.stage.close()
        assert time.monotonic() - began < 3
        end.set()


def test_a_copy_that_cannot_be_removed_is_said_and_the_next_file_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def locked(file: File) -> None:
        raise PermissionError(13, "it is open in another program")

    monkeypatch.setattr(File, "release", locked)
    with bench(tmp_path, lambda file: None) as made:
        made.submit("a")
        made.submit("b")
        assert [f.ending for f in made.ends(2)] == [Ending.DELIVERED, Ending.DELIVERED]
    assert (
        "a: the copy that its run had on disk cannot be removed: [Errno 13] it is open in another program"
        in caplog.text
    )


def test_a_callback_that_calls_for_the_end_of_the_program_is_said_and_the_next_file_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def work(file: File) -> None:
        if file.path == "a":
            raise ValueError("no such peak")

    def leave() -> None:
        raise SystemExit(5)

    with bench(tmp_path, work, told=Told(leave)) as made:
        made.submit("a")
        made.submit("b")
        assert [f.ending for f in made.ends(2)] == [Ending.FAILED, Ending.DELIVERED]
    assert "a callback for failures has failed itself" in caplog.text


def test_words_that_are_no_unicode_can_be_written_down(tmp_path: Path) -> None:
    def work(file: File) -> None:
        raise FileNotFoundError(2, "No such file", "\udcff.dat")

    with bench(tmp_path, work) as made:
        made.submit("a")
        (finished,) = made.ends(1)
    assert r"\udcff.dat" in finished.reason
    assert finished.detail is not None
    (finished.reason + finished.detail).encode("utf-8")


def test_versions_that_wait_for_an_earlier_one_do_not_stop_the_reading_of_other_files(tmp_path: Path) -> None:
    end = threading.Event()
    ran: list[str] = []

    def work(file: File) -> None:
        if file.path == "again" and "again" not in ran:
            end.wait(30)
        ran.append(file.path)

    with bench(tmp_path, work, workers=2) as made:
        for _ in range(stage_module._MOST_WAITING + 2):
            made.submit("again")
        assert not made.stage.full
        made.submit("other")
        assert made.ends(1)[0].incoming.path == "other"
        end.set()
        made.ends(stage_module._MOST_WAITING + 3)
    assert not made.stage.full


def test_a_file_that_is_to_be_tried_again_and_is_not_ours_any_more_makes_way_for_the_next_version(
    tmp_path: Path,
) -> None:
    def work(file: File) -> None:
        if file.read_bytes() == b"first":
            raise ValueError("not this one")

    with bench(tmp_path, work, patience=Patience(5, 60.0)) as made:
        first = made.submit("a", b"first")
        assert wait_until(lambda: made.stage.at_work(first).until is not None, 10)
        second = made.submit("a", b"second")
        assert not made.stage.still_runs(first)
        assert [f.incoming for f in made.ends(1)] == [second]
