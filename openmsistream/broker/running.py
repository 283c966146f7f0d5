"""Which broker runs in a folder, told from a note that is believed only while its process lives."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from openmsistream.broker.layout import Layout
from openmsistream.broker.settings import BrokerSettings, split_address
from openmsistream.errors import BrokerProcessError


@dataclass(frozen=True)
class RunningBroker:
    """A broker process of this machine."""

    pid: int
    address: str
    """Where programs of this machine reach it: HOST:PORT."""
    advertised: str
    """The address that it tells its clients."""
    version: str
    java: str
    started: str
    """ISO 8601, UTC."""
    settings: BrokerSettings
    log_from: int = 0
    """Where in the log file this start begins."""
    ready: bool = False

    @property
    def data_dir(self) -> Path:
        """The folder where it keeps everything."""
        return self.settings.data_dir

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return split_address(self.address)[1]


def mark(layout: Layout) -> str:
    """The argument by which the broker's process is known: a process number alone may be another program's by now."""
    return f"-Dopenmsistream.broker={layout.root}"


def is_alive(layout: Layout, pid: int) -> bool:
    """Whether that process is the broker of this folder."""
    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and mark(layout) in process.cmdline()
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True  # another user's: better to refuse than to start a second one on the same data


def read_note(layout: Layout) -> RunningBroker | None:
    """The note of the last start, whether that broker lives or not."""
    try:
        note = json.loads(layout.state.read_text(encoding="utf-8"))
        settings = BrokerSettings(**{**note.pop("settings"), "data_dir": layout.root})
        return RunningBroker(**note, settings=settings)
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None  # none, or one of another version: the next start writes it anew


def find_running(layout: Layout) -> RunningBroker | None:
    """The broker that runs in this folder now, ready or still starting."""
    note = read_note(layout)
    return note if note and is_alive(layout, note.pid) else None


def already_running(layout: Layout, running: RunningBroker) -> BrokerProcessError:
    """The refusal of what cannot be done while a broker runs."""
    return BrokerProcessError(
        f"a broker is running in {layout.root} (process {running.pid})", "stop it first: openmsistream broker stop"
    )


def say_started(broker: RunningBroker, say: Callable[[str], None]) -> None:
    """Where it is, and who can reach it."""
    say(f"Apache Kafka {broker.version} is running at {broker.address} (process {broker.pid})")
    if broker.settings.is_public:
        names = [broker.advertised, *([broker.settings.outside] if broker.settings.outside else [])]
        say(
            f"other machines reach it as {' and '.join(names)}; there is no authentication: "
            "whoever can reach it can read and write everything"
        )


def write_note(layout: Layout, broker: RunningBroker) -> None:
    """Keep what the next command must know. The note stays after a stop: the next start takes the same port."""
    note = asdict(broker)
    _replace(layout.state, json.dumps(note, indent=1, default=os.fspath) + "\n")


def write_address(layout: Layout, broker: RunningBroker) -> None:
    """Tell programs that use the packaged config `local` where the broker is."""
    _replace(layout.address, broker.address + "\n")


def _replace(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
