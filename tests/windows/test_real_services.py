"""Services of Windows itself: installed, started, killed, stopped and removed, with files that cross through them.

Needs an administrator, who is asked for nothing. What it installs is called oms-test-... and is removed at the end.
"""

from __future__ import annotations

import json
import subprocess
import sysconfig
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from lab import Lab, expect, put, same

SECRET = "s3cret-of-the-lab"


@dataclass
class Ran:
    """How a command ended, and what it said."""

    code: int
    said: str


def command(name: str, *words: object) -> Ran:
    """Run one of our programs, or one of Windows', to its end."""
    own = Path(sysconfig.get_path("scripts")) / f"{name}.exe"
    words_said = [str(own) if own.is_file() else name, *map(str, words)]
    ran = subprocess.run(
        words_said, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180, check=False,
        encoding="utf-8", errors="replace",
    )  # fmt: skip
    print(f"> {' '.join(words_said)}\n{ran.stdout}(exit code {ran.returncode})")
    return Ran(ran.returncode, ran.stdout)


@dataclass
class Services:
    """The services of one test."""

    lab: Lab
    ending: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    installed: list[str] = field(default_factory=list)

    def install(self, target: str, *words: object) -> str:
        """Install and start a service; its name."""
        name = f"oms-test-{len(self.installed)}-{self.ending}"
        self.installed.append(name)
        ran = command("InstallService", target, *words, "--service_name", name, "--env", f"LAB_KEY={SECRET}", "--start")
        assert ran.code == 0, ran.said
        return name

    def both(self) -> tuple[str, str]:
        """An upload and a download of the lab's folders."""
        kafka = ("--config", self.lab.config, "--topic_name", self.lab.topic)
        up = self.install("DataFileUploadDirectory", self.lab.source, *kafka)
        down = self.install("DataFileDownloadDirectory", self.lab.target, *kafka, "--consumer_group_id", self.lab.topic)
        return up, down

    def status(self, name: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(command("ManageService", name, "status", "--json").said)
        return told

    def crosses(self, path: str, *names: str) -> None:
        put(self.lab.source, path, path.encode() * 1000)
        expect(
            lambda: same(self.lab.source, self.lab.target),
            90,
            lambda: [command("ManageService", n, "logs").said for n in names],
        )


@pytest.fixture
def services(lab: Lab) -> Iterator[Services]:
    lab.make_topic()
    made = Services(lab)
    yield made
    for name in made.installed:
        command("ManageService", name, "logs")
        command("ManageService", name, "stop_and_remove")


def test_a_file_crosses_through_two_services(services: Services) -> None:
    up, down = services.both()
    services.crosses("run 1/data.bin", up, down)
    for name in (up, down):
        state = services.status(name)["state"]
        assert (state["condition"], state["enabled"]) == ("running", True)
        assert command("ManageService", name, "stop").code == 0
        assert services.status(name)["state"]["condition"] == "stopped"
        said = command("ManageService", name, "logs").said
        assert "service has stopped" in said
        assert "it did not end within" not in said, "it drains, and is not killed"


def test_a_program_that_is_killed_is_back_and_nothing_is_lost(services: Services) -> None:
    up, down = services.both()
    services.crosses("before.txt", up, down)
    for name in (up, down):
        psutil.Process(services.status(name)["state"]["pid"]).kill()
    expect(lambda: all(services.status(name)["state"]["condition"] == "running" for name in (up, down)), 120)
    services.crosses("after.txt", up, down)
    assert services.status(up)["state"]["restarts"] == 1


def test_when_the_process_that_windows_knows_is_killed_its_program_ends_with_it(services: Services) -> None:
    up, down = services.both()
    services.crosses("before.txt", up, down)
    program = services.status(up)["state"]["pid"]
    host = next(line.split(":")[1] for line in command("sc.exe", "queryex", up).said.splitlines() if "PID" in line)
    psutil.Process(int(host)).kill()
    expect(lambda: not psutil.pid_exists(program), 30)
    expect(lambda: services.status(up)["state"]["condition"] == "running", 120)
    services.crosses("after.txt", up, down)


def test_it_runs_as_an_account_of_its_own_that_may_do_little(services: Services) -> None:
    up, _ = services.both()
    said = command("sc.exe", "qc", up).said
    assert f"NT SERVICE\\{up}" in said
    assert "DELAYED" in said
    assert psutil.Process(services.status(up)["state"]["pid"]).username().endswith(up)


def test_what_is_secret_is_seen_by_nobody_else(services: Services) -> None:
    up, _ = services.both()
    assert SECRET not in command("sc.exe", "qc", up).said
    assert SECRET not in command("reg.exe", "query", rf"HKLM\SYSTEM\CurrentControlSet\Services\{up}", "/s").said
    folder = Path(command("cmd.exe", "/c", "echo %ProgramData%").said.strip()) / "openmsistream" / "services"
    for path in (folder, folder / f"{up}.env"):
        rights = command("icacls.exe", path).said
        assert "BUILTIN\\Users" not in rights
        assert "Everyone" not in rights


def test_a_folder_that_is_not_there_is_told_when_it_is_installed(services: Services) -> None:
    gone = services.lab.place / "gone"
    ran = command(
        "InstallService",
        "DataFileUploadDirectory",
        gone,
        "--config",
        services.lab.config,
        "--service_name",
        "oms-test-gone",
    )
    assert ran.code == 2
    assert "there is no folder" in ran.said
    assert "1060" in command("sc.exe", "query", "oms-test-gone").said


def test_removed_it_is_gone(services: Services) -> None:
    up, _ = services.both()
    assert command("ManageService", up, "remove").code == 0
    assert "1060" in command("sc.exe", "query", up).said
    ran = command("ManageService", up, "status")
    assert f"there is no service {up}" in ran.said
    services.installed.remove(up)


def test_a_name_that_is_taken_by_another_service_is_refused(services: Services) -> None:
    ran = command(
        "InstallService", "DataFileUploadDirectory", services.lab.source, "--config", services.lab.config,
        "--service_name", "Spooler", "--replace",
    )  # fmt: skip
    assert ran.code == 12
    assert "there is a service Spooler" in ran.said
    assert "spoolsv.exe" in command("sc.exe", "qc", "Spooler").said
