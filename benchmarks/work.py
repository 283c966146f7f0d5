"""What is carried: files of random bytes, made before a run and compared after it; and what a run comes to."""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from blake3 import blake3

CHUNK = 524_288
_FEW = 1000


@dataclass(frozen=True)
class Work:
    """So many files of so many bytes."""

    name: str
    count: int
    size: int

    @property
    def bytes(self) -> int:
        return self.count * self.size


@dataclass(frozen=True)
class Result:
    """One run: seconds from the first byte offered to the last file there; CPU-seconds and peak MB of both programs."""

    seconds: float
    cpu_up: float = 0.0
    cpu_down: float = 0.0
    peak_up: float = 0.0
    peak_down: float = 0.0
    extra: Mapping[str, float] = field(default_factory=dict)


def make_files(folder: Path, work: Work, *, random: bool = True) -> None:
    """The work's files, none like another: of random bytes, or all hole but for the first few."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    block = os.urandom(min(work.size, 32 << 20)) if random else b""
    for number in range(work.count):
        with (folder / f"{number:07}.dat").open("wb") as file:
            file.write(number.to_bytes(8, "little")[: work.size])
            left = work.size - file.tell()
            while random and left > 0:
                left -= file.write(block[: min(left, len(block))])
            file.truncate(work.size)


def verify(source: Path, target: Path) -> None:
    """Every file is the same on both sides."""
    for file in source.iterdir():
        if _digest(file) != _digest(target / file.name):
            raise SystemExit(f"{file.name} is not the same on both sides")


def _digest(file: Path) -> str:
    hasher = blake3()
    with file.open("rb") as opened:
        while data := opened.read(1 << 20):
            hasher.update(data)
    return str(hasher.hexdigest())


def count_visible(folder: Path) -> int:
    """Files that are visible, parts not counted."""
    try:
        return sum(not name.startswith(".") for name in os.listdir(folder))
    except FileNotFoundError:
        return 0


def remove_unless_many(work: Work, *folders: Path) -> None:
    """Deleting many files just before measuring slows creating files several times on ext4: those stay until the end."""
    if work.count < _FEW:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def interleaved(rounds: int, contenders: Mapping[str, Callable[[], Result]]) -> dict[str, list[Result]]:
    """Every contender in turn, so many rounds."""
    results: dict[str, list[Result]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            results[name].append(run())
    return results


def median(results: list[Result], of: Callable[[Result], float]) -> float:
    return statistics.median(of(result) for result in results)


def seconds(result: Result) -> float:
    return result.seconds
