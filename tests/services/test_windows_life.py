"""The life of a Windows service, with real programs: what it starts, watches and ends, and what Windows is told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from lab import expect
from windows_fakes import FakeWindows

from openmsistream.services.service import Service
from openmsistream.services.windows import life as windows_life
from openmsistream.services.windows.life import Hosting, Life
from openmsistream.services.windows.log import last_error, last_lines
from openmsistream.services.windows.plan import Folder


class Hosted:
    """A service at work in a thread, as Windows has it."""

    def __init__(self, folder: Folder, hosting: Hosting, windows: FakeWindows) -> None:
        self.folder = folder
        self.windows = windows
        self.hosting = hosting
        self._codes: list[int] = []
        self._thread = threading.Thread(target=lambda: self._codes.append(hosting.run()), daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self.hosting.stop()
        return self.ends()

    def ends(self) -> int:
        self._thread.join(30)
        assert self._codes, f"still at work: {self.messages}"
        return self._codes[0]

    @property
    def messages(self) -> str:
        return "\n".join(last_lines(self.folder.log, 1000))

    @property
    def life(self) -> Life:
        life = Life.read(self.folder.life)
        assert life is not None
        return life


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "services" / "up")


Host = Callable[..., Hosted]


@pytest.fixture
def host(folder: Folder, tmp_path: Path) -> Iterator[Host]:
    """Start a Python program as a service."""
    hosted: list[Hosted] = []

    def start(
        code: str, *args: str, values: dict[str, str] | None = None, within: float = 20.0, **more: object
    ) -> Hosted:
        command = (sys.executable, "-c", code, *args)
        service = Service("up", "Program", args, command, str(tmp_path), **more)  # type: ignore[arg-type]
        windows = FakeWindows()
        made = Hosted(folder, Hosting(service, folder, values or {}, windows, stop_within=within), windows)
        hosted.append(made)
        return made

    yield start
    for one in hosted:
        one.hosting.stop()
        one.ends()


UNTIL_Q = """
import os, sys
print("at work", flush=True)
for line in sys.stdin:
    if line.strip() == "q":
        print("drained", flush=True)
        sys.exit(0)
