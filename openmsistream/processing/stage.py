"""Whole files on their way through somebody's code: versions of a path in order, attempts, retries, workers side by side."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from openmsistream.errors import UsageError
from openmsistream.files.reassembly import Contradiction
from openmsistream.ledger.received import ReceivedFile
from openmsistream.transfer.disk import Target
from openmsistream.transfer.finishing import ending_of
from openmsistream.transfer.incoming import AtWork, Incoming, WrongDigest
from openmsistream.transfer.stage import Ended, Ending, Finished

from .attempts import Attempts
from .file import File
from .keeping import Keeping, NotKept
from .work import Caller, Outcome, Result

log = logging.getLogger(__name__)

_MOST_WAITING = 128
"""Whole files that may wait for a worker; beyond it nothing more is read. A commit can name 280 unfinished ones."""

_WAITING_SHARE = 4
"""So much of the memory (one part in four) may be whole files that wait: with more, new ones would have to go to disk."""

_LONGEST_WAIT = 60.0

_LEAVE_WITHIN = 0.5
"""Seconds that all workers together have for leaving: one that is in somebody's code cannot be ended anyway."""

_BEHIND = "an earlier version of it comes first"

MOST_DEATHS = 3
"""After how many deaths of the program while its function ran on a file that file is not run any more."""

MISMATCHED = "mismatched_hash"
FAILED = "failed"
UNSENT = "producing_message_failed"
UNCOMPUTED = "computing_result_message_failed"
"""Kinds of failures, as the lists that OpenMSIStream keeps call them."""


class Callbacks(Protocol):
    """Who is told of what went wrong, in a worker's thread."""

    def failed(self, file: File, outcome: Outcome) -> None:
        """The code has failed on this file for the last time."""
        ...

    def mismatched(self, file: File, reason: str) -> None:
        """All of this file has come, and its digest is not the sender's."""
        ...

    def refused(self, result: Result) -> str | None:
        """Why this result of a file cannot be sent; None when it can."""
        ...


@dataclass(frozen=True)
class Patience:
    """How often a failed run is tried again, and the seconds before the first time; each further wait is twice as long."""

    retries: int = 2
    first_wait: float = 1.0

    def __post_init__(self) -> None:
        if self.retries < 0:
            raise UsageError(f"{self.retries} retries are less than none", "give a number of zero or more")

    def wait(self, attempts: int) -> float:
        """Seconds to wait after so many attempts."""
        return min(_LONGEST_WAIT, self.first_wait * 2.0 ** (attempts - 1))


@dataclass(eq=False)
class Task:
    """A whole file and how often it was tried. `counted`: its bytes among those that wait in memory.

    `since` then it runs, or it is tried `again` (Unix times) after a `failure`.
    """

    incoming: Incoming
    attempts: int = 0
    file: File | None = None
    dropped: bool = False
    counted: int | None = None
    since: float = 0.0
    again: float | None = None
    failure: str = ""


