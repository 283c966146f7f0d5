"""What is asked of Windows, as values and one Protocol; and its refusals in words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from openmsistream.services.supervisor import ServiceError

Activity = Literal["stopped", "start pending", "stop pending", "running", "continue pending", "pause pending", "paused"]

ACTIVITIES: dict[int, Activity] = {
    1: "stopped", 2: "start pending", 3: "stop pending", 4: "running",
    5: "continue pending", 6: "pause pending", 7: "paused",
}  # fmt: skip
"""By the numbers of SERVICE_STATUS_PROCESS.dwCurrentState."""

Right = Literal["read", "change"]
"""Read and execute; or that, and write and delete."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A service as Windows is told of it.

    `restarts`: seconds before the first start after a failure, the second, and so on; the last one counts for all that
    follow. `forget_after`: seconds without a failure after which they are counted anew. `stop_within`: seconds that the
    machine waits for it when it is shut down.
    """

    name: str
    title: str
    description: str
    command: str
    account: str
    restarts: tuple[int, ...]
    forget_after: int
    stop_within: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How Windows says that a service stands. `exit_code` and `own_code` are those of its last end."""

    activity: Activity
    pid: int = 0
    exit_code: int = 0
    own_code: int = 0
    automatic: bool = False
    command: str = ""


class ServiceControl(Protocol):
    """The service control manager, access rights and the event log. All of it raises ServiceError, as `refused` words it."""

    def is_administrator(self) -> bool: ...

    def standing(self, name: str) -> Standing | None:
        """None when there is no such service."""
        ...

    def register(self, registration: Registration, password: str | None) -> None:
        """Make a service known, or change the one of this name; it starts with the machine, somewhat after its beginning."""

    def delete(self, name: str) -> None: ...

    def start(self, name: str) -> None:
        """Ask for it; returns at once."""

    def stop(self, name: str) -> None:
        """Ask for it; returns at once."""

    def seclude(self, folder: Path) -> None:
        """Let nobody but the system and administrators into a folder and all that will be in it."""

    def allow(self, account: str, right: Right, path: Path) -> None:
        """Let an account read, or change, a file or a folder and all that is in it."""

    def let_log_on(self, account: str) -> None:
        """Give an account of a person the right to log on as a service."""

    def add_event_source(self, name: str) -> None: ...

    def remove_event_source(self, name: str) -> None: ...


NOT_THERE = 1060
ALREADY_RUNS = 1056
NOT_STARTED = 1062
OWN_ERROR = 1066
"""ERROR_SERVICE_SPECIFIC_ERROR: the code is the service's own."""

_NOT_WINDOWS_OWN = 0x2000_0000
"""The bit that tells codes of programs from those of Windows, which the Event Viewer would take them for."""


def told(code: int) -> int:
    """The code that Windows is told for an exit code of a program."""
    return code | _NOT_WINDOWS_OWN if code else 0


def untold(code: int) -> int:
    """The exit code of the program again."""
    return code & ~_NOT_WINDOWS_OWN


_ELEVATED = 'open PowerShell or the command prompt with "Run as administrator", and type it again'

_WORDS: dict[int, tuple[str, str]] = {
    2: ("the program it starts is not there", "install it again: the Python it was installed with may be gone"),
    3: ("a folder of it is not there", "install it again"),
    5: ("Windows allows it to administrators only", _ELEVATED),
    1051: ("other services that depend on it are running", "stop those first"),
    1053: (
        "it did not say in time that it starts",
        "see the Event Viewer, and let its account read the folders of Python and of the virtual environment",
    ),
    1057: ("there is no such account, or its password is wrong", "name another one with --run_as"),
    1058: ("it is disabled", "set its start type to automatic in the Services window (services.msc)"),
    1060: ("there is no such service", "see those that there are: ManageService list"),
    1061: ("it does not listen at the moment", "wait a little, and type it again"),
    1069: (
        "Windows does not let its account log on",
        'check the password, and give the account the right "Log on as a service" (secpol.msc, Local Policies)',
    ),
    1072: (
        "it is marked for deletion, and goes when nobody looks at it any more",
        "close the Services window, the Task Manager and the Event Viewer, or restart the machine; then type it again",
    ),
    1073: ("there is a service of this name", "choose another name with --service_name"),
    1078: ("another service is shown under this name", "choose another name with --service_name"),
    1115: ("the machine is being shut down", "type it again when it is up"),
    1332: ("there is no such account", "name another one with --run_as"),
}  # fmt: skip
"""Windows' error codes that people meet here: what it means, what to do."""


def refused(code: int, said: str, doing: str) -> ServiceError:
    """The error about what Windows refused; `said` are its own words, for a code that is not known here."""
    if code in _WORDS:
        what, advice = _WORDS[code]
        return ServiceError(f"{doing}: {what}", advice)
    return ServiceError(
        f"{doing}: {said.rstrip('. ')} (Windows error {code})", "see the Event Viewer, Windows Logs, System"
    )
