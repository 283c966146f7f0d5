"""A broker in the foreground, as containers and services run it: watched, and ended by a signal."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Callable

from openmsistream.broker.control import STOP_LIMIT, end_process
from openmsistream.broker.launch import START_LIMIT, Process, gone, launch
from openmsistream.broker.layout import Layout
from openmsistream.broker.lock import exclusive
from openmsistream.broker.logs import LogReader, troubles
from openmsistream.broker.probe import answers
from openmsistream.broker.running import RunningBroker, already_running, find_running, say_started
from openmsistream.broker.settings import BrokerSettings
from openmsistream.program.progress import Snapshot
from openmsistream.program.pulse import EVERY, Vitals
from openmsistream.program.signals import asked_to_stop

log = logging.getLogger(__name__)

SHOWN_AT_ONCE = 10
"""Warnings of Kafka that are passed on at one look: a disk in trouble makes thousands, and they stand in its log."""

_TURN = 0.5


def run(settings: BrokerSettings, *, say: Callable[[str], None] = lambda _line: None) -> int:
    """Run a broker in the foreground until SIGTERM or SIGINT (Ctrl-C), for containers and service units.

    Returns 0 after such a signal; BrokerProcessError when one runs there already, or when it ends by itself. A second
    signal ends it the hard way. Signs of life are given while it answers, and Kafka's warnings are passed on to the log.
    """
    layout = Layout.of(settings.data_dir)
    layout.make()
    asked = _Asked()
    with asked_to_stop(asked.politely, asked.again):
        with exclusive(layout.lock, timeout=2 * START_LIMIT):
            if running := find_running(layout):
                raise already_running(layout, running)
            try:
                asked.process, broker = launch(settings, layout, say)
            except KeyboardInterrupt:  # told to end before it was up
                # `launch` has ended what it began, unless that was in the moment between its end and this line
                if left := find_running(layout):
                    end_process(left.pid, STOP_LIMIT)
                return 0
        say_started(broker, say)
        code = _watch(asked.process, asked, broker, layout)
    layout.address.unlink(missing_ok=True)
    if asked.times:
        say("the broker has stopped")
        return 0
    raise gone("the broker ended by itself", f"exit code {code}", layout)


class _Asked:
    """Signals that end the broker: the first one politely, those that follow at once."""

    def __init__(self) -> None:
        self.times = 0
        self.process: Process | None = None
        self._deadline = float("inf")

    def politely(self) -> None:
        self.times += 1
        self._deadline = time.monotonic() + 0.8 * STOP_LIMIT
        if self.process is None:
            raise KeyboardInterrupt  # still starting
        self.process.terminate()

    def again(self, _number: int) -> None:
        self.times += 1
        if self.process is not None:
            self.process.kill()

    @property
    def overdue(self) -> bool:
        return time.monotonic() > self._deadline


def _watch(process: Process, asked: _Asked, broker: RunningBroker, layout: Layout) -> int:
    """Give signs of life and pass warnings on until the process has ended; its exit code."""
    vitals, answering = Vitals("the broker"), _Answering(broker.address)
    reader = LogReader(layout.log, layout.log.stat().st_size)  # what it said before it was ready is of no interest now
    try:
        while True:
            try:
                return process.wait(timeout=_TURN)
            except subprocess.TimeoutExpired:
                _pass_on(reader, layout)
            if asked.overdue:
                process.kill()
            elif asked.times:
                vitals.stopping()
            elif answering.still():
                vitals.beat(answering, answering.snapshot)
    finally:
        _pass_on(reader, layout)
        vitals.end(None if asked.times else f"it ended by itself; its log is {layout.log}")


class _Answering:
    """Does the broker answer? Asked every two seconds; a change is told."""

    def __init__(self, address: str) -> None:
        self.turned: float | None = None
        self._address = address
        self._due = 0.0
        self._silent = False

    def still(self) -> bool:
        now = time.monotonic()
        if now >= self._due:
            self._due = now + EVERY
            silent = not answers(self._address)
            if silent and not self._silent:
                log.error("the broker at %s does not answer; no sign of life is given any more", self._address)
            elif self._silent and not silent:
                log.warning("the broker answers again")
            self._silent = silent
            if not silent:
                self.turned = now
        return not self._silent

    def snapshot(self) -> Snapshot:
        return Snapshot("served", 0, 0, 0)


def _pass_on(reader: LogReader, layout: Layout) -> None:
    seen = troubles(reader.new_lines())
    for one in seen[:SHOWN_AT_ONCE]:
        log.log(logging.WARNING if one.grade == "WARN" else logging.ERROR, "Kafka: %s", one.text)
    if len(seen) > SHOWN_AT_ONCE:
        log.warning("Kafka: %d more of that kind in %s", len(seen) - SHOWN_AT_ONCE, layout.log)
