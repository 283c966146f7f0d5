"""`openmsistream health`: does the program in this container, or of this service, still do its work?"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from openmsistream.errors import UsageError
from openmsistream.program.arguments import positive_float
from openmsistream.program.pulse import FILE_VARIABLE, LATE, file_of, judge, read

UNHEALTHY = 1


def add_parser(commands: Any) -> None:
    text = "does the program in this container still do its work"
    made = commands.add_parser(
        "health",
        help=text,
        description=text.capitalize() + ": one line, and exit code 0 or 1.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    made.add_argument(
        "--file", type=Path, metavar="FILE", help=f"where the program writes its signs of life (default: ${FILE_VARIABLE})",
        default=argparse.SUPPRESS,
    )  # fmt: skip
    made.add_argument(
        "--max_age", type=positive_float, default=LATE, metavar="SECONDS", help="the oldest sign of life that will do"
    )


def main(args: argparse.Namespace) -> int:
    """Say it in a line; raises UsageError when nobody told where to look."""
    file = getattr(args, "file", None) or file_of()
    if file is None:
        raise UsageError(
            f"no file to look into: {FILE_VARIABLE} is not set",
            f"give --file, or start the program with {FILE_VARIABLE} and ask with the same",
        )
    healthy, why = judge(read(file), time.time(), args.max_age)
    print(why)
    return 0 if healthy else UNHEALTHY
