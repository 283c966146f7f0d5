"""A service as Windows is to be told of it: command line, account, waits, folders, rights. Pure: nothing is looked up."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from openmsistream.errors import UsageError
from openmsistream.services.service import Service

from .control import Registration, Right

MARK = "service_host.py"
"""What the command line of a service that is ours contains; no other is changed or removed."""

STOP_WITHIN = 20
"""Seconds for what is in flight; the programs take 6 at most, somebody's own code may need more."""

RESTARTS = (5, 15, 60, 300)
FORGET_AFTER = 3600
"""It never gives up: the last wait is that of every further start, until it has run for an hour."""

_BUILT_IN = {
    "localservice": "NT AUTHORITY\\LocalService",
    "networkservice": "NT AUTHORITY\\NetworkService",
    "localsystem": "LocalSystem",
}
_WITHOUT_PASSWORD = ("NT AUTHORITY\\", "NT SERVICE\\")
_USERS = ("users", "documents and settings")


@dataclass(frozen=True, slots=True)
class Python:
    """The Python that hosts a service: its own program (not that of a virtual environment, which starts another one as a
    child), the folders in which packages are found, and this package's folder."""

    program: str
    prefixes: tuple[str, ...]
    packages: tuple[str, ...]
    host: str


@dataclass(frozen=True, slots=True)
class Folder:
    """What there is on disk for one service, below the folder of the records."""

    top: Path

    @property
    def record(self) -> Path:
        """The service, for the process that hosts it."""
        return self.top / "service.json"

    @property
    def run(self) -> Path:
        """What its account may write to."""
        return self.top / "run"

    @property
    def health(self) -> Path:
        return self.run / "health"

    @property
    def life(self) -> Path:
        """How it began and ended."""
        return self.run / "life.json"

    @property
    def log(self) -> Path:
        return self.run / "messages.log"

    @property
    def state(self) -> Path:
        """Where its programs keep what cannot be in the data folder: an account of a service has no home."""
        return self.run / "state"


def account(service: Service) -> str:
    """Who it runs as: an account of its own that Windows makes up for it and that can do nothing, unless another is named.

    Raises UsageError for one that cannot be.
    """
    name = service.user.strip()
    if not name:
        return f"NT SERVICE\\{service.name}"
    plain = name.replace(" ", "").lower().removeprefix("ntauthority\\").removeprefix(".\\")
    if plain in ("system", "localsystem"):
        return _BUILT_IN["localsystem"]
    if plain in _BUILT_IN:
        return _BUILT_IN[plain]
    if name.count("\\") > 1 or name.endswith("\\"):
        raise UsageError(f"{name!r} cannot be an account", "write NAME, MACHINE\\NAME, DOMAIN\\NAME or NAME@DOMAIN")
    return name if "\\" in name or "@" in name else f".\\{name}"


def needs_password(account: str) -> bool:
    """Does Windows want a password for it? Not for its own accounts, nor for those that a domain manages (NAME$)."""
    return (
        account != _BUILT_IN["localsystem"] and not account.startswith(_WITHOUT_PASSWORD) and not account.endswith("$")
    )


def command_line(python: Python, folder: Folder) -> str:
    """What Windows starts: Python without its user's settings, which is told where the packages are."""
    return subprocess.list2cmdline([python.program, "-I", python.host, str(folder.top), *python.packages])


def registration(service: Service, python: Python, folder: Folder) -> Registration:
    """The service as Windows is told of it."""
    return Registration(
        name=service.name,
        title=f"openmsistream {service.name}",
        description=f"{service.target}: files through Apache Kafka. Manage it with: ManageService {service.name} status",
        command=command_line(python, folder),
        account=account(service),
        restarts=RESTARTS,
        forget_after=FORGET_AFTER,
        stop_within=STOP_WITHIN + 5,
    )


def rights(service: Service, python: Python, folder: Folder, values_file: Path | None) -> Iterator[tuple[Right, Path]]:
    """What the account has to be allowed beside what everybody may. What is on another machine is that one's to allow."""
    yield "read", folder.top
    yield "change", folder.run
    if values_file is not None:
        yield "read", values_file
    far = on_the_network([*service.writes, *service.reads])
    for path in dict.fromkeys(path for path in service.writes if path not in far):
        yield "change", Path(path)
    own = (*python.prefixes, *python.packages, service.folder)
    everybody = [path for path in own if not below_a_home(path)]
    for path in dict.fromkeys([*service.reads, *own]):
        if path not in (*everybody, *far) and not _is_inside(path, service.writes):
            yield "read", Path(path)


def below_a_home(path: str) -> bool:
    """Is it below somebody's own folder, where other accounts may not read?"""
    parts = PureWindowsPath(path).parts
    return len(parts) > 2 and parts[1].lower() in _USERS and parts[2].lower() not in ("public", "default")


def on_the_network(paths: Sequence[str]) -> list[str]:
    """Those of the paths that are on another machine."""
    return [path for path in paths if path.startswith(("\\\\", "//")) and not path.startswith("\\\\?\\")]


def unusable(python: Python) -> str:
    """Why a service cannot be started by this Python; empty when it can."""
    if any(part.lower() == "windowsapps" for part in PureWindowsPath(python.program).parts):
        return "this Python is from the Microsoft Store, which services cannot start"
    return ""


def text(made: Registration, allowed: Sequence[tuple[Right, Path]]) -> str:
    """All of it for people: a dry run."""
    waits = ", ".join(str(seconds) for seconds in made.restarts)
    lines = [
        f"service      {made.name} ({made.title})",
        f"runs         {made.command}",
        f"as           {made.account}",
        "starts       with the machine, shortly after the other services",
        f"after errors it is started again after {waits} s",
        *(f"{'may change' if right == 'change' else 'may read  '}   {path}" for right, path in allowed),
    ]
    return "\n".join(lines)


def _is_inside(path: str, folders: Sequence[str]) -> bool:
    return any(PureWindowsPath(path).is_relative_to(folder) for folder in folders)