class ProcessingStage(Ended):
    """Runs somebody's code on whole files: one thread for each caller. See `transfer.stage.Stage`.

    Versions of one path are run one after another. `attempts` is told of a run before it begins; `deaths` says by
    generation how often the program died in one.
    """

    def __init__(
        self, callers: Sequence[Caller], keeping: Keeping, callbacks: Callbacks, patience: Patience, attempts: Attempts,
        deaths: Mapping[str, int], *, clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        super().__init__()
        self._callers = callers
        self._keeping = keeping
        self._callbacks = callbacks
        self._patience = patience
        self._attempts = attempts
        self._deaths = dict(deaths)
        self._clock = clock
        self._serials = itertools.count()
        self._tasks: dict[int, Task] = {}
        self._ready: deque[Task] = deque()
        self._behind: dict[str, deque[Task]] = {}
        self._later: list[tuple[float, int, Task]] = []
        self._running: dict[int, Task] = {}
        self._waiting = self._waiting_bytes = 0
        self._ending = False
        self._most_bytes = keeping.memory_limit // _WAITING_SHARE
        self._threads = [
            threading.Thread(target=self._work, args=(slot, caller), name=f"worker-{slot}", daemon=True)
            for slot, caller in enumerate(callers)
        ]
        for thread in self._threads:
            thread.start()

    # -- for the receiving thread --------

    @property
    def full(self) -> bool:
        return self._waiting >= _MOST_WAITING or self._waiting_bytes >= self._most_bytes > 0

    @property
    def busy(self) -> bool:
        return bool(self._tasks)

    def submit(self, incoming: Incoming) -> None:
        task = Task(incoming)
        with self._changed:
            self._tasks[id(incoming)] = task
            if incoming.path in self._behind:
                self._behind[incoming.path].append(task)
                return
            self._behind[incoming.path] = deque()
            self._make_ready(task)

    def drain(self, timeout: float) -> bool:
        """Begin nothing more and wait for what is running; what goes on then runs again next time, and is not to blame."""
        self._attempts.clear()
        with self._changed:
            self._ending = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._running or self.error is not None, timeout)

    def hand_over(self, timeout: float) -> bool:
        """Nobody waits for somebody's code."""
        return True

    def still_runs(self, incoming: Incoming) -> bool:
        with self._changed:
            task = self._tasks.get(id(incoming))
            if task is None or task.dropped:
                return False
            if any(task is running for running in self._running.values()):
                return True
            task.dropped = True
            task.file = None
            self._count_no_more(task)
            del self._tasks[id(incoming)]
            if any(task is later for _, _, later in self._later):  # nobody behind it waits until it would be due
                self._later = [entry for entry in self._later if entry[2] is not task]
                heapq.heapify(self._later)
                self._let_pass(task)
            self._changed.notify_all()
            return False

    def write_back(self, incoming: Incoming, target: Target) -> None:
        """Large files are synced when they are whole."""

    def close(self) -> None:
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self._attempts.clear()
        for caller in self._callers:
            caller.close()
        deadline = time.monotonic() + _LEAVE_WITHIN
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))  # one that stays touches nothing of ours any more

    def kept(self, row: ReceivedFile) -> Incoming | None:
        return self._keeping.kept(row)

    # -- for whoever wants to see, from other threads --------

    @property
    def running(self) -> list[str]:
        """The paths on which the code runs now."""
        return [task.incoming.path for task in list(self._running.values())]

    @property
    def waiting(self) -> int:
        """Whole files that wait for a worker."""
        return self._waiting

    def at_work(self, incoming: Incoming) -> AtWork:
        """Where a whole file is: it waits, runs, waits to be tried again, or has run and is about to be committed."""
        with self._changed:
            task = self._tasks.get(id(incoming))
            if task is None:
                return incoming.at_work("finishing")
            if task in self._running.values():
                return replace(incoming.at_work("running"), since=task.since, attempts=task.attempts)
            if task.again is not None:
                waits = incoming.at_work("waiting")
                return replace(waits, reason=task.failure, until=task.again, attempts=task.attempts)
            is_behind = task in self._behind.get(incoming.path, ())
            return replace(incoming.at_work("waiting"), reason=_BEHIND if is_behind else "")

    # -- workers ---------------------------------------------------------------------------------------

    def _work(self, slot: int, caller: Caller) -> None:
        target = Target(self._keeping.root)
        try:
            while (task := self._next(slot)) is not None:
                finished = self._attempt(task, slot, caller, target)
                target.trim()
                self._ended(slot, task, finished)
        except BaseException as error:
            log.debug("worker ended", exc_info=True)
            with self._changed:
                self.error = self.error or error
                self._running.pop(slot, None)
                self._changed.notify_all()
        finally:
            target.close()

    def _next(self, slot: int) -> Task | None:
        """What to run next; None at the end."""
        with self._changed:
            while not self._ending:
                task, patience = self._due()
                if task is None:
                    self._changed.wait(patience)
                elif task.dropped:
                    self._let_pass(task)
                else:
                    self._running[slot] = task
                    task.since = time.time()
                    return task
            return None

    def _due(self) -> tuple[Task | None, float | None]:
        """A task that may run now, or the seconds until one that is to be tried again."""
        now = self._clock()
        if self._later and self._later[0][0] <= now:
            return heapq.heappop(self._later)[2], None
        if self._ready:
            task = self._ready.popleft()
            self._count_no_more(task)
            return task, None
        return None, self._later[0][0] - now if self._later else None

    def _ended(self, slot: int, task: Task, finished: Finished | None) -> None:
        with self._changed:
            self._running.pop(slot, None)
            if finished is not None:
                self._results.append(finished)
                self._let_pass(task)
            elif not self._ending:
                wait = self._patience.wait(task.attempts)
                due, task.again = self._clock() + wait, time.time() + wait
                heapq.heappush(self._later, (due, next(self._serials), task))
            self._changed.notify_all()

    def _let_pass(self, task: Task) -> None:
        """This one is over: the next version of its path may run."""
        self._tasks.pop(id(task.incoming), None)
        behind = self._behind[task.incoming.path]
        if behind:
            self._make_ready(behind.popleft())
        else:
            del self._behind[task.incoming.path]

    def _make_ready(self, task: Task) -> None:
        """It waits for nothing but a worker. One that waits for another version is not counted: it would stop other files."""
        task.counted = task.incoming.size if task.incoming.in_memory else 0
        self._waiting += 1
        self._waiting_bytes += task.counted
        self._ready.append(task)
        self._changed.notify_all()

    def _count_no_more(self, task: Task) -> None:
        if task.counted is not None:
            self._waiting -= 1
            self._waiting_bytes -= task.counted
            task.counted = None

    def _attempt(self, task: Task, slot: int, caller: Caller, target: Target) -> Finished | None:
        """Run the code once; None when it is to be tried again, or was cut short by the end of the program."""
        incoming = task.incoming
        if task.file is None:
            try:
                task.file = self._keeping.whole(incoming, target)
            except (WrongDigest, Contradiction) as error:
                reason = str(error)
                self._tell(lambda: self._callbacks.mismatched(self._keeping.as_it_is(incoming), reason))
                return Finished(incoming, Ending.FAILED, reason, kind=MISMATCHED)
            except OSError as error:
                reason = error.strerror or str(error)
                if not isinstance(error, NotKept):
                    reason = f"it cannot be kept while it is processed: {reason}"
                ending = ending_of(error)
                if ending is Ending.FAILED:
                    self._tell(
                        lambda: self._callbacks.failed(self._keeping.as_it_is(incoming), Outcome(failure=reason))
                    )
                return Finished(incoming, ending, reason, kind=FAILED)
        if (deaths := self._deaths.pop(incoming.generation, 0)) >= MOST_DEATHS:
            return self._failed(task, task.file, Outcome(failure=_killer(deaths)))
        task.attempts += 1
        self._attempts.begin(slot, incoming.generation, incoming.path)
        outcome = _in_unicode(caller.run(task.file))
        self._attempts.end(slot)
        _release(task.file)
        if outcome.result is not None and (refused := self._callbacks.refused(outcome.result)) is not None:
            outcome = Outcome(failure=refused, final=True, kind=UNSENT)
        if outcome.failure is None:
            return Finished(incoming, Ending.DELIVERED, attempts=task.attempts, result=outcome.result)
        if self._ending:
            return None  # it may have failed because everything ends
        if outcome.final or task.attempts > self._patience.retries:
            return self._failed(task, task.file, outcome)
        task.failure = outcome.failure
        log.warning(
            "%s: attempt %d of %d failed: %s; it is tried again in %.0f s", incoming.path, task.attempts,
            self._patience.retries + 1, outcome.failure, self._patience.wait(task.attempts),
        )  # fmt: skip
        return None

    def _failed(self, task: Task, file: File, outcome: Outcome) -> Finished:
        self._tell(lambda: self._callbacks.failed(file, outcome))
        return Finished(
            task.incoming,
            Ending.FAILED,
            outcome.failure or "",
            task.attempts,
            outcome.kind or FAILED,
            outcome.trace or None,
        )

    def _tell(self, tell: Callable[[], None]) -> None:
        """Call somebody's callback; what it raises is only said."""
        try:
            tell()
        except BaseException:  # somebody's code, which may call for the end of the program as well
            log.warning("a callback for failures has failed itself", exc_info=True)


def _in_unicode(outcome: Outcome) -> Outcome:
    """The same with words that can be written: a message may hold a name from the disk that is not valid UTF-8."""
    if outcome.failure is None:
        return outcome
    failure, trace = (text.encode("utf-8", "backslashreplace").decode() for text in (outcome.failure, outcome.trace))
    return replace(outcome, failure=failure, trace=trace)


def _release(file: File) -> None:
    try:
        file.release()
    except OSError as error:  # somebody's code holds it open (Windows), or has made of it what it likes
        log.warning("%s: the copy that its run had on disk cannot be removed: %s", file.path, error)


def _killer(deaths: int) -> str:
    return f"the program has died {deaths} times while the function ran on it, so it is not run any more"


def attempts_file(ledger: Path) -> Path:
    """Where the attempts are written down, beside the ledger."""
    return ledger.with_suffix(".attempts")
