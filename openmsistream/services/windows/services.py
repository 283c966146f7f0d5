"""The service control manager of Windows as the supervisor."""

from __future__ import annotations

import getpass
import os
import site
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from openmsistream.program import pulse
from openmsistream.program.run import wait_until
from openmsistream.services.records import Records
from openmsistream.services.service import Scope, Service
from openmsistream.services.supervisor import Condition, ServiceError, State

from . import life, log, plan
from .control import OWN_ERROR, Right, ServiceControl, Standing, untold
from .life import Life
from .plan import Folder, Python

PASSWORD = "OPENMSISTREAM_RUN_AS_PASSWORD"
"""The password of the account that `--run_as` names, where nobody can be asked for it."""

_START_WITHIN = 60.0
_STOP_WITHIN = plan.STOP_WITHIN + 15.0
_GONE_WITHIN = 15.0
_NEVER_STARTED = 1077
"""ERROR_SERVICE_NEVER_STARTED: the exit code of a service that was not started since the machine was."""

_CONDITIONS: dict[str, Condition] = {
    "start pending": "starting", "running": "running", "continue pending": "running", "pause pending": "running",
    "paused": "running", "stop pending": "stopping",
}  # fmt: skip


def _control() -> ServiceControl:
    from .api import WindowsControl

    return WindowsControl()


def this_python() -> Python:
    """The Python that runs this, as one that hosts services."""
    places = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), str(Path(__file__).parents[3])]
    if site.ENABLE_USER_SITE:
        places.append(site.getusersitepackages())
    return Python(
        program=getattr(sys, "_base_executable", None) or sys.executable,
        prefixes=tuple(dict.fromkeys([sys.prefix, sys.base_prefix])),
        packages=tuple(dict.fromkeys(places)),
        host=str(Path(__file__).with_name(plan.MARK)),
    )


