"""The umbrella program `openmsistream`: its sub-commands, each in a module of its own."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from openmsistream import __version__
from openmsistream.program.arguments import OneLine

COMMANDS = {
    "demo": "see files go from one folder to another, through a real Kafka",
    "status": "what the programs on a folder are doing, and with each file, and why",
    "retry": "try again what failed: all of it, or the files named, or below the folders named",
    "ls": "the files that a topic holds: size, time, whether all their chunks are there, versions",
    "quarantine": "records that could not be used, and why",
    "health": "does the program in this container still do its work",
    "config": "what a configuration file comes to",
    "tracker": "the record of what is deployed where",
    "broker": "one real Apache Kafka on this machine",
}
"""What each is for: said here as well, so that a list of them does not have to load them all."""


class Command(Protocol):
    """The module of a sub-command."""

    def add_parser(self, commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None: ...

    def main(self, args: argparse.Namespace) -> int: ...


def load(name: str) -> Command:
    """The module of this sub-command."""
    return cast(Command, importlib.import_module(f"{__package__}.{name}"))


def parser(asked: str | None) -> argparse.ArgumentParser:
    """The command line; of its sub-commands only the one that is asked for is complete."""
    made: argparse.ArgumentParser = OneLine(
        prog="openmsistream",
        description="Laboratory files through Apache Kafka: a folder here becomes the same folder there.",
        epilog="Programs of their own: DataFileUploadDirectory, DataFileDownloadDirectory, UploadDataFile (--help each).",
    )
    made.add_argument("--version", action="version", version=f"openmsistream {__version__}")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, purpose in COMMANDS.items():
        if name == asked:
            load(name).add_parser(commands)
        else:
            commands.add_parser(name, help=purpose)
    return made


def main(args: Sequence[str] | None = None) -> None:
    """The program; ends by SystemExit."""
    words = sys.argv[1:] if args is None else list(args)
    parsed = parser(next((word for word in words if word in COMMANDS), None)).parse_args(words)
    from openmsistream.program import run
    from openmsistream.program.logs import logging_to

    with logging_to(stream_level=logging.WARNING):
        code = run.main(lambda: load(parsed.command).main(parsed))
    raise SystemExit(code)


if __name__ == "__main__":
    main()
