"""The workloads, each run by every contender in turn, several times, and verified."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic

from openmsistream.files import digest
from openmsistream.program.run import wait_until

from .processes import Measured, running
from .raw_pipe import PARTITIONS

CHUNK = 524_288
_LIMIT = 300.0
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


@dataclass
class Result:
    """One run: seconds from the first byte offered to the last file there; CPU-seconds and MB of both programs."""

    seconds: float
    cpu_up: float
    cpu_down: float
    peak_up: float = 0.0
    peak_down: float = 0.0
    extra: dict[str, float] = field(default_factory=dict)


class Bench:
    """A broker's address and a folder to work in."""

    def __init__(self, bootstrap: str, place: Path) -> None:
        self.bootstrap = bootstrap
        self.place = place
        self._admin = AdminClient({"bootstrap.servers": bootstrap})
        self._number = 0
        self._config = place / "bench.config"
        self._config.write_text(f"[broker]\nbootstrap.servers = {bootstrap}\n[producer]\nlinger.ms = 1\n")

    def topic(self) -> str:
        """A new topic."""
        self._number += 1
        name = f"bench-{self._number}"
        self._admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result(10)
        return name

    def drop(self, topic: str) -> None:
        self._admin.delete_topics([topic])[topic].result(10)

    def raw_pipe(self, work: Work) -> Result:
        """The yardstick for this work."""
        size = min(CHUNK, work.size)
        records = work.count * -(-work.size // CHUNK)
        topic = self.topic()
        command = [sys.executable, "-m", "benchmarks.raw_pipe"]
        arguments = [self.bootstrap, topic, str(records), str(size)]
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
        self.drop(topic)
        return Result(max(up, down), cpu_up, cpu_down)

    def ours(self, work: Work) -> Result:
        """The two programs, from files that appear in one folder to the same files in another."""
        source, target, stock = self._folders()
        make_files(stock / "run", work)
        topic = self.topic()
        with self._programs(source, target, topic) as (up, down):
            self._warm(source, target)
            time.sleep(4)  # the files made above are older than the lag time then, as an instrument's finished run is
            up.reset()
            down.reset()
            began = time.perf_counter()
            (stock / "run").rename(source / "run")
            arrived = target / "run"
            if not wait_until(lambda: _count(arrived) == work.count, _LIMIT, 0.005):
                raise SystemExit(f"{work.name}: only {_count(arrived)} of {work.count} files came")
            seconds = time.perf_counter() - began
            result = Result(seconds, up.cpu, down.cpu, up.peak_mb, down.peak_mb)
        verify(source / "run", arrived)
        self.drop(topic)
        if work.count < _FEW:  # deleting many just before measuring slows creating files several times on ext4
            shutil.rmtree(source)
            shutil.rmtree(target)
        return result

    def latency(self, count: int, busy_bytes: int = 0) -> Result:
        """Seconds from close() of a 10 kB file to its being visible, one after the other; with a large file on its way too."""
        source, target, stock = self._folders()
        topic = self.topic()
        data = os.urandom(10_000)
        latencies: list[float] = []
        with self._programs(source, target, topic) as (up, down):
            self._warm(source, target)
            if busy_bytes:
                make_files(stock, Work("busy", 1, busy_bytes))
                time.sleep(4)
                (stock / "00000.dat").rename(source / "busy.dat")
            up.reset()
            down.reset()
            began = time.perf_counter()
            for number in range(count):
                if busy_bytes and (target / "busy.dat").exists():
                    break
                latencies.append(_one_file(source, target, f"point-{number}.dat", data))
                time.sleep(0.02)
            latencies.sort()
            extra = {
                "p50": latencies[len(latencies) // 2],
                "p99": latencies[int(len(latencies) * 0.99)],
                "n": len(latencies),
            }
            result = Result(time.perf_counter() - began, up.cpu, down.cpu, up.peak_mb, down.peak_mb, extra)
        self.drop(topic)
        return result

    def _folders(self) -> tuple[Path, Path, Path]:
        """Fresh folders to send from, to receive in, and to make files in beside them."""
        folders = tuple(self.place / f"{name}-{self._number}" for name in ("source", "target", "stock"))
        for folder in folders:
            folder.mkdir()
        return folders

    def _programs(self, source: Path, target: Path, topic: str) -> _Pair:
        return _Pair(self._config, source, target, topic, self.place)

    def _warm(self, source: Path, target: Path) -> None:
        """Files through both programs until they come at once: what was there before the start is not sent."""
        for number in range(100):
            (source / f"warm-{number}").write_bytes(b"warm")
            if wait_until((target / f"warm-{number}").exists, 0.5):
                break
        for number in range(3):
            _one_file(source, target, f"warmed-{number}", b"warm")


class _Pair:
    """Both programs while a `with` lasts."""

    def __init__(self, config: Path, source: Path, target: Path, topic: str, place: Path) -> None:
        common = ["--config", str(config), "--topic_name", topic]
        self._up = running("openmsistream.transfer.upload_directory", [str(source), *common], place / "up.log")
        self._down = running("openmsistream.transfer.download_directory", [str(target), *common], place / "down.log")

    def __enter__(self) -> tuple[Measured, Measured]:
        return self._up.__enter__(), self._down.__enter__()

    def __exit__(self, *exc: object) -> None:
        self._up.__exit__(None, None, None)
        self._down.__exit__(None, None, None)


def _one_file(source: Path, target: Path, name: str, data: bytes) -> float:
    with (source / name).open("wb") as file:
        file.write(data)
    closed = time.perf_counter()
    if not wait_until((target / name).exists, 60.0, 0.0002):
        raise SystemExit(f"{name} did not come within a minute")
    return time.perf_counter() - closed


def make_files(folder: Path, work: Work) -> None:
    """The work's files, of random bytes, none like another."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    block = os.urandom(min(work.size, 32 << 20))
    for number in range(work.count):
        with (folder / f"{number:05}.dat").open("wb") as file:
            left = work.size
            file.write(number.to_bytes(8, "little"))
            left -= 8
            while left > 0:
                left -= file.write(block[: min(left, len(block))])


def verify(source: Path, target: Path) -> None:
    """Every file is the same on both sides."""
    for file in source.iterdir():
        if _digest(file) != _digest(target / file.name):
            raise SystemExit(f"{file.name} is not the same on both sides")


def _digest(file: Path) -> str:
    hasher = digest.new()
    with file.open("rb") as opened:
        while data := opened.read(1 << 20):
            hasher.update(data)
    return digest.text(hasher)


def _count(folder: Path) -> int:
    """Files that are visible, parts not counted."""
    try:
        return sum(not name.startswith(".") for name in os.listdir(folder))
    except FileNotFoundError:
        return 0


def interleaved(rounds: int, contenders: dict[str, Callable[[], Result]]) -> dict[str, list[Result]]:
    """Every contender in turn, so many rounds."""
    results: dict[str, list[Result]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            results[name].append(run())
    return results


def median(results: list[Result], of: Callable[[Result], float]) -> float:
    return statistics.median(of(result) for result in results)
