"""A running program's word of itself, once a second, for `openmsistream status`; it never disturbs the work."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from openmsistream.ledger import live
from openmsistream.ledger.live import Live, LiveFile
from openmsistream.program.progress import Rate, Snapshot

from .incoming import AtWork

MOST = 100
"""Files at work that are named; the rest is only counted, so that the word of a busy program stays small."""

_EVERY = 1.0
_AT_LEAST_EVERY = 10.0
"""Seconds between two words when something has changed, and when nothing has."""


def live_files(files: Iterable[AtWork]) -> list[LiveFile]:
    """What a reader is at work on, as it is said."""
    return [
        LiveFile(
            f.path, f.state, f.chunks, f.count, f.received, f.size, f.missing, f.reason, f.until, f.since, f.attempts
        )
        for f in files
    ]


class Reporter:
    """Writes the live file of one program. `beat` is called often, `end` once; both by one thread."""

    def __init__(
        self,
        program: str,
        ledger: Path,
        settings: Mapping[str, Any],
        look: Callable[[], Snapshot],
        at_work: Callable[[], list[LiveFile]],
        *,
        steady: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._ledger = ledger
        self._look = look
        self._at_work = at_work
        self._steady = steady
        self._wall = wall
        self._rates = Rate(10.0, steady), Rate(60.0, steady)
        self._due = float("-inf")
        self._must = float("-inf")
        now = wall()
        self._said = Live(program, os.getpid(), now, now, settings=dict(settings))

    def beat(self) -> None:
        """Say how it stands, when it is time to and there is something to say."""
        now = self._steady()
        if now < self._due:
            return
        self._due = now + _EVERY
        said = self._now()
        if now < self._must and replace(said, updated=0.0) == replace(self._said, updated=0.0):
            return
        self._must = now + _AT_LEAST_EVERY
        self._write(said)

    def end(self, error: BaseException | None = None) -> None:
        """Say the last word."""
        self._write(replace(self._now(), ended=self._wall(), error="" if error is None else str(error), at_work=()))

    def _now(self) -> Live:
        snapshot = self._look()
        short, long = (round(rate.update(snapshot.moved)) for rate in self._rates)
        return replace(
            self._said,
            updated=self._wall(), trouble=snapshot.trouble, files=snapshot.files, bytes=snapshot.bytes,
            failed=snapshot.failed, waiting=snapshot.waiting, rate_10s=short, rate_60s=long, lag=snapshot.behind,
            lag_bytes=snapshot.behind_bytes, at_work=tuple(self._at_work()[:MOST]),
        )  # fmt: skip

    def _write(self, said: Live) -> None:
        self._said = said
        live.write(self._ledger, said)
