"""Somebody's code in a process of its own: what passes to it and back, and what it may do without ending the program."""

from __future__ import annotations

import functools
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import worked
from worked import a_file

from openmsistream.errors import ConfigError
from openmsistream.processing.callers.in_process import InProcess
from openmsistream.processing.callers.rebuilt import AsItIs, Rebuilt
from openmsistream.processing.work import Outcome
from openmsistream.program.logs import logging_to
from openmsistream.program.run import wait_until

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")

Make = Callable[..., InProcess]


@pytest.fixture
def in_process() -> Iterator[Make]:
    """Makes callers, and closes them."""
    made: list[InProcess] = []

    def make(work: Any, timeout: float | None = None) -> InProcess:
        made.append(InProcess(work if isinstance(work, Rebuilt) else AsItIs(work), timeout))
        return made[-1]

    yield make
    for caller in made:
        caller.close()


def value(outcome: Outcome) -> bytes:
    assert outcome.failure is None, outcome
    assert outcome.result is not None
    return outcome.result.value or b""


def ends(pid: int) -> bool:
    """Does it end, with all its threads? The first of them is gone a moment before the last."""

    def ended() -> bool:
        try:
            process = psutil.Process(pid)
            return process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1
        except psutil.NoSuchProcess:
            return True

    return wait_until(ended, 10)


# -- what passes ---------------------------------------------------------------------------------------


def test_it_is_another_process_and_the_same_for_each_file(in_process: Make) -> None:
    caller = in_process(worked.process_id)
    first = value(caller.run(a_file()))
    assert first == value(caller.run(a_file()))
    assert int(first) != os.getpid()


@pytest.mark.parametrize("size", [0, 1, 1 << 16, (1 << 16) + 1, 5_000_001])
def test_the_bytes_of_a_file_arrive_as_they_are(in_process: Make, size: int) -> None:
    file = a_file(os.urandom(size))
    outcome = in_process(worked.what_it_got).run(file)
    assert outcome == worked_here(file)


def test_a_file_on_disk_is_read_where_it_is(in_process: Make, tmp_path: Path) -> None:
    place = tmp_path / "é.bin"
    place.write_bytes(b"on disk")
    file = a_file(None, place)
    assert in_process(worked.what_it_got).run(file) == worked_here(file)


def worked_here(file: Any) -> Outcome:
    return Outcome(worked.what_it_got(file))


def test_a_copy_on_disk_is_gone_after_the_run(in_process: Make) -> None:
    caller = in_process(worked.copied_to_disk)
    outcome = caller.run(a_file(b"content", path="a/b.txt"))
    assert value(outcome) == b"content"
    assert outcome.result is not None
    place = Path(os.fsdecode(outcome.result.key or b""))
    assert place.name == "b.txt"
    assert not place.exists()
    caller.close()
    assert not place.parent.parent.exists()


def test_a_copy_on_disk_is_gone_when_the_process_died(in_process: Make, caplog: pytest.LogCaptureFixture) -> None:
    assert in_process(worked.a_copy_and_then_the_end).run(a_file()).failure is not None
    place = Path(caplog.messages[-1])
    assert place.name == "scan.tif"
    assert not place.parent.parent.exists()


def test_a_failure_comes_back_as_text(in_process: Make) -> None:
    outcome = in_process(worked.wrong).run(a_file())
    assert (outcome.failure or "").startswith("ValueError: invalid literal for int() with base 10: 'x' (worked.py:")
    assert outcome.trace.splitlines()[1].endswith("in wrong")


def test_an_exception_that_cannot_be_pickled_is_a_failure_like_others(in_process: Make) -> None:
    assert (in_process(worked.unsendable).run(a_file()).failure or "").startswith("Unsendable: ")


def test_a_call_for_the_end_of_the_program_does_not_end_the_process(in_process: Make) -> None:
    caller = in_process(worked.leaves)
    assert "SystemExit: 4" in (caller.run(a_file()).failure or "")
    assert "SystemExit: 4" in (caller.run(a_file()).failure or "")


def test_an_object_is_made_again_with_its_arguments_and_its_logger(in_process: Make) -> None:
    made = worked.Processor("one", logger=logging.Logger("Mine"), second=5)
    assert value(in_process(Rebuilt.like(made, "work")).run(a_file())) == b"Processor one 5 Mine"


def test_the_arguments_are_those_of_the_class_that_was_called(in_process: Make) -> None:
    outcome = in_process(Rebuilt.like(worked.Extended(), "work")).run(a_file())
    assert value(outcome) == b"Extended given by the subclass 7 "


# -- what it says ----------------------------------------------------------------------------------------


def test_its_output_goes_to_standard_error(in_process: Make, capfd: pytest.CaptureFixture[str]) -> None:
    caller = in_process(worked.prints_and_logs)
    caller.run(a_file())
    caller.close()
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "printed\n" in shown.err
    assert "an error\n" in shown.err


def test_its_messages_go_to_the_logging_of_the_program(in_process: Make, capfd: pytest.CaptureFixture[str]) -> None:
    with logging_to(stream_level="info"):
        in_process(worked.prints_and_logs).run(a_file())
    said = capfd.readouterr().err
    assert "WARNING logged é\n" in said
    assert "ERROR   caught\nTraceback (most recent call last):\n" in said
    assert "not at this level" not in said


