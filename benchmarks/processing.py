"""What somebody's code on every file costs: beside the download of the same topic, in turns."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

from openmsistream.program.run import wait_until

from .bench import Bench
from .processes import Measured, running
from .work import Result, Work, count_visible, interleaved, make_files, median, seconds

HEAD = (
    "| work | contender | rate | beside | CPU-s/GB or /1,000 files | peak MB |\n"
    "|---|---|---|---|---|---|"
)  # fmt: skip
LIMIT = 600.0
_ALL_THERE = 8.0
"""Seconds until two processes have started and shared the partitions."""


LARGE = Work("64 x 32 MiB", 64, 32 << 20)
SMALL = Work("10,000 x 10 kB", 10_000, 10_000)
WAITING = Work("800 files, 50 ms each", 800, 1000)
ONE = Work("one file of 400 MB", 1, 400_000_000)
HALF = Work("one file of 200 MB", 1, 200_000_000)


@dataclass(frozen=True)
class Filled:
    """A topic that holds the files of a work, sent before anything is measured."""

    bench: Bench
    work: Work
    topic: str

    @classmethod
    def of(cls, bench: Bench, work: Work) -> Filled:
        made = cls(bench, work, bench.topic())
        made.fill()
        return made

    def fill(self) -> None:
        """Send the files."""
        folders, work = self.bench.folders(), self.work
        make_files(folders.source / "run", work)
        with self.bench.uploader(folders, self.topic, "", None, "--upload_existing"):
            chunks = work.count * max(1, -(-work.size // 524_288))
            if not wait_until(lambda: sum(self.bench.ends(self.topic)) >= chunks, LIMIT, 0.2):
                raise SystemExit(f"{work.name}: not all was sent")

    def download(self) -> Result:
        """All of it into a folder."""
        folders = self.bench.folders()
        arrived = folders.target / "run"
        with self.bench.downloader(folders, self.topic) as down:
            wait_until(lambda: count_visible(arrived) > 0, LIMIT, 0.002)
            first, before = time.monotonic(), count_visible(arrived)
            wait_until(lambda: count_visible(arrived) == self.work.count, LIMIT, 0.005)
            took = (time.monotonic() - first) * self.work.count / max(1, self.work.count - before)
            return Result(took, cpu_down=down.cpu, peak_down=down.peak_mb)

    def process(
        self, kind: str = "process", sleep: float = 0.0, processes: int = 1, *, fill_after: float = 0.0
    ) -> Result:
        """All of it through a function; with `fill_after` the files are sent so many seconds after the start."""
        folders = self.bench.folders()
        group = folders.target.name
        told = [folders.stock / f"said-{number}" for number in range(processes)]
        with ExitStack() as stack:
            programs = [
                stack.enter_context(self._program(kind, folders.target / str(n), group, said, sleep))
                for n, said in enumerate(told)
            ]
            if fill_after:
                time.sleep(fill_after)
                self.fill()
            if not wait_until(lambda: sum(_said(file)["done"] for file in told) >= self.work.count, LIMIT, 0.01):
                raise SystemExit(f"{self.work.name}: only {[_said(file) for file in told]} were done")
            said = [_said(file) for file in told]
            last, at_first = max(s["last"] for s in said), sum(s["at_first"] for s in said)
            if self.work.count == 1:
                took = last - said[0]["began"]
            else:
                took = (last - min(s["first"] for s in said)) * self.work.count / (self.work.count - at_first)
            return Result(took, cpu_down=sum(p.cpu for p in programs), peak_down=max(p.peak_mb for p in programs))

    def _program(
        self, kind: str, output: Path, group: str, said: Path, sleep: float
    ) -> AbstractContextManager[Measured]:
        arguments = [kind, str(self.bench.config()), self.topic, str(output), group, str(said), str(sleep)]
        return running([sys.executable, "-m", "benchmarks.processors", *arguments], self.bench.place / "process.log")


def _said(file: Path) -> dict[str, float]:
    try:
        return json.loads(file.read_text())  # type: ignore[no-any-return]
    except FileNotFoundError:
        return {"done": 0}


def processing(bench: Bench, rounds: int, only: str) -> None:
    """The lines of all works whose names contain `only`."""
    print(HEAD, flush=True)
    if only in LARGE.name:
        filled = Filled.of(bench, LARGE)
        _compare(filled, rounds, {"download to disk": filled.download, "a function that counts": filled.process})
        bench.drop(filled.topic)
    if only in SMALL.name:
        filled = Filled.of(bench, SMALL)
        runs = {
            "download to disk": filled.download,
            "a function that returns at once": filled.process,
            "reproducer": lambda: filled.process("reproduce"),
        }
        _compare(filled, rounds, runs)
        bench.drop(filled.topic)
    if only in WAITING.name:
        runs = {
            name: lambda processes=processes: Filled(bench, WAITING, bench.topic()).process(  # type: ignore[misc]
                sleep=0.05, processes=processes, fill_after=_ALL_THERE
            )
            for name, processes in (("one process", 1), ("two processes of one group", 2))
        }
        _compare(Filled(bench, WAITING, ""), rounds, runs)
    for work in (HALF, ONE):
        if only in work.name:
            filled = Filled.of(bench, work)
            _compare(filled, rounds, {"a function that counts": filled.process})
            bench.drop(filled.topic)


def _compare(filled: Filled, rounds: int, runs: Mapping[str, Callable[[], Result]]) -> None:
    work, found = filled.work, interleaved(rounds, runs)
    first = median(next(iter(found.values())), seconds)
    for name, results in found.items():
        took, cpu = median(results, seconds), median(results, lambda r: r.cpu_down)
        rate = f"{work.count / took:.0f} files/s" if work.size < 1 << 20 else f"{work.bytes / took / 1e6:.0f} MB/s"
        cost = f"{cpu / work.count * 1000:.2f} /1,000" if work.size < 1 << 20 else f"{cpu / work.bytes * 1e9:.2f} /GB"
        print(
            f"| {work.name} | {name} | {rate}, {took:.2f} s | {first / took:.2f} | {cost} | "
            f"{max(r.peak_down for r in results):.0f} |", flush=True,
        )  # fmt: skip
