"""`openmsistream config show NAME`: what a configuration comes to, and where each value is from."""

from __future__ import annotations

import argparse
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Mount `config` and its sub-command on the umbrella program's parser."""
    parser = subparsers.add_parser("config", help="what a configuration file comes to")
    commands = parser.add_subparsers(dest="config_command", required=True, metavar="COMMAND")
    text = "show the values that programs will use, and where each is from; secrets are masked"
    show = commands.add_parser("show", help=text, description=text.capitalize() + ".")
    show.add_argument("name", metavar="NAME", help="what --config takes: a path, or a name such as local")
    show.add_argument("--json", action="store_true", help="for programs")


def main(args: argparse.Namespace) -> int:
    """Print it; the exit code. Errors are raised as OpenMSIStreamError for the umbrella program to show."""
    from openmsistream.config import load
    from openmsistream.config.show import as_dict, as_lines

    settings = load(args.name)
    if args.json:
        import json

        print(json.dumps(as_dict(settings), indent=2, ensure_ascii=False))
    else:
        print(*as_lines(settings), sep="\n")
    return 0
