"""SIGINT and SIGTERM: the first one stops a program in good order, a second one at once; one that comes too early ends it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

BEFORE_IT_WORKS = 128 + signal.SIGTERM
"""Exit code of a program that was told to end while it was starting."""


def _at_once(number: int) -> None:
    os._exit(128 + number)  # the ledger is sound either way


@contextmanager
def asked_to_stop(stop: Callable[[], object], again: Callable[[int], object] = _at_once) -> Iterator[None]:
    """Call `stop` on the first SIGINT or SIGTERM, and `again` with the number of each that follows.

    Only the main thread may do that, elsewhere nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = 0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came += 1
        if came > 1:
            again(number)
        else:
            stop()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    if _early.off():  # not before: a signal between the two would be lost
        handle(signal.SIGTERM, None)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_when_told_early() -> None:
    """As process 1, end at once by a SIGTERM that comes before the program listens to it.

    The kernel does nothing for process 1 that it has not asked for, so a container that is still waiting for its broker
    would have to be killed. Any other process ends by SIGTERM without our doing.
    """
    if os.getpid() == 1 and threading.current_thread() is threading.main_thread():
        _early.on()


class _Early:
    """A thread that waits for the signal: the main thread may be inside a library for many seconds."""

    def __init__(self) -> None:
        self._armed = False
        self._started = False
        self._came = False

    def on(self) -> None:
        self._armed = True
        if self._started or sys.platform == "win32":  # which has no containers whose first process this is
            return
        self._started = True
        receiving, sending = os.pipe()
        os.set_blocking(sending, False)
        # a handler has to stand, or the signal would not come at all; what it does is done by the thread
        signal.signal(signal.SIGTERM, self._note)
        signal.set_wakeup_fd(sending, warn_on_full_buffer=False)
        threading.Thread(target=self._wait, args=(receiving,), name="early-signals", daemon=True).start()
        # what became this program may have held signals back until somebody listens (services/container.py)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})

    def off(self) -> bool:
        """Leave the signal to the program; True when one has come that the thread has not got round to."""
        self._armed = False
        return self._came

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._came = True

    def _wait(self, receiving: int) -> None:
        while came := os.read(receiving, 1):
            if self._armed and came[0] == signal.SIGTERM:
                os._exit(BEFORE_IT_WORKS)


_early = _Early()
