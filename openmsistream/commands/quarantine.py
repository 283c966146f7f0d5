"""`openmsistream quarantine list|show DIR`: the records that could not be used, and why."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from openmsistream.errors import UsageError
from openmsistream.ledger.database import reader
from openmsistream.ledger.location import state_folder
from openmsistream.ledger.received import QuarantinedRecord, quarantined

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(commands: Subparsers) -> None:
    made = commands.add_parser("quarantine", help="records that could not be used, and why")
    actions = made.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="one line for each record")
    showing = actions.add_parser("show", help="one record in full")
    for parser in (listing, showing):
        parser.add_argument("folder", type=Path, metavar="DIR", help="the folder of a download or processing program")
        parser.add_argument("--state_dir", type=Path, help="as given to the download program")
        parser.add_argument("--json", action="store_true", help="for programs")
    showing.add_argument("number", type=int, help="the number that `list` shows first")
    showing.add_argument("--value", action="store_true", help="write the kept bytes of the value to standard output")


def main(args: argparse.Namespace) -> int:
    records = _records(args.folder, args.state_dir)
    if args.action == "list":
        _list(records, as_json=args.json)
        return 0
    found = [record for record in records if record.id == args.number]
    if not found:
        raise UsageError(
            f"there is no record {args.number} in the quarantine", "see: openmsistream quarantine list DIR"
        )
    if args.value:
        sys.stdout.buffer.write(found[0].value or b"")
    else:
        print(json.dumps(_plain(found[0]), indent=2, ensure_ascii=False))
    return 0


def _records(folder: Path, state_dir: Path | None) -> list[QuarantinedRecord]:
    place = state_folder(folder, state_dir)
    ledgers = [ledger for kind in ("download", "process") for ledger in sorted(place.glob(f"{kind}-*.sqlite"))]
    if not ledgers:
        raise UsageError(
            f"nothing was downloaded to, or processed in, {folder} yet",
            "name the folder of a download or processing program",
        )
    records: list[QuarantinedRecord] = []
    for ledger in ledgers:
        with closing(reader(ledger)) as connection:
            records += quarantined(connection)
    return records


def _list(records: list[QuarantinedRecord], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([_plain(record) for record in records], indent=2, ensure_ascii=False))
        return
    for record in records:
        noted = datetime.fromtimestamp(record.noted).strftime("%Y-%m-%d %H:%M:%S")
        place = f"{record.topic} partition {record.partition} offset {record.offset}"
        print(f"{record.id:5}  {noted}  {place}: {record.reason}")
    print(f"{len(records)} records in quarantine")


def _plain(record: QuarantinedRecord) -> dict[str, object]:
    """The record for JSON: bytes as text where they are text, otherwise as hex, and only the beginning of the value."""
    return {**asdict(record), "key": _bytes(record.key), "value": _bytes(record.value, 200)}


def _bytes(data: bytes | None, most: int = 4096) -> str | None:
    if data is None:
        return None
    shown = data[:most]
    try:
        return shown.decode("utf-8")
    except UnicodeDecodeError:
        return "hex:" + shown.hex()
