"""What starts services, watches them and ends them, as this package needs it: one face for every system."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from openmsistream.errors import OpenMSIStreamError

from .service import Scope, Service

Condition = Literal["running", "starting", "stopping", "stopped", "waiting", "failed", "absent"]
"""`waiting`: it ended with an error and is started again in a while. `failed`: and is not."""


class ServiceError(OpenMSIStreamError):
    """A service could not be installed, started, stopped, asked or removed."""

    exit_code = 12


@dataclass(frozen=True, slots=True)
class State:
    """How a service stands, as its supervisor tells it. Times are Unix times; None is "not known" or "not now".

    `since`: in this condition. `restarts`: how often it was started again after a failure. `exit_code` is that of its last
    end, negative when a signal ended it. `enabled`: it is started with the machine (or with its person). `said`: what the
    supervisor says of it in its own words.
    """

    condition: Condition
    since: float | None = None
    pid: int | None = None
    restarts: int = 0
    exit_code: int | None = None
    enabled: bool = False
    said: str = ""

    @property
    def is_there(self) -> bool:
        return self.condition != "absent"

    @property
    def is_up(self) -> bool:
        """Does a process of it run?"""
        return self.condition in ("running", "starting", "stopping")


class Supervisor(Protocol):
    """What a system has to start, watch and end services. All of it raises ServiceError, with what to do.

    `start`, `stop` and `restart` return when that has happened, or has failed; `stop` when the program has ended.
    """

    @property
    def scope(self) -> Scope: ...

    def check(self, to: str) -> None:
        """Raise unless services can be managed here and now by this user; `to` is for the message: "install a service"."""

    def plan(self, service: Service) -> str:
        """What `install` would make, as text for a dry run."""
        ...

    def install(self, service: Service, values: Mapping[str, str]) -> None:
        """Make the service known and have it started with the machine; `values` are those of `service.variables`.

        One of the same name that is ours is replaced.
        """

    def remove(self, service: Service) -> None:
        """Stop it and leave nothing of it behind but its record, data, logs and values of variables."""

    def start(self, name: str) -> None: ...

    def stop(self, name: str) -> None: ...

    def restart(self, name: str) -> None: ...

    def state(self, name: str) -> State: ...

    def logs(self, name: str, lines: int, follow: bool) -> Iterator[str]:
        """The last lines that the program said, then with `follow` those that come."""
        ...

    def last_error(self, name: str) -> str:
        """The last error that the program said, empty when none is known."""
        ...

    def heartbeat_file(self, name: str) -> str:
        """Where the program keeps its signs of life (program/pulse.py)."""
        ...

    def remarks(self, service: Service) -> list[str]:
        """What a person should know after installing it, such as how to have it started without anybody logged in."""
        ...


def supervisor(scope: Scope) -> Supervisor:
    """The supervisor of this machine. Raises ServiceError on a system for which there is none."""
    if sys.platform == "win32":
        from .windows.services import WindowsServices

        return WindowsServices()
    if sys.platform == "linux":
        from .systemd.units import Systemd

        return Systemd(scope)
    raise ServiceError(
        "services are installed on Linux (systemd) and Windows only",
        "on macOS, have launchd run the same command: a file ~/Library/LaunchAgents/NAME.plist with Label, "
        "ProgramArguments, RunAtLoad and KeepAlive, then: launchctl bootstrap gui/$(id -u) FILE",
    )
