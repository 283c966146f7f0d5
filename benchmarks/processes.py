"""Programs under measurement: started as processes of their own, with their CPU-seconds and peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass
class Measured:
    """A running program. CPU-seconds and the peak of its memory count from the last `reset`."""

    process: subprocess.Popen[bytes]
    _before: float = 0.0

    def reset(self) -> None:
        self._before = self._cpu()
        try:  # Linux: begin the peak anew
            Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")
        except OSError:
            pass

    @property
    def cpu(self) -> float:
        """CPU-seconds (user and system) since the last `reset`."""
        return self._cpu() - self._before

    @property
    def peak_mb(self) -> float:
        """Peak resident memory in MB (Linux; elsewhere the present one)."""
        status = Path(f"/proc/{self.process.pid}/status")
        if status.exists():
            for line in status.read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024 / 1e6
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6

    def _cpu(self) -> float:
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)


@contextmanager
def running(command: Sequence[str], log: Path, within: Path | None = None) -> Iterator[Measured]:
    """Run a command until the `with` ends, in the folder `within` if there is one; its words go to `log`."""
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=within)
        try:
            yield Measured(process)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def ours(program: str, arguments: Sequence[str]) -> list[str]:
    """The command for one of our programs; the checkout in whose folder it is run is the one that runs."""
    return [sys.executable, "-m", f"openmsistream.transfer.{program}", *arguments]


def used_by_children() -> float:
    """CPU-seconds of all child processes that have ended."""
    times = os.times()
    return times.children_user + times.children_system
