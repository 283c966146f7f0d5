"""Who a service runs as on Linux: accounts, who asked for it, and what they may do. The place for what is POSIX only."""

from __future__ import annotations

import errno
import os
import pwd
import shlex
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
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
            stdin=subprocess.DEVNULL, check=False, **as_account(who),
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


def make_folder(folder: Path, who: Account, *, alone: bool = False) -> None:
    """A folder of this account's, with those above it that are missing. Raises ServiceError.

    Made by a process of that account where it may. Elsewhere the administrator makes the uppermost of them and gives it to
    the account, but never with `alone`, nor below a folder or link of others: they could lead it to any place.
    """
    if folder.is_dir():
        return
    try:
        if not is_administrator() or who.uid == os.geteuid():
            folder.mkdir(parents=True)
        elif not _made_by(who, folder):
            missing = [one for one in (folder, *folder.parents) if not os.path.lexists(one)]
            if alone or not missing or not _is_the_administrators(missing[-1].parent):
                raise PermissionError(errno.EACCES, f"{who.name} may not")
            missing[-1].mkdir(mode=0o755)
            os.chown(missing[-1], who.uid, who.gid, follow_symlinks=False)
            if not _made_by(who, folder):
                raise PermissionError(errno.EACCES, f"{who.name} may not")
    except FileExistsError as error:
        raise ServiceError(f"{folder} is no folder", "name another one") from error
    except OSError as error:
        raise ServiceError(
            f"the folder {folder} cannot be made: {error.strerror}",
            f"make it: sudo install -d -o {who.name} {shlex.quote(str(folder))}",
        ) from error


def check_private(folder: Path) -> None:
    """Raise ServiceError where somebody else could replace what the administrator keeps in a folder."""
    if not is_administrator():
        return
    for place in (folder, folder.parent):
        if place.exists() and not _is_roots(place):
            raise ServiceError(
                f"{place} is not the administrator's alone, so that what is kept in it cannot be trusted",
                f"see whose it is; move it away, or: sudo chown root: {place} && sudo chmod go-w {place}",
            )


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Refuse with a ServiceError while another process is in here with this folder, which is made where it is missing."""
    import fcntl

    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        at = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise ServiceError(f"{folder} cannot be used: {error.strerror}", "run it as the administrator") from error
    try:
        fcntl.flock(at, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ServiceError(
            "somebody else installs or removes a service just now", "try again when that is done"
        ) from error
    finally:
        os.close(at)


def _made_by(who: Account, folder: Path) -> bool:
    try:
        made = subprocess.run(
            [sys.executable, "-I", "-c", "import os, sys; os.makedirs(sys.argv[1], exist_ok=True)", str(folder)], cwd="/",
            capture_output=True, stdin=subprocess.DEVNULL, timeout=60, check=False, **as_account(who),
        )  # fmt: skip
    except PermissionError as error:
        raise _cannot_run(who, sys.executable) from error
    return made.returncode == 0


def _is_the_administrators(folder: Path) -> bool:
    """Can nobody else change what this path leads to?"""
    if os.path.realpath(folder) != str(folder):
        return False
    return all(_is_roots(path) for path in (folder, *folder.parents))


def _is_roots(folder: Path) -> bool:
    found = folder.lstat()
    return found.st_uid == 0 and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def as_account(who: Account) -> dict[str, Any]:
    """How `subprocess` starts a process as that account; who is no administrator can be nobody else."""
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
