"""The umbrella program `openmsistream`: its sub-commands, each in a module of its own."""

from __future__ import annotations

import argparse
import logging

from openmsistream import __version__
from openmsistream.program import run
from openmsistream.program.logs import logging_to

from . import broker, config, demo, quarantine

COMMANDS = {"demo": demo, "broker": broker, "config": config, "quarantine": quarantine}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="openmsistream",
        description="Laboratory files through Apache Kafka: a folder here becomes the same folder there.",
        epilog="Programs of their own: DataFileUploadDirectory, DataFileDownloadDirectory, UploadDataFile (--help each).",
    )
    made.add_argument("--version", action="version", version=f"openmsistream {__version__}")
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS.values():
        command.add_parser(commands)
    return made


def main(args: list[str] | None = None) -> None:
    """The program; ends by SystemExit."""
    parsed = parser().parse_args(args)
    with logging_to(stream_level=logging.WARNING):
        code = run.main(lambda: COMMANDS[parsed.command].main(parsed))
    raise SystemExit(code)


if __name__ == "__main__":
    main()