@dataclass(frozen=True)
class WindowsServices:
    """The services of this machine. Windows has none of one person alone."""

    control: ServiceControl = field(default_factory=_control)
    python: Python = field(default_factory=this_python)
    records: Records = field(default_factory=lambda: Records.of("system"))
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    ask: Callable[[str], str] | None = None

    @property
    def scope(self) -> Scope:
        return "system"

    # -- what is there -------------------------------------------------------------------------------------

    def check(self, to: str) -> None:
        if not self.control.is_administrator():
            raise ServiceError(
                f"only an administrator can {to}",
                'open PowerShell or the command prompt with "Run as administrator", and type it again',
            )
        if trouble := plan.unusable(self.python):
            raise ServiceError(
                trouble, "install Python from python.org, and openmsistream in a virtual environment of it"
            )

    def folder(self, name: str) -> Folder:
        return Folder(self.records.folder / name)

    def plan(self, service: Service) -> str:
        folder = self.folder(service.name)
        return plan.text(plan.registration(service, self.python, folder), self._rights(service))

    def state(self, name: str) -> State:
        folder = self.folder(name)
        said = pulse.read(folder.health)
        return state_of(self.control.standing(name), Life.read(folder.life), None if said is None else said.pid)

    def heartbeat_file(self, name: str) -> str:
        return str(self.folder(name).health)

    def logs(self, name: str, lines: int, follow: bool) -> Iterator[str]:
        file = self.folder(name).log
        yield from log.last_lines(file, lines)
        if follow:
            yield from log.following(file)

    def last_error(self, name: str) -> str:
        folder = self.folder(name)
        kept = Life.read(folder.life)
        return (kept.error if kept else "") or log.last_error(folder.log)

    def remarks(self, service: Service) -> list[str]:
        account = plan.account(service)
        told = [f"it runs as {account}; its messages are in {self.folder(service.name).log}"]
        if far := plan.on_the_network([*service.writes, *service.reads]):
            whom = "this machine's account" if account.startswith(("NT ", "Local")) else account
            told.append(
                f"give {whom} the right to use {', '.join(far)} on that machine, or name an account with --run_as"
            )
        if service.user and account == "LocalSystem":
            told.append(
                "LocalSystem may do everything on this machine; without --run_as it gets an account that may do little"
            )
        return told

    # -- what is done --------------------------------------------------------------------------------------

    def install(self, service: Service, values: Mapping[str, str]) -> None:
        standing = self.control.standing(service.name)
        if standing is not None and plan.MARK not in standing.command:
            raise ServiceError(
                f"there is a service {service.name} that is not ours", "choose another name with --service_name"
            )
        folder = self.folder(service.name)
        registration = plan.registration(service, self.python, folder)
        password = self._password(registration.account)
        self._make_folders(service, folder)
        self.records.write_values(service.name, values)
        rights = self._rights(service)
        if missing := [str(path) for _, path in rights if not path.exists()]:
            raise ServiceError(
                f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not there", "check the path"
            )
        if password is not None:
            self.control.let_log_on(registration.account)
        self.control.register(registration, password)
        try:  # from here on there is the account that Windows makes up for it
            for right, path in rights:
                self.control.allow(registration.account, right, path)
        except ServiceError:
            if standing is None:
                self.control.delete(service.name)
            raise
        self.control.add_event_source(service.name)

    def remove(self, service: Service) -> None:
        name, folder = service.name, self.folder(service.name)
        standing = self.control.standing(name)
        if standing is not None:
            if plan.MARK not in standing.command:
                raise ServiceError(f"the service {name} is not ours", f"if you want it gone: sc.exe delete {name}")
            self.stop(name)
            self.control.delete(name)
            if not wait_until(lambda: self.control.standing(name) is None, _GONE_WITHIN, 0.2):
                raise ServiceError(
                    f"{name} is removed as soon as nobody looks at it any more",
                    "close the Services window, the Task Manager and the Event Viewer",
                )
        self.control.remove_event_source(name)
        for file in (folder.record, folder.health, folder.life, folder.run / life.STAY):
            file.unlink(missing_ok=True)

    def start(self, name: str) -> None:
        life.may_start(self.folder(name))
        standing = self._standing(name)
        if standing.activity == "running":
            return
        began = time.time()
        if standing.activity != "start pending":
            self.control.start(name)
        wait_until(lambda: self._standing(name).activity not in ("start pending", "stop pending"), _START_WITHIN, 0.2)
        if self._standing(name).activity == "stopped":
            raise self._not_started(name, began)

    def stop(self, name: str) -> None:
        standing = self.control.standing(name)
        if standing is None:
            return
        if standing.activity == "stopped":
            if _failed(standing):
                life.stay_stopped(self.folder(name))
            return
        if standing.activity != "stop pending":
            self.control.stop(name)
        if not wait_until(lambda: self._has_stopped(name), _STOP_WITHIN, 0.2):
            raise ServiceError(f"{name} has not stopped within {_STOP_WITHIN:.0f} s", f"see: ManageService {name} logs")

    def restart(self, name: str) -> None:
        self.stop(name)
        self.start(name)

    # -- how -----------------------------------------------------------------------------------------------

    def _standing(self, name: str) -> Standing:
        found = self.control.standing(name)
        if found is None:
            raise ServiceError(f"Windows has no service {name}", f"install it again: ManageService {name} reinstall")
        return found

    def _has_stopped(self, name: str) -> bool:
        standing = self.control.standing(name)
        return standing is None or standing.activity == "stopped"

    def _rights(self, service: Service) -> list[tuple[Right, Path]]:
        values = self.records.values_file(service.name) if service.variables else None
        return list(plan.rights(service, self.python, self.folder(service.name), values))

    def _make_folders(self, service: Service, folder: Folder) -> None:
        """What is on disk before anybody else may see it: first the folder is closed, then something is put into it."""
        try:
            self.records.folder.mkdir(parents=True, exist_ok=True)
            self.control.seclude(self.records.folder)
            folder.run.mkdir(parents=True, exist_ok=True)
            folder.record.write_text(service.to_json(), encoding="utf-8")
            for path in service.writes:
                Path(path).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ServiceError(
                f"{error.filename} cannot be made: {error.strerror}", "run it as administrator"
            ) from error

    def _password(self, account: str) -> str | None:
        if not plan.needs_password(account):
            return None
        if PASSWORD in self.environ:
            return self.environ[PASSWORD]
        ask = self.ask or (getpass.getpass if sys.stdin is not None and sys.stdin.isatty() else None)
        if ask is None:
            raise ServiceError(f"Windows wants the password of {account}", f"set {PASSWORD}, or leave out --run_as")
        return ask(f"password of {account} (not shown): ")

    def _not_started(self, name: str, began: float) -> ServiceError:
        kept = Life.read(self.folder(name).life)
        if kept is None or kept.started < began - 1:  # our own part of it did not even begin
            return ServiceError(f"{name} did not start", "see the Event Viewer, Windows Logs, Application and System")
        return ServiceError(
            f"{name} did not start: {kept.error or 'it ended at once'}", f"see: ManageService {name} logs"
        )


def state_of(standing: Standing | None, kept: Life | None, pid: int | None) -> State:
    """How a service stands: what Windows says, with what it noted of itself. `pid` is that of its last sign of life."""
    if standing is None:
        return State("absent")
    restarts = kept.failures if kept else 0
    if standing.activity != "stopped":
        since = kept.started if kept and kept.ended is None else None
        alive = pid or (kept.pid if kept and kept.ended is None else standing.pid) or None
        return State(_CONDITIONS[standing.activity], since, alive, restarts, None, standing.automatic)
    code = untold(standing.own_code) if standing.exit_code == OWN_ERROR else standing.exit_code
    ended = kept.ended if kept else None
    if _failed(standing):
        return State("waiting", ended, None, restarts, code, standing.automatic)
    if kept and kept.ended is not None and kept.exit_code in life.NOT_MENDED_BY_STARTING:
        return State("failed", ended, None, restarts, kept.exit_code, standing.automatic)
    return State("stopped", ended, None, restarts, kept.exit_code if kept else None, standing.automatic)


def _failed(standing: Standing) -> bool:
    """Did its last end count as a failure, after which Windows starts it again?"""
    return standing.exit_code not in (0, _NEVER_STARTED)
