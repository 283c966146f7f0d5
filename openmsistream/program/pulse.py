"""Signs of life for who watches over a program: a small file, as a container's health check reads it, and systemd's word.

A supervisor sets the environment: OPENMSISTREAM_HEALTH_FILE names the file, systemd sets NOTIFY_SOCKET. Where neither is
set, nobody watches and nothing is done. Signs are given while the work itself goes round, not while this process merely
exists: a worker that stands still for `STALLED_AFTER` seconds gives none.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from .notify import Notifier
from .progress import Snapshot

log = logging.getLogger(__name__)

FILE_VARIABLE = "OPENMSISTREAM_HEALTH_FILE"

STALLED_AFTER = 60.0
"""Seconds after which a worker that has not come round counts as stalled: above the longest wait for one slow disk call."""

EVERY = 2.0
"""Seconds between two signs."""

LATE = 30.0
"""Seconds without a sign after which a program that should run is taken for dead."""

FORM = 1

State = Literal["running", "stopping", "ended"]


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a program says of itself. Times are Unix times; `trouble` is why nothing moves just now, `error` why it ended."""

    program: str
    pid: int
    started: float
    updated: float
    state: State = "running"
    files: int = 0
    failed: int = 0
    trouble: str = ""
    error: str = ""


class Watched(Protocol):
    """A worker whose loop can be seen to go round."""

    @property
    def turned(self) -> float | None:
        """When it last did, by `time.monotonic()`; None when it has not begun to."""
        ...


def file_of(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The file that the environment names; None when nobody wants one."""
    named = environ.get(FILE_VARIABLE)
    return Path(named) if named else None


def read(file: Path) -> Pulse | None:
    """What the program last said; None when it never did, or in a form that is not known here."""
    try:
        if not file.is_file():  # nor a pipe that somebody put there, which would be waited for
            return None
        said = json.loads(file.read_text(encoding="utf-8"))
        if said.pop("form") != FORM or not isinstance(said["updated"], int | float):
            return None
        return Pulse(**said)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def judge(pulse: Pulse | None, now: float, max_age: float = LATE) -> tuple[bool, str]:
    """Is a program with this pulse healthy, and a line that says why."""
    if pulse is None:
        return False, "no program has said yet that it runs"
    age = now - pulse.updated
    if pulse.state == "ended":
        return False, f"{pulse.program} has ended{f': {pulse.error}' if pulse.error else ''}"
    if age > max_age:
        return False, f"{pulse.program} (process {pulse.pid}) stands still: its last sign of life is {age:.0f} s old"
    if age < -max_age:  # one that lives soon says so by the clock as it is now
        return False, f"{pulse.program} (process {pulse.pid}) has given no sign of life since the clock was set back"
    if pulse.state == "stopping":
        return True, f"{pulse.program} is stopping"
    return True, f"{pulse.program}: {_told(pulse)}"


def _told(pulse: Pulse) -> str:
    text = (f"{pulse.files} done" if pulse.files else "at work") + (f", {pulse.failed} failed" if pulse.failed else "")
    return f"{text}; {pulse.trouble}" if pulse.trouble else text


class Vitals:
    """Gives the signs of one program to whoever the environment names; all by one thread."""

    def __init__(
        self,
        program: str,
        environ: Mapping[str, str] = os.environ,
        *,
        steady: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._steady = steady
        self._wall = wall
        now = wall()
        self._said = Pulse(program, os.getpid(), now, now)
        self._file = file_of(environ)
        if self._file is not None and _belongs_to_another(self._file, now):
            self._file = None
        self._notifier = Notifier.of(environ)
        self._every = EVERY if self._notifier is None else min(EVERY, self._notifier.within / 3)
        self._due = float("-inf")
        self._stalled = False
        self._ready = False
        self._is_told = False

    @property
    def wanted(self) -> bool:
        """Does anybody watch?"""
        return self._file is not None or self._notifier is not None

    def beat(self, worker: Watched, look: Callable[[], Snapshot]) -> None:
        """Say that it runs, when it is time to and the worker goes round."""
        now = self._steady()
        if not self.wanted or now < self._due:
            return
        self._due = now + self._every
        turned = worker.turned
        still = 0.0 if turned is None else now - turned
        if still > STALLED_AFTER:
            if not self._stalled:
                log.error("the work stands still since %.0f s; no sign of life is given any more", still)
            self._stalled = True
            return
        if self._stalled:
            log.warning("the work goes on")
            self._stalled = False
        seen = look()
        self._write(replace(self._said, state="running", files=seen.files, failed=seen.failed, trouble=seen.trouble))
        if self._notifier is None:
            return
        status = _told(self._said)
        if turned is None:  # what a first start has to read through may take longer than systemd waits
            self._notifier.say(EXTEND_TIMEOUT_USEC=str(int(LATE * 1e6)), STATUS="starting")
        elif self._ready:
            self._notifier.say(WATCHDOG="1", STATUS=status)
        else:
            self._notifier.say(READY="1", STATUS=status)
            self._ready = True

    def stopping(self) -> None:
        """Say that it is about to end in good order."""
        if self._said.state == "running":
            self._write(replace(self._said, state="stopping"))
            if self._notifier is not None:
                self._notifier.say(STOPPING="1", STATUS="stopping")

    def end(self, error: BaseException | str | None = None) -> None:
        """Say the last word."""
        text = "" if error is None else str(error)
        self._write(replace(self._said, state="ended", error=text))
        if text and self._notifier is not None:
            self._notifier.say(STATUS=text)

    def _write(self, said: Pulse) -> None:
        self._said = replace(said, updated=self._wall())
        if self._file is None:
            return
        beside = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        try:
            beside.write_text(json.dumps({"form": FORM, **asdict(self._said)}), encoding="ascii")
            os.replace(beside, self._file)
        except OSError as error:
            log.log(
                logging.DEBUG if self._is_told else logging.WARNING,
                "no sign of life can be written to %s: %s; %s may name another file",
                self._file, error.strerror, FILE_VARIABLE,
            )  # fmt: skip
            self._is_told = True


def program_name() -> str:
    """What this process was started as."""
    return Path(sys.argv[0]).stem or "openmsistream"


def _belongs_to_another(file: Path, now: float) -> bool:
    """Does a program that runs beside this one keep the file? Then it stays that one's."""
    import psutil  # not needed by who only reads the file, every few seconds

    pulse = read(file)
    return (
        pulse is not None
        and pulse.pid != os.getpid()
        and pulse.state != "ended"
        and abs(now - pulse.updated) < LATE
        and psutil.pid_exists(pulse.pid)
    )
