"""A process that works for us, as its parent has it: started, given files, ended, and how it ended in words."""

from __future__ import annotations

import itertools
import logging
import multiprocessing
import os
import secrets
import shutil
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from openmsistream.processing.file import File
from openmsistream.processing.work import Outcome

from . import child, ending, guard
from .failing import of_crash
from .passing import Closed, Kind, ParentEnd, to_outcome

START_WITHIN = 300.0
"""Seconds for the user's imports and constructor: large libraries on a network share take a minute."""

_SLOWEST = 1 << 20
"""Bytes a second at which a child takes a file at least; one that takes longer (and a minute) is stuck."""

_LOOK = 0.5
"""Seconds between looks whether the child lives: what it started may hold the connection open after its death."""

_WRITES_WITHIN = 0.2
"""Seconds after the timeout in which the child begins to write down where it hangs."""

_REAP_WITHIN = 5.0
_LEAVE_WITHIN = 1.0
_numbers = itertools.count(1)


class Ended(Exception):
    """The process gives no outcome any more, and is gone. `exit_code` is None when we ended it."""

    def __init__(self, outcome: Outcome, exit_code: int | None) -> None:
        super().__init__(outcome.failure)
        self.outcome = outcome
        self.exit_code = exit_code


class ChildProcess:
    """One child. One thread calls; `kill` may come from another. Raises OSError when it cannot be started.

    `made` is the pickled callable that makes the work in the child, `timeout` the seconds that a run may take.
    """

    def __init__(self, made: bytes, timeout: float | None) -> None:
        self._timeout = timeout
        self._deadline: float | None = None
        self._too_late = ""
        self._next_look = 0.0
        self._ending = threading.Lock()
        self._gone = False
        self._folder = Path(tempfile.gettempdir()) / f"openmsistream-{secrets.token_hex(8)}"
        context = multiprocessing.get_context("spawn")
        ours, theirs = socket.socketpair()
        self._end = ParentEnd(ours, self._turn)
        self._crashes, crashes = _crash_pipe()
        level = logging.getLogger().getEffectiveLevel()
        self._process = context.Process(
            target=child.serve, args=(theirs, crashes, made, level, self._folder),
            name=f"{guard.NAME}-{next(_numbers)}",
        )  # fmt: skip
        try:
            with ending.interrupts_held_back():
                self._process.start()
        except OSError:
            self._let_go()
            raise
        finally:
            theirs.close()
            if crashes is not None:
                crashes.close()

    @property
    def lives(self) -> bool:
        return self._process.is_alive() and not self._end.is_over

    def wait_until_ready(self) -> Outcome | None:
        """Wait until the work is made in it; an outcome says why it cannot be. Raises Ended."""
        kind, said = self._within(START_WITHIN, f"was not ready within {START_WITHIN:g} s", self._answer)
        return to_outcome(said) if kind is Kind.REFUSED else None

    def run(self, file: File) -> Outcome:
        """Run the work on a file. Raises Ended when the process ended, or had to be."""
        allowed = 60.0 + file.size / _SLOWEST
        self._within(allowed, f"did not take the file within {allowed:.0f} s", lambda: self._end.send(file))
        if self._timeout is None:
            return to_outcome(self._within(None, "", self._answer)[1])
        late = f"did not return within {self._timeout:g} s"
        return to_outcome(self._within(self._timeout, late, self._answer)[1])

    def kill(self) -> None:
        """End it and what it started, at once; from any thread."""
        with self._ending:
            if not self._gone:
                ending.end_all(self._pid)

    def leave(self) -> None:
        """Let it end by itself, as it has nothing to do, and see to it that it does."""
        self._end.hang_up()
        self._process.join(_LEAVE_WITHIN)
        self.end()

    def end(self) -> int | None:
        """End it, whatever it does; gives its exit code, or None when the system does not let it go."""
        with self._ending:
            if self._gone:
                return None
            ending.end_all(self._pid)  # also when it is dead: what it started is not
            self._process.join(_REAP_WITHIN)
            code = self._process.exitcode
            self._gone = True
            self._let_go()
            return code

    @property
    def _pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def _let_go(self) -> None:
        self._end.close()
        if self._crashes is not None:
            self._crashes.close()
        if self._process.pid is not None and self._process.exitcode is not None:
            self._process.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _within(self, limit: float | None, late: str, act: Callable[[], Any]) -> Any:
        """Do something that waits for the child, at most so long. Raises Ended."""
        self._deadline = None if limit is None else time.monotonic() + limit
        try:
            return act()
        except Closed:
            self._process.join(_LEAVE_WITHIN)
            code = self._process.exitcode
            trace = self._crash_trace()
            self.end()
            words = "its process gave up the connection" if code is None else ending.in_words(code)
            raise Ended(Outcome(failure=words, trace=trace), code) from None
        except TimeoutError:
            self._ask_where_it_is()
            trace = self._crash_trace(_WRITES_WITHIN)
            self.end()
            raise Ended(Outcome(failure=late, trace=trace), None) from None

    def _turn(self) -> float:
        now = time.monotonic()
        if self._deadline is not None and now >= self._deadline:
            raise TimeoutError
        if now >= self._next_look:
            self._next_look = now + _LOOK
            if not self._process.is_alive():
                raise Closed
        return _LOOK if self._deadline is None else min(_LOOK, self._deadline - now)

    def _answer(self) -> tuple[Kind, Any]:
        while True:
            kind, said = self._end.receive()
            if kind is not Kind.LOG:
                return kind, said
            record = logging.makeLogRecord(said)
            logger = logging.getLogger(record.name)
            if logger.isEnabledFor(record.levelno):
                logger.handle(record)

    def _ask_where_it_is(self) -> None:
        with self._ending:
            if not self._gone:
                ending.ask_where_it_is(self._pid)

    def _crash_trace(self, patience: float = 0.0) -> str:
        """What the child's interpreter has written down of a crash or a hang, or writes until it is silent so long."""
        if self._crashes is None:
            return ""
        found = b""
        while self._crashes.poll(patience) and (more := os.read(self._crashes.fileno(), 1 << 16)):
            found += more
        return of_crash(found.decode("utf-8", "replace"))


def _crash_pipe() -> tuple[Connection | None, Connection | None]:
    """Two ends for tracebacks of crashes; on Windows none, where they go to standard error."""
    if sys.platform == "win32":
        return None, None
    ours, theirs = multiprocessing.get_context("spawn").Pipe(duplex=False)
    return ours, theirs
