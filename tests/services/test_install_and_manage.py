"""InstallService and ManageService, with a supervisor that starts nothing."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from pathlib import Path

import pytest
from fake_supervisor import Fake

from openmsistream.program import pulse
from openmsistream.services import install, manage, runner
from openmsistream.services.command_lines import install_service, manage_service, of_install
from openmsistream.services.records import Records
from openmsistream.services.service import Service
from openmsistream.services.supervisor import State

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="services of a user are systemd's")

UPLOAD = ("DataFileUploadDirectory", "in", "--config", "lab.config")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """The supervisor, in a folder with something to send and a configuration that needs two variables."""
    made = Fake()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for name in ("LAB_A", "LAB_B", "OPENMSISTREAM_CONFIG_FILE_DIR", "OPENMSISTREAM_STATE_DIR", "GIRDER_API_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    for module in (install, manage):
        monkeypatch.setattr(module, "supervisor", lambda scope: made)
    (tmp_path / "in").mkdir()
    (tmp_path / "lab.config").write_text("[broker]\nbootstrap.servers = $LAB_A\nsasl.password = $LAB_B\n", "utf-8")
    return made


def installs(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        install_service([*words, "--user"])
    return int(ended.value.code or 0)


def manages(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        manage_service([*words, "--user"])
    return int(ended.value.code or 0)


def installed(fake: Fake, name: str) -> Service:
    return fake.installed[name][0]


# -- InstallService ------------------------------------------------------------------------------------------


def test_options_of_the_service_may_stand_anywhere() -> None:
    words = ["--user", "T", "in", "--env", "A=1", "--config", "c", "--service_name=n", "--start", "--", "--env"]
    options, theirs = install.split(of_install(), words)
    assert (options.target, options.user, options.env, options.service_name, options.start) == (
        "T",
        True,
        ["A=1"],
        "n",
        True,
    )
    assert theirs == ["in", "--config", "c", "--env"]


def test_an_option_that_only_begins_like_one_of_ours_belongs_to_the_target() -> None:
    options, theirs = install.split(of_install(), ["T", "--replace_existing", "--us"])
    assert theirs == ["--replace_existing", "--us"]
    assert not options.replace


def test_help_lists_what_can_be_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert installs("--help") == 0
    told = capsys.readouterr().out
    assert "DataFileUploadDirectory      send every file of a folder to a topic" in told
    assert "Class=module.path" in told


def test_help_behind_a_target_is_that_of_the_target(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert installs("DataFileUploadDirectory", "--help") == 0
    assert "usage: DataFileUploadDirectory" in capsys.readouterr().out
    assert fake.installed == {}


def test_a_program_is_installed_with_absolute_paths_and_its_values(
    fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert installs(*UPLOAD, "--env", "LAB_A=broker:9092", "--env", "LAB_B=s3cret") == 0

    service, values = fake.installed["DataFileUploadDirectory"]
    assert service.args == (str(tmp_path / "in"), "--config", str(tmp_path / "lab.config"))
    assert service.command[-3:] == service.args
    assert Path(service.command[0]).is_absolute()
    assert service.writes == (str(tmp_path / "in"),)
    assert values == {"LAB_A": "broker:9092", "LAB_B": "s3cret"}
    assert service.variables == ("LAB_A", "LAB_B")
    assert Records.of("user").read("DataFileUploadDirectory") == service
    told = capsys.readouterr().out
    assert "installed: DataFileUploadDirectory" in told
    assert "a remark" in told
    assert "s3cret" not in told + Records.of("user").file("DataFileUploadDirectory").read_text("utf-8")


def test_values_come_from_a_file_too(fake: Fake, tmp_path: Path) -> None:
    (tmp_path / "openmsi.env").write_text("LAB_A=x:1\nLAB_B=p\nOTHER=1\n", "utf-8")
    assert installs(*UPLOAD, "--env-file", "openmsi.env", "--service_name", "up") == 0
    assert fake.installed["up"][1] == {"LAB_A": "x:1", "LAB_B": "p", "OTHER": "1"}


def test_missing_values_are_all_named_and_nothing_is_installed(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert installs(*UPLOAD) == 2
    assert "the configuration needs LAB_A and LAB_B, which are not set" in capsys.readouterr().err
    assert fake.installed == {}
    assert Records.of("user").names() == []


def test_at_a_terminal_what_is_missing_is_asked_for_and_not_shown(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    asked = []

    def typed(prompt: str) -> str:
        asked.append(prompt)
        return "typed"

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(install.getpass, "getpass", typed)
    assert installs(*UPLOAD, "--env", "LAB_A=x:1", "--service_name", "up") == 0
    assert asked == ["LAB_B (not shown): "]
    assert fake.installed["up"][1] == {"LAB_A": "x:1", "LAB_B": "typed"}


def test_it_is_started_at_once_when_that_is_asked_for(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert installs("DataFileDownloadDirectory", "out", "--config", "local", "--start") == 0
    assert fake.calls[-1] == "start DataFileDownloadDirectory"
    assert "started; see: ManageService --user DataFileDownloadDirectory status" in capsys.readouterr().out


def test_a_folder_that_is_missing_is_made(fake: Fake, tmp_path: Path) -> None:
    installs("DataFileDownloadDirectory", "a/b/out", "--config", "local")
    assert (tmp_path / "a" / "b" / "out").is_dir()


def test_a_second_one_of_the_same_name_is_refused(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("DataFileDownloadDirectory", "out", "--config", "local", "--service_name", "down")
    assert installs(*words) == 0
    assert installs(*words) == 12
    assert capsys.readouterr().err == (
        "error: there is a service down already; choose another name with --service_name, or replace it with --replace\n"
    )
    assert installs(*words, "--replace") == 0
    assert fake.calls[-2:] == ["stop down", "install down"]


def test_a_failed_installation_leaves_no_record(fake: Fake) -> None:
    fake.broken = True
    assert installs("DataFileDownloadDirectory", "out", "--config", "local") == 12
    assert Records.of("user").names() == []


def test_a_dry_run_asks_for_nothing_and_makes_nothing(
    fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert installs("DataFileDownloadDirectory", "out", "--config", "lab.config", "--dry_run") == 0
    told = capsys.readouterr().out
    assert "the plan of DataFileDownloadDirectory" in told
    assert f"# folders that would be made: {tmp_path / 'out'}" in told
    assert "# variables without a value, which it cannot be installed without: LAB_A, LAB_B\n" in told
    assert fake.calls == []
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "state").exists()


def test_a_user_s_own_class_is_started_from_its_folder(fake: Fake, tmp_path: Path) -> None:
    (tmp_path / "own_lines.py").write_text(
        "from openmsistream import DataFileStreamProcessor\nclass Lines(DataFileStreamProcessor):\n"
        "    def _process_downloaded_data_file(self, datafile, lock): pass\n",
        "utf-8",
    )
    assert installs("Lines=own_lines", "--config", "local") == 0
    service = installed(fake, "Lines")
    assert service.command[1:6] == ("-m", "openmsistream.services.runner", "--from", str(tmp_path), "Lines=own_lines")
    assert service.command[-2:] == ("--output_dir", str(tmp_path / "Lines_output"))
    assert service.watched


def test_a_function_is_not_expected_to_give_signs_of_life(fake: Fake, tmp_path: Path) -> None:
    (tmp_path / "own_work.py").write_text("def work(): pass\n", "utf-8")
    assert installs("own_work:work", "a b", "--writable", "results") == 0
    service = installed(fake, "work")
    assert not service.watched
    assert service.args == ("a b",)
    assert service.writes == (str(tmp_path / "results"),)


def test_a_key_on_the_command_line_becomes_a_variable(fake: Fake) -> None:
    assert installs("GirderUploadStreamProcessor", "https://girder/api/v1", "k" * 40, "--config", "local") == 0
    service, values = fake.installed["GirderUploadStreamProcessor"]
    assert values == {"GIRDER_API_KEY": "k" * 40}
    assert "k" * 40 not in " ".join(service.command)


# -- ManageService -------------------------------------------------------------------------------------------


@pytest.fixture
def down(fake: Fake) -> Fake:
    """A service `down` that is installed and runs."""
    words = ("--config", "lab.config", "--env", "LAB_A=x:1", "--env", "LAB_B=old", "--service_name", "down", "--start")
    assert installs("DataFileDownloadDirectory", "out", *words) == 0
    Records.of("user").write_values("down", {"LAB_A": "x:1", "LAB_B": "old"})  # as systemd's does
    fake.calls.clear()
    return fake


@pytest.mark.parametrize(
    ("mode", "call"), [("start", "start"), ("stop", "stop"), ("restart", "restart"), ("stop_and_restart", "restart")]
)
def test_modes_that_are_one_call(down: Fake, mode: str, call: str) -> None:
    assert manages("down", mode) == 0
    assert down.calls[-1] == f"{call} down"


@pytest.mark.parametrize("mode", ["remove", "stop_and_remove"])
def test_removing_leaves_neither_record_nor_values(down: Fake, mode: str) -> None:
    assert manages("down", mode, "--remove_env_vars", "--remove_install_args", "--remove_nssm") == 0
    assert down.calls[-1] == "remove down"
    assert not Records.of("user").file("down").exists()
    assert not Records.of("user").values_file("down").exists()


def test_a_removed_service_whose_record_was_kept_comes_back_by_reinstall(down: Fake) -> None:
    assert manages("down", "remove", "--keep_record") == 0
    assert manages("down", "reinstall") == 0
    assert down.installed["down"][1] == {"LAB_A": "x:1", "LAB_B": "old"}


@pytest.mark.parametrize("mode", ["reinstall", "stop_and_reinstall"])
def test_reinstalling_takes_new_values_and_starts_what_ran(down: Fake, mode: str) -> None:
    assert manages("down", mode, "--env", "LAB_B=new") == 0
    assert down.installed["down"][1] == {"LAB_A": "x:1", "LAB_B": "new"}
    assert down.calls[-3:] == ["stop down", "install down", "start down"]


def test_what_waits_for_its_next_start_is_started_at_once_when_it_is_reinstalled(down: Fake) -> None:
    down.states["down"] = State("waiting", enabled=True)
    assert manages("down", "reinstall", "--env", "LAB_B=new") == 0
    assert down.calls[-3:] == ["stop down", "install down", "start down"]


def test_what_ran_goes_on_when_it_could_not_be_reinstalled_or_replaced(
    down: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    down.start("down")
    down.broken = True
    assert manages("down", "reinstall") == 12
    assert down.states["down"].condition == "running"
    assert installs(*UPLOAD, "--env", "LAB_A=a", "--env", "LAB_B=b", "--service_name", "down", "--replace") == 12
    assert down.states["down"].condition == "running"
    assert capsys.readouterr().err == "error: it could not be installed\n" * 2


def test_reinstalling_does_not_start_what_was_stopped(down: Fake) -> None:
    manages("down", "stop")
    assert manages("down", "reinstall") == 0
    assert down.calls[-1] == "install down"


def test_reinstalling_without_values_names_what_is_gone(down: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    Records.of("user").values_file("down").unlink()
    assert manages("down", "reinstall", "--env", "LAB_A=x:1") == 12
    assert "the values of LAB_B are gone; add --env LAB_B=VALUE or --env-file FILE" in capsys.readouterr().err


def test_a_dry_run_of_removing_removes_nothing(down: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert manages("down", "remove", "--dry_run") == 0
    assert "would be stopped and removed: down, its record and its variables; data stay" in capsys.readouterr().out
    assert Records.of("user").file("down").exists()


def test_what_is_not_there_is_one_line(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert manages("nothing", "remove") == 12
    told = capsys.readouterr().err
    assert told == "error: there is no service nothing; none is installed; see InstallService --help\n"


def test_others_are_named_when_one_is_not_there(down: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert manages("dwn", "start") == 12
    assert capsys.readouterr().err == "error: there is no service dwn; there are: down\n"


def test_without_a_mode_the_modes_are_told(down: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert manages("down") == 2
    assert "what is to be done with down; add one of start, status, stop," in capsys.readouterr().err


def test_services_are_listed(down: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert manages("list") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("down  running   DataFileDownloadDirectory ")
    assert manages("list", "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["state"] == "running"


def test_logs_are_those_of_the_supervisor(down: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert manages("down", "logs", "-n", "7") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "7 lines of down"


# -- status --------------------------------------------------------------------------------------------------


def beats(fake: Fake, tmp_path: Path, age: float, **said: object) -> None:
    now = time.time()
    one = pulse.Pulse("down", os.getpid(), now - 100, now - age)
    file = tmp_path / "health"
    file.write_text(
        json.dumps({"form": pulse.FORM, **{name: getattr(one, name) for name in one.__slots__}, **said}), "utf-8"
    )
    fake.heartbeat = str(file)
    fake.states["down"] = State("running", since=now - 7500, pid=os.getpid(), enabled=True, restarts=2)


def test_status_tells_since_when_the_last_heartbeat_files_and_the_last_error(
    down: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beats(down, tmp_path, 3, files=12, failed=1, trouble="the disk is full")
    down.error = "something (at noon)"
    capsys.readouterr()
    assert manages("down", "status") == 0
    told = capsys.readouterr().out
    for words in (
        f"running since 2.1 h (process {os.getpid()})", "heartbeat   3 s ago", "12 done, 1 failed", "the disk is full",
        "2 after failures", "last error  something (at noon)", "started with the machine",
    ):  # fmt: skip
        assert words in told


def test_a_service_without_recent_signs_of_life_is_not_well(down: Fake, tmp_path: Path) -> None:
    beats(down, tmp_path, 100)
    assert manages("down", "status") == manage.NOT_WELL


def test_signs_of_the_process_before_do_not_count(
    down: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beats(down, tmp_path, 3)
    down.states["down"] = State("running", pid=os.getpid() + 1)
    manages("down", "status", "--json")
    assert json.loads(capsys.readouterr().out.partition("{")[2].join(["{", ""]))["heartbeat"] is None


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State("stopped"), "stopped"),
        (State("waiting", exit_code=4), "failed (exit code 4, no broker answered), is started again in a while"),
        (State("failed", exit_code=2), "exit code 2, the command line is wrong; it is not started again by itself"),
        (State("failed", exit_code=-9), "ended by signal 9"),
        (State("absent"), "not there: its supervisor does not know it"),
        (State("starting", said="reading"), "starting: reading"),
    ],
)
def test_how_it_stands_is_said_in_words(
    down: Fake, state: State, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    down.states["down"] = state
    assert manages("down", "status") == manage.NOT_WELL
    assert words in capsys.readouterr().out


# -- what a supervisor starts --------------------------------------------------------------------------------


def test_the_runner_gives_a_function_its_arguments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", ["x"])
    (tmp_path / "run_this.py").write_text(
        "import sys\ndef takes(args): print(args, sys.argv); return 5\ndef none(): print(sys.argv)\n", "utf-8"
    )
    with pytest.raises(SystemExit) as ended:
        runner.main(["--from", str(tmp_path), "run_this:takes", "a b", "$X"])
    assert ended.value.code == 5
    with pytest.raises(SystemExit) as ended:
        runner.main(["run_this:none", "c"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.splitlines() == [
        "['a b', '$X'] ['run_this:takes', 'a b', '$X']",
        "['run_this:none', 'c']",
    ]
