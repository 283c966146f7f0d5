"""A service control manager that keeps what it is told in memory, and a Windows that only listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from openmsistream.services.windows.control import (
    NOT_THERE,
    OWN_ERROR,
    Registration,
    Right,
    Standing,
    refused,
)


@dataclass
class FakeControl:
    """Services by name, what was allowed to whom, and in which order all was done. `refuses`: an error code for a verb."""

    administrator: bool = True
    services: dict[str, Standing] = field(default_factory=dict)
    registered: dict[str, Registration] = field(default_factory=dict)
    passwords: list[str | None] = field(default_factory=list)
    allowed: list[tuple[str, Right, Path]] = field(default_factory=list)
    sources: set[str] = field(default_factory=set)
    did: list[str] = field(default_factory=list)
    refuses: dict[str, int] = field(default_factory=dict)
    when_started: Callable[[str], Standing] = lambda name: Standing("running", pid=77)

    def is_administrator(self) -> bool:
        return self.administrator

    def standing(self, name: str) -> Standing | None:
        return self.services.get(name)

    def register(self, registration: Registration, password: str | None) -> None:
        self._do("register", registration.name)
        self.registered[registration.name] = registration
        self.passwords.append(password)
        before = self.services.get(registration.name, Standing("stopped", exit_code=1077))
        self.services[registration.name] = replace(before, automatic=True, command=registration.command)

    def delete(self, name: str) -> None:
        self._do("delete", name)
        self._known(name)
        del self.services[name]

    def start(self, name: str) -> None:
        self._do("start", name)
        known = self._known(name)
        after = self.when_started(name)
        self.services[name] = replace(after, automatic=known.automatic, command=known.command)

    def stop(self, name: str) -> None:
        self._do("stop", name)
        self.services[name] = replace(self._known(name), activity="stopped", pid=0)

    def seclude(self, folder: Path) -> None:
        assert folder.is_dir()
        self._do("seclude", folder.name)

    def allow(self, account: str, right: Right, path: Path) -> None:
        self._do("allow", right)
        assert path.exists(), path
        self.allowed.append((account, right, path))

    def let_log_on(self, account: str) -> None:
        self._do("let log on", account)

    def add_event_source(self, name: str) -> None:
        self.sources.add(name)

    def remove_event_source(self, name: str) -> None:
        self.sources.discard(name)

    # what tests set

    def failed(self, name: str, code: int) -> None:
        """The service has ended with this exit code of its own."""
        self.services[name] = replace(self.services[name], activity="stopped", exit_code=OWN_ERROR, own_code=code)

    def _do(self, verb: str, what: str) -> None:
        self.did.append(f"{verb} {what}")
        if verb in self.refuses:
            raise refused(self.refuses[verb], "It was refused.", f"{what}: {verb}")

    def _known(self, name: str) -> Standing:
        if name not in self.services:
            raise refused(NOT_THERE, "", name)
        return self.services[name]


@dataclass
class FakeWindows:
    """Keeps what a service tells of itself, repetitions apart."""

    told: list[str] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)

    def starting(self, within: float) -> None:
        self._tell("starting")

    def running(self) -> None:
        self._tell("running")

    def stopping(self, within: float) -> None:
        self._tell("stopping")

    def event(self, level: Literal["info", "error"], text: str) -> None:
        self.events.append((level, text))

    def _tell(self, word: str) -> None:
        if self.told[-1:] != [word]:
            self.told.append(word)