"""

PULSE = """
import json, os, time
file = os.environ["OPENMSISTREAM_HEALTH_FILE"]
said = {"form": 1, "program": "p", "pid": os.getpid(), "started": time.time(), "updated": time.time() - AGE}
open(file, "w").write(json.dumps(said))
"""


def test_asked_to_stop_the_program_ends_in_good_order(host: Host) -> None:
    service = host(PULSE.replace("AGE", "0") + UNTIL_Q)
    expect(lambda: "at work" in service.messages and service.windows.told == ["starting", "running"])
    assert service.stop() == 0
    assert "drained" in service.messages
    assert service.windows.told == ["starting", "running", "stopping"]
    assert service.windows.events == [("info", "up runs"), ("info", "up has stopped")]
    assert (service.life.exit_code, service.life.failures) == (0, 0)


def test_a_program_that_does_not_listen_is_killed_after_a_while(host: Host) -> None:
    service = host("import time; print('deaf', flush=True); time.sleep(600)", within=0.5)
    expect(lambda: "deaf" in service.messages)
    began = time.monotonic()
    assert service.stop() == 0
    assert time.monotonic() - began < 10
    assert "it did not end within 0 s, and is killed" in service.messages


def test_what_the_program_has_started_is_killed_with_it(host: Host) -> None:
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print('child', child.pid, flush=True)\ntime.sleep(600)"
    )
    service = host(code, within=0.2)
    expect(lambda: "child" in service.messages)
    child = int(service.messages.rpartition("child ")[2].split()[0])
    service.stop()
    expect(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


def test_a_program_that_fails_makes_the_service_fail_so_that_windows_starts_it_again(host: Host) -> None:
    service = host("import sys; print('error: no broker answered', file=sys.stderr); sys.exit(4)")
    assert service.ends() == 4
    assert service.windows.events == [("error", "up ended with 4: exit code 4")]
    assert (service.life.exit_code, service.life.failures) == (4, 1)
    assert last_error(service.folder.log) == "no broker answered"


def test_failures_are_counted_until_an_end_in_good_order(host: Host) -> None:
    assert host("raise SystemExit(4)").ends() == 4
    again = host("raise SystemExit(4)")
    assert again.ends() == 4
    assert again.life.failures == 2
    well = host("raise SystemExit(0)")
    assert well.ends() == 0
    assert well.life.failures == 0


def test_a_command_line_that_is_wrong_is_not_tried_again(host: Host) -> None:
    service = host("raise SystemExit(2)")
    assert service.ends() == 0  # Windows starts again only what has failed
    assert service.life.exit_code == 2
    assert "it is not started again: install it anew" in service.messages


def test_a_crash_is_a_failure(host: Host) -> None:
    service = host("import os; os.abort()")
    assert service.ends() == windows_life.KILLED
    assert service.life.failures == 1


def test_a_program_that_cannot_be_started_is_named(folder: Folder, tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.exe")
    service = Service("up", "Program", (), (gone,), str(tmp_path))
    windows = FakeWindows()
    assert Hosting(service, folder, {}, windows).run() == windows_life.FAILED_TO_START
    assert windows.events[0][0] == "error"
    assert f"{gone} cannot be started: " in windows.events[0][1]


def test_a_program_that_gives_no_sign_of_life_any_more_is_ended_and_counts_as_failed(host: Host) -> None:
    service = host(PULSE.replace("AGE", "300") + UNTIL_Q)
    assert service.ends() == windows_life.STALLED
    assert "no sign of life for 60 s: it is ended, and started again" in service.messages
    assert "drained" not in service.messages


def test_a_program_that_is_not_watched_may_be_silent(host: Host) -> None:
    service = host(PULSE.replace("AGE", "300") + UNTIL_Q, watched=False)
    expect(lambda: "running" in service.windows.told)
    assert service.stop() == 0
    assert "drained" in service.messages


def test_signs_of_life_of_a_program_that_was_killed_do_not_count_for_the_next(host: Host, folder: Folder) -> None:
    folder.run.mkdir(parents=True)
    said = {"form": 1, "program": "p", "pid": 1, "started": 0, "updated": 0}
    folder.health.write_text(json.dumps(said), encoding="ascii")
    service = host(UNTIL_Q)
    expect(lambda: "at work" in service.messages)
    assert service.windows.told == ["starting"]
    assert service.stop() == 0


def test_how_it_ended_is_noted_although_somebody_reads_the_note(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.run.mkdir(parents=True)
    refusals = [PermissionError(13, "in use"), PermissionError(13, "in use")]
    really = os.replace

    def replace(source: Path, target: Path) -> None:
        if refusals:
            raise refusals.pop()
        really(source, target)

    monkeypatch.setattr(os, "replace", replace)
    Life(1.0, 2).write(folder.life)
    assert Life.read(folder.life) == Life(1.0, 2)


def test_a_start_that_gives_no_sign_counts_as_running_after_a_while(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows_life, "STARTED_WITHIN", 0.3)
    service = host(UNTIL_Q)  # its broker is away, say
    expect(lambda: service.windows.told == ["starting", "running"])


def test_the_program_gets_its_variables_and_a_place_for_its_state(host: Host, folder: Folder) -> None:
    code = "import os; print({n: os.environ[n] for n in ('A', 'B', 'OPENMSISTREAM_STATE_DIR', 'OPENMSISTREAM_HEALTH_FILE')})"
    service = host(code, values={"A": "s3cret é"}, environ={"B": "2", "A": "open"})
    assert service.ends() == 0
    wanted = {
        "A": "s3cret é", "B": "2", "OPENMSISTREAM_STATE_DIR": str(folder.state), "OPENMSISTREAM_HEALTH_FILE": str(folder.health),
    }  # fmt: skip
    assert repr(wanted) in service.messages


def test_a_start_that_windows_had_planned_comes_to_nothing_once(host: Host, folder: Folder) -> None:
    folder.run.mkdir(parents=True)
    windows_life.stay_stopped(folder)
    first = host(UNTIL_Q)
    assert first.ends() == 0
    assert "it was stopped while it waited for its next start" in first.messages
    second = host(UNTIL_Q)
    expect(lambda: "at work" in second.messages)


def test_that_a_start_is_not_wanted_counts_for_a_short_while_only(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.run.mkdir(parents=True)
    windows_life.stay_stopped(folder)
    later = time.time() + windows_life.STAYS_FOR + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert not windows_life.is_to_stay(folder)


def test_the_process_that_windows_starts_needs_nothing_but_what_it_is_told(tmp_path: Path) -> None:
    from openmsistream.services.windows.services import this_python

    python = this_python()
    code = f"import runpy; runpy.run_path({python.host!r}); print('read')"  # nothing is imported that is not there yet
    ran = subprocess.run(
        [python.program, "-I", "-S", "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert (ran.stdout, ran.stderr) == ("read\n", "")
