"""`openmsistream status DIR [PATH]`: what the programs on a folder are doing, and with each file, and why."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openmsistream.errors import FolderError
from openmsistream.ledger.live import Live
from openmsistream.processing.status import processed_files
from openmsistream.program.logs import spelt_out
from openmsistream.program.progress import behind, duration, size
from openmsistream.transfer.download_status import received_files
from openmsistream.transfer.file_status import DONE, FileStatus, Program, Totals, ago, at, path_in, programs_of
from openmsistream.transfer.upload_status import sent_files

FEW = 40
"""A folder with so many files at most is told file by file."""

OF_EACH = 20
"""Files of each state that are named otherwise; the others are counted."""

_ORDER = ("failed", "incomplete", "set aside", "running", "sending", "receiving", "finishing", "waiting")
_STYLES = {
    "failed": "bold red", "incomplete": "yellow", "set aside": "yellow",
    "sent": "green", "delivered": "green", "processed": "green",
}  # fmt: skip
_WORK = {"upload": "upload to", "download": "download from", "process": "processing of"}
_DONE_TO = {"upload": "sent", "download": "received", "process": "processed"}
_STALE = 15.0
"""Seconds after which a running program's word is old: it writes one every 10 s at least."""


def add_parser(commands: Any) -> None:
    text = "what the programs on a folder are doing, and with each file, and why"
    made = commands.add_parser("status", help=text, description=text.capitalize() + ".")
    made.add_argument(
        "folder",
        type=Path,
        metavar="DIR",
        help="the folder of the programs: sent from, written to, or a processor's output",
    )
    made.add_argument("path", nargs="?", default="", metavar="PATH", help="a file or folder in it: all that is there")
    made.add_argument("--all", action="store_true", help="name every file, also those that are done")
    made.add_argument("--state_dir", type=Path, metavar="FOLDER", help="as given to the programs")
    made.add_argument("--json", action="store_true", help="for programs")


def main(args: argparse.Namespace) -> int:
    programs = programs_of(args.folder, args.state_dir)
    path = path_in(args.folder, args.path) if args.path else ""
    every = args.all or bool(path)
    if args.json:
        _print_json(args.folder, path, programs, every)
        return 0
    found = 0
    for number, program in enumerate(programs):
        if number:
            print()
        found += _print_section(program, path, every)
    if path and not found:
        raise FolderError(
            f"nothing is known of {path}: it is not in {args.folder}, and no program remembers it", "check the name"
        )
    return 0


def _files(program: Program, path: str, totals: Totals, now: float) -> Iterator[FileStatus]:
    told = {"upload": sent_files, "download": received_files, "process": processed_files}
    return told[program.direction](program, path, totals, now)


# -- for people ----------------------------------------------------------------------------------------------


def _print_section(program: Program, path: str, every: bool) -> int:
    """One program and its files; how many files there are."""
    now = time.time()
    for line in _head(program, now):
        print(line)
    totals = _Few(every)
    files = _files(program, path, totals, now)
    if every:
        for status in files:
            print(_line(status))
            if status.detail and status.path == path:
                print(*(f"    {spelt_out(line)}" for line in status.detail.rstrip().splitlines()), sep="\n")
    else:
        _print_few(list(files), totals)
    print(f"  {_sum(totals)}")
    for note in totals.notes:
        print(f"  {note}")
    return sum(totals.files.values())


def _head(program: Program, now: float) -> Iterator[str]:
    """Who is at work, how fast, and what is in the way."""
    said = program.said
    name = f"{_WORK[program.direction]} topic {program.topic}"
    if not program.running:
        yield f"{name}: no program is at work here{_last_seen(said, now)}"
    elif said is None or not program.is_heard:
        yield f"{name}: a program is at work; it has not said yet how it stands"
    else:
        yield f"{name}: {said.program} is at work since {at(said.started).removeprefix('at ')} (process {said.pid})"
        yield f"  {_pace(program, said)}"
        if now - said.updated > _STALE:
            yield f"  its last word is {duration(now - said.updated)} old: it may be stopped, or the disk is full"
        if said.trouble:
            yield f"  {spelt_out(said.trouble)}"


def _last_seen(said: Live | None, now: float) -> str:
    if said is None:
        return ""
    if said.ended is not None:
        return f"; last seen {ago(said.ended, now)}, when it ended" + (
            f" with: {spelt_out(said.error)}" if said.error else ""
        )
    return f"; last seen {ago(said.updated, now)}, killed or cut off"


