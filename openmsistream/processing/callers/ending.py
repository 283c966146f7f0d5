"""A process and all that it started, as one thing that can be ended: what each system has for that."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_STOPPING = (signal.SIGINT, signal.SIGTERM)

if sys.platform == "win32":
    import psutil

    def stand_alone() -> None:
        """Nothing to do: the tree of processes is looked for when it is to be ended."""

    def end_all(pid: int) -> None:
        """End a process and what it started, at once."""
        try:
            top = psutil.Process(pid)
            family = [*top.children(recursive=True), top]
        except psutil.NoSuchProcess:
            return
        for member in family:
            try:
                member.kill()
            except psutil.NoSuchProcess:
                pass

    @contextmanager
    def interrupts_held_back() -> Iterator[None]:
        """Nothing to do: what a terminal sends cannot be held back here."""
        yield

    def let_interrupts_through() -> None:
        """Nothing to do: see `interrupts_held_back`."""

    def tell_where_it_is(fd: int) -> None:
        """Nothing to do: a process cannot be asked from outside here."""

    def ask_where_it_is(pid: int) -> None:
        """Nothing to do: see `tell_where_it_is`."""

else:
    from multiprocessing import resource_tracker

    def stand_alone() -> None:
        """Lead a session of one's own: signals of the terminal stay away, and `end_all` reaches what is started."""
        os.setsid()

    def end_all(pid: int) -> None:
        """End a process and what it started, at once; one that has ended already may have left others behind."""
        for end in (os.killpg, os.kill):  # it may not have come as far as `stand_alone`
            try:
                end(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):  # macOS: the latter for a group of zombies
                continue
            return

    @contextmanager
    def interrupts_held_back() -> Iterator[None]:
        """Hold them back from this thread meanwhile, and from a process that is started, until it lets them through."""
        resource_tracker.ensure_running()  # it comes with the first process, and would let them through too early
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def let_interrupts_through() -> None:
        """In a process that was started under `interrupts_held_back`: it has handlers now."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)

    def tell_where_it_is(fd: int) -> None:
        """Write the stacks of all threads there when asked, also while the interpreter's lock is held."""
        faulthandler.register(signal.SIGUSR1, file=fd)

    def ask_where_it_is(pid: int) -> None:
        """Ask a process that did `tell_where_it_is`; one that did not is ended by that."""
        os.kill(pid, signal.SIGUSR1)


def end_with(lifeline: int) -> None:
    """On Linux the kernel ends this process and what it started when the other end of this pipe is closed.

    A thread that waits for the same cannot do it while the user's code holds the interpreter's lock.
    """
    if sys.platform == "linux":
        import fcntl

        fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


def leave_stopping_to_the_parent() -> None:
    """SIGINT and SIGTERM do nothing here: a terminal or systemd sends them to all, and the parent decides.

    Handlers rather than SIG_IGN, which programs started from here would inherit; forked processes get the usual ones.
    """
    usual = [signal.getsignal(number) for number in _STOPPING]
    for number in _STOPPING:
        signal.signal(number, _nothing)

    def as_usual() -> None:
        for number, handler in zip(_STOPPING, usual, strict=True):
            signal.signal(number, handler)
        let_interrupts_through()

    if sys.platform != "win32":

        def hold_back() -> None:
            # one that comes to the forked process before its handlers are there would be lost: Pool.terminate hung so
            signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)

        os.register_at_fork(before=hold_back, after_in_parent=let_interrupts_through, after_in_child=as_usual)


def _nothing(number: int, frame: FrameType | None) -> None:
    pass


def in_words(exit_code: int) -> str:
    """How a process ended: by which signal, or with which exit code."""
    if exit_code >= 0:
        shown = f"{exit_code} (0x{exit_code:08X})" if exit_code > 255 else str(exit_code)  # Windows: an NTSTATUS
        return f"its process ended with exit code {shown}"
    name = signal.strsignal(-exit_code) or "unknown"
    words = f"its process was ended by signal {-exit_code} ({name.lower()})"
    return f"{words}; the system does so when memory is short" if exit_code == -9 else words
