"""Accounts of Linux, systems without services, units of OpenMSIStream 1, and the old names for services."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

if sys.platform != "linux":
    pytest.skip("accounts and units are those of Linux", allow_module_level=True)

from openmsistream.errors import UsageError
from openmsistream.services import (
    LinuxServiceManager,
    WindowsServiceManager,
    accounts,
    checking,
    faces,
    install,
    manage,
)
from openmsistream.services.arguments import Understood
from openmsistream.services.records import Records
from openmsistream.services.supervisor import ServiceError, supervisor
from openmsistream.services.systemd import units as systemd
from openmsistream.services.systemd.takeover import executable_of, is_old, said_of
from openmsistream.services.systemd.units import Systemd
from openmsistream.services.target import target

ME = accounts.account(os.geteuid())


def test_an_account_is_found_by_name_and_number() -> None:
    assert accounts.account(ME.name) == ME


def test_an_account_that_is_not_there_is_told() -> None:
    with pytest.raises(UsageError, match="there is no user nobody-of-that-name on this machine"):
        accounts.account("nobody-of-that-name")


@pytest.mark.parametrize(
    ("environ", "who"),
    [({"SUDO_USER": "ada"}, "ada"), ({"DOAS_USER": "ada"}, "ada"), ({"SUDO_USER": "root"}, ""), ({}, "")],
)
def test_who_asked_is_the_person_behind_sudo(environ: dict[str, str], who: str) -> None:
    assert accounts.who_asked(environ) == who


def test_an_own_service_by_sudo_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "is_administrator", lambda: True)
    with pytest.raises(UsageError, match="with sudo, --user would mean root and not ada; leave out sudo, or --user"):
        accounts.refuse_sudo({"SUDO_USER": "ada"})


def test_what_an_account_may_do_is_asked_of_the_system(tmp_path: Path) -> None:
    accounts.check_access(ME, sys.executable, [tmp_path], [tmp_path / "not" / "there" / "yet"])
    with pytest.raises(ServiceError, match=f"the user {ME.name} cannot read {tmp_path / 'missing'}; give it to them"):
        accounts.check_access(ME, sys.executable, [tmp_path / "missing"], [])


def test_a_python_without_the_package_is_told(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=f"the user {ME.name} cannot run .* with openmsistream; install it where"):
        accounts.check_access(ME, "/bin/false", [], [])


def test_folders_that_are_missing_are_made(tmp_path: Path) -> None:
    accounts.make_folder(tmp_path / "a" / "b", ME)
    assert (tmp_path / "a" / "b").stat().st_uid == ME.uid


def test_a_file_in_place_of_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("", "utf-8")
    with pytest.raises(ServiceError, match="x is no folder; name another one"):
        accounts.make_folder(tmp_path / "x", ME)


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only the administrator can be somebody else")
NOBODY = accounts.Account("nobody", 65534, 65534, Path("/"))


@pytest.fixture
def roots() -> Iterator[Path]:
    """A folder that is the administrator's, as are those above it."""
    with tempfile.TemporaryDirectory(dir="/var/lib") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.fixture
