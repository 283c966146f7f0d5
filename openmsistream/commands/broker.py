"""`openmsistream broker start | stop | status | run | fetch | logs | reset`"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openmsistream.broker import BrokerSettings

NOT_RUNNING = 4
"""Exit code of `status` when no broker runs: the one for "no broker answered" of errors.py."""


def add_parser(subparsers: Any) -> None:
    """Mount `broker` and its sub-commands on the umbrella program's parser."""
    parser = subparsers.add_parser(
        "broker",
        help="one real Apache Kafka on this machine",
        description="One real Apache Kafka on this machine, for a first try, a small laboratory, and tests. "
        "Use it with --config local.",
    )
    commands = parser.add_subparsers(dest="broker_command", required=True, metavar="COMMAND")
    for name, text, adders in (
        ("start", "start it, and leave it running (harmless when it runs already)", (_add_settings,)),
        ("stop", "end it; its data stay", ()),
        ("status", "address, version, process, data, limits and topics", (_add_json,)),
        ("run", "run it in the foreground until Ctrl-C or SIGTERM (for containers and services)", (_add_settings,)),
        ("fetch", "fetch Kafka's files now, for a start without a network later", ()),
        ("logs", "show the end of its log", (_add_logs,)),
        ("reset", "delete its topics and records", (_add_reset,)),
    ):
        command = commands.add_parser(
            name, help=text, description=text.capitalize() + ".", formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        if name != "fetch":  # that one is for all brokers of this user
            _add_place(command)
        for add in adders:
            add(command)


def main(args: argparse.Namespace) -> int:
    """Do what was asked; the exit code. Errors are raised as OpenMSIStreamError for the umbrella program to show."""
    action = {
        "start": _start, "stop": _stop, "status": _status, "run": _run, "fetch": _fetch, "logs": _logs, "reset": _reset,
    }[args.broker_command]  # fmt: skip
    return action(args)


def _add_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="its folder (default: one in this user's state folder)",
        default=argparse.SUPPRESS,
    )  # fmt: skip


def _add_settings(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="the interface to listen on; 0.0.0.0 is all of them")
    parser.add_argument(
        "--port",
        type=int,
        default=argparse.SUPPRESS,
        help="(default: that of the last start, else 9092, else a free one)",
    )
    parser.add_argument(
        "--advertised", metavar="HOST:PORT", default=argparse.SUPPRESS,
        help="the address that clients are told who come by --port, when they reach it by another name",
    )  # fmt: skip
    parser.add_argument(
        "--outside", metavar="HOST:PORT", default=argparse.SUPPRESS,
        help="listen at that port too, on all interfaces, and tell clients that come by it this address "
        "(those on the machine where a container runs: --outside localhost:9094)",
    )  # fmt: skip
    parser.add_argument("--heap-mb", type=int, default=512, help="the most memory for Java objects")
    parser.add_argument("--retention-hours", type=int, default=168, help="older records are deleted")
    parser.add_argument("--retention-gb", type=float, default=10.0, help="the oldest go when a partition is larger")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs")


def _add_logs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--lines", type=int, default=50, metavar="N", help="how many lines")
    parser.add_argument("-f", "--follow", action="store_true", help="go on as lines are added, until Ctrl-C")


def _add_reset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--stop", action="store_true", help="stop it first when it is running")


def _data_dir(args: argparse.Namespace) -> Path:
    from openmsistream.broker import default_data_dir

    return getattr(args, "data_dir", None) or default_data_dir()


def _settings(args: argparse.Namespace) -> BrokerSettings:
    from openmsistream.broker import BrokerSettings

    return BrokerSettings(
        data_dir=_data_dir(args),
        host=args.host,
        port=getattr(args, "port", None),
        advertised=getattr(args, "advertised", None),
        outside=getattr(args, "outside", None),
        heap_mb=args.heap_mb,
        retention_hours=args.retention_hours,
        retention_gb=args.retention_gb,
    )


def _say(line: str) -> None:
    print(line, flush=True)


def _start(args: argparse.Namespace) -> int:
    from openmsistream.broker import start

    start(_settings(args), say=_say)
    return 0


def _run(args: argparse.Namespace) -> int:
    from openmsistream.broker import run

    return run(_settings(args), say=_say)


def _fetch(args: argparse.Namespace) -> int:
    from openmsistream.broker.installation import jars_folder
    from openmsistream.broker.jars import provide
    from openmsistream.broker.pins import load_pins

    pins, folder = load_pins(), jars_folder()
    provide(pins, folder, _say)
    _say(f"Apache Kafka {pins.version} is in {folder}")
    return 0


def _stop(args: argparse.Namespace) -> int:
    from openmsistream.broker import stop

    place = _data_dir(args)
    _say("the broker has stopped" if stop(place) else f"no broker was running in {place}")
    return 0


def _status(args: argparse.Namespace) -> int:
    from openmsistream.broker import status

    place = _data_dir(args)
    found = status(place)
    if args.json:
        answer = found.as_dict() if found else {"running": False, "data_dir": str(place)}
        _say(json.dumps(answer, indent=2))
    else:
        absent = [f"no broker is running in {place}", "start it with: openmsistream broker start"]
        _say("\n".join(found.lines() if found else absent))
    return 0 if found else NOT_RUNNING


def _logs(args: argparse.Namespace) -> int:
    from openmsistream.broker.layout import Layout
    from openmsistream.broker.logs import follow, last_lines

    log = Layout.of(_data_dir(args)).log
    lines = last_lines(log, max(args.lines, 0))
    if not lines and not log.exists():
        print(f"there is no log at {log}: the broker was not started there yet", file=sys.stderr)
    for line in lines:
        _say(line)
    if args.follow:
        try:
            for line in follow(log, lambda: True):
                _say(line)
        except KeyboardInterrupt:
            pass  # the usual way to end it
    return 0


def _reset(args: argparse.Namespace) -> int:
    from openmsistream.broker import reset, stop
    from openmsistream.errors import UsageError

    place = _data_dir(args)
    if not args.yes:
        if not sys.stdin.isatty():
            raise UsageError("reset deletes all topics and records, and nobody is there to be asked", "add --yes")
        answer = input(f"Delete all topics and records in {place}? Type yes: ")
        if answer.strip().lower() != "yes":
            _say("nothing was deleted")
            return 0
    if args.stop:
        stop(place)
    reset(place)
    _say(f"deleted: the topics and records in {place}")
    return 0
