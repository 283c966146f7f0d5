"""`openmsistream retry DIR [PATH...]`: what failed is tried again."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openmsistream.ledger import received, sent
from openmsistream.ledger.database import reading
from openmsistream.ledger.requests import ask
from openmsistream.program.logs import spelt_out
from openmsistream.transfer.file_status import Program, path_in, programs_of

_NAMED = 20
"""Files that are named; more are only counted."""

_AGAIN = {"upload": "sent again to", "download": "fetched again from", "process": "processed again from"}


def add_parser(commands: Any) -> None:
    text = "try again what failed: all of it, or the files named, or below the folders named"
    made = commands.add_parser("retry", help=text, description=text.capitalize() + ".")
    made.add_argument(
        "folder",
        type=Path,
        metavar="DIR",
        help="the folder of the programs: sent from, written to, or a processor's output",
    )
    made.add_argument("paths", nargs="*", metavar="PATH", help="a file or folder in it (none: all that failed)")
    made.add_argument("--state_dir", type=Path, metavar="FOLDER", help="as given to the programs")


def main(args: argparse.Namespace) -> int:
    programs = programs_of(args.folder, args.state_dir)
    paths = list(dict.fromkeys(path_in(args.folder, path) for path in args.paths)) or [""]
    useless = set(paths)
    for program in programs:
        failed = {path: list(_failed(program, path)) for path in paths}
        useless -= {path for path, found in failed.items() if found}
        _retry(program, sorted({path for found in failed.values() for path in found}))
    for path in paths:
        if path in useless:
            print(_not_failed(args.folder, path))
    return 0


def _retry(program: Program, paths: list[str]) -> None:
    if not paths:
        return
    ask(program.ledger, paths, time.time())
    for path in paths[:_NAMED]:
        print(f"  {spelt_out(path)}")
    if len(paths) > _NAMED:
        print(f"  and {len(paths) - _NAMED:,} more")
    files = "1 file is" if len(paths) == 1 else f"{len(paths):,} files are"
    when = "now" if program.running else "when the program is started: none is at work here"
    print(f"{files} {_AGAIN[program.direction]} topic {program.topic} {when}")


def _failed(program: Program, below: str) -> Iterator[str]:
    """The paths at or below one that failed."""
    if program.stream is None:
        return
    with reading(program.ledger) as connection:
        if program.direction == "upload":
            yield from (path for path, _ in sent.failed(connection, program.stream, below))
        else:
            yield from (row.path for row in received.files_below(connection, program.stream, below, "failed"))


def _not_failed(folder: Path, path: str) -> str:
    if not path:
        return "nothing has failed"
    return f"{spelt_out(path)} has not failed; see: openmsistream status {folder} {spelt_out(path)}"
