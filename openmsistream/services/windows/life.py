"""The life of a Windows service: its program is started, watched and ended, and Windows is told at each step.

The program is a process of its own: somebody's code may crash, hang or end the process, and the one that speaks with
Windows has to outlive that. It is asked to end by the word "q" on its standard input, which every program of this package
takes: signals do not exist for a service, and a console, which a Ctrl-Break would need, it does not have.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import psutil

from openmsistream.program import pulse
from openmsistream.services.service import Service

from .log import RoundFile
from .plan import STOP_WITHIN, Folder

WATCHDOG = 60.0
"""Seconds without a sign of life after which the program is ended: it stops giving them after 60 of standstill."""

STARTED_WITHIN = 15.0
"""Seconds after which a program that has not ended counts as started, though it gave no sign yet: its broker may be away."""

FAILED_TO_START = 1
STALLED = 70
KILLED = 71
"""Exit codes of ours: the program could not be started, stood still, or was ended from outside."""

NOT_MENDED_BY_STARTING = (2,)
"""Exit codes after which it is not started again: the command line is wrong."""

STAY = "stay"
"""A file beside `life.json`: the start that Windows has planned after a failure is not wanted any more."""

STAYS_FOR = 900.0
"""Seconds that this counts: longer than the longest wait for a start after a failure."""

_TURN = 0.2
_TELL_EVERY = 1.0
_TRIES = 5
_FORM = 1

EventLevel = Literal["info", "error"]


class Windows(Protocol):
    """Who is told how it stands. `within`: seconds in which the next word comes."""

    def starting(self, within: float) -> None: ...

    def running(self) -> None: ...

    def stopping(self, within: float) -> None: ...

    def event(self, level: EventLevel, text: str) -> None:
        """A line for the event log."""


@dataclass(frozen=True, slots=True)
class Life:
    """How a service began and ended, for who asks later. Unix times; `failures`: so many since the last end in good order."""

    started: float
    pid: int = 0
    ended: float | None = None
    exit_code: int | None = None
    error: str = ""
    failures: int = 0

    def write(self, file: Path) -> None:
        """Keep it; a full disk is no reason to end."""
        beside = file.with_suffix(".new")
        for _ in range(_TRIES):
            try:
                beside.write_text(json.dumps({"form": _FORM, **asdict(self)}), encoding="ascii")
                os.replace(beside, file)
            except PermissionError:  # somebody reads it at this moment, which Windows does not allow
                time.sleep(_TURN)
            except OSError:
                return
            else:
                return

    @classmethod
    def read(cls, file: Path) -> Life | None:
        """What was kept; None when nothing was."""
        try:
            said = json.loads(file.read_text(encoding="ascii"))
            return cls(**said) if said.pop("form") == _FORM else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None


class Hosting:
    """Runs the program of a service once. `run` gives the exit code that Windows is told: 0, and it is not started again."""

    def __init__(
        self, service: Service, folder: Folder, values: Mapping[str, str], windows: Windows,
        *, environ: Mapping[str, str] = os.environ, stop_within: float = STOP_WITHIN,
    ) -> None:  # fmt: skip
        self._service = service
        self._folder = folder
        self._values = values
        self._windows = windows
        self._environ = environ
        self._stop_within = stop_within
        self._asked = threading.Event()
        self._stalled = False

    def stop(self) -> None:
        """Have it end in good order; from any thread."""
        self._asked.set()

    def run(self) -> int:
        self._windows.starting(_TELL_EVERY * 5)
        before = Life.read(self._folder.life)
        self._folder.run.mkdir(parents=True, exist_ok=True)
        log = RoundFile(self._folder.log)
        try:
            if is_to_stay(self._folder):
                log.say("INFO", "it was stopped while it waited for its next start")
                return 0
            return self._hosted(log, 0 if before is None else before.failures)
        finally:
            log.close()

    # -- step by step --------------------------------------------------------------------------------------

    def _hosted(self, log: RoundFile, failures: int) -> int:
        _forget(self._folder.health)
        life = Life(time.time(), failures=failures)
        try:
            program = self._started()
        except OSError as error:
            text = f"{self._service.command[0]} cannot be started: {error.strerror or error}"
            self._ended(replace(life, error=text), FAILED_TO_START, log)
            return FAILED_TO_START
        life = replace(life, pid=program.pid)
        life.write(self._folder.life)
        log.say("INFO", f"service {self._service.name} starts {self._service.target} (process {program.pid})")
        pump = threading.Thread(target=_pump, args=(program, log), name="messages", daemon=True)
        pump.start()
        self._watched(program, life.started)
        if program.poll() is None:
            self._brought_to_its_end(program, log)
        code = program.wait()
        pump.join(2.0)  # a grandchild that lives on may hold the pipe open
        return self._ended(life, code, log)

    def _started(self) -> subprocess.Popen[bytes]:
        environ = {
            "OPENMSISTREAM_STATE_DIR": str(self._folder.state),
            **self._environ, **self._service.environ, **self._values,
            pulse.FILE_VARIABLE: str(self._folder.health),
            "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1",
        }  # fmt: skip
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.CREATE_NO_WINDOW
        return subprocess.Popen(
            self._service.command, cwd=self._service.folder, env=environ, creationflags=flags,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def _watched(self, program: subprocess.Popen[bytes], since: float) -> None:
        """Go round until it ends, stands still or has to stop."""
        began, told, running = time.monotonic(), 0.0, False
        while program.poll() is None and not self._asked.wait(_TURN):
            now = time.monotonic()
            said = self._said(since)
            if not running and (said is not None or now - began >= STARTED_WITHIN):
                running = True
                self._windows.running()
                self._windows.event("info", f"{self._service.name} runs")
            elif not running and now - told >= _TELL_EVERY:
                told = now
                self._windows.starting(_TELL_EVERY * 5)
            if self._service.watched and _stands_still(said, time.time()):
                self._stalled = True
                return

    def _said(self, since: float) -> pulse.Pulse | None:
        """What the program said of itself; what one before it said does not count."""
        said = pulse.read(self._folder.health)
        return said if said is not None and said.started >= since - 1 else None

    def _brought_to_its_end(self, program: subprocess.Popen[bytes], log: RoundFile) -> None:
        """Ask it to end, and end it when it does not; one that stands still is not asked."""
        if self._stalled:
            log.say("ERROR", f"no sign of life for {WATCHDOG:.0f} s: it is ended, and started again")
            kill(program)
            return
        log.say("INFO", "service is to stop")
        _ask(program)
        deadline = time.monotonic() + self._stop_within
        told = 0.0
        while program.poll() is None and time.monotonic() < deadline:
            if time.monotonic() - told >= _TELL_EVERY:
                told = time.monotonic()
                self._windows.stopping(_TELL_EVERY * 5)
            time.sleep(_TURN / 4)
        if program.poll() is None:
            log.say(
                "WARNING",
                f"it did not end within {self._stop_within:.0f} s, and is killed; what it had not finished is done again",
            )
            kill(program)

    def _ended(self, life: Life, code: int, log: RoundFile) -> int:
        """Note how it ended, and decide what Windows is told."""
        asked = self._asked.is_set()
        if self._stalled:
            code = STALLED
        elif code < 0 or code > 0x7FFFFFFF:
            code = KILLED  # by a signal, or by a crash, whose code Windows takes from far above
        good = asked or code == 0
        error = "" if good else life.error or _error_of(self._said(life.started)) or f"exit code {code}"
        Life(life.started, life.pid, time.time(), 0 if asked else code, error, 0 if good else life.failures + 1).write(
            self._folder.life
        )
        if good:
            log.say("INFO", "service has stopped")
            self._windows.event("info", f"{self._service.name} has stopped")
            return 0
        again = code not in NOT_MENDED_BY_STARTING
        text = f"{self._service.name} ended with {code}: {error}"
        log.say("WARNING", f"{text}; it is {'started again soon' if again else 'not started again: install it anew'}")
        self._windows.event("error", text)
        return code if again else 0


def stay_stopped(folder: Folder) -> None:
    """Have the start that Windows has planned after a failure come to nothing: Windows itself cannot be told that."""
    folder.run.mkdir(parents=True, exist_ok=True)
    (folder.run / STAY).write_text(str(time.time()), encoding="ascii")


def may_start(folder: Folder) -> None:
    """Take `stay_stopped` back."""
    (folder.run / STAY).unlink(missing_ok=True)


def is_to_stay(folder: Folder) -> bool:
    """Was that said a short while ago? It counts once."""
    try:
        said = float((folder.run / STAY).read_text(encoding="ascii"))
        may_start(folder)
    except (OSError, ValueError):
        return False
    return time.time() - said < STAYS_FOR


def kill(program: subprocess.Popen[bytes]) -> None:
    """End it and what it has started: on Windows a program is a small one that starts Python, which starts Python."""
    try:
        family = [*psutil.Process(program.pid).children(recursive=True), psutil.Process(program.pid)]
    except psutil.NoSuchProcess:
        return
    for one in family:
        try:
            one.kill()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue


def _ask(program: subprocess.Popen[bytes]) -> None:
    assert program.stdin is not None
    try:
        program.stdin.write(b"q\n")
        program.stdin.flush()
    except OSError:  # it has closed its standard input, or has ended
        return


def _forget(health: Path) -> None:
    """Take away the signs of life of a program that was killed: Windows soon gives its number to another process."""
    try:
        health.unlink(missing_ok=True)
    except OSError:  # somebody reads it at this moment; what is in it is old, and does not count
        return


def _pump(program: subprocess.Popen[bytes], log: RoundFile) -> None:
    assert program.stdout is not None
    for line in program.stdout:
        log.add(line)


def _stands_still(said: pulse.Pulse | None, now: float) -> bool:
    return said is not None and said.state == "running" and now - said.updated > WATCHDOG


def _error_of(said: pulse.Pulse | None) -> str:
    return said.error if said is not None else ""
