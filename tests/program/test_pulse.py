"""Signs of life for who watches over a program."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from openmsistream.program.notify import Notifier
from openmsistream.program.progress import Snapshot
from openmsistream.program.pulse import STALLED_AFTER, Pulse, Vitals, judge, read

NOW = 1_800_000_000.0


@dataclass
class Clock:
    time: float = 1000.0

    def __call__(self) -> float:
        return self.time


@dataclass
class Worker:
    turned: float | None = 1000.0


def look(trouble: str = "") -> Snapshot:
    return Snapshot(verb="sent", files=3, bytes=4096, moved=4096, failed=1, trouble=trouble)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "health"


def vitals_of(file: Path, clock: Clock, **environ: str) -> Vitals:
    return Vitals("Up", {"OPENMSISTREAM_HEALTH_FILE": str(file), **environ}, steady=clock, wall=lambda: NOW)


def test_the_file_tells_how_it_stands(file: Path) -> None:
    vitals_of(file, Clock()).beat(Worker(), lambda: look("no broker"))
    assert read(file) == Pulse("Up", os.getpid(), NOW, NOW, "running", 3, 1, "no broker")


def test_a_sign_is_given_every_two_seconds_and_not_more_often(file: Path) -> None:
    clock = Clock()
    vitals = vitals_of(file, clock)
    vitals.beat(Worker(), look)
    file.unlink()
    clock.time += 1.9
    vitals.beat(Worker(), look)
    assert not file.exists()
    clock.time += 0.2
    vitals.beat(Worker(), look)
    assert file.exists()


def test_a_worker_that_stands_still_gives_no_sign_until_it_goes_on(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    vitals = vitals_of(file, clock)
    worker = Worker()
    clock.time += STALLED_AFTER + 1
    vitals.beat(worker, look)
    assert not file.exists()
    assert "the work stands still since 61 s" in caplog.text
    worker.turned = clock.time = clock.time + 5
    vitals.beat(worker, look)
    assert file.exists()
    assert "the work goes on" in caplog.text


def test_a_worker_that_has_not_begun_to_turn_is_starting_and_lives(file: Path) -> None:
    clock = Clock()
    vitals = vitals_of(file, clock)
    clock.time += 3 * STALLED_AFTER
    vitals.beat(Worker(None), look)
    assert file.exists()


def test_the_end_is_told_with_its_error(file: Path) -> None:
    vitals = vitals_of(file, Clock())
    vitals.beat(Worker(), look)
    vitals.stopping()
    stopping = read(file)
    assert stopping is not None
    assert stopping.state == "stopping"
    vitals.end(ValueError("the disk is full"))
    ended = read(file)
    assert ended is not None
    assert (ended.state, ended.error, ended.files) == ("ended", "the disk is full", 3)


def test_the_file_of_a_program_that_runs_beside_is_left_to_it(file: Path) -> None:
    other = Pulse("Other", os.getppid(), NOW, NOW - 5)
    file.write_text(json.dumps({"form": 1, **{name: getattr(other, name) for name in other.__slots__}}))
    vitals_of(file, Clock()).beat(Worker(), look)
    assert read(file) == other


@pytest.mark.parametrize(
    "change",
    [{"updated": NOW - 60}, {"updated": NOW + 60}, {"state": "ended"}, {"pid": 2**22 + 1}],
    ids=["silent", "of a clock that was set back", "ended", "gone"],
)
def test_the_file_of_a_program_that_is_gone_is_taken_over(file: Path, change: dict[str, object]) -> None:
    other = replace(Pulse("Other", os.getppid(), NOW, NOW - 5), **change)  # type: ignore[arg-type]
    file.write_text(json.dumps({"form": 1, **{name: getattr(other, name) for name in other.__slots__}}))
    vitals_of(file, Clock()).beat(Worker(), look)
    said = read(file)
    assert said is not None
    assert said.program == "Up"


def test_a_file_that_cannot_be_written_is_told_once_and_no_trouble_for_the_work(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "missing" / "health"
    vitals = vitals_of(place, Clock())
    vitals.beat(Worker(), look)
    vitals.end()
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told == [
        f"no sign of life can be written to {place}: No such file or directory; "
        "OPENMSISTREAM_HEALTH_FILE may name another file"
    ]


def test_without_anybody_who_watches_nothing_is_looked_at() -> None:
    def unwanted() -> Snapshot:
        raise AssertionError("nobody asked")

    Vitals("Up", {}).beat(Worker(), unwanted)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes have no place in folders there")
def test_a_pipe_in_place_of_the_file_is_not_waited_for(file: Path) -> None:
    os.mkfifo(file)
    assert read(file) is None


@pytest.mark.parametrize(
    "text",
    ["", "{", '{"form": 2}', '{"form": 1, "odd": 1}', "[]", "null",
     '{"form": 1, "program": "x", "pid": 1, "started": 1, "updated": "1"}'],
)  # fmt: skip
def test_a_file_of_another_form_says_nothing(file: Path, text: str) -> None:
    file.write_text(text)
    assert read(file) is None


PULSE = Pulse("Up", 7, NOW - 100, NOW - 1, files=12)


@pytest.mark.parametrize(
    ("pulse", "healthy", "why"),
    [
        (PULSE, True, "Up: 12 done"),
        (replace(PULSE, failed=2, trouble="no broker answers"), True, "Up: 12 done, 2 failed; no broker answers"),
        (replace(PULSE, state="stopping"), True, "Up is stopping"),
        (replace(PULSE, updated=NOW - 31), False, "Up (process 7) stands still: its last sign of life is 31 s old"),
        (replace(PULSE, updated=NOW + 3), True, "Up: 12 done"),
        (
            replace(PULSE, updated=NOW + 3600),
            False,
            "Up (process 7) has given no sign of life since the clock was set back",
        ),
        (replace(PULSE, state="ended"), False, "Up has ended"),
        (replace(PULSE, state="ended", error="full disk"), False, "Up has ended: full disk"),
        (None, False, "no program has said yet that it runs"),
    ],
)
def test_a_pulse_is_judged_with_a_reason(pulse: Pulse | None, healthy: bool, why: str) -> None:
    assert judge(pulse, NOW) == (healthy, why)


# -- systemd -------------------------------------------------------------------------------------------------


@dataclass
class Systemd:
    """The end where systemd listens."""

    end: socket.socket
    path: Path

    def heard(self) -> list[str]:
        return self.end.recv(4096).decode().split("\n")


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    if not hasattr(socket, "AF_UNIX"):
        pytest.skip("systemd listens on a kind of socket that this system has not")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.settimeout(5)
        yield Systemd(end, tmp_path / "notify")


def test_systemd_is_told_once_that_it_is_ready_and_then_in_time_that_it_lives(systemd: Systemd) -> None:
    clock = Clock()
    vitals = Vitals("Up", {"NOTIFY_SOCKET": str(systemd.path), "WATCHDOG_USEC": "3000000"}, steady=clock)
    worker = Worker(None)
    vitals.beat(worker, look)
    assert systemd.heard() == ["EXTEND_TIMEOUT_USEC=30000000", "STATUS=starting"]
    clock.time += 1.0  # a third of what systemd waits
    worker.turned = clock.time
    vitals.beat(worker, look)
    assert systemd.heard() == ["READY=1", "STATUS=3 done, 1 failed"]
    clock.time += 1.0
    vitals.beat(worker, lambda: look("two\nlines"))
    assert systemd.heard() == ["WATCHDOG=1", "STATUS=3 done, 1 failed; two lines"]
    vitals.stopping()
    assert systemd.heard() == ["STOPPING=1", "STATUS=stopping"]
    vitals.end(ValueError("full"))
    assert systemd.heard() == ["STATUS=full"]


def test_the_watch_over_another_process_asks_nothing_of_this_one() -> None:
    notifier = Notifier.of({"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"})
    assert notifier == Notifier("/run/x")


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1234"}])
def test_without_a_socket_of_this_machine_there_is_nobody_to_tell(environ: dict[str, str]) -> None:
    assert Notifier.of(environ) is None


def test_a_systemd_that_does_not_listen_is_no_trouble(tmp_path: Path) -> None:
    Notifier(str(tmp_path / "nobody")).say(READY="1")
