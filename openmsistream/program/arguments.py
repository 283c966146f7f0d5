"""The command line that programs share: groups of options, and what their values must be."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from openmsistream.program.logs import FORMS, level_of

DEFAULT_TOPIC = "test"
NEW_GROUP = "create_new"
_TOPICS = ("consumer_topic_name", "producer_topic_name")


def new_parser(program: str, description: str) -> argparse.ArgumentParser:
    """An empty parser whose `--help` tells the defaults."""
    return OneLine(prog=program, description=description, formatter_class=WithDefaults)


class OneLine(argparse.ArgumentParser):
    """A parser that says in one line what is wrong, instead of listing all that would be right."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; see {self.prog} --help\n")


def parse(parser: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read a command line; a topic for reading or writing that was not given is that of `--topic_name`."""
    args = parser.parse_args(argv)
    for name in _TOPICS:
        if getattr(args, name, "") is None:
            setattr(args, name, args.topic_name)
    return args


class WithDefaults(argparse.ArgumentDefaultsHelpFormatter):
    """Help that tells a default where there is one: not for switches, nor where it would be "None"."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)


def add_logging(parser: argparse.ArgumentParser) -> None:
    """`--logger_stream_level`, `--logger_file_path`, `--logger_file_level`."""
    group = parser.add_argument_group("messages")
    group.add_argument(
        "--logger_stream_level",
        type=logger_string_to_level,
        default="info",
        metavar="LEVEL",
        help="what is shown: debug, info, warning, error, critical, or a number",
    )
    group.add_argument(
        "--logger_file_path",
        type=Path,
        metavar="PATH",
        help="a file for messages, or a folder (a name without a dot) for a file of the program's name",
    )
    group.add_argument(
        "--logger_file_level",
        type=logger_string_to_level,
        default="warning",
        metavar="LEVEL",
        help="what is written to that file",
    )
    group.add_argument(
        "--log_format",
        choices=FORMS,
        default="text",
        help="how messages look: lines for people, or one JSON object a line",
    )


def add_connection(parser: argparse.ArgumentParser) -> None:
    """`--config`, the topics, the group, and how long encrypted records are waited for."""
    group = parser.add_argument_group("Kafka")
    group.add_argument(
        "--config", default="test", metavar="NAME", help="configuration file: a path, or a name such as local"
    )
    group.add_argument("--topic_name", default=DEFAULT_TOPIC, metavar="TOPIC", help="topic for reading and writing")
    for name, doing in zip(_TOPICS, ("reading", "writing"), strict=True):
        group.add_argument(
            f"--{name}", metavar="TOPIC", help=f"topic for {doing}, when it is another (default: that of --topic_name)"
        )
    group.add_argument(
        "--consumer_group_id",
        default=NEW_GROUP,
        metavar="GROUP",
        help=f"readers of one group share the files; {NEW_GROUP} is a group of this installation's own",
    )
    group.add_argument(
        "--treat_undecryptable_as_plaintext",
        action="store_true",
        help="take records that cannot be decrypted as they are (encryption only)",
    )
    group.add_argument(
        "--max_wait_per_decrypt",
        type=positive_float,
        default="5",
        metavar="SECONDS",
        help="how long the key of a record is waited for (encryption only)",
    )
    group.add_argument(
        "--max_initial_wait_per_decrypt",
        type=positive_float,
        default="60",
        metavar="SECONDS",
        help="the same for the first record (encryption only)",
    )


def add_control(parser: argparse.ArgumentParser) -> None:
    """`--update_seconds`."""
    parser.add_argument(
        "--update_seconds",
        type=seconds_or_never,
        default=300,
        metavar="SECONDS",
        help="how often a line of progress is written where there is no terminal; -1 is never",
    )


def add_heartbeats_and_logs(parser: argparse.ArgumentParser) -> None:
    """`--heartbeat_...` and `--log_...`: what a program tells about itself on topics."""
    group = parser.add_argument_group("heartbeats and log messages on topics")
    for kind, what, interval in (("heartbeat", "heartbeats", "900"), ("log", "log messages", "60")):
        group.add_argument(
            f"--{kind}_topic_name", metavar="TOPIC", help=f"topic for {what} (default: they are not sent)"
        )
        group.add_argument(
            f"--{kind}_program_id", metavar="ID",
            help="how this program is called there (default: a name that stays the same for this folder and topic)",
        )  # fmt: skip
        group.add_argument(
            f"--{kind}_interval_secs",
            type=positive_float,
            default=interval,
            metavar="SECONDS",
            help="time between two messages",
        )


def existing_file(text: str) -> Path:
    """The resolved path of a file that is there."""
    path = Path(text).resolve()
    if path.is_file():
        return path
    raise argparse.ArgumentTypeError(f"{text} is a folder, not a file" if path.is_dir() else f"there is no file {text}")


def existing_dir(text: str) -> Path:
    """The resolved path of a folder that is there."""
    path = Path(text).resolve()
    if path.is_dir():
        return path
    from openmsistream.config import container  # half of what a command line would load otherwise, to be shown

    raise argparse.ArgumentTypeError(f"{text} is not a folder" if path.exists() else container.no_folder(text))


def create_dir(text: str) -> Path:
    """The resolved path of a folder, made when it is not there."""
    path = Path(text).resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise argparse.ArgumentTypeError(f"{text} is a file, not a folder") from error
    except OSError as error:
        raise argparse.ArgumentTypeError(f"the folder {text} cannot be made: {error.strerror}") from error
    return path


def positive_int(text: str) -> int:
    """A whole number of at least one."""
    number = _whole(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number above zero")
    return number


def int_power_of_two(text: str) -> int:
    """1, 2, 4, 8, ..."""
    number = _whole(text)
    if number < 1 or number & (number - 1):
        raise argparse.ArgumentTypeError(f"{text} is not a power of two, such as 524288")
    return number


def positive_float(text: str) -> float:
    """A number that is not below zero (nor infinite); zero is allowed, as it always was."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a number of zero or more")
    return number


def seconds_or_never(text: str) -> int:
    """A whole number of seconds, or -1 for never."""
    number = _whole(text)
    if number < -1:
        raise argparse.ArgumentTypeError(f"{text} is neither a number of seconds nor -1 for never")
    return number


def logger_string_to_level(text: str) -> int:
    """The number of a logging level, from its name or number."""
    try:
        return level_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text} is not a level: give debug, info, warning, error, critical, or a number"
        ) from error


def regex(text: str) -> re.Pattern[str]:
    """A compiled regular expression."""
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text} is not a regular expression: {error}") from error


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number") from error
