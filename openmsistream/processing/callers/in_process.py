"""Somebody's code runs in a process of its own, which may crash or hang: its file fails, and another process goes on."""

from __future__ import annotations

import atexit
import io
import logging
import pickle
import sys
import threading
from collections.abc import Callable
from typing import Any

from openmsistream.errors import ConfigError
from openmsistream.processing.file import File
from openmsistream.processing.work import Outcome, Work

from .failing import shortened
from .guard import GUARD_MISSING, leave_if_only_imported
from .process import ChildProcess, Ended

log = logging.getLogger(__name__)

_INSTEAD = 'or run it in threads (--workers threads, workers="threads")'
_STOPPED = Outcome(failure="it was ended because the program stops")


class InProcess:
    """A caller with a child process, which is started for the first file, kept, and replaced when it crashed or hung.

    `make_work` is called in the child and gives the work; it has to be something that can be pickled. `timeout` is in
    seconds and for one run. Raises ConfigError when `make_work` cannot be passed on.

    A script that runs this needs `if __name__ == "__main__":`, as with `multiprocessing`: the child imports it.
    """

    def __init__(self, make_work: Callable[[], Work], timeout: float | None = None) -> None:
        leave_if_only_imported()
        self._made = _packed(make_work)
        self._timeout = timeout
        self._lock = threading.Lock()
        self._process: ChildProcess | None = None
        self._busy = False
        self._closed = False
        self._was_ready = False
        self._refused: Outcome | None = None

    def start(self) -> None:
        """Start the process now rather than for the first file. ConfigError when the work cannot be made in it."""
        outcome = self._while_busy(self._prepared)
        if isinstance(outcome, Outcome) and outcome is not _STOPPED:
            raise ConfigError(outcome.failure or "", f"mend that, {_INSTEAD}")

    def run(self, file: File) -> Outcome:
        def on_file() -> Outcome:
            ready = self._prepared()
            return ready if isinstance(ready, Outcome) else ready.run(file)

        outcome = self._while_busy(on_file)
        assert isinstance(outcome, Outcome)
        return outcome

    def close(self) -> None:
        """End the process: at once when it is running something, otherwise it may leave in good order."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            process, busy = self._process, self._busy
            atexit.unregister(self.close)
            if process is not None and busy:
                process.kill()  # the thread that runs it sees that
        if process is not None and not busy:
            process.leave()

    def _while_busy(self, act: Callable[[], Outcome | ChildProcess]) -> Outcome | ChildProcess:
        """Do something with the process that `close` may cut short; a process that ended is forgotten."""
        with self._lock:
            if self._closed:
                return _STOPPED
            self._busy = True
        try:
            outcome = act()
        except Ended as ended:
            self._process = None
            outcome = ended.outcome if self._was_ready else self._not_begun(ended)
        except OSError as error:
            outcome = Outcome(failure=f"no process could be started for it: {error.strerror or error}")
        with self._lock:
            self._busy = False
            if not self._closed:
                return outcome
        if self._process is not None:
            self._process.end()
        return outcome if isinstance(outcome, Outcome) and outcome.failure is None else _STOPPED

    def _prepared(self) -> ChildProcess | Outcome:
        """A process whose work is made, or why there is none. Raises Ended and OSError."""
        if self._refused is not None:
            return self._refused
        if self._process is not None:
            if self._process.lives:
                return self._process
            self._process.end()  # it was ended while it had nothing to do, which is not the fault of the next file
        process = ChildProcess(self._made, self._timeout)
        with self._lock:
            self._process = process
            if self._closed:
                process.kill()
            else:
                atexit.unregister(self.close)
                atexit.register(self.close)  # before multiprocessing waits for its children, at the end of the program
        refused = process.wait_until_ready()
        if refused is None:
            self._was_ready = True
            return process
        self._process = None
        process.end()
        self._refused = Outcome(failure=f"it cannot be made ready: {refused.failure}", trace=refused.trace, final=True)
        return self._refused

    def _not_begun(self, ended: Ended) -> Outcome:
        """The outcome when a first process ended before it was ready; when another would end in the same way, it is kept."""
        if ended.exit_code is None or ended.exit_code < 0:
            return ended.outcome
        if ended.exit_code == GUARD_MISSING:
            script = getattr(sys.modules["__main__"], "__file__", None) or "the script"
            words = (
                f"{script} begins to process files when it is imported, which a process of its own does to find the "
                'function; put that call below a line `if __name__ == "__main__":`'
            )
        else:
            words = f"{ended.outcome.failure} before it was ready; what it said stands above"
        self._refused = Outcome(failure=words, trace=ended.outcome.trace, final=True)
        return self._refused


def in_processes(make_work: Callable[[], Work], timeout: float | None, count: int) -> list[InProcess]:
    """So many of them. The first is started at once: ConfigError when the work cannot be made."""
    made = [InProcess(make_work, timeout) for _ in range(count)]
    made[0].start()
    return made


def _packed(make_work: Callable[[], Work]) -> bytes:
    packed = io.BytesIO()
    try:
        _Packer(packed, protocol=pickle.HIGHEST_PROTOCOL).dump(make_work)
    except Exception as error:  # objects of the user's may raise anything when they are pickled
        raise ConfigError(
            f"what is to run cannot be passed to a process of its own: {type(error).__name__}: {shortened(str(error))}",
            f"define it at the top level of a module and give it arguments that can be pickled, {_INSTEAD}",
        ) from error
    main = sys.modules["__main__"]
    if b"__main__" in packed.getvalue() and getattr(main, "__file__", None) is None and main.__spec__ is None:
        raise ConfigError(
            "what was typed in, rather than written in a file, cannot be passed to a process of its own",
            f"write it into a file, {_INSTEAD}",
        )
    return packed.getvalue()


class _Packer(pickle.Pickler):
    """Passes a logger on by its name, also one that `logging.getLogger` does not know."""

    def reducer_override(self, obj: Any) -> Any:
        return (_logger, (type(obj), obj.name)) if isinstance(obj, logging.Logger) else NotImplemented


def _logger(kind: type[logging.Logger], name: str) -> logging.Logger:
    known = logging.getLogger(None if kind is logging.RootLogger else name)
    if isinstance(known, kind):
        return known
    made = kind(name)
    made.parent = logging.getLogger()
    return made
