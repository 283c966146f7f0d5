"""From the close of a 10 kB file to its being visible on the other side, one file after the other."""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from .bench import Bench, one_file
from .work import Work, make_files

HEAD = "| close() to visible, 10 kB | files | p50 | p99 |\n|---|---|---|---|"
_PAUSE = 0.02
LOCAL = "[producer]\nlinger.ms = 1\n"
"""What the packaged configuration `local` says beside the address."""


@dataclass(frozen=True)
class Situation:
    """What else goes on: nothing for so many seconds before, or so many bytes of one file on their way."""

    name: str
    files: int
    silence: float = 0.0
    busy_bytes: int = 0


def latency(bench: Bench, situation: Situation, rounds: int, more: str = LOCAL, checkout: Path | None = None) -> None:
    """One line of the table: medians over the rounds."""
    runs = [_run(bench, situation, more, checkout) for _ in range(rounds)]
    p50, p99 = (statistics.median(_quantile(run, part) for run in runs) * 1000 for part in (0.5, 0.99))
    files = sum(map(len, runs))
    name = situation.name + (f", {checkout}" if checkout is not None else "")
    print(f"| {name} | {files} | {p50:.1f} ms | {p99:.1f} ms |", flush=True)


def _run(bench: Bench, situation: Situation, more: str, checkout: Path | None) -> list[float]:
    folders = bench.folders()
    topic = bench.topic()
    data = os.urandom(10_000)
    latencies: list[float] = []
    with bench.programs(folders, topic, more, checkout):
        busy = folders.target / "busy.dat"
        if situation.busy_bytes:
            make_files(folders.stock, Work("busy", 1, situation.busy_bytes))
            time.sleep(4.0)
            next(folders.stock.iterdir()).rename(folders.source / busy.name)
        time.sleep(situation.silence)
        for number in range(situation.files):
            if situation.busy_bytes and busy.exists():
                break
            latencies.append(one_file(folders, f"point-{number}.dat", data))
            time.sleep(_PAUSE)
    bench.drop(topic)
    return sorted(latencies)


def _quantile(ordered: list[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
