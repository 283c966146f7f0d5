"""systemd as the supervisor: units of the machine, and units of one person. Thin: it writes the unit and asks systemctl."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from openmsistream.config.places import NAME
from openmsistream.services.records import Records
from openmsistream.services.service import Scope, Service
from openmsistream.services.supervisor import ServiceError, State

from .state import PROPERTIES, last_error, properties, state_of
from .takeover import is_old
from .unit import MARK, Surroundings, runtime_folder, unit

assert sys.platform != "win32"

SYSTEM_UNITS = Path("/etc/systemd/system")
_BOOTED = Path("/run/systemd/system")
"""It is there exactly when systemd is process 1 (sd_booted(3))."""

_ASK_WITHIN = 30.0
_ACT_WITHIN = 180.0
"""Seconds that systemctl may take: to answer; to start or stop something, which has limits of its own."""


@dataclass(frozen=True, slots=True)
class Systemd:
    """The services of the machine, or of this person."""

    scope: Scope

    # -- what is there -------------------------------------------------------------------------------------

    def check(self, to: str) -> None:
        if not _BOOTED.is_dir() or shutil.which("systemctl") is None:
            raise ServiceError(
                f"systemd does not run this machine, so it cannot {to}",
                "in a container, have the container's own restart policy run the program (docs/deploy.md)",
            )
        if self.scope == "user" and not (_runtime_dir() / "systemd").is_dir():
            raise ServiceError(
                f"there is no systemd of this user, so it cannot {to}",
                f"log in as that user (not by su or sudo -u), or have it run always: sudo loginctl enable-linger {_me()}",
            )

    def unit_file(self, name: str) -> Path:
        """Where the unit is written."""
        if self.scope == "system":
            return SYSTEM_UNITS / f"{name}.service"
        chosen = os.environ.get("XDG_CONFIG_HOME", "")
        base = Path(chosen) if os.path.isabs(chosen) else Path.home() / ".config"
        return base / "systemd" / "user" / f"{name}.service"

    def plan(self, service: Service) -> str:
        file = self.unit_file(service.name)
        calls = (["daemon-reload"], ["enable", _of(service.name)])
        then = [shlex.join(["systemctl", *self._flags(), *words]) for words in calls]
        return "\n".join([f"# {file}", self._text(service), "# then:", *then])

    def state(self, name: str) -> State:
        told = self._ask("show", _of(name), f"--property={','.join(PROPERTIES)}")
        return state_of(properties(told), time.time(), time.clock_gettime(time.CLOCK_MONOTONIC))

    def heartbeat_file(self, name: str) -> str:
        run = Path("/run") if self.scope == "system" else _runtime_dir()
        return str(run / runtime_folder(name) / "health")

    def logs(self, name: str, lines: int, follow: bool) -> Iterator[str]:
        words = ["journalctl", *self._journal(name), "--output=short-iso", f"--lines={lines}"]
        with subprocess.Popen(
            [*words, *(["--follow"] if follow else [])], stdout=subprocess.PIPE, encoding="utf-8", errors="replace"
        ) as journal:
            assert journal.stdout is not None
            try:
                for line in journal.stdout:
                    yield line.rstrip("\n")
            finally:
                journal.terminate()

    def last_error(self, name: str) -> str:
        words = ["journalctl", *self._journal(name), "--output=json", "--lines=50", "--priority=warning"]
        return last_error(_called(words, _ASK_WITHIN).stdout.splitlines())

    # -- what is done --------------------------------------------------------------------------------------

    def install(self, service: Service, values: Mapping[str, str]) -> None:
        file = self.unit_file(service.name)
        old = file.exists() and is_old(file)
        fragment = self._ask("show", _of(service.name), "--property=FragmentPath", "--value").strip()
        for there in {file, Path(fragment)} if fragment else {file}:
            if there.exists() and not (is_ours(there) or is_old(there)):
                raise ServiceError(
                    f"{there} is there already and is not ours", "choose another name with --service_name"
                )
        text = self._text(service)
        Records.of(self.scope).write_values(service.name, values)
        beside = file.with_name(f".{file.name}.new")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(text, encoding="utf-8")
            os.chmod(beside, 0o644)
            os.replace(beside, file)
        except UnicodeEncodeError as error:
            beside.unlink(missing_ok=True)
            raise ServiceError(
                "an argument or path is no valid Unicode, which systemd does not take", "rename it"
            ) from error
        except OSError as error:
            raise ServiceError(
                f"{file} cannot be written: {error.strerror}", "run it with sudo, or with --user"
            ) from error
        self._do("daemon-reload")
        if old:  # it runs still: its own unit (KillMode=none) would never have ended it
            self._do("stop", _of(service.name))
        self._do("enable", _of(service.name))

    def remove(self, service: Service) -> None:
        name, file = _of(service.name), self.unit_file(service.name)
        if file.exists() and not is_ours(file):
            raise ServiceError(f"{file} is not ours", "remove it by hand, if that is what you want")
        if self.state(service.name).is_there:
            self._do("stop", name)  # what cannot be stopped keeps its unit: without one nobody would look after it
            self._do("disable", name, quiet=True)
        try:
            file.unlink(missing_ok=True)
            shutil.rmtree(file.with_name(f"{name}.d"), ignore_errors=True)  # what `systemctl edit` made
        except OSError as error:
            raise ServiceError(f"{file} cannot be removed: {error.strerror}", "run it with sudo") from error
        self._do("daemon-reload")
        self._do("reset-failed", name, quiet=True)
        if self.scope == "system":
            shutil.rmtree(Path("/var/cache") / runtime_folder(service.name), ignore_errors=True)

    def start(self, name: str) -> None:
        self._begin("start", name)

    def stop(self, name: str) -> None:
        self._do("stop", _of(name))

    def restart(self, name: str) -> None:
        self._begin("restart", name)

    def remarks(self, service: Service) -> list[str]:
        if self.scope == "system":
            return []
        me = _me()
        if Path("/var/lib/systemd/linger", me).exists():
            return [f"lingering is on for {me}: it runs from the start of the machine, whoever is logged in"]
        return [
            f"it runs only while {me} is logged in; for it to run always, type once: loginctl enable-linger {me} "
            "(some machines want sudo before it)"
        ]

    # -- how -----------------------------------------------------------------------------------------------

    def _text(self, service: Service) -> str:
        values = Records.of(self.scope).values_file(service.name) if service.variables else ""
        return unit(service, Surroundings(str(values), _home_of(service), self._version()))

    def _version(self) -> int:
        told = _called(["systemctl", "--version"], _ASK_WITHIN).stdout
        found = re.match(r"systemd (\d+)", told)
        return int(found[1]) if found else 0

    def _flags(self) -> list[str]:
        return ["--user"] if self.scope == "user" else []

    def _journal(self, name: str) -> list[str]:
        unit_of = f"--user-unit={_of(name)}" if self.scope == "user" else f"--unit={_of(name)}"
        return [unit_of, "--no-pager", "--quiet"]

    def _ask(self, *words: str) -> str:
        done = _called(["systemctl", *self._flags(), "--no-pager", *words], _ASK_WITHIN)
        if done.returncode:
            raise ServiceError(f"systemctl {words[0]} failed: {done.stderr.strip()}", "see: systemctl status")
        return done.stdout

    def _begin(self, how: str, name: str) -> None:
        self._do("reset-failed", _of(name), quiet=True)  # so that the waits begin with the shortest again
        try:
            self._do(how, _of(name))
        except ServiceError as error:
            if self.state(name).condition != "waiting":
                raise
            raise ServiceError(
                f"{name} could not begin its work: {self.last_error(name) or error.what}",
                "it is tried again by itself, with growing waits up to 5 minutes",
            ) from error

    def _do(self, *words: str, quiet: bool = False) -> None:
        done = _called(["systemctl", *self._flags(), "--no-ask-password", *words], _ACT_WITHIN)
        if done.returncode and not quiet:
            raise _refused(self, words, done.stderr.strip())


def is_ours(file: Path) -> bool:
    """Was this unit written by us?"""
    try:
        return file.read_text(encoding="utf-8", errors="replace").startswith(MARK)
    except OSError:
        return False


def _refused(supervisor: Systemd, words: tuple[str, ...], told: str) -> ServiceError:
    said = shlex.join(["systemctl", *supervisor._flags(), *words])
    if "authentication" in told.lower() or "access denied" in told.lower() or "permission denied" in told.lower():
        return ServiceError(f"{said}: not allowed for this user", "put sudo before it")
    name = words[-1].removesuffix(".service")
    own = "--user " if supervisor.scope == "user" else ""
    advice = f"see: ManageService {own}{name} status, and ManageService {own}{name} logs"
    return ServiceError(f"{said} failed: {told.splitlines()[0] if told else 'it said nothing'}", advice)


def _home_of(service: Service) -> str:
    """The home of the user that it runs as, when there is one that is theirs; for a user's own service nobody needs to know."""
    if service.scope == "user":
        return ""
    from openmsistream.services.accounts import account

    who = account(service.user)
    return str(who.home) if who.has_home else ""


def _me() -> str:
    from openmsistream.services.accounts import account  # which is not there on every system

    return account(os.geteuid()).name


def _of(name: str) -> str:
    return f"{name}.service"


def _runtime_dir() -> Path:
    return Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}")


def _called(words: list[str], within: float) -> subprocess.CompletedProcess[str]:
    """Run a program of systemd's; its messages in the language that we can read."""
    environ = {**os.environ, "LC_ALL": "C.UTF-8", "XDG_RUNTIME_DIR": str(_runtime_dir())}
    try:
        return subprocess.run(
            words, env=environ, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="replace",
            timeout=within, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ServiceError(
            f"{shlex.join(words)} did not answer within {within:g} s", f"see: systemctl status {NAME}*"
        ) from error
    except OSError as error:
        raise ServiceError(f"{words[0]} cannot be run: {error.strerror}", "is systemd installed") from error
