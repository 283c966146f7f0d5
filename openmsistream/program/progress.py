"""How far a program is: one snapshot as values, shown live on a terminal or as a line now and then."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, Group

log = logging.getLogger(__name__)

_SHOWN_AT_ONCE = 6
_REFRESH_PER_SECOND = 4


@dataclass(frozen=True, slots=True)
class Item:
    """A file on its way: bytes done of bytes in all."""

    path: str
    done: int
    size: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a program has done since its start and is doing now. `moved` counts bytes of unfinished files too.

    `behind` is how many records of the topic are still to be read, and `behind_bytes` about how many bytes these are; None
    when that is not known, or nothing is read.
    """

    verb: str
    files: int
    bytes: int
    moved: int
    failed: int = 0
    waiting: int = 0
    items: tuple[Item, ...] = ()
    trouble: str = ""
    last: str = ""
    behind: int | None = None
    behind_bytes: int | None = None
    what: str = "files"


class Rate:
    """Bytes a second over the last few seconds, nothing having been moved when it is made."""

    def __init__(self, over: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._over = over
        self._clock = clock
        self._samples: list[tuple[float, int]] = [(clock(), 0)]

    def update(self, moved: int) -> float:
        now = self._clock()
        self._samples.append((now, moved))
        while len(self._samples) > 2 and self._samples[1][0] <= now - self._over:
            self._samples.pop(0)
        began, before = self._samples[0]
        elapsed = now - began
        return (moved - before) / elapsed if elapsed > 0 else 0.0


def size(count: float) -> str:
    """Bytes in words: `1.5 MB`, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def duration(seconds: float) -> str:
    """A time in words: `42 s`, `3 min 5 s`, `2 h 7 min`."""
    whole = int(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def line(now: Snapshot, rate: float) -> str:
    """One line for a log: what was done, how fast, what is going on."""
    parts = [f"{now.verb} {now.files} {now.what}, {size(now.bytes)}", f"{size(rate)}/s"]
    if now.failed:
        parts.append(f"{now.failed} failed")
    if now.waiting:
        parts.append(f"{now.waiting} waiting")
    if now.behind is not None:
        parts.append(behind(now.behind, now.behind_bytes))
    if now.items:
        first = now.items[0]
        more = f" and {len(now.items) - 1} more" if len(now.items) > 1 else ""
        parts.append(f"now {first.path} ({_percent(first)}){more}")
    if now.trouble:
        parts.append(now.trouble)
    return "; ".join(parts)


def behind(records: int, bytes_about: int | None) -> str:
    """How far a reader is behind its topic, in words."""
    if not records:
        return "nothing more to read"
    about = f" (about {size(bytes_about)})" if bytes_about else ""
    return f"{records:,} {'record' if records == 1 else 'records'} behind{about}"


def summary(now: Snapshot, seconds: float) -> str:
    """The last line of a program."""
    rate = f" ({size(now.bytes / seconds)}/s)" if seconds > 0 and now.bytes else ""
    failed = f"; {now.failed} failed" if now.failed else ""
    return f"{now.verb} {now.files} {now.what}, {size(now.bytes)} in {duration(seconds)}{rate}{failed}"


def _percent(item: Item) -> str:
    return f"{100 * item.done // item.size}% of {size(item.size)}" if item.size else "empty"


class Display:
    """The live picture on a terminal, or a line every `every` seconds in the log where there is none (-1: never)."""

    def __init__(self, title: str, look: Callable[[], Snapshot], every: float, *, live: bool) -> None:
        self._title = title
        self._look = look
        self._every = every
        self._live = live
        self._rate = Rate()
        self._line_rate = Rate(over=max(every, 5.0))
        self._began = time.monotonic()
        self._next_line = self._began + every

    def showing(self, console: Console | None = None) -> AbstractContextManager[object]:
        """Show the picture for as long as the `with` lasts, on standard error or below what `console` prints meanwhile."""
        if not self._live:
            return nullcontext()
        from rich.console import Console
        from rich.live import Live

        return Live(
            console=console or Console(stderr=True),
            get_renderable=self._picture,
            refresh_per_second=_REFRESH_PER_SECOND,
            transient=True,
        )

    def tick(self) -> None:
        """Called often: writes a line when it is time for one."""
        now = time.monotonic()
        if self._live or self._every < 0 or now < self._next_line:
            return
        self._next_line = now + self._every
        self.say()

    def say(self) -> None:
        """Write a line now."""
        snapshot = self._look()
        log.info("%s", line(snapshot, self._line_rate.update(snapshot.moved)))

    def end(self) -> str:
        """The summary line."""
        return summary(self._look(), time.monotonic() - self._began)

    def _picture(self) -> Group:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        now = self._look()
        rate = self._rate.update(now.moved)
        head = Text.assemble(
            (self._title, "bold"), "  ", (now.verb, "dim"), f" {now.files} {now.what}, {size(now.bytes)}  ",
            (f"{size(rate)}/s", "green"),
        )  # fmt: skip
        if now.waiting:
            head.append(f"  {now.waiting} waiting", "dim")
        if now.behind:
            head.append(f"  {behind(now.behind, now.behind_bytes)}", "dim")
        if now.failed:
            head.append(f"  {now.failed} failed", "bold red")
        table = Table.grid(padding=(0, 1))
        for item in now.items[:_SHOWN_AT_ONCE]:
            left = (item.size - item.done) / rate if rate > 0 else 0
            table.add_row(
                Text(item.path, overflow="ellipsis", no_wrap=True),
                ProgressBar(total=max(item.size, 1), completed=item.done, width=30),
                f"{size(item.done)} of {size(item.size)}",
                f"{duration(left)} left" if left else "",
            )
        lines: list[Text | Table] = [head]
        if now.items:
            lines.append(table)
        elif now.last:
            lines.append(Text(f"last: {now.last}", "dim", overflow="ellipsis", no_wrap=True))
        if now.trouble:
            lines.append(Text(now.trouble, "bold yellow"))
        return Group(*lines)


def is_terminal() -> bool:
    """Is somebody looking?"""
    return sys.stderr.isatty()


def file_bar(name: str, whole: int, *, live: bool) -> AbstractContextManager[Callable[[int], None]]:
    """A bar for one file of `whole` bytes; gives the function that is told of each further run of bytes."""
    if not live:
        return nullcontext(lambda count: None)
    return _bar(name, whole)


def counting(what: str, whole: int, *, live: bool) -> AbstractContextManager[Callable[[int], None]]:
    """A bar for `whole` things on standard error; gives the function that is told of further ones."""
    if not live:
        return nullcontext(lambda count: None)
    return _count(what, whole)


@contextmanager
def _count(what: str, whole: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(what, total=whole)
        yield lambda count: shown.advance(task, count)


@contextmanager
def _bar(name: str, whole: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as shown:
        task = shown.add_task(name, total=whole)
        yield lambda count: shown.advance(task, count)