def may_only_write_to_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process of the account could do: Python itself may be where the account cannot read."""

    def made_by(who: accounts.Account, folder: Path) -> bool:
        there = next(path for path in folder.parents if path.exists())
        if there.stat().st_uid != who.uid:
            return False
        folder.mkdir(parents=True)
        return True

    monkeypatch.setattr(accounts, "_made_by", made_by)


@as_root
@pytest.mark.usefixtures("may_only_write_to_its_own")
def test_where_an_account_may_not_make_a_folder_the_administrator_makes_it_theirs(roots: Path) -> None:
    accounts.make_folder(roots / "a" / "b", NOBODY)
    assert (roots / "a").stat().st_uid == NOBODY.uid
    assert (roots / "a" / "b").is_dir()
    with pytest.raises(ServiceError, match="cannot be made: nobody may not; make it: sudo install -d -o nobody"):
        accounts.make_folder(roots / "c", NOBODY, alone=True)


@as_root
@pytest.mark.usefixtures("may_only_write_to_its_own")
@pytest.mark.parametrize("theirs", [False, True], ids=["the administrator's", "the account's"])
def test_the_administrator_makes_no_folder_behind_a_link_or_below_a_folder_of_others(roots: Path, theirs: bool) -> None:
    """It could lead to a place where whatever is in a folder is believed."""
    (roots / "target").mkdir()
    (roots / "own").mkdir()
    (roots / "own" / "link").symlink_to(roots / "target")
    if theirs:
        os.chown(roots / "own", NOBODY.uid, -1)
    with pytest.raises(ServiceError, match="link/new cannot be made: nobody may not"):
        accounts.make_folder(roots / "own" / "link" / "new", NOBODY)
    assert list((roots / "target").iterdir()) == []


@as_root
def test_records_are_not_kept_where_somebody_else_could_replace_them(roots: Path) -> None:
    """They say as whom a service runs."""
    (roots / "x" / "services").mkdir(parents=True)
    records = Records(roots / "x" / "services")
    os.chown(roots / "x", NOBODY.uid, -1)
    with (
        pytest.raises(ServiceError, match=f"{roots}/x is not the administrator's alone.*; see whose it is"),
        records.alone(),
    ):
        pass


def test_two_that_change_services_do_not_meet(tmp_path: Path) -> None:
    records = Records(tmp_path / "services")
    told = pytest.raises(ServiceError, match=r"somebody else installs .*; try again when that is done")
    with records.alone(), told, records.alone():
        pass
    assert not records.folder.exists()  # nothing is kept there, so nothing is left
    with records.alone():
        pass


def test_code_of_an_account_is_loaded_by_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(accounts, "account", lambda who: NOBODY)
    monkeypatch.setattr(accounts, "is_administrator", lambda: True)
    monkeypatch.setattr(accounts, "check_access", lambda *args: None)
    monkeypatch.setattr(accounts, "as_account", lambda who: {"env": {"LANG": "C.UTF-8", "PATH": "/nowhere"}})
    monkeypatch.chdir(tmp_path)
    Path("own_code.py").write_text("import os\nprint(os.environ['PATH'])\ndef work(args): pass\n", "utf-8")

    assert checking.checked(target("own_code:work"), ["a b", "--x=\udcff"], "nobody") == (
        Understood(("a b", "--x=\udcff")),
        tmp_path,
    )
    with pytest.raises(SystemExit) as ended:
        checking.checked(target("own_code:none"), [], "nobody")

    assert ended.value.code == 2
    said = capfd.readouterr()
    assert said.out == "/nowhere\n" * 2
    assert said.err == f"error: own_code has no none; look into {tmp_path / 'own_code.py'}\n"
    assert "own_code" not in sys.modules


# -- systems without --------------------------------------------------------------------------------------


def test_on_a_mac_it_is_told_how_launchd_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(ServiceError, match=r"on Linux \(systemd\) and Windows only; on macOS, have launchd"):
        supervisor("system")


def test_without_systemd_that_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(systemd, "_BOOTED", tmp_path / "none")
    with pytest.raises(
        ServiceError, match="systemd does not run this machine, so it cannot install a service; in a container"
    ):
        Systemd("system").check("install a service")


def test_without_a_systemd_of_the_user_it_is_told_how_there_is_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(systemd, "_BOOTED", tmp_path)
    monkeypatch.setattr(systemd.shutil, "which", lambda name: f"/bin/{name}")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(
        ServiceError, match=f"there is no systemd of this user, .* sudo loginctl enable-linger {ME.name}"
    ):
        Systemd("user").check("start a service")


# -- units of OpenMSIStream 1 -----------------------------------------------------------------------------

OLD = "[Service]\nKillMode = none\nExecStart = /usr/bin/python3 {folder}/up_service_executable.py\n"


def test_a_unit_of_openmsistream_1_is_told_by_what_it_starts(tmp_path: Path) -> None:
    unit = tmp_path / "up.service"
    unit.write_text(OLD.format(folder="/opt/x"), "utf-8")
    assert is_old(unit)
    assert executable_of(unit.read_text("utf-8")) == Path("/opt/x/up_service_executable.py")
    assert executable_of("[Service]\nExecStart=/usr/bin/sleep 5\n") is None


def test_what_to_type_for_such_a_unit_has_the_words_that_it_was_installed_with(tmp_path: Path) -> None:
    (tmp_path / "up.service").write_text(OLD.format(folder=tmp_path), "utf-8")
    (tmp_path / "up_install_args.txt").write_text("DataFileUploadDirectory\n/my data\n--config\ntest\n\n", "utf-8")
    assert said_of("up", [tmp_path]).endswith(
        "sudo InstallService DataFileUploadDirectory '/my data' --config test --service_name up --replace --start"
    )


def test_without_these_words_it_is_said_where_they_belong(tmp_path: Path) -> None:
    (tmp_path / "up.service").write_text(OLD.format(folder="/nowhere"), "utf-8")
    assert "sudo InstallService TARGET ARGUMENTS --service_name up" in said_of("up", [tmp_path])
    assert said_of("other", [tmp_path]) == ""


# -- old names --------------------------------------------------------------------------------------------


def test_the_old_managers_do_what_the_programs_do(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Sequence[object]] = []
    monkeypatch.setattr(
        install, "install", lambda options, theirs: done.append((options.target, options.service_name, theirs))
    )
    monkeypatch.setattr(
        manage, "manage", lambda args: done.append((args.service_name, args.run_mode, args.keep_record))
    )
    old = LinuxServiceManager("up", service_spec_string="DataFileUploadDirectory", argslist=["in"], interactive=False)
    old.install_service()
    old.start_service()
    old.remove_service(remove_install_args=True)
    old.run_manage_command("stop_and_remove", False, False, False)
    assert done == [
        ("DataFileUploadDirectory", "up", ["in"]), ("up", "start", False), ("up", "remove", False),
        ("up", "stop_and_remove", True),
    ]  # fmt: skip


def test_an_old_manager_without_a_target_says_so() -> None:
    with pytest.raises(UsageError, match="nothing was named to be run as a service; give service_spec_string"):
        WindowsServiceManager("up").install_service()
    assert faces.LinuxServiceManager("no-such-service").env_var_names == set()
