"""Somebody's code runs in the thread that asks for it; whatever it raises fails its own file and nothing else."""

from __future__ import annotations

from openmsistream.processing.file import File
from openmsistream.processing.work import Outcome, Result, Work

from .failing import outcome_of


class InThread:
    """A caller without a process: the work runs at once, in the calling thread, and cannot be ended from outside."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def run(self, file: File) -> Outcome:
        try:
            result = self._work(file)
        except BaseException as error:  # noqa: BLE001 - this is the wall around the user's code
            # SystemExit and KeyboardInterrupt, too: in a worker's thread only the user's code can have raised them
            return outcome_of(error)
        wrong = _wrong(result)
        return Outcome(result) if wrong is None else Outcome(failure=wrong, final=True)

    def close(self) -> None:
        """Nothing is held; work that is running goes on until it returns."""


def _wrong(result: object) -> str | None:
    """What is wrong with what the work gave back; None when nothing is."""
    if result is None:
        return None
    if not isinstance(result, Result):
        return f"it returned {_a(result)}; it should return None or a Result"
    for name, part in (("key", result.key), ("value", result.value)):
        if not isinstance(part, bytes | None):
            return f"the {name} of its result is {_a(part)}; it should be bytes or None"
    return None


def _a(value: object) -> str:
    return f"an object of type {type(value).__qualname__}"
