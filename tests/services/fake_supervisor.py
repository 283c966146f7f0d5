"""A supervisor that starts nothing: what it was told, and how services stand, are there to be read and set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from openmsistream.services.service import Scope, Service
from openmsistream.services.supervisor import ServiceError, State


@dataclass
class Fake:
    scope: Scope = "user"
    states: dict[str, State] = field(default_factory=dict)
    installed: dict[str, tuple[Service, dict[str, str]]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    error: str = ""
    heartbeat: str = "/nowhere"
    broken: bool = False
    """Does installing fail?"""

    def check(self, to: str) -> None:
        self.calls.append(f"check: {to}")

    def plan(self, service: Service) -> str:
        return f"the plan of {service.name}"

    def install(self, service: Service, values: Mapping[str, str]) -> None:
        self.calls.append(f"install {service.name}")
        if self.broken:
            raise ServiceError("it could not be installed")
        self.installed[service.name] = (service, dict(values))
        self.states[service.name] = State("stopped", enabled=True)

    def remove(self, service: Service) -> None:
        self.calls.append(f"remove {service.name}")
        self.states.pop(service.name, None)

    def start(self, name: str) -> None:
        self.calls.append(f"start {name}")
        self.states[name] = State("running", pid=1, enabled=True)

    def stop(self, name: str) -> None:
        self.calls.append(f"stop {name}")
        self.states[name] = State("stopped", enabled=True)

    def restart(self, name: str) -> None:
        self.calls.append(f"restart {name}")

    def state(self, name: str) -> State:
        return self.states.get(name, State("absent"))

    def logs(self, name: str, lines: int, follow: bool) -> Iterator[str]:
        yield f"{lines} lines of {name}"

    def last_error(self, name: str) -> str:
        return self.error

    def heartbeat_file(self, name: str) -> str:
        return self.heartbeat

    def remarks(self, service: Service) -> list[str]:
        return ["a remark"]
