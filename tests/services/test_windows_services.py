"""Windows services, installed and managed behind a service control manager that keeps all in memory."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from windows_fakes import FakeControl

from openmsistream.services.records import Records
from openmsistream.services.service import Service
from openmsistream.services.supervisor import ServiceError, Supervisor
from openmsistream.services.windows import life as windows_life
from openmsistream.services.windows.control import OWN_ERROR, Standing, told
from openmsistream.services.windows.life import Life
from openmsistream.services.windows.plan import Python
from openmsistream.services.windows.services import PASSWORD, WindowsServices, state_of

VALUES = {"KEY": "s3cret"}


@pytest.fixture
def control() -> FakeControl:
    return FakeControl()


@pytest.fixture
def windows(control: FakeControl, tmp_path: Path) -> WindowsServices:
    python = Python("C:\\python.exe", (), (str(tmp_path / "packages"),), "C:\\service_host.py")
    (tmp_path / "packages").mkdir()
    return WindowsServices(control, python, Records(tmp_path / "services"), {})


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(
        "up", "DataFileUploadDirectory", (), ("C:\\up.exe",), str(tmp_path / "packages"), writes=(str(tmp_path / "data"),),
        variables=("KEY",),
    )  # fmt: skip


def test_it_is_a_supervisor(windows: WindowsServices) -> None:
    supervisor: Supervisor = windows
    assert supervisor.scope == "system"


# -- install -----------------------------------------------------------------------------------------------------


def test_the_folder_is_closed_before_anything_secret_is_in_it(
    windows: WindowsServices, control: FakeControl, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there: list[list[str]] = []
    monkeypatch.setattr(control, "seclude", lambda folder: there.append([file.name for file in folder.iterdir()]))
    windows.install(service, {"KEY": "s3cret"})
    assert there == [[]]
    assert windows.records.values("up") == {"KEY": "s3cret"}
    assert "s3cret" not in windows.folder("up").record.read_text(encoding="utf-8")
    assert "s3cret" not in control.registered["up"].command


def test_its_account_gets_its_rights_and_the_data_folder_is_made(
    windows: WindowsServices, control: FakeControl, service: Service, tmp_path: Path
) -> None:
    windows.install(service, {"KEY": "s3cret"})
    assert (tmp_path / "data").is_dir()
    assert control.allowed == [
        ("NT SERVICE\\up", "read", tmp_path / "services" / "up"),
        ("NT SERVICE\\up", "change", tmp_path / "services" / "up" / "run"),
        ("NT SERVICE\\up", "read", tmp_path / "services" / "up.env"),
        ("NT SERVICE\\up", "change", tmp_path / "data"),
    ]
    assert control.passwords == [None]
    assert control.sources == {"up"}


def test_a_service_that_is_not_ours_is_not_touched(
    windows: WindowsServices, control: FakeControl, service: Service
) -> None:
    control.services["up"] = Standing("running", command="C:\\other.exe")
    with pytest.raises(ServiceError, match="there is a service up that is not ours; choose another name"):
        windows.install(service, VALUES)
    with pytest.raises(ServiceError, match=r"the service up is not ours; if you want it gone: sc\.exe delete up"):
        windows.remove(service)
    assert control.did == []


def test_installed_again_it_is_changed_and_not_made_anew(
    windows: WindowsServices, control: FakeControl, service: Service
) -> None:
    windows.install(service, {"KEY": "1"})
    windows.install(service, {"KEY": "2"})
    assert windows.records.values("up") == {"KEY": "2"}
    assert "delete up" not in control.did


def test_a_right_that_cannot_be_given_leaves_no_half_made_service(
    windows: WindowsServices, control: FakeControl, service: Service
) -> None:
    control.refuses["allow"] = 5
    with pytest.raises(ServiceError, match="Windows allows it to administrators only"):
        windows.install(service, VALUES)
    assert control.services == {}


def test_a_file_that_is_not_there_is_named_before_anything_is_made(
    windows: WindowsServices, control: FakeControl, service: Service, tmp_path: Path
) -> None:
    gone = str(tmp_path / "gone.config")
    with pytest.raises(ServiceError, match=r"gone\.config is not there; check the path"):
        windows.install(replace(service, reads=(gone,)), VALUES)
    assert control.services == {}


def test_a_password_is_asked_for_once_and_only_for_people_s_accounts(
    windows: WindowsServices, control: FakeControl, service: Service
) -> None:
    asked: list[str] = []

    def ask(text: str) -> str:
        asked.append(text)
        return "hunter22"

    replace(windows, ask=ask).install(replace(service, user="ada"), VALUES)
    assert asked == ["password of .\\ada (not shown): "]
    assert control.did.index("let log on .\\ada") < control.did.index("register up")
    assert control.passwords == ["hunter22"]


def test_where_nobody_can_be_asked_the_password_comes_from_the_environment(
    windows: WindowsServices, control: FakeControl, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(ServiceError, match=rf"Windows wants the password of \.\\ada; set {PASSWORD}, or leave out"):
        windows.install(replace(service, user="ada"), VALUES)
    replace(windows, environ={PASSWORD: "hunter22"}).install(replace(service, user="ada"), VALUES)
    assert control.passwords == ["hunter22"]


def test_who_is_no_administrator_is_told_what_to_do(windows: WindowsServices, control: FakeControl) -> None:
    control.administrator = False
    with pytest.raises(
        ServiceError, match=r'only an administrator can install a service; open PowerShell .* "Run as admin'
    ):
        windows.check("install a service")


def test_a_folder_on_another_machine_is_spoken_of(windows: WindowsServices, service: Service) -> None:
    remarks = windows.remarks(replace(service, writes=("\\\\server\\share",)))
    assert "give this machine's account the right to use \\\\server\\share on that machine" in remarks[1]


# -- start and stop ----------------------------------------------------------------------------------------------


def test_it_starts_stops_and_goes(windows: WindowsServices, control: FakeControl, service: Service) -> None:
    windows.install(service, VALUES)
    windows.start("up")
    assert windows.state("up").condition == "running"
    windows.stop("up")
    assert windows.state("up").condition == "stopped"
    windows.restart("up")
    windows.remove(service)
    assert windows.state("up").condition == "absent"
    assert control.sources == set()
    assert [word for word in control.did if word.split()[0] in ("start", "stop", "delete")] == [
        "start up", "stop up", "start up", "stop up", "delete up",
    ]  # fmt: skip


def test_a_start_that_fails_says_what_the_program_said(
    windows: WindowsServices, control: FakeControl, service: Service
) -> None:
    windows.install(service, VALUES)

    def ends(name: str) -> Standing:
        life = Life(time.time(), 1, time.time(), 2, "there is no folder C:\\data")
        life.write(windows.folder("up").life)
        return Standing("stopped")

    control.when_started = ends
    with pytest.raises(
        ServiceError, match=r"up did not start: there is no folder C:\\data; see: ManageService up logs"
    ):
        windows.start("up")


def test_a_start_that_did_not_get_as_far_as_us_points_to_the_event_log(
    windows: WindowsServices, control: FakeControl, service: Service
) -> None:
    windows.install(service, VALUES)
    control.when_started = lambda name: Standing("stopped", exit_code=1053)
    with pytest.raises(ServiceError, match="up did not start; see the Event Viewer"):
        windows.start("up")


def test_what_windows_does_not_know_any_more_can_be_brought_back(windows: WindowsServices) -> None:
    with pytest.raises(ServiceError, match="Windows has no service up; install it again: ManageService up reinstall"):
        windows.start("up")


def test_what_is_not_there_has_stopped(windows: WindowsServices, control: FakeControl) -> None:
    windows.stop("up")
    assert control.did == []


def test_one_that_does_not_stop_is_told(
    windows: WindowsServices, control: FakeControl, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openmsistream.services.windows.services._STOP_WITHIN", 0.1)
    windows.install(service, VALUES)
    windows.start("up")
    control.services["up"] = replace(control.services["up"], activity="stop pending")
    with pytest.raises(ServiceError, match="up has not stopped within 0 s; see: ManageService up logs"):
        windows.stop("up")


def test_stopped_while_it_waits_for_its_next_start_it_stays_stopped(
    windows: WindowsServices, control: FakeControl, service: Service
) -> None:
    windows.install(service, VALUES)
    control.failed("up", 4)
    windows.stop("up")
    assert windows_life.is_to_stay(windows.folder("up"))


def test_a_start_by_hand_takes_that_back(windows: WindowsServices, control: FakeControl, service: Service) -> None:
    windows.install(service, VALUES)
    control.failed("up", 4)
    windows.stop("up")
    windows.start("up")
    assert not windows_life.is_to_stay(windows.folder("up"))


def test_a_removed_service_leaves_its_messages_and_values(
    windows: WindowsServices, control: FakeControl, service: Service
) -> None:
    windows.install(service, {"KEY": "1"})
    folder = windows.folder("up")
    folder.log.write_text("error: no broker\n", encoding="utf-8")
    windows.remove(service)
    assert [file.name for file in folder.top.rglob("*") if file.is_file()] == ["messages.log"]
    assert windows.records.values("up") == {"KEY": "1"}
    assert windows.last_error("up") == "no broker"


# -- state -------------------------------------------------------------------------------------------------------

LIFE = Life(started=100.0, pid=5)


@pytest.mark.parametrize(
    ("standing", "life", "condition", "code"),
    [
        (None, None, "absent", None),
        (Standing("start pending", 7), None, "starting", None),
        (Standing("running", 7), LIFE, "running", None),
        (Standing("stop pending", 7), LIFE, "stopping", None),
        (Standing("stopped", exit_code=1077), None, "stopped", None),
        (Standing("stopped"), Life(100.0, 5, 200.0, 0), "stopped", 0),
        (Standing("stopped", exit_code=OWN_ERROR, own_code=4), Life(100.0, 5, 200.0, 4), "waiting", 4),
        (Standing("stopped", exit_code=OWN_ERROR, own_code=told(4)), None, "waiting", 4),
        (Standing("stopped", exit_code=1067), LIFE, "waiting", 1067),
        (Standing("stopped"), Life(100.0, 5, 200.0, 2, "wrong"), "failed", 2),
    ],
)
def test_how_it_stands(standing: Standing | None, life: Life | None, condition: str, code: int | None) -> None:
    state = state_of(standing, life, None)
    assert (state.condition, state.exit_code) == (condition, code)


def test_it_runs_since_its_program_does_and_its_process_is_the_one_that_gives_signs_of_life() -> None:
    state = state_of(Standing("running", 7, automatic=True), Life(100.0, 5, failures=3), 9)
    assert (state.since, state.pid, state.restarts, state.enabled) == (100.0, 9, 3, True)
    assert state_of(Standing("running", 7), Life(100.0, 5), None).pid == 5