def test_the_logging_of_a_constructor_is_not_done_twice(
    in_process: Make, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with logging_to(stream_level="info"):
        in_process(Rebuilt(worked.LogsToAFile, (tmp_path / "log",), method="work")).run(a_file())
    assert (tmp_path / "log").read_text() == ""
    assert capfd.readouterr().err.endswith(" INFO    at work\n")


# -- how it may end --------------------------------------------------------------------------------------


@posix
def test_a_crash_fails_its_file_and_tells_where_and_the_next_file_is_run(in_process: Make) -> None:
    caller = in_process(worked.as_told)
    before = value(caller.run(a_file()))
    outcome = caller.run(a_file(b"crash"))
    assert outcome.failure == "its process was ended by signal 11 (segmentation fault)"
    assert not outcome.final
    assert "Segmentation fault" in outcome.trace
    assert outcome.trace.rstrip().endswith("in as_told")
    assert value(caller.run(a_file())) != before


def test_an_exit_is_told_with_its_code(in_process: Make) -> None:
    assert in_process(worked.as_told).run(a_file(b"exit")).failure == "its process ended with exit code 3"


def test_what_hangs_is_ended_and_the_next_file_is_run(in_process: Make) -> None:
    caller = in_process(worked.as_told, 0.5)
    outcome = caller.run(a_file(b"hang"))
    assert outcome.failure == "did not return within 0.5 s"
    if sys.platform != "win32":
        assert "in holds_the_lock" in outcome.trace
    assert value(caller.run(a_file()))


def test_what_a_hanging_function_started_is_ended_with_it(in_process: Make, tmp_path: Path) -> None:
    note = tmp_path / "pids"
    assert in_process(worked.begins_a_program_and_hangs, 1.5).run(a_file(os.fsencode(note))).failure
    assert all(ends(int(pid)) for pid in note.read_text().split())


def test_a_process_that_was_ended_between_two_files_fails_neither(in_process: Make) -> None:
    caller = in_process(worked.process_id)
    first = int(value(caller.run(a_file())))
    psutil.Process(first).kill()
    assert ends(first)
    assert int(value(caller.run(a_file()))) != first


@posix
def test_it_can_have_processes_of_its_own(in_process: Make) -> None:
    caller = in_process(worked.forks_workers, 20.0)
    for _ in range(5):
        assert value(caller.run(a_file())) == b"[1, 2]"


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_that_stop_programs_do_not_end_it(in_process: Make, number: int) -> None:
    caller = in_process(worked.process_id)
    pid = value(caller.run(a_file()))
    os.kill(int(pid), number)
    assert value(caller.run(a_file())) == pid


def test_closing_ends_what_runs_at_once(in_process: Make, tmp_path: Path) -> None:
    caller = in_process(worked.waits)
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(caller.run(a_file(os.fsencode(tmp_path / "begun")))))
    thread.start()
    assert wait_until((tmp_path / "begun").exists, 20)
    caller.close()
    thread.join(5)
    assert [outcome.failure for outcome in outcomes] == ["it was ended because the program stops"]


def test_after_closing_nothing_is_run(in_process: Make) -> None:
    caller = in_process(worked.process_id)
    pid = int(value(caller.run(a_file())))
    caller.close()
    assert ends(pid)
    assert caller.run(a_file()).failure == "it was ended because the program stops"


# -- how it may not begin --------------------------------------------------------------------------------


def test_work_that_cannot_be_made_is_told_and_not_tried_again(in_process: Make) -> None:
    caller = InProcess(worked.cannot_be_made)
    first, second = caller.run(a_file()), caller.run(a_file())
    assert (first.failure or "").startswith(
        "it cannot be made ready: ModuleNotFoundError: No module named 'detector' (worked.py:"
    )
    assert first.final
    assert second is first


def test_starting_it_early_tells_before_the_first_file(in_process: Make) -> None:
    with pytest.raises(ConfigError) as caught:
        InProcess(worked.cannot_be_made).start()
    assert "No module named 'detector'" in str(caught.value)
    assert str(caught.value).endswith('mend that, or run it in threads (--workers threads, workers="threads")')


def test_a_constructor_that_may_be_called_once_only_is_told(in_process: Make, tmp_path: Path) -> None:
    caller = in_process(Rebuilt.like(worked.NeedsAFolder(tmp_path), "work"))
    assert (caller.run(a_file()).failure or "").startswith("it cannot be made ready: FileExistsError: ")


def test_a_process_that_ends_before_it_is_ready_is_told_once(in_process: Make) -> None:
    caller = InProcess(worked.ends_while_being_made)
    first = caller.run(a_file())
    assert first.failure == "its process ended with exit code 9 before it was ready; what it said stands above"
    assert caller.run(a_file()) is first


def test_what_cannot_be_pickled_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        InProcess(functools.partial(lambda file: None))
    assert str(caught.value).startswith("what is to run cannot be passed to a process of its own: ")
    assert "define it at the top level of a module" in caught.value.advice
