"""Start, stop, run and reset an embedded broker."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import psutil

from openmsistream.broker.launch import START_LIMIT, Process, await_ready, launch
from openmsistream.broker.layout import Layout
from openmsistream.broker.lock import exclusive
from openmsistream.broker.running import RunningBroker, find_running
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
    _say_started(broker, say)
    return broker


def stop(data_dir: Path, timeout: float = STOP_LIMIT) -> bool:
    """End the broker of that folder within `timeout` seconds; False when none was running. Its data stay."""
    layout = Layout.of(data_dir)
    if not layout.root.is_dir():
        return False
    with exclusive(layout.lock, timeout=2 * START_LIMIT):
        broker = find_running(layout)
        if broker:
            _end(broker.pid, timeout)
        layout.address.unlink(missing_ok=True)
    return broker is not None


def run(settings: BrokerSettings, *, say: Callable[[str], None] = _silent) -> int:
    """Run a broker in the foreground until SIGTERM or SIGINT (Ctrl-C), for containers and service units.

    Returns 0 after such a signal; BrokerProcessError when one runs there already, or when it ends by itself.
    """
    layout = Layout.of(settings.data_dir)
    layout.make()
    asked = _Asked()
    with asked.listening():
        with exclusive(layout.lock, timeout=2 * START_LIMIT):
            if running := find_running(layout):
                raise _still_running(layout, running)
            try:
                process, broker = launch(settings, layout, say)
            except KeyboardInterrupt:
                return 0  # asked to end before it was up; `launch` ended what it had begun
        asked.process = process
        _say_started(broker, say)
        code = asked.wait_for(process)
    layout.address.unlink(missing_ok=True)
    if asked.times:
        say("the broker has stopped")
        return 0
    raise BrokerProcessError(f"the broker ended by itself (exit code {code})", f"its log is {layout.log}")


def reset(data_dir: Path) -> None:
    """Delete the broker's topics, records and logs; BrokerProcessError while it runs."""
    layout = Layout.of(data_dir)
    if not layout.root.is_dir():
        return
    with exclusive(layout.lock, timeout=2 * START_LIMIT):
        if running := find_running(layout):
            raise _still_running(layout, running)
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


class _Asked:
    """The signals that end a broker in the foreground: the first one politely, the second at once."""

    def __init__(self) -> None:
        self.times = 0
        self.process: Process | None = None
        self._deadline = float("inf")

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.times += 1
        self._deadline = time.monotonic() + 0.8 * STOP_LIMIT
        if self.process is None:
            raise KeyboardInterrupt  # still starting: `launch` ends what it began
        if self.times > 1:
            self.process.kill()
        else:
            self.process.terminate()

    @contextmanager
    def listening(self) -> Iterator[None]:
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._on_signal) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def wait_for(self, process: Process) -> int:
        while True:
            try:
                return process.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                if time.monotonic() > self._deadline:
                    process.kill()


def _end(pid: int, timeout: float) -> None:
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


def _still_running(layout: Layout, running: RunningBroker) -> BrokerProcessError:
    return BrokerProcessError(
        f"a broker is running in {layout.root} (process {running.pid})", "stop it first: openmsistream broker stop"
    )


def _collect_dead_children() -> None:
    for pid, child in list(_children.items()):
        if child.poll() is not None:
            del _children[pid]


def _say_started(broker: RunningBroker, say: Callable[[str], None]) -> None:
    say(f"Apache Kafka {broker.version} is running at {broker.address} (process {broker.pid})")
    if broker.settings.is_public:
        say(
            f"other machines reach it as {broker.advertised}; there is no authentication: "
            "whoever can reach it can read and write everything"
        )
