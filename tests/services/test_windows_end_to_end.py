"""InstallService and ManageService with Windows as the supervisor: real programs at a real Kafka, and only Windows played.

What Windows would do is done here by threads: it runs a service when asked, and again when it has failed.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import psutil
import pytest
from lab import Lab, expect, put, same
from windows_fakes import FakeControl, FakeWindows

from openmsistream.services import install as installing
from openmsistream.services import manage as managing
from openmsistream.services.command_lines import of_install, of_manage
from openmsistream.services.install import install, split
from openmsistream.services.manage import manage
from openmsistream.services.records import Records
from openmsistream.services.service import Service
from openmsistream.services.windows.control import OWN_ERROR, Activity, Standing, told
from openmsistream.services.windows.life import Hosting
from openmsistream.services.windows.plan import Folder
from openmsistream.services.windows.services import WindowsServices, this_python


@dataclass
class Playing(FakeControl):
    """Runs services in threads, and starts them again at once when they have failed."""

    records: Records = field(default_factory=lambda: Records(Path()))
    hosted: dict[str, Hosting] = field(default_factory=dict)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self, name: str) -> None:
        folder = Folder(self.records.folder / name)
        service = Service.from_json(folder.record.read_text(encoding="utf-8"))
        self.hosted[name] = hosting = Hosting(service, folder, self.records.values(name), _Telling(self, name))
        self.set(name, "start pending")
        thread = threading.Thread(target=self._run, args=(name, hosting), daemon=True)
        self.threads.append(thread)
        thread.start()

    def _run(self, name: str, hosting: Hosting) -> None:
        code = hosting.run()
        self.set(name, "stopped", OWN_ERROR if code else 0, told(code))
        if code:
            self.start(name)

    def stop(self, name: str) -> None:
        self.set(name, "stop pending")
        self.hosted[name].stop()

    def set(self, name: str, activity: Activity, exit_code: int = 0, own_code: int = 0) -> None:
        if name in self.services:
            known = self.services[name]
            self.services[name] = replace(known, activity=activity, exit_code=exit_code, own_code=own_code)

    def end(self) -> None:
        for hosting in self.hosted.values():
            hosting.stop()
        for thread in self.threads:
            thread.join(30)


class _Telling(FakeWindows):
    def __init__(self, control: Playing, name: str) -> None:
        super().__init__()
        self._control = control
        self._name = name

    def running(self) -> None:
        super().running()
        if self._control.services.get(self._name, Standing("stopped")).activity == "start pending":
            self._control.set(self._name, "running")


@dataclass
class Machine:
    """The two programs on a machine."""

    lab: Lab
    capsys: pytest.CaptureFixture[str]
    control: Playing

    def install(self, *words: object) -> str:
        assert install(*split(of_install(), [str(word) for word in words])) == 0
        return self.capsys.readouterr().out

    def manage(self, *words: str) -> str:
        manage(of_manage().parse_args(words))
        return self.capsys.readouterr().out

    def pid(self, name: str) -> int:
        pid = json.loads(self.manage(name, "status", "--json"))["state"]["pid"]
        assert isinstance(pid, int)
        return pid


@pytest.fixture
def machine(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Machine]:
    records = Records(tmp_path / "services")
    control = Playing(records=records)
    windows = WindowsServices(control, this_python(), records, {})
    monkeypatch.setattr(Records, "of", classmethod(lambda cls, scope, environ=os.environ: records))
    for module in (installing, managing):
        monkeypatch.setattr(module, "supervisor", lambda scope: windows)
    monkeypatch.setattr(installing, "_whose", lambda options: ("system", options.run_as or ""))
    monkeypatch.setattr(installing, "_prepare", lambda *args: None)
    yield Machine(lab, capsys, control)
    control.end()


def test_files_cross_through_services_that_are_killed_stopped_and_removed(machine: Machine) -> None:
    lab = machine.lab
    lab.make_topic()
    kafka = ("--config", lab.config, "--topic_name", lab.topic)
    said = machine.install("DataFileUploadDirectory", lab.source, *kafka, "--service_name", "up", "--start")
    assert said.startswith("installed: up (DataFileUploadDirectory ")
    assert "it runs as NT SERVICE\\up; its messages are in " in said
    machine.install(
        "DataFileDownloadDirectory", lab.target, *kafka, "--service_name", "down", "--env", "KEY=s3cret", "--start"
    )
    put(lab.source, "run 1/data.bin", os.urandom(2_000_000))
    expect(
        lambda: same(lab.source, lab.target), 60, lambda: machine.manage("up", "logs") + machine.manage("down", "logs")
    )
    assert "s3cret" not in machine.manage("down", "status", "--json")

    # killed, it is back, and nothing is lost
    before = machine.pid("up")
    psutil.Process(before).kill()
    expect(lambda: machine.manage("up", "status").startswith("up          running") and machine.pid("up") != before, 60)
    put(lab.source, "run 2.txt", b"after")
    expect(lambda: same(lab.source, lab.target), 60, lambda: machine.manage("up", "logs"))
    status = machine.manage("up", "status")
    assert "restarts    1 after failures" in status
    assert "its own account, started with the machine" in status

    # stopped, it has finished what it was doing
    assert machine.manage("up", "stop") == "up has stopped\n"
    assert machine.manage("up", "status").startswith("up          stopped")
    assert "it did not end within" not in machine.manage("up", "logs")
    assert "service has stopped" in machine.manage("up", "logs")

    assert "removed: up" in machine.manage("up", "remove")
    assert "removed: down" in machine.manage("down", "stop_and_remove")
    assert machine.control.services == {}
    assert machine.manage("list").startswith("no service is installed")
