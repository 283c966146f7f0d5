"""The life of a program: it works until a signal, a command or a dead worker ends it."""

from __future__ import annotations

import io
import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable
from typing import Protocol

from openmsistream.errors import OpenMSIStreamError

from .logs import Form, say
from .progress import Display, Snapshot
from .pulse import Vitals, program_name
from .signals import asked_to_stop, end_when_told_early

log = logging.getLogger(__name__)

STOP_WITHIN = 6.0
"""Seconds for what is in flight after a stop; containers are killed 10 s after the signal, and leaving takes a moment."""

_LEAVE_WITHIN = 1.0
"""Seconds for what else has to end at the end of the process."""

_TURN = 0.1

Commands = queue.Queue[str]


class Worker(Protocol):
    """What runs: a thing with threads of its own."""

    @property
    def alive(self) -> bool: ...

    @property
    def error(self) -> BaseException | None: ...

    @property
    def turned(self) -> float | None:
        """When its loop last came round, by `time.monotonic()`: one that does not any more is stalled. None: not yet."""
        ...

    def start(self) -> None: ...

    def stop(self, within: float = ...) -> None: ...

    def join(self) -> None: ...


class Report(Protocol):
    """Who is told how it stands: often, and once at the end."""

    def beat(self) -> None: ...

    def end(self, error: BaseException | None = None) -> None: ...


def run(
    worker: Worker,
    commands: Commands,
    title: str,
    look: Callable[[], Snapshot],
    *,
    update_secs: float,
    live: bool,
    report: Report | None = None,
    on_check: Callable[[], object] | None = None,
) -> str:
    """Run a worker until "q" comes, a signal comes or it ends; gives the summary line. `report` is told how it stands.

    "c" writes a line of progress and calls `on_check`. Raises what the worker died of. A first SIGINT or SIGTERM stops it in
    good order, a second one ends the process.
    """
    display = Display(title, look, update_secs, live=live)
    vitals = Vitals(program_name())
    with asked_to_stop(lambda: commands.put("q")):
        worker.start()
        try:
            with display.showing():
                _follow(worker, commands, display, lambda: vitals.beat(worker, look), report, on_check)
        finally:
            vitals.stopping()
            worker.stop(STOP_WITHIN)
            worker.join()
            if report is not None:
                report.end(worker.error)
            vitals.end(worker.error)
    if worker.error is not None:
        raise worker.error
    return display.end()


def _follow(
    worker: Worker,
    commands: Commands,
    display: Display,
    beat: Callable[[], None],
    report: Report | None,
    on_check: Callable[[], object] | None,
) -> None:
    while worker.alive:
        beat()
        if report is not None:
            report.beat()
        try:
            command = commands.get(timeout=_TURN).strip().lower()
        except queue.Empty:
            command = ""
        if command in ("q", "quit"):
            log.info("stopping")
            return
        if command in ("c", "check"):
            display.say()
            if on_check is not None:
                on_check()
        elif command:
            log.info("%r is no command here; q stops, c shows how far it is", command)
        display.tick()


def listen_to_keyboard(commands: Commands) -> None:
    """Take commands from standard input, a line each, for as long as there is any; what is typed goes to the last asker.

    Not at Python's own prompt, where whoever types needs the keyboard afterwards.
    """
    if hasattr(sys, "ps1") or not _may_read_terminal():
        return
    _keyboard.commands = commands
    if not _keyboard.listening:
        _keyboard.listening = True
        threading.Thread(target=_keyboard.listen, name="keyboard", daemon=True).start()


class _Keyboard:
    """Standard input, of which a process has one."""

    def __init__(self) -> None:
        self.commands: Commands = queue.Queue()
        self.listening = False

    def listen(self) -> None:
        try:
            for text in sys.stdin:
                if text.strip():
                    self.commands.put(text)
        except (OSError, ValueError):  # it was closed, or somebody has put another thing in its place
            log.debug("standard input cannot be read", exc_info=True)
        self.listening = False


_keyboard = _Keyboard()


def _may_read_terminal() -> bool:
    """A background job that reads the terminal would be stopped by it; a closed standard input cannot be read."""
    if sys.stdin is None or sys.stdin.closed:
        return False
    try:
        if sys.platform != "win32" and sys.stdin.isatty():
            return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False
    return True


def main(work: Callable[[], int], form: Form = "text", *, watched: bool = False) -> int:
    """The outermost shell of every program: our errors become one line, in this form, and their exit code.

    Of a program that is `watched`, who watches over it is told the error too (pulse.py).
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that a console cannot show is no reason to end
            stream.reconfigure(errors="backslashreplace")
    try:
        end_when_told_early()
        return _leaving(work())
    except OpenMSIStreamError as error:
        if watched:
            Vitals(program_name()).end(error)
        say(str(error), form, error=True)
        return _leaving(error.exit_code)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0
    except Exception as defect:
        if form == "text":
            raise
        say(f"a defect of this program: {type(defect).__name__}: {defect}", form, error=True)
        return 1


def _leaving(code: int) -> int:
    """See to it that the process ends with this code, also when a thread of somebody's code hangs that Python waits for."""

    def leave() -> None:
        threading.main_thread().join()
        time.sleep(_LEAVE_WITHIN)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):
                continue
        os._exit(code)

    if threading.current_thread() is threading.main_thread():
        threading.Thread(target=leave, name="leave", daemon=True).start()
    return code


def wait_until(condition: Callable[[], bool], timeout: float, step: float = 0.02) -> bool:
    """Wait for a condition; False when it does not come true within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(step)
    return True
