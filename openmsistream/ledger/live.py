"""What a running program says of itself beside its ledger: a small file that `openmsistream status` reads."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FORM = 1
"""The version of the file's form; a file of another one is not read."""


@dataclass(frozen=True, slots=True)
class LiveFile:
    """A file that a program is at work on. `chunks_in_all` and `size` None: not known yet.

    Unix times: it settles, or is tried again, at `until`; what is said of it is so since `since`.
    """

    path: str
    state: str
    chunks: int = 0
    chunks_in_all: int | None = None
    bytes: int = 0
    size: int | None = None
    missing: str = ""
    reason: str = ""
    until: float | None = None
    since: float | None = None
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Live:
    """What a program says of itself. Times are Unix times, rates are a second's; `settings` is what it was started with.

    `ended` is set by a program that ends in good order, `error` when it ended with one. `lag` counts the records of the
    topic that are not read yet, None when that is not known.
    """

    program: str
    pid: int
    started: float
    updated: float
    ended: float | None = None
    error: str = ""
    trouble: str = ""
    files: int = 0
    bytes: int = 0
    failed: int = 0
    waiting: int = 0
    rate_10s: float = 0.0
    rate_60s: float = 0.0
    lag: int | None = None
    lag_bytes: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    at_work: tuple[LiveFile, ...] = ()


def place(ledger: Path) -> Path:
    """The live file of the program that works on this ledger."""
    return ledger.with_suffix(".live.json")


def write(ledger: Path, live: Live) -> bool:
    """Put it in place of the one before, at once; False when that was not possible (a full disk: the work goes on)."""
    file = place(ledger)
    beside = file.with_suffix(".tmp")
    try:
        beside.write_text(json.dumps({"form": FORM, **asdict(live)}), encoding="ascii")
        os.replace(beside, file)
    except OSError:
        return False
    return True


def read(ledger: Path) -> Live | None:
    """What the program last said of itself; None when it never did, or in a form that is not known here."""
    try:
        said = json.loads(place(ledger).read_text(encoding="utf-8"))
        if said.pop("form") != FORM:
            return None
        files = tuple(LiveFile(**file) for file in said.pop("at_work"))
        return Live(**said, at_work=files)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