def _pace(program: Program, said: Live) -> str:
    parts = [
        f"{_DONE_TO[program.direction]} {said.files:,} files, {size(said.bytes)} since then",
        f"{size(said.rate_10s)}/s over 10 s, {size(said.rate_60s)}/s over 60 s",
    ]
    if said.lag is not None:
        parts.append(behind(said.lag, said.lag_bytes))
    return "; ".join(parts)


class _Few(Totals):
    """Wants every file, or what is not done and, as long as there are only few files, the rest."""

    def __init__(self, every: bool) -> None:
        super().__init__(self._wants)
        self._every = every
        self.named: dict[str, int] = {}

    def _wants(self, state: str) -> bool:
        named = self.named[state] = self.named.get(state, 0) + 1
        if self._every:
            return True
        return sum(self.files.values()) <= FEW if state in DONE else named <= OF_EACH


def _print_few(files: list[FileStatus], totals: Totals) -> None:
    all_of_it = sum(totals.files.values()) <= FEW
    shown = [status for status in files if all_of_it or status.state not in DONE]
    order = {state: number for number, state in enumerate(_ORDER)}
    shown.sort(key=lambda status: (order.get(status.state, len(order)), status.state, status.path))
    if sys.stdout.isatty():
        _print_table(shown)
    else:
        print(*map(_line, shown), sep="\n", end="\n" if shown else "")
    for state in _ORDER:
        more = totals.files.get(state, 0) - sum(1 for status in shown if status.state == state)
        if more > 0:
            print(f"  {more:,} more {state} (--all names them)")


def _line(status: FileStatus) -> str:
    return f"  {status.state:<10}  {spelt_out(status.path)}: {spelt_out(status.why)}"


def _print_table(files: list[FileStatus]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2), pad_edge=True)
    for status in files:
        table.add_row(
            Text(status.state, _STYLES.get(status.state, "")),
            Text(spelt_out(status.path), overflow="fold"),
            Text(spelt_out(status.why), "dim" if status.state in DONE else ""),
        )
    Console(highlight=False).print(table)


def _sum(totals: Totals) -> str:
    files = sum(totals.files.values())
    if not files:
        return "no files"
    order = sorted(totals.files, key=lambda state: (-totals.files[state], state))
    each = ", ".join(f"{totals.files[state]:,} {state}{_bytes(totals.bytes[state])}" for state in order)
    return f"{files:,} {'file' if files == 1 else 'files'}: {each}"


def _bytes(count: int) -> str:
    return f" ({size(count)})" if count else ""


# -- for programs --------------------------------------------------------------------------------------------


def _print_json(folder: Path, path: str, programs: list[Program], every: bool) -> None:
    """The form of docs/status.md, written as it is found: a folder of a million files does not fill the memory."""
    now = time.time()
    write = sys.stdout.write
    head = {"folder": str(folder.resolve()), "path": path, "time": _utc(now)}
    write(json.dumps(head)[:-1] + ', "ledgers": [')
    for number, program in enumerate(programs):
        write(",\n" if number else "\n")
        totals = Totals(lambda state: every or state not in DONE)
        write(json.dumps(_plain_program(program))[:-1] + ', "files": [')
        for count, status in enumerate(_files(program, path, totals, now)):
            write(",\n" if count else "\n")
            write(json.dumps({**asdict(status), "since": _utc(status.since)}))
        counted = {
            state: {"files": totals.files[state], "bytes": totals.bytes[state]} for state in sorted(totals.files)
        }
        write('], "totals": ' + json.dumps(counted) + ', "notes": ' + json.dumps(totals.notes) + "}")
    write("\n]}\n")


def _plain_program(program: Program) -> dict[str, object]:
    said = program.said
    plain: dict[str, object] | None = None
    if said is not None:
        plain = {
            "name": said.program, "pid": said.pid, "started": _utc(said.started), "updated": _utc(said.updated),
            "ended": _utc(said.ended), "error": said.error, "trouble": said.trouble, "files": said.files,
            "bytes": said.bytes, "failed": said.failed, "waiting": said.waiting, "bytes_per_second_10s": said.rate_10s,
            "bytes_per_second_60s": said.rate_60s, "lag_records": said.lag, "lag_bytes": said.lag_bytes,
            "settings": dict(said.settings),
        }  # fmt: skip
    return {
        "direction": program.direction, "topic": program.topic, "ledger": str(program.ledger),
        "running": program.running, "program": plain,
    }  # fmt: skip


def _utc(time: float | None) -> str | None:
    if time is None:
        return None
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
