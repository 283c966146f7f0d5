"""What a program tells of itself on topics, as values: counts become heartbeats, log messages become records."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from openmsistream.errors import UsageError

from .log_lines import LogLines

HEARTBEAT_EVERY = 900.0
LOG_EVERY = 60.0
"""Seconds between two heartbeats, and between two records of log messages, where nobody says otherwise."""

_SHORTEST = 0.1
"""Seconds between two; the option allows zero, which would be without end."""


@dataclass(frozen=True, slots=True)
class Amount:
    """Records, and bytes of them."""

    messages: int = 0
    bytes: int = 0


Counts = Mapping[str, Amount]
"""What was done since the start, by its verb: "read", "processed", "produced". A verb that is not there is not told of."""

NOTHING: Counts = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Announcement:
    """A record about a program: key and value as text."""

    msg_key: str
    msg_value: str


@dataclass(frozen=True, slots=True)
class Channel:
    """Where announcements of one kind go, under which name (None: `Announcer` has one), and how many seconds are between two."""

    topic: str
    program_id: str | None
    every: float


def channel(kind: str, topic: str | None, program_id: str | None, every: float | None) -> Channel | None:
    """A channel from the arguments of a class; None when no topic is named. Raises UsageError."""
    if not topic:
        return None
    default = HEARTBEAT_EVERY if kind == "heartbeat" else LOG_EVERY
    if every is not None and not 0 <= every < float("inf"):
        raise UsageError(f"{kind}_interval_secs is {every}", "give a number of seconds, or None for the usual one")
    return Channel(topic, program_id or None, max(_SHORTEST, default if every is None else float(every)))


def since(now: Counts, before: Counts) -> Counts:
    """What was done between two looks; a count that began anew is taken from its beginning."""
    nothing = Amount()
    return {verb: _less(amount, before.get(verb, nothing)) for verb, amount in now.items()}


def _less(now: Amount, before: Amount) -> Amount:
    if now.messages < before.messages:
        return now
    return Amount(now.messages - before.messages, max(0, now.bytes - before.bytes))


def heartbeat(program_id: str, counts: Counts, at: datetime) -> Announcement:
    """A heartbeat: the time, and what was done since the one before."""
    value: dict[str, object] = {"timestamp": at.isoformat(timespec="microseconds")}
    value |= {f"n_messages_{verb}": amount.messages for verb, amount in counts.items()}
    value |= {f"n_bytes_{verb}": amount.bytes for verb, amount in counts.items()}
    return Announcement(f"{program_id}_heartbeat", json.dumps(value))


def log_record(program_id: str, lines: Sequence[str], at: float) -> Announcement:
    """A record of log messages, `at` in Unix time."""
    return Announcement(f"{program_id}_log", json.dumps({"timestamp": at, "messages": list(lines)}))


class Announcer:
    """What a class has that tells of itself while it runs; subclasses may tell something else, or more.

    What a `get_..._message` gives needs the attributes `msg_key` and `msg_value`, texts or bytes; None is not sent. They
    are called in a thread of their own.
    """

    _heartbeat_program_id: str = ""
    _log_program_id: str = ""
    _told: Counts = NOTHING
    _log_lines: LogLines | None = None

    def _counts(self) -> Counts:
        """What was done since the start."""
        return NOTHING

    def get_heartbeat_message(self) -> object:
        """The next heartbeat; what it counts is what was done since the last time this was called."""
        now = self._counts()
        before, self._told = self._told, now
        return heartbeat(self._heartbeat_program_id, since(now, before), datetime.now(UTC))

    def get_log_message(self) -> object:
        """What was logged since the last time this was called, the oldest of it if it is much."""
        lines = [] if self._log_lines is None else self._log_lines.take()
        return log_record(self._log_program_id, lines, time.time())
