"""Who a service runs as on Linux: accounts, who asked for it, and what they may do. The place for what is POSIX only."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openmsistream.errors import UsageError

from .supervisor import ServiceError

assert sys.platform != "win32"  # where accounts are another matter: windows_account.py

_PROBE = """
import os, sys
sys.path[:] = [place for place in sys.path if place]
import openmsistream
for kind, path in zip(sys.argv[1::2], sys.argv[2::2]):
    nearest = path
    while not os.path.exists(nearest) and os.path.dirname(nearest) != nearest:
        nearest = os.path.dirname(nearest)
    need = os.R_OK if kind == "r" else os.R_OK | os.W_OK
    if os.path.isdir(nearest):
        need |= os.X_OK
    if kind == "r" and nearest != path or not os.access(nearest, need):
        print(kind + path)
"""


@dataclass(frozen=True, slots=True)
class Account:
    """An account of this machine."""

    name: str
    uid: int
    gid: int
    home: Path

    @property
    def has_home(self) -> bool:
        """Is there a home folder that is theirs? Accounts of the system have none, or share the root."""
        try:
            return self.home != Path("/") and self.home.is_dir() and self.home.stat().st_uid == self.uid
        except OSError:
            return False


def account(who: str | int) -> Account:
    """An account by name or number. Raises UsageError."""
    try:
        found = pwd.getpwuid(who) if isinstance(who, int) else pwd.getpwnam(who)
    except KeyError:
        raise UsageError(
            f"there is no user {who} on this machine", "name one that is there, or make one: useradd"
        ) from None
    return Account(found.pw_name, found.pw_uid, found.pw_gid, Path(found.pw_dir))


def is_administrator() -> bool:
    """May this process do everything?"""
    return os.geteuid() == 0


def who_asked(environ: Mapping[str, str]) -> str:
    """The person who became the administrator to type this; empty when the administrator logged in as such."""
    name = environ.get("SUDO_USER") or environ.get("DOAS_USER") or ""
    return "" if name == "root" else name


def refuse_sudo(environ: Mapping[str, str]) -> None:
    """Raise UsageError where somebody asks for a service of their own by sudo: it would become the administrator's."""
    if is_administrator() and (name := who_asked(environ)):
        raise UsageError(f"with sudo, --user would mean root and not {name}", "leave out sudo, or --user")


def check_access(who: Account, python: str, reads: Sequence[Path], writes: Sequence[Path]) -> None:
    """Raise ServiceError unless this account can run that Python with this package, read those files and write there.

    Asked of the system by a process of that account, since only it knows all that decides: groups, lists, mounts.
    """
    words = [word for kind, paths in (("r", reads), ("w", writes)) for path in paths for word in (kind, str(path))]
    try:
        done = subprocess.run(
            [python, "-c", _PROBE, *words], cwd="/", capture_output=True, encoding="utf-8", errors="replace", timeout=60,
            stdin=subprocess.DEVNULL, check=False, **_as(who),
        )  # fmt: skip
    except PermissionError as error:
        raise _cannot_run(who, python) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ServiceError(f"{python} cannot be started as {who.name}: {error}") from error
    if done.returncode:
        raise _cannot_run(who, python)
    refused = [(line[0], line[1:]) for line in done.stdout.splitlines() if line]
    if refused:
        told = ", ".join(f"{'read' if kind == 'r' else 'write to'} {path}" for kind, path in refused)
        raise ServiceError(
            f"the user {who.name} cannot {told}",
            f"give it to them (sudo chown -R {who.name} FOLDER), or name another user with --run_as",
        )


def make_folder(folder: Path, who: Account) -> None:
    """A folder of this account's, with those above it that are missing. Raises ServiceError.

    Made by a process of that account where it may; elsewhere by the administrator, who gives it to them.
    """
    if folder.is_dir():
        return
    if is_administrator() and who.uid != os.geteuid():
        try:
            made = subprocess.run(
                [sys.executable, "-I", "-c", "import os, sys; os.makedirs(sys.argv[1])", str(folder)], cwd="/",
                capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False, **_as(who),
            )  # fmt: skip
        except PermissionError as error:
            raise _cannot_run(who, sys.executable) from error
        if made.returncode == 0:
            return
    above = [one for one in (folder, *folder.parents) if not os.path.lexists(one)]
    try:
        for one in reversed(above):
            one.mkdir()
            if is_administrator():
                os.chown(one, who.uid, who.gid, follow_symlinks=False)
    except OSError as error:
        raise ServiceError(f"the folder {folder} cannot be made: {error.strerror}", "make it yourself") from error
    if not folder.is_dir():
        raise ServiceError(f"{folder} is no folder", "name another one")


def _as(who: Account) -> dict[str, Any]:
    """How a process is started as that account; who is no administrator can be nobody else."""
    if not is_administrator():
        return {}
    return {
        "user": who.uid, "group": who.gid, "extra_groups": os.getgrouplist(who.name, who.gid),
        "env": {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(who.home), "LANG": "C.UTF-8"},
    }  # fmt: skip


def _cannot_run(who: Account, python: str) -> ServiceError:
    return ServiceError(
        f"the user {who.name} cannot run {python} with openmsistream",
        f"install it where {who.name} may read it, such as a virtual environment in /opt: "
        f"python{sys.version_info.major} -m venv /opt/openmsistream",
    )
