"""What Windows is told of a service: command line, account, rights; and its refusals in words."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

import pytest

from openmsistream.errors import UsageError
from openmsistream.services.service import Service
from openmsistream.services.windows import plan
from openmsistream.services.windows.control import Registration, refused
from openmsistream.services.windows.plan import Folder, Python

PYTHON = Python(
    program=r"C:\Program Files\Python314\python.exe",
    prefixes=(r"C:\openmsi\venv", r"C:\Program Files\Python314"),
    packages=(r"C:\openmsi\venv\Lib\site-packages",),
    host=r"C:\openmsi\venv\Lib\site-packages\openmsistream\services\windows\service_host.py",
)


def service(**changed: object) -> Service:
    made: dict[str, object] = {
        "name": "up", "target": "DataFileUploadDirectory", "args": (r"C:\data",),
        "command": (r"C:\openmsi\venv\Scripts\DataFileUploadDirectory.exe", r"C:\data"), "folder": r"C:\openmsi\venv",
        "writes": (r"C:\data",), "reads": (r"C:\openmsi\lab.config", r"C:\openmsi\venv"),
    }  # fmt: skip
    return Service(**{**made, **changed})  # type: ignore[arg-type]


def words_of(command: str) -> list[str]:
    """The words that a program of Microsoft's C library makes of a command line."""
    words: list[str] = []
    word, quoted, began, at = "", False, False, 0
    while at < len(command):
        slashes = len(command[at:]) - len(command[at:].lstrip("\\"))
        at += slashes
        if command[at : at + 1] == '"':
            word += "\\" * (slashes // 2)
            if slashes % 2:
                word += '"'
            else:
                quoted = not quoted
            began = True
        else:
            word += "\\" * slashes
            began = began or slashes > 0
            sign = command[at : at + 1]
            if sign in (" ", "\t") and not quoted:
                words += [word] if began else []
                word, began = "", False
            elif sign:
                word, began = word + sign, True
        at += 1
    return [*words, word] if began else words


@pytest.mark.parametrize(
    "top",
    [
        r"C:\ProgramData\openmsistream\services\up",
        r"C:\Program Data\with space\up",
        "C:\\ends with\\",
        r"C:\quo'te & more %PATH%\$x",
        r"\\server\share\ä ö",
    ],
)
def test_every_word_of_the_command_line_arrives_as_it_is(top: str) -> None:
    folder = Folder(PureWindowsPath(top))  # type: ignore[arg-type]
    words = words_of(plan.command_line(PYTHON, folder))
    assert words == [PYTHON.program, "-I", PYTHON.host, str(PureWindowsPath(top)), *PYTHON.packages]


def test_windows_starts_python_itself_and_not_that_of_the_virtual_environment() -> None:
    command = plan.registration(service(), PYTHON, Folder(Path("top"))).command
    assert command.startswith(r'"C:\Program Files\Python314\python.exe" -I ')
    assert plan.MARK in command


def test_waits_after_failures_grow_and_it_never_gives_up() -> None:
    made = plan.registration(service(), PYTHON, Folder(Path("top")))
    assert list(made.restarts) == sorted(set(made.restarts))
    assert made.restarts[-1] <= 300
    assert made.forget_after > sum(made.restarts)


@pytest.mark.parametrize(
    ("named", "account", "password"),
    [
        ("", "NT SERVICE\\up", False),
        ("LocalService", "NT AUTHORITY\\LocalService", False),
        ("NT AUTHORITY\\Local Service", "NT AUTHORITY\\LocalService", False),
        ("network service", "NT AUTHORITY\\NetworkService", False),
        ("SYSTEM", "LocalSystem", False),
        ("ada", ".\\ada", True),
        ("LAB\\ada", "LAB\\ada", True),
        ("ada@lab.example.org", "ada@lab.example.org", True),
        ("LAB\\openmsi$", "LAB\\openmsi$", False),
    ],
)
def test_the_account_that_a_name_means(named: str, account: str, password: bool) -> None:
    assert plan.account(service(user=named)) == account
    assert plan.needs_password(account) is password


def test_nothing_runs_as_the_system_unasked() -> None:
    assert plan.account(service()) == "NT SERVICE\\up"


def test_a_name_that_cannot_be_an_account_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'LAB\\\\x\\\\ada' cannot be an account; write NAME"):
        plan.account(service(user="LAB\\x\\ada"))


def test_the_account_may_change_the_data_and_read_the_rest() -> None:
    folder = Folder(Path("top"))
    assert list(plan.rights(service(), PYTHON, folder, Path("up.env"))) == [
        ("read", Path("top")),
        ("change", Path("top/run")),
        ("read", Path("up.env")),
        ("change", Path(r"C:\data")),
        ("read", Path(r"C:\openmsi\lab.config")),
    ]


def test_a_python_in_somebody_s_home_has_to_be_made_readable() -> None:
    home = r"C:\Users\ada\AppData\Local\Programs\Python\Python314"
    python = Python(rf"{home}\python.exe", (r"C:\openmsi\venv", home), PYTHON.packages, PYTHON.host)
    assert ("read", Path(home)) in list(plan.rights(service(), python, Folder(Path("top")), None))
    assert ("read", Path(r"C:\openmsi\venv")) not in list(plan.rights(service(), python, Folder(Path("top")), None))


def test_what_is_on_another_machine_is_told_apart() -> None:
    paths = [r"C:\data", r"\\server\share\data", "//server/share", r"\\?\C:\long"]
    assert plan.on_the_network(paths) == [r"\\server\share\data", "//server/share"]


def test_rights_on_another_machine_are_left_to_that_one() -> None:
    far = service(writes=(r"\\server\data",), reads=(r"\\server\lab.config",))
    assert list(plan.rights(far, PYTHON, Folder(Path("top")), None)) == [
        ("read", Path("top")),
        ("change", Path("top/run")),
    ]


def test_a_python_of_the_store_is_told_apart() -> None:
    store = Python(r"C:\Program Files\WindowsApps\PythonSoftwareFoundation.Python.3.13\python.exe", (), (), "")
    assert plan.unusable(store) == "this Python is from the Microsoft Store, which services cannot start"
    assert plan.unusable(PYTHON) == ""


def test_the_dry_run_says_all_of_it() -> None:
    made = Registration("up", "openmsistream up", "", "python.exe x", "NT SERVICE\\up", (5, 60), 3600, 25)
    assert plan.text(made, [("change", Path("data")), ("read", Path("lab.config"))]).splitlines() == [
        "service      up (openmsistream up)",
        "runs         python.exe x",
        "as           NT SERVICE\\up",
        "starts       with the machine, shortly after the other services",
        "after errors it is started again after 5, 60 s",
        "may change   data",
        "may read     lab.config",
    ]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            5,
            'up: Windows allows it to administrators only; open PowerShell or the command prompt with "Run as administrator"',
        ),
        (1060, "up: there is no such service; see those that there are: ManageService list"),
        (1069, "up: Windows does not let its account log on; check the password, and give the account the right"),
        (1072, "up: it is marked for deletion, and goes when nobody looks at it any more; close the Services window"),
        (1073, "up: there is a service of this name; choose another name with --service_name"),
        (1053, "up: it did not say in time that it starts; see the Event Viewer"),
        (1234, "up: Something odd (Windows error 1234); see the Event Viewer, Windows Logs, System"),
    ],
)
def test_what_windows_refuses_is_said_in_words(code: int, said: str) -> None:
    error = refused(code, "Something odd.", "up")
    assert str(error).startswith(said)
    assert error.exit_code == 12
