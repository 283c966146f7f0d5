"""A service's word to systemd, as sd_notify(3) describes it: lines of NAME=value in one datagram."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

log = logging.getLogger(__name__)

_WITHIN = 0.1
"""Seconds that a word may take: a systemd that does not read must not hold up the work."""


@dataclass(frozen=True, slots=True)
class Notifier:
    """Where systemd listens, and within how many seconds it wants a word (for ever when it does not watch)."""

    address: str
    within: float = float("inf")

    @classmethod
    def of(cls, environ: Mapping[str, str] = os.environ) -> Self | None:
        """What systemd has put into the environment; None when it has not, or of another process."""
        address = environ.get("NOTIFY_SOCKET", "")
        if sys.platform == "win32" or not address.startswith(("/", "@")):
            return None
        watched = environ.get("WATCHDOG_USEC", "")
        mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        within = int(watched) / 1e6 if mine and watched.isdecimal() and int(watched) else float("inf")
        return cls(address, within)

    def say(self, **lines: str) -> None:
        """Send these; a word that cannot be sent is not missed by the work itself."""
        if sys.platform == "win32":
            return
        text = "\n".join(f"{name}={value.translate(_ONE_LINE)}" for name, value in lines.items())
        where = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
                end.settimeout(_WITHIN)
                end.sendto(text.encode("utf-8", "backslashreplace"), where)
        except OSError as error:
            log.debug("systemd could not be told: %s", error)


_ONE_LINE = {ord("\n"): " ", ord("\r"): " "}
