"""How a service stands, in words and as values: what its supervisor, its signs of life and its last error say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from openmsistream.ledger import live
from openmsistream.program import pulse
from openmsistream.program.pulse import Pulse

from .service import Service
from .supervisor import State, Supervisor

_ENDED_BY = {2: "the command line is wrong", 3: "the configuration", 4: "no broker answered", 5: "the broker refused access",
             6: "the topic", 7: "a folder or file", 8: "the ledger", 9: "some files failed", 11: "a destination"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Status:
    """A service with its state, its last sign of life and the last error it told of."""

    service: Service
    state: State
    pulse: Pulse | None
    last_error: str
    now: float

    @property
    def is_well(self) -> bool:
        """Does it run, and give signs of life?"""
        if self.state.condition != "running":
            return False
        return self.pulse is None or not self.service.watched or pulse.judge(self.pulse, self.now)[0]

    def lines(self) -> list[str]:
        """For people."""
        service, state = self.service, self.state
        when = "started with the machine" if state.enabled else "not started by itself"
        rows = [
            (service.name, _state(state, self.now)),
            ("runs", " ".join([service.target, *service.args])),
            ("as", f"{service.user or 'its own account'}, {when}"),
        ]
        if self.pulse is not None:
            rows.append(("heartbeat", f"{_ago(self.now - self.pulse.updated)} ago"))
            failed = f", {self.pulse.failed} failed" if self.pulse.failed else ""
            rows.append(("files", f"{self.pulse.files} done{failed}, since its last start"))
            if self.pulse.trouble:
                rows.append(("trouble", self.pulse.trouble))
        if state.restarts:
            rows.append(("restarts", f"{state.restarts} after failures"))
        rows.append(("last error", self.last_error or "none"))
        width = max(len(name) for name, _ in rows)
        return [f"{name:<{width}}  {text}" for name, text in rows]

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        service = asdict(self.service)
        return {
            "service": service, "state": asdict(self.state), "well": self.is_well,
            "heartbeat": asdict(self.pulse) if self.pulse else None, "last_error": self.last_error,
        }  # fmt: skip


def status(supervisor: Supervisor, service: Service, now: float) -> Status:
    """Ask everybody who knows something of a service."""
    state = supervisor.state(service.name)
    said = pulse.read(Path(supervisor.heartbeat_file(service.name)))
    if said is not None and state.pid not in (None, said.pid):
        said = None  # of the process before
    error = (said.error if said else "") or supervisor.last_error(service.name) or _of_ledgers(service.writes)
    return Status(service, state, said, error, now)


def _of_ledgers(folders: Sequence[str]) -> str:
    """The error that a program on one of these folders ended with last, as it stands beside its ledger."""
    ended = []
    for folder in folders:
        for ledger in Path(folder, "LOGS").glob("*.sqlite"):
            said = live.read(ledger)
            if said is not None and said.error:
                ended.append((said.updated, said.error))
    return max(ended)[1] if ended else ""


def _state(state: State, now: float) -> str:
    since = "" if state.since is None else f" since {_ago(now - state.since)}"
    match state.condition:
        case "running":
            return f"running{since} (process {state.pid})"
        case "waiting":
            return f"failed ({_end(state.exit_code)}), is started again in a while"
        case "failed":
            return f"failed{since}: {_end(state.exit_code)}; it is not started again by itself"
        case "absent":
            return "not there: its supervisor does not know it; ManageService NAME reinstall brings it back"
        case "starting":
            return f"starting{since}" + (f": {state.said}" if state.said else "")
        case other:
            return f"{other}{since}"


def _end(code: int | None) -> str:
    if code is None:
        return "it ended"
    if code < 0:
        return f"ended by signal {-code}"
    return f"exit code {code}" + (f", {_ENDED_BY[code]}" if code in _ENDED_BY else "")


def _ago(seconds: float) -> str:
    """A span of time, as people say it."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}" if seconds >= 10 * size else f"{seconds / size:.1f} {unit}"
    return f"{max(seconds, 0):.0f} s"
