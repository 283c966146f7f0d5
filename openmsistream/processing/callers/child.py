"""What runs in a process that works for us: files come in, somebody's code runs on them, outcomes go out."""

from __future__ import annotations

import faulthandler
import io
import logging
import multiprocessing
import os
import pickle
import socket
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from openmsistream.program.logs import Lines

from . import ending, guard
from .failing import cut, outcome_of, trace
from .in_thread import InThread
from .passing import ChildEnd, Kind, from_outcome

_KEPT = (
    "name", "levelno", "levelname", "pathname", "filename", "module", "lineno", "funcName", "created", "msecs",
    "process", "processName", "thread", "threadName", "stack_info",
)  # fmt: skip


def serve(end: socket.socket, crashes: Connection | None, made: bytes, level: int, folder: Path) -> None:
    """The life of the child: make the work, then run it on file after file until the parent wants no more.

    `made` is the pickled callable that gives the work, `level` that of the parent's logging, `folder` where copies of
    files may be put. To `crashes` goes a traceback when the interpreter crashes, or when the parent asks where it is.
    """
    _settle_in()
    guard.imports_are_over()
    line = ChildEnd(end)
    messages = _ToParent(line)
    messages.be_all(level)
    _tell_of_crashes(crashes)
    try:
        caller = InThread(pickle.loads(made)())
    except BaseException as error:  # noqa: BLE001 - the user's code: its imports and constructors
        line.send(Kind.REFUSED, from_outcome(outcome_of(error)))
        return
    messages.be_all(level)  # what the user's constructor set up for logging, the parent has set up as well
    messages.say(Kind.READY, None)
    while (file := line.receive(folder)) is not None:
        outcome = caller.run(file)
        file.release()
        del file  # its bytes, before the next one comes
        messages.say(Kind.OUTCOME, from_outcome(outcome))


def _settle_in() -> None:
    ending.stand_alone()
    ending.leave_stopping_to_the_parent()
    ending.let_interrupts_through()
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        ending.end_all(os.getpid())

    threading.Thread(target=watch, name="watch-parent", daemon=True).start()
    if isinstance(parent.sentinel, int):
        ending.end_with(parent.sentinel)
    _print_to_stderr()


def _print_to_stderr() -> None:
    """What is printed here goes to standard error, as the program's own output is none of the user's code."""
    try:
        os.dup2(2, 1)
    except OSError:  # a program without a console has none
        return
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")


def _tell_of_crashes(crashes: Connection | None) -> None:
    if sys.platform == "win32" or crashes is None:
        faulthandler.enable()
        return
    # a crash must end the process, also when nobody empties the pipe
    os.set_blocking(crashes.fileno(), False)
    faulthandler.enable(file=crashes.fileno(), all_threads=False)
    ending.tell_where_it_is(crashes.fileno())


class _ToParent(logging.Handler):
    """Hands messages to the parent's logging; those of processes that the user's code has forked go to standard error."""

    def __init__(self, line: ChildEnd) -> None:
        super().__init__()
        self._line = line
        self._process = os.getpid()
        self._turn = threading.Lock()
        self.setFormatter(Lines())

    def be_all(self, level: int) -> None:
        """Be the only one that gets messages, those of this level and above."""
        logging.getLogger().handlers[:] = [self]
        logging.getLogger().setLevel(level)

    def say(self, kind: Kind, said: object) -> None:
        """Send a frame, with no message between its pieces."""
        with self._turn:
            self._line.send(kind, said)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if os.getpid() != self._process:
                print(self.format(record), file=sys.stderr)
                return
            told: dict[str, Any] = {name: getattr(record, name, None) for name in _KEPT}
            told["msg"] = cut(record.getMessage())
            if record.exc_info and record.exc_info[1] is not None:
                told["exc_text"] = trace(record.exc_info[1]).rstrip("\n")
            self.say(Kind.LOG, told)
        except Exception:  # noqa: BLE001 - a message must never end the user's code
            self.handleError(record)
