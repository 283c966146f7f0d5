"""Somebody's code in the calling thread: what it gives back, and what becomes of whatever it raises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import worked

from openmsistream.errors import BrokerUnreachable, FolderError
from openmsistream.processing.callers.failing import LONGEST_LINE, LONGEST_TRACE
from openmsistream.processing.callers.in_thread import InThread
from openmsistream.processing.file import File
from openmsistream.processing.work import Outcome, Result


def run(work: Any) -> Outcome:
    return InThread(work).run(worked.a_file(b"abc"))


def raising(error: BaseException) -> Any:
    def work(file: File) -> None:
        raise error

    return work


def test_what_it_gives_back_is_the_result() -> None:
    assert run(worked.size_read) == Outcome(Result(None, b"3"))
    assert run(worked.nothing) == Outcome()


def test_a_failure_is_one_line_with_the_place_in_the_users_code() -> None:
    outcome = run(worked.wrong)
    assert outcome.failure is not None
    assert outcome.failure.startswith("ValueError: invalid literal for int() with base 10: 'x' (worked.py:")
    assert not outcome.final


def test_the_place_is_the_users_even_when_a_library_raises() -> None:
    def work(file: File) -> None:
        __import__("json").loads("{x")

    assert "(test_in_thread.py:" in (run(work).failure or "")


def test_the_traceback_begins_in_the_users_code() -> None:
    lines = run(worked.wrong).trace.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].endswith("in wrong")
    assert "worked.py" in lines[1]
    assert lines[-1] == "ValueError: invalid literal for int() with base 10: 'x'"


def test_the_cause_of_an_exception_is_in_the_traceback() -> None:
    def work(file: File) -> None:
        try:
            int("x")
        except ValueError as error:
            raise OSError("no reading") from error

    trace = run(work).trace
    assert "ValueError" in trace
    assert "direct cause" in trace


def test_an_error_of_ours_stays_the_sentence_it_is() -> None:
    outcome = run(raising(FolderError("the folder is gone", "make it again")))
    assert outcome.failure == "the folder is gone; make it again"


@pytest.mark.parametrize(
    ("error", "final"), [(FolderError("x"), True), (BrokerUnreachable("x"), False), (ValueError("x"), False)], ids=repr
)
def test_an_exception_says_itself_whether_trying_again_can_help(error: Exception, final: bool) -> None:
    assert run(raising(error)).final is final


def test_an_exception_of_the_users_can_say_that_it_is_final() -> None:
    error = ValueError("for ever")
    error.retriable = False  # type: ignore[attr-defined]
    assert run(raising(error)).final


def test_the_kind_of_an_error_of_ours_is_kept() -> None:
    class NoResult(FolderError):
        kind = "no result"

    assert run(raising(NoResult("x"))).kind == "no result"
    assert run(raising(ValueError("x"))).kind is None


def test_what_was_not_raised_in_the_users_code_has_no_place(tmp_path: Path) -> None:
    gone = File("a", worked.a_file().source, size=1, digest="", place=tmp_path / "gone")
    outcome = InThread(File.open).run(gone)  # type: ignore[arg-type]
    assert outcome.failure == f"FileNotFoundError: [Errno 2] No such file or directory: '{tmp_path / 'gone'}'"


def test_a_call_for_the_end_of_the_program_fails_the_file_alone() -> None:
    outcome = run(worked.leaves)
    assert outcome.failure is not None
    assert outcome.failure.startswith(
        "it called for the end of the program (SystemExit: 4) instead of returning (worked.py:"
    )


def test_an_interrupt_that_the_function_raises_fails_the_file_alone() -> None:
    assert "KeyboardInterrupt: raised by the function itself" in (run(raising(KeyboardInterrupt())).failure or "")


def test_want_of_memory_is_said() -> None:
    assert (run(raising(MemoryError())).failure or "").startswith("MemoryError: there was not enough memory (")


def test_a_long_message_of_many_lines_becomes_one_short_line() -> None:
    failure = run(raising(ValueError("a line\n" * 10_000))).failure or ""
    assert failure.startswith("ValueError: a line a line")
    assert "\n" not in failure
    assert len(failure) < LONGEST_LINE + 100


def test_a_traceback_is_cut_in_its_middle() -> None:
    trace = run(raising(ValueError("x" * 1_000_000 + "end"))).trace
    assert len(trace) <= LONGEST_TRACE
    assert "characters left out" in trace
    assert trace.endswith("xend\n")


def test_an_exception_that_cannot_speak_is_still_a_failure() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    outcome = run(raising(Mute()))
    assert "Mute, whose message cannot be read (test_in_thread.py:" in (outcome.failure or "")
    assert "Mute" in outcome.trace


def test_a_recursion_without_end_is_a_failure() -> None:
    def work(file: File) -> None:
        work(file)

    assert (run(work).failure or "").startswith("RecursionError: ")


def test_nonsense_that_is_given_back_is_final() -> None:
    outcome = run(lambda file: [1])
    assert outcome == Outcome(
        failure="it returned an object of type list; it should return None or a Result", final=True
    )


def test_a_result_is_made_of_bytes() -> None:
    outcome = run(lambda file: Result(None, "text"))  # type: ignore[arg-type]
    assert outcome.failure == "the value of its result is an object of type str; it should be bytes or None"
