"""Who runs the code: how many side by side, in threads or in processes of their own, and for how long at most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from openmsistream.errors import UsageError

from .callers.in_thread import InThread
from .command_lines import WORKERS
from .work import Caller, Work


@dataclass(frozen=True)
class Workers:
    """`count` workers of a kind, "threads" or "process"; `timeout` in seconds for one run. Raises UsageError."""

    count: int = 2
    kind: str = WORKERS[0]
    timeout: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in WORKERS:
            raise UsageError(f"workers {self.kind!r} are not known", f"choose one of {', '.join(WORKERS)}")
        if self.count < 1:
            raise UsageError(f"{self.count} workers do nothing", "take at least one")
        if self.timeout is not None and self.kind != "process":
            raise UsageError(
                "a thread cannot be ended after a timeout", 'set workers="process" (--workers process) too'
            )
        if self.timeout is not None and not self.timeout > 0:
            raise UsageError(f"a timeout of {self.timeout} s leaves no time", "give a number of seconds above zero")

    def __str__(self) -> str:
        return f"{self.count} {self.kind}"

    def callers(self, work: Work, again: Callable[[], Work]) -> Sequence[Caller]:
        """What runs the work, one for each worker. `again` makes it in another process. Raises ConfigError."""
        if self.kind == "process":
            from .callers.in_process import in_processes

            return in_processes(again, self.timeout, self.count)
        return [InThread(work) for _ in range(self.count)]
