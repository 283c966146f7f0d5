"""The command lines of programs that process files, apart from what they start: to be shown they need nothing else."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from openmsistream.config import container
from openmsistream.program import arguments, options
from openmsistream.transfer.command_lines import GIVE_UP_AFTER

MODES = ("memory", "disk", "both")
"""As keeping.py has them; a test holds the two together."""

WORKERS = ("threads", "process")
MEMORY_LIMIT = 1 << 30
"""Bytes of files that may be in memory at once when nobody says otherwise."""

RETRIES = 2

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}


def processor_parser(name: str, description: str) -> argparse.ArgumentParser:
    """What every program has that runs code on files; positional arguments of its own come before."""
    made = arguments.new_parser(name, description)
    arguments.add_connection(made)
    add_processing(made, name)
    options.add_common(made)
    return made


def add_processing(parser: argparse.ArgumentParser, name: str, *, workers_as: str = "--n_threads") -> None:
    """The options of reading whole files and of running code on them. `workers_as` names the one for how many workers."""
    parser.add_argument(
        "--download_regex", type=arguments.regex, default=None,
        help="process only files whose relative path matches this from its start",
    )  # fmt: skip
    parser.add_argument(
        "--mode", choices=MODES, default=MODES[0],
        help="where a file is while it is processed: in memory, on disk below the output folder (it stays there), or both",
    )  # fmt: skip
    parser.add_argument(
        "--output_dir", type=Path, default=output_folder(name),
        help="folder for what is kept and written; it holds LOGS/ with the ledger too",
    )  # fmt: skip
    parser.add_argument(
        workers_as, type=arguments.positive_int, default=2, help="files that are processed side by side"
    )
    parser.add_argument(
        "--workers", choices=WORKERS, default=WORKERS[0],
        help="threads of this program, or processes of their own for code that keeps a processor busy or may crash",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", type=arguments.positive_float, default=None, metavar="SECONDS",
        help="with --workers process: end a run that takes longer, and count it as failed",
    )  # fmt: skip
    parser.add_argument(
        "--retries", type=_retries, default=RETRIES, help="how often a failed file is tried again before it is listed"
    )
    parser.add_argument(
        "--memory_limit", type=memory, default=str(MEMORY_LIMIT), metavar="BYTES",
        help="bytes of files in memory at once, such as 500M or 2G; larger files go to disk until their run has ended",
    )  # fmt: skip
    parser.add_argument("--from_beginning", action="store_true", help="process the topic again from its oldest record")
    parser.add_argument(
        "--give_up_after", type=arguments.positive_float, default=GIVE_UP_AFTER, metavar="SECONDS",
        help="seconds without news after which an unfinished file is listed as incomplete",
    )  # fmt: skip


def output_folder(program: str) -> Path:
    """Where a program that is told nothing keeps its ledger and files: here, in a container in the folder that is mounted."""
    base = container.DATA if container.inside() and container.DATA.is_dir() else Path()
    return base / f"{program}_output"


def memory(text: str) -> int:
    """A number of bytes, with or without a unit: 500000000, 500M, 2G, 512Mi."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]?I?)B?", text.strip().upper())
    if found is None or found[2] not in _UNITS:
        raise argparse.ArgumentTypeError(f"{text} is not a number of bytes, such as 500M or 2G")
    return int(float(found[1]) * _UNITS[found[2]])


def _retries(text: str) -> int:
    return 0 if text.strip() == "0" else arguments.positive_int(text)
