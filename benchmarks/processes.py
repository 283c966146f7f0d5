"""Programs under measurement: started as processes of their own, with their CPU-seconds and peak memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass
class Measured:
    """A running program. CPU-seconds count from the last `reset`."""

    process: subprocess.Popen[bytes]
    _before: float = 0.0

    def reset(self) -> None:
        self._before = self._cpu()

    @property
    def cpu(self) -> float:
        """CPU-seconds (user and system) since the last `reset`."""
        return self._cpu() - self._before

    @property
    def peak_mb(self) -> float:
        """Peak resident memory in MB since the process began (Linux; elsewhere the present one)."""
        status = Path(f"/proc/{self.process.pid}/status")
        if status.exists():
            for line in status.read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 1000
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6

    def _cpu(self) -> float:
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)


@contextmanager
def running(module: str, arguments: Sequence[str], log: Path) -> Iterator[Measured]:
    """Run `python -m module arguments` until the `with` ends; its words go to `log`."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
        try:
            yield Measured(process)
        finally:
            process.terminate()
            process.wait(20)
