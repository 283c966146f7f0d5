"""Start, stop and reset an embedded broker; `foreground.py` runs one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from openmsistream.broker.launch import START_LIMIT, Process, await_ready, launch
from openmsistream.broker.layout import Layout
from openmsistream.broker.lock import exclusive
from openmsistream.broker.running import RunningBroker, already_running, find_running, say_started
from openmsistream.broker.settings import ANY_PORT, BrokerSettings
from openmsistream.errors import BrokerProcessError

STOP_LIMIT = 10.0
"""Seconds for a stop; a tenth of one is usual. Containers are killed after ten."""

_children: dict[int, Process] = {}
"""Brokers that this very process started: it has to collect them when they end, or they stay as zombies."""


def _silent(_line: str) -> None:
    """For callers that want no messages."""


def start(settings: BrokerSettings, *, say: Callable[[str], None] = _silent) -> RunningBroker:
    """Start a broker that goes on when this program ends; where one runs already, that one is returned.

    The first start on a machine fetches Kafka (45 MB). Returns when it answers, after two seconds or so.
    """
    layout = Layout.of(settings.data_dir)
    layout.make()
    _collect_dead_children()
    with exclusive(layout.lock, timeout=2 * START_LIMIT):
        if running := find_running(layout):
            broker = running if running.ready else await_ready(layout, running)
            say(f"the broker is running already at {broker.address} (process {broker.pid})")
            return broker
        process, broker = launch(settings, layout, say)
        _children[process.pid] = process
    say_started(broker, say)
    return broker


def stop(data_dir: Path, timeout: float = STOP_LIMIT) -> bool:
    """End the broker of that folder within `timeout` seconds; False when none was running. Its data stay."""
    layout = Layout.of(data_dir)
    if not layout.root.is_dir():
        return False
    with exclusive(layout.lock, timeout=2 * START_LIMIT):
        broker = find_running(layout)
        if broker:
            end_process(broker.pid, timeout)
        layout.address.unlink(missing_ok=True)
    return broker is not None


def reset(data_dir: Path) -> None:
    """Delete the broker's topics, records and logs; BrokerProcessError while it runs."""
    layout = Layout.of(data_dir)
    if not layout.root.is_dir():
        return
    with exclusive(layout.lock, timeout=2 * START_LIMIT):
        if running := find_running(layout):
            raise already_running(layout, running)
        layout.clear()


@contextmanager
def temporary(data_dir: Path | None = None, *, say: Callable[[str], None] = _silent) -> Iterator[RunningBroker]:
    """A broker on a free port for the time of a `with`; what it wrote is deleted at the end.

    ```
    with temporary() as broker:
        Producer({"bootstrap.servers": broker.address})
    ```
    """
    place = data_dir or Path(tempfile.mkdtemp(prefix="openmsistream-broker-"))
    try:
        yield start(BrokerSettings(place, port=ANY_PORT), say=say)
    finally:
        stop(place)
        Layout.of(place).remove()


def end_process(pid: int, timeout: float) -> None:
    """Ask, wait for most of the time, then end it the hard way; Kafka repairs its storage at the next start."""
    try:
        process = psutil.Process(pid)
        process.terminate()
        try:
            process.wait(0.8 * timeout)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(0.2 * timeout)
    except psutil.NoSuchProcess:
        pass  # it ended meanwhile
    except psutil.AccessDenied as error:
        raise BrokerProcessError(
            f"the broker (process {pid}) belongs to another user", "ask them, or an administrator, to stop it"
        ) from error
    except psutil.TimeoutExpired as error:
        raise BrokerProcessError(f"the broker (process {pid}) did not end within {timeout:.0f} s") from error
    if child := _children.pop(pid, None):
        child.wait()


def _collect_dead_children() -> None:
    for pid, child in list(_children.items()):
        if child.poll() is not None:
            del _children[pid]
