"""What is asked of Windows, through pywin32. The only module, beside the one that hosts a service, that knows it.

Not run by the tests on other systems: it holds nothing that could be decided without Windows.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openmsistream.errors import ConfigError

from .control import ACTIVITIES, NOT_THERE, Registration, Right, Standing, refused

if TYPE_CHECKING:
    import _win32typing

_SYSTEM, _ADMINISTRATORS = "S-1-5-18", "S-1-5-32-544"
_BUILT_IN = {
    "LocalSystem": _SYSTEM,
    "NT AUTHORITY\\LocalService": "S-1-5-19",
    "NT AUTHORITY\\NetworkService": "S-1-5-20",
}
"""By their numbers: their names are other ones on a Windows in another language."""

_MILLISECONDS = 1000


class WindowsControl:
    """The service control manager of this machine, access rights of its files, its event log."""

    def __init__(self) -> None:
        try:
            import win32service  # noqa: F401
        except ImportError as error:
            raise ConfigError(
                f"pywin32 cannot be loaded: {error}", f"{sys.executable} -m pip install pywin32"
            ) from error

    def is_administrator(self) -> bool:
        if sys.platform != "win32":
            return False
        return bool(ctypes.windll.shell32.IsUserAnAdmin())

    # -- services ------------------------------------------------------------------------------------------

    def standing(self, name: str) -> Standing | None:
        import pywintypes
        import win32service

        try:
            with _service(name, win32service.SERVICE_QUERY_STATUS | win32service.SERVICE_QUERY_CONFIG) as service:
                status: dict[str, Any] = win32service.QueryServiceStatusEx(service)  # type: ignore[assignment]
                config = win32service.QueryServiceConfig(service)
        except pywintypes.error as error:
            if error.winerror == NOT_THERE:
                return None
            raise refused(error.winerror, error.strerror, f"{name} cannot be looked at") from error
        return Standing(
            activity=ACTIVITIES[status["CurrentState"]],
            pid=status["ProcessId"],
            exit_code=status["Win32ExitCode"],
            own_code=status["ServiceSpecificExitCode"],
            automatic=config[1] == win32service.SERVICE_AUTO_START,
            command=config[3],
        )

    def register(self, registration: Registration, password: str | None) -> None:
        import win32service

        with _refusals(f"{registration.name} cannot be installed"):
            rights = win32service.SC_MANAGER_CONNECT | win32service.SC_MANAGER_CREATE_SERVICE
            manager = win32service.OpenSCManager(None, None, rights)
            try:
                service = _made(manager, registration, password)
                try:
                    _described(service, registration)
                finally:
                    win32service.CloseServiceHandle(service)
            finally:
                win32service.CloseServiceHandle(manager)

    def delete(self, name: str) -> None:
        import win32service

        with _refusals(f"{name} cannot be removed"), _service(name, _deletion()) as service:
            win32service.DeleteService(service)

    def start(self, name: str) -> None:
        import win32service

        with _refusals(f"{name} cannot be started"), _service(name, win32service.SERVICE_START) as service:
            win32service.StartService(service, None)

    def stop(self, name: str) -> None:
        import win32service

        with _refusals(f"{name} cannot be stopped"), _service(name, win32service.SERVICE_STOP) as service:
            win32service.ControlService(service, win32service.SERVICE_CONTROL_STOP)

    # -- rights --------------------------------------------------------------------------------------------

    def seclude(self, folder: Path) -> None:
        import ntsecuritycon
        import win32security

        administrators = win32security.ConvertStringSidToSid(_ADMINISTRATORS)
        rights = win32security.ACL()
        for who in (win32security.ConvertStringSidToSid(_SYSTEM), administrators):
            rights.AddAccessAllowedAceEx(win32security.ACL_REVISION, _inherited(), ntsecuritycon.FILE_ALL_ACCESS, who)
        what = (
            win32security.OWNER_SECURITY_INFORMATION
            | win32security.DACL_SECURITY_INFORMATION
            | win32security.PROTECTED_DACL_SECURITY_INFORMATION
        )
        with _refusals(f"{folder} cannot be closed to others"):
            win32security.SetNamedSecurityInfo(
                str(folder), win32security.SE_FILE_OBJECT, what, administrators, None, rights, None
            )

    def allow(self, account: str, right: Right, path: Path) -> None:
        import ntsecuritycon
        import win32security

        mask = ntsecuritycon.FILE_GENERIC_READ | ntsecuritycon.FILE_GENERIC_EXECUTE
        if right == "change":
            mask |= ntsecuritycon.FILE_GENERIC_WRITE | ntsecuritycon.DELETE
        with _refusals(f"{account} cannot be given the right to {right} {path}"):
            who = _sid(account)
            found = win32security.GetNamedSecurityInfo(
                str(path), win32security.SE_FILE_OBJECT, win32security.DACL_SECURITY_INFORMATION
            )
            rights = found.GetSecurityDescriptorDacl()
            if rights is None:  # everybody may do everything, which a list with one entry would end
                return
            entry: Any = {
                "AccessPermissions": mask,
                "AccessMode": win32security.GRANT_ACCESS,
                "Inheritance": _inherited() if path.is_dir() else 0,
                "Trustee": {
                    "TrusteeForm": win32security.TRUSTEE_IS_SID,
                    "TrusteeType": win32security.TRUSTEE_IS_UNKNOWN,
                    "Identifier": who,
                },
            }
            rights.SetEntriesInAcl((entry,))
            win32security.SetNamedSecurityInfo(
                str(path),
                win32security.SE_FILE_OBJECT,
                win32security.DACL_SECURITY_INFORMATION,
                None,
                None,
                rights,
                None,
            )

    def let_log_on(self, account: str) -> None:
        import win32security

        with _refusals(f"{account} cannot be given the right to log on as a service"):
            rights = win32security.POLICY_CREATE_ACCOUNT | win32security.POLICY_LOOKUP_NAMES
            policy: Any = win32security.LsaOpenPolicy(None, rights)  # type: ignore[arg-type]
            try:
                win32security.LsaAddAccountRights(policy, _sid(account), (win32security.SE_SERVICE_LOGON_NAME,))
            finally:
                win32security.LsaClose(policy)

    # -- the event log -------------------------------------------------------------------------------------

    def add_event_source(self, name: str) -> None:
        import servicemanager
        import win32evtlogutil

        with _refusals(f"{name} cannot be made known to the event log"):
            win32evtlogutil.AddSourceToRegistry(name, servicemanager.__file__)

    def remove_event_source(self, name: str) -> None:
        import pywintypes
        import win32evtlogutil

        try:
            win32evtlogutil.RemoveSourceFromRegistry(name)
        except pywintypes.error as error:
            if error.winerror not in (2, 3):  # it is not there
                raise refused(error.winerror, error.strerror, f"{name} cannot be taken from the event log") from error


def _deletion() -> int:
    """The right to delete."""
    import win32con

    return win32con.DELETE


def _sid(account: str) -> _win32typing.PySID:
    import win32security

    if account in _BUILT_IN:
        return win32security.ConvertStringSidToSid(_BUILT_IN[account])
    return win32security.LookupAccountName(None, account.removeprefix(".\\"))[0]


def _made(
    manager: _win32typing.PySC_HANDLE, registration: Registration, password: str | None
) -> _win32typing.PySC_HANDLE:
    """The service, new or changed."""
    import pywintypes
    import win32service

    kind, start, errors = (
        win32service.SERVICE_WIN32_OWN_PROCESS, win32service.SERVICE_AUTO_START, win32service.SERVICE_ERROR_NORMAL,
    )  # fmt: skip
    try:
        service = win32service.OpenService(manager, registration.name, win32service.SERVICE_ALL_ACCESS)
    except pywintypes.error as error:
        if error.winerror != NOT_THERE:
            raise
        return win32service.CreateService(
            manager, registration.name, registration.title, win32service.SERVICE_ALL_ACCESS, kind, start, errors,
            registration.command, None, False, None, registration.account, password,
        )  # fmt: skip
    win32service.ChangeServiceConfig(
        service, kind, start, errors, registration.command, None, False, None, registration.account, password,
        registration.title,
    )  # fmt: skip
    return service


def _described(service: _win32typing.PySC_HANDLE, registration: Registration) -> None:
    """What is not a part of making a service: its description, when it starts, and what is done when it fails."""
    import win32service

    change = win32service.ChangeServiceConfig2
    change(service, win32service.SERVICE_CONFIG_DESCRIPTION, registration.description)
    change(service, win32service.SERVICE_CONFIG_DELAYED_AUTO_START_INFO, True)
    actions = [(win32service.SC_ACTION_RESTART, seconds * _MILLISECONDS) for seconds in registration.restarts]
    failures = {"ResetPeriod": registration.forget_after, "RebootMsg": "", "Command": "", "Actions": actions}
    change(service, win32service.SERVICE_CONFIG_FAILURE_ACTIONS, failures)
    # also when it says itself that it failed, not only when its process disappears
    change(service, win32service.SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, True)
    change(service, win32service.SERVICE_CONFIG_PRESHUTDOWN_INFO, registration.stop_within * _MILLISECONDS)


def _inherited() -> int:
    """For a folder and all that is in it."""
    import ntsecuritycon

    return ntsecuritycon.OBJECT_INHERIT_ACE | ntsecuritycon.CONTAINER_INHERIT_ACE


@contextmanager
def _service(name: str, access: int) -> Iterator[_win32typing.PySC_HANDLE]:
    import win32service

    manager = win32service.OpenSCManager(None, None, win32service.SC_MANAGER_CONNECT)
    try:
        service = win32service.OpenService(manager, name, access)
        try:
            yield service
        finally:
            win32service.CloseServiceHandle(service)
    finally:
        win32service.CloseServiceHandle(manager)


@contextmanager
def _refusals(doing: str) -> Iterator[None]:
    """Windows' errors in our words."""
    import pywintypes

    try:
        yield
    except pywintypes.error as error:
        raise refused(error.winerror, error.strerror, doing) from error
