"""The same files carried by each contender in turn: our programs, the raw pipe, rsync's daemon, OpenMSIStream 1.8.8."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from openmsistream.program.run import wait_until

from . import openmsistream_188, rsync
from .bench import MSGPACK, Bench
from .work import (
    CHUNK,
    Result,
    Work,
    count_visible,
    interleaved,
    make_files,
    median,
    remove_unless_many,
    seconds,
    verify,
)

LIMIT = 600.0
_QUIET = 4.0
"""Seconds that files lie before they are moved in: longer than the lag time, as those of an instrument's finished run."""

HEAD = (
    "| work | contender | rate | beside the raw pipe | beside rsync --fsync | CPU-s/GB up / down | peak MB up / down |\n"
    "|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Contenders:
    """Who takes part beside our programs. `checkout`: another version of them. `environment`: OpenMSIStream 1.8.8's."""

    rsync: bool = False
    msgpack: bool = False
    checkout: Path | None = None
    environment: Path | None = None


def transfer(bench: Bench, work: Work, rounds: int, who: Contenders) -> None:
    """The lines of one work."""
    runs: dict[str, Callable[[], Result]] = {
        "raw pipe": lambda: raw_pipe(bench, work),
        "ours": lambda: our_programs(bench, work),
    }
    if who.msgpack:
        runs["ours, msgpack wire"] = lambda: our_programs(bench, work, MSGPACK)
    if who.checkout is not None:
        runs[f"ours, {who.checkout}"] = lambda: our_programs(bench, work, checkout=who.checkout)
    if who.rsync:
        runs["rsync daemon"] = lambda: rsync.copy(bench, work)
        runs["rsync daemon --fsync"] = lambda: rsync.copy(bench, work, "--fsync")
    if who.environment is not None:
        environment = who.environment
        runs["OpenMSIStream 1.8.8"] = lambda: openmsistream_188.carry(bench, work, environment)
    found = interleaved(rounds, runs)
    for name, results in found.items():
        print(_line(work, name, results, found), flush=True)


def _line(work: Work, name: str, results: list[Result], found: dict[str, list[Result]]) -> str:
    took = median(results, seconds)
    rate = f"{work.bytes / took / 1e6:.0f} MB/s" + (f", {work.count / took:.0f} files/s" if work.count > 1000 else "")
    gigabytes = work.bytes / 1e9
    up, down = (median(results, of) / gigabytes for of in (lambda r: r.cpu_up, lambda r: r.cpu_down))
    peaks = [max(of(r) for r in results) for of in (lambda r: r.peak_up, lambda r: r.peak_down)]
    return (
        f"| {work.name} | {name} | {rate} | {_beside(took, found.get('raw pipe'))} | "
        f"{_beside(took, found.get('rsync daemon --fsync'))} | {up:.2f} / {down:.2f} | "
        + (f"{peaks[0]:.0f} / {peaks[1]:.0f} |" if peaks[0] else "|")
    )


def _beside(took: float, other: list[Result] | None) -> str:
    return "" if not other else f"{median(other, seconds) / took:.2f}"


def our_programs(bench: Bench, work: Work, more: str = "", checkout: Path | None = None) -> Result:
    """From files that appear in one folder to the same files, durable and verified, in another."""
    folders = bench.folders()
    make_files(folders.stock / "run", work)
    topic = bench.topic()
    with bench.programs(folders, topic, more, checkout) as (up, down):
        time.sleep(_QUIET)
        up.reset()
        down.reset()
        began = time.perf_counter()
        (folders.stock / "run").rename(folders.source / "run")
        arrived = folders.target / "run"
        if not wait_until(lambda: count_visible(arrived) == work.count, LIMIT, 0.005):
            raise SystemExit(f"{work.name}: only {count_visible(arrived)} of {work.count} files came")
        result = Result(time.perf_counter() - began, up.cpu, down.cpu, up.peak_mb, down.peak_mb)
    verify(folders.source / "run", arrived)
    bench.drop(topic)
    remove_unless_many(work, folders.source, folders.target)
    return result


def raw_pipe(bench: Bench, work: Work) -> Result:
    """The yardstick: the same bytes from memory through the same broker, consumed and dropped."""
    size = min(CHUNK, work.size)
    records = work.count * -(-work.size // CHUNK)
    partitions = min(4, work.count)  # a file has one partition, here as there
    topic = bench.topic()
    command = [sys.executable, "-m", "benchmarks.raw_pipe"]
    arguments = [bench.bootstrap, topic, str(records), str(size), str(partitions)]
    both = [
        subprocess.Popen([*command, role, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for role in ("consume", "produce")
    ]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    (down, cpu_down), (up, cpu_up) = ([float(word) for word in p.communicate()[0].split()] for p in both)
    bench.drop(topic)
    return Result(max(up, down), cpu_up, cpu_down)
