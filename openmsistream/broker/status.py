"""What a running broker is doing, and the limits it works within."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil

from openmsistream.broker.layout import Layout
from openmsistream.broker.running import RunningBroker, find_running
from openmsistream.errors import OpenMSIStreamError

ANSWER_LIMIT = 5.0
"""Seconds to wait for the list of topics."""


@dataclass(frozen=True)
class BrokerStatus:
    """One look at a running broker."""

    broker: RunningBroker
    data_bytes: int
    """What its records take on the disk."""
    free_bytes: int
    """What is left on that disk."""
    memory_bytes: int
    topics: tuple[str, ...] | None
    """None when it did not answer; Kafka's own topics are left out."""
    trouble: str = ""
    """Why it did not answer."""

    def as_dict(self) -> dict[str, object]:
        """For `status --json`: numbers in bytes, hours and megabytes as their names say."""
        broker, settings = self.broker, self.broker.settings
        return {
            "running": True,
            "address": broker.address,
            "advertised": broker.advertised,
            "outside": settings.outside,
            "version": broker.version,
            "pid": broker.pid,
            "started": broker.started,
            "java": broker.java,
            "data_dir": str(broker.data_dir),
            "data_bytes": self.data_bytes,
            "free_bytes": self.free_bytes,
            "memory_bytes": self.memory_bytes,
            "heap_mb": settings.heap_mb,
            "retention_hours": settings.retention_hours,
            "retention_bytes_per_partition": int(settings.retention_gb * 1e9),
            "log": str(Layout.of(broker.data_dir).log),
            "topics": list(self.topics) if self.topics is not None else None,
            "trouble": self.trouble,
        }

    def lines(self) -> list[str]:
        """For people."""
        broker, settings = self.broker, self.broker.settings
        facts = {
            "address": broker.address,
            "advertised": broker.advertised if broker.advertised != broker.address else "",
            "outside": settings.outside or "",
            "version": f"Apache Kafka {broker.version}",
            "process": f"{broker.pid}, started {broker.started}",
            "java": broker.java,
            "memory": f"{_size(self.memory_bytes)}, of which Java objects take {settings.heap_mb} MB at most",
            "data": f"{_size(self.data_bytes)} in {broker.data_dir} ({_size(self.free_bytes)} are free there)",
            "retention": f"{_period(settings.retention_hours)}, and {settings.retention_gb:g} GB in each partition; "
            "what is older goes, unless a topic has its own limits",
            "log": str(Layout.of(broker.data_dir).log),
            "topics": self._topics_line(),
        }
        return [f"{name + ':':<11} {fact}" for name, fact in facts.items() if fact]

    def _topics_line(self) -> str:
        if self.topics is None:
            return f"unknown: {self.trouble}"
        return f"{len(self.topics)}: {', '.join(self.topics)}" if self.topics else "none yet"


def status(data_dir: Path) -> BrokerStatus | None:
    """How the broker of that folder is; None when none is running."""
    layout = Layout.of(data_dir)
    broker = find_running(layout)
    if broker is None:
        return None
    topics, trouble = _topics(broker)
    return BrokerStatus(
        broker=broker,
        data_bytes=size_on_disk(layout.records),
        free_bytes=shutil.disk_usage(layout.root).free,
        memory_bytes=_memory(broker.pid),
        topics=topics,
        trouble=trouble,
    )


def size_on_disk(folder: Path) -> int:
    """Bytes that a tree takes. Kafka's index files are mostly holes, so their length would say too much."""
    total = 0
    for place, _folders, names in os.walk(folder):
        for name in names:
            try:
                stat = os.stat(os.path.join(place, name))
            except FileNotFoundError:
                continue  # Kafka deletes old segments at any time
            blocks: int | None = getattr(stat, "st_blocks", None)  # Windows does not tell
            total += stat.st_size if blocks is None else blocks * 512
    return total


def _topics(broker: RunningBroker) -> tuple[tuple[str, ...] | None, str]:
    from openmsistream.kafka.admin import topic_names

    if not broker.ready:
        return None, "it is still starting"
    try:
        names = topic_names(broker.address, ANSWER_LIMIT)
    except OpenMSIStreamError as error:
        return None, str(error)
    return tuple(sorted(name for name in names if not name.startswith("__"))), ""


def _memory(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _size(count: int) -> str:
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"


def _period(hours: int) -> str:
    return f"{hours // 24} days" if hours % 24 == 0 and hours >= 48 else f"{hours} hours"
