"""`openmsistream tracker check | add | list`: the record of what is deployed where."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openmsistream.errors import UsageError
from openmsistream.program.logs import spelt_out

if TYPE_CHECKING:
    from openmsistream.services.tracker.check import Finding
    from openmsistream.services.tracker.file import Record, Tracker
    from openmsistream.services.tracker.text import Reading

_FILE = "tracker.json"
_COLUMNS = {
    "service_name": "service", "type": "type", "service_local_target_folder": "folder",
    "primary_contact_name": "contact", "machine_metadata": "machine",
}  # fmt: skip
_KEPT = ".before"
"""Ending of the name under which a mended file is kept as it was."""


def add_parser(commands: Any) -> None:
    from openmsistream.services.tracker.file import FIELDS, needed, purpose

    made = commands.add_parser("tracker", help="the record of what is deployed where")
    actions = made.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", help="say what is wrong with it, with line, column and field")
    add = actions.add_parser("add", help="put a record into it; what is not given as an option is asked for")
    listing = actions.add_parser("list", help="show its records as a table")
    for parser in (check, add, listing):
        parser.add_argument("file", nargs="?", type=Path, default=Path(_FILE), metavar="FILE", help=f"default: {_FILE}")
    check.add_argument(
        "--mend", action="store_true",
        help=f"put right what is only badly written (backslashes, commas); the file stays beside it as FILE{_KEPT}",
    )  # fmt: skip
    for field in FIELDS:
        add.add_argument(
            f"--{field}", metavar="TEXT", help=purpose(field) + ("" if needed(field) else " (may be left out)")
        )
    add.add_argument("--replace", action="store_true", help="in place of the record of this service, if there is one")
    add.add_argument("--dry_run", action="store_true", help="print the file as it would be; write nothing")
    for parser in (check, listing):
        parser.add_argument("--json", action="store_true", help="for programs")


def main(args: argparse.Namespace) -> int:
    return {"check": _check, "add": _add, "list": _list}[args.action](args)


# -- check -------------------------------------------------------------------------------------------------------


def _check(args: argparse.Namespace) -> int:
    from openmsistream.services.tracker.check import findings
    from openmsistream.services.tracker.file import load, of, unusable

    reading = load(args.file)
    if args.mend:
        reading = _mend(args.file, reading)
    found = findings(reading)
    if args.json:
        print(json.dumps([_plain(finding) for finding in found], indent=2, ensure_ascii=False))
    else:
        for finding in found:
            print(_line(args.file, finding))
    if grave := [finding for finding in found if finding.grave]:
        raise unusable(args.file, len(grave), mendable=any(finding.mendable for finding in grave))
    if not args.json:
        tracker = of(reading)
        shape = "; it is in the old shape, one record without a list around it" if tracker.single else ""
        doubts = f", {len(found)} to look at" if found else ""
        print(f"{args.file}: {_count(len(tracker.records))}, no mistakes{doubts}{shape}")
    return 0


def _mend(path: Path, reading: Reading) -> Reading:
    """Write the file as it was meant. One that cannot be read to its end stays as it is."""
    from openmsistream.services.tracker.file import keep, replace_text
    from openmsistream.services.tracker.text import parse

    if not reading.slips or not reading.whole:
        return reading
    kept = keep(path, _KEPT)
    text = json.dumps(reading.value, indent=2, ensure_ascii=False) + "\n"
    replace_text(path, text)
    print(f"{path} is put right in {_places(len(reading.slips))}; as it was it is kept in {kept}", file=sys.stderr)
    return parse(text)


def _line(path: Path, finding: Finding) -> str:
    kind = "" if finding.grave else "look at this: "
    return f"{path}:{finding.place.line}:{finding.place.column}: {kind}{spelt_out(str(finding))}"


def _plain(finding: Finding) -> dict[str, object]:
    return {
        "line": finding.place.line, "column": finding.place.column, "field": finding.field, "mistake": finding.grave,
        "what": finding.what, "advice": finding.advice,
    }  # fmt: skip


# -- add ---------------------------------------------------------------------------------------------------------


def _add(args: argparse.Namespace) -> int:
    from openmsistream.services.tracker.check import is_secret
    from openmsistream.services.tracker.file import FIELDS, Tracker, text, write

    tracker = _sound(args.file) if args.file.exists() else Tracker()
    given = {field: getattr(args, field) for field in FIELDS}
    record = _asked(given, tracker) if _may_ask() else _filled(given)
    _check_record(record)
    if tracker.like(record) is not None and not args.replace:
        raise UsageError(
            f"{args.file} has a record of {record['service_name']} at {record['service_local_location']} already",
            "--replace puts this one in its place",
        )
    for field in FIELDS:
        if is_secret(field, record[field]):
            print(
                f"look at this: what is said as {field} looks like a password or key: a tracker is read by others",
                file=sys.stderr,
            )
    after = tracker.with_record(record)
    if args.dry_run:
        print(text(after), end="")
        return 0
    write(args.file, after)
    if tracker.single:
        print(f"{args.file} was one record alone (the old shape), and is a list of records now")
    print(f"{args.file}: {_count(len(after.records))}, {spelt_out(record['service_name'])} among them")
    return 0


def _sound(path: Path) -> Tracker:
    """What the file holds; raises ConfigError after having shown its mistakes: adding to it would hide them."""
    from openmsistream.services.tracker.check import findings
    from openmsistream.services.tracker.file import load, of, unusable

    reading = load(path)
    grave = [finding for finding in findings(reading) if finding.grave]
    for finding in grave:
        print(_line(path, finding), file=sys.stderr)
    if grave:
        raise unusable(path, len(grave), mendable=any(finding.mendable for finding in grave))
    return of(reading)


def _may_ask() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _asked(given: dict[str, str | None], tracker: Tracker) -> dict[str, str]:
    """Ask for what was not given; Enter takes what stands in brackets.

    Who has given options is asked only for what has to be there.
    """
    from openmsistream.services.tracker.file import needed, purpose

    record: dict[str, str] = {}
    some_given = any(value is not None for value in given.values())
    for field, value in given.items():
        proposal = _proposal(field, tracker.records)
        if value is None and some_given and not needed(field):
            value = proposal
        while value is None or (needed(field) and not value.strip()):
            shown = f" [{spelt_out(proposal)}]" if proposal else ""
            try:
                value = input(f"{purpose(field)}{shown}: ").strip() or proposal
            except EOFError as error:
                raise UsageError(
                    f"{field} was not said", "nothing is written; say it, or give it as an option"
                ) from error
        record[field] = value
    return record


def _filled(given: dict[str, str | None]) -> dict[str, str]:
    """The record without asking. Raises UsageError that names all that has to be given."""
    from openmsistream.services.tracker.file import needed

    if missing := [f"--{field}" for field, value in given.items() if needed(field) and not (value or "").strip()]:
        raise UsageError(
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing", "there is no terminal to ask at"
        )
    return {field: _proposal(field, ()) if value is None else value for field, value in given.items()}


def _proposal(field: str, records: tuple[Record, ...]) -> str:
    """What is meant when nothing is said: this machine, and whom the last record names."""
    if field == "machine_metadata":
        import platform

        return f"{platform.node()}, {platform.system()} {platform.release()}"
    if field.startswith("primary_contact") and records:
        return str(records[-1].get(field, ""))
    return os.getcwd() if field == "service_local_location" and _may_ask() else ""


def _check_record(record: dict[str, str]) -> None:
    """Raises UsageError about what a tracker with this record would be told by `check`."""
    from openmsistream.services.tracker.check import findings
    from openmsistream.services.tracker.text import Reading

    for finding in findings(Reading(value=record)):
        if finding.grave:
            raise UsageError(f"--{finding.field}: {finding.what}", finding.advice)


# -- list --------------------------------------------------------------------------------------------------------


def _list(args: argparse.Namespace) -> int:
    from openmsistream.services.tracker.check import findings
    from openmsistream.services.tracker.file import load, of

    reading = load(args.file)
    records = of(reading).records
    if args.json:
        print(json.dumps(records, indent=2, ensure_ascii=False))
    elif sys.stdout.isatty():
        _print_table(records)
    else:
        for record in records:
            print("  ".join(_cells(record)))
    if not args.json:
        print(_count(len(records)))
    if grave := sum(finding.grave for finding in findings(reading)):
        mistakes = "1 mistake" if grave == 1 else f"{grave} mistakes"
        print(f"{args.file} has {mistakes}; see: openmsistream tracker check {args.file}", file=sys.stderr)
    return 0


def _cells(record: Record) -> Iterator[str]:
    for field in _COLUMNS:
        value = str(record.get(field, ""))
        mail = record.get("primary_contact_email") if field == "primary_contact_name" else None
        yield spelt_out(f"{value} <{mail}>" if mail else value).replace("\n", " ")


def _print_table(records: tuple[Record, ...]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for title in _COLUMNS.values():
        table.add_column(title, overflow="fold")
    for record in records:
        table.add_row(*(Text(cell) for cell in _cells(record)))
    Console(highlight=False).print(table)


def _count(records: int) -> str:
    return "1 record" if records == 1 else f"{records} records"


def _places(count: int) -> str:
    return "1 place" if count == 1 else f"{count} places"
