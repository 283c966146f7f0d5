"""What `systemctl show` says of a unit, as a state. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from openmsistream.services.supervisor import Condition, State

PROPERTIES = (
    "LoadState", "ActiveState", "SubState", "MainPID", "NRestarts", "ExecMainCode", "ExecMainStatus", "Result",
    "UnitFileState", "StateChangeTimestampMonotonic", "StatusText",
)  # fmt: skip

_EXITED = "1"
"""ExecMainCode as in waitid(2): CLD_EXITED; the others are ends by a signal."""

_CONDITIONS: Mapping[str, Condition] = {
    "active": "running", "reloading": "running", "activating": "starting", "deactivating": "stopping",
    "failed": "failed", "inactive": "stopped",
}  # fmt: skip


def properties(text: str) -> dict[str, str]:
    """The lines NAME=value."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def state_of(told: Mapping[str, str], now: float, since_boot: float) -> State:
    """The state; `now` is the Unix time at which the machine has run for `since_boot` seconds, by its monotonic clock."""
    if told.get("LoadState") == "not-found":
        return State("absent")
    condition = _CONDITIONS.get(told.get("ActiveState", ""), "stopped")
    if "auto-restart" in told.get("SubState", ""):
        condition = "waiting"
    changed = int(told.get("StateChangeTimestampMonotonic") or 0) / 1e6
    pid = int(told.get("MainPID") or 0)
    return State(
        condition,
        since=now - since_boot + changed if changed else None,
        pid=pid or None,
        restarts=int(told.get("NRestarts") or 0),
        exit_code=_exit_code(told),
        enabled=told.get("UnitFileState") in ("enabled", "enabled-runtime"),
        said=told.get("StatusText", ""),
    )


def _exit_code(told: Mapping[str, str]) -> int | None:
    code = told.get("ExecMainCode", "0")
    if code == "0":
        return None
    status = int(told.get("ExecMainStatus") or 0)
    return status if code == _EXITED else -status


def last_error(lines: Iterable[str]) -> str:
    """The last error in the lines of a journal (JSON, the latest last), with its time; empty when there is none.

    That is what the program itself said as an error, or what systemd says of an end that no program can speak of.
    """
    for line in reversed(list(lines)):
        entry = _entry(line)
        if entry is not None and _is_error(entry):
            when = datetime.fromtimestamp(int(entry["__REALTIME_TIMESTAMP"]) / 1e6).astimezone()
            text = entry["MESSAGE"].removeprefix("error: ")
            return f"{text} (at {when.isoformat(' ', 'seconds')})"
    return ""


def _entry(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(entry, dict) and isinstance(entry.get("MESSAGE"), str) and "__REALTIME_TIMESTAMP" in entry
    return entry if whole else None


def _is_error(entry: Mapping[str, Any]) -> bool:
    if entry.get("SYSLOG_IDENTIFIER") == "systemd":
        return any(words in entry["MESSAGE"] for words in _SYSTEMD)
    return str(entry.get("PRIORITY", "6")) <= "3"


_SYSTEMD = (
    "code=killed",
    "code=dumped",
    "Watchdog timeout",
    "oom-kill",
    "timed out",
    "Failed at step",
    "Failed to set up",
)
"""Of all that systemd says of a unit: what is not told by the program too."""
