"""What every class and program takes beside its own arguments: messages, updates, a live picture, where state lives."""

from __future__ import annotations

import argparse
import logging
import re
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from openmsistream.errors import UsageError

from . import arguments
from .announcing import Channel, channel
from .logs import Form, level_of, log_file, logging_to
from .progress import is_terminal

_TAKEN = (
    "logger_name", "treat_undecryptable_as_plaintext", "max_wait_per_decrypt", "max_initial_wait_per_decrypt",
    "consumer_group_id",
)  # fmt: skip
"""Keyword arguments of OpenMSIStream that later versions use, or that mean nothing here."""


class RaisingLogger(logging.Logger):
    """A logger whose `error` takes `exc_type=`, as programs written for OpenMSIStream pass it."""

    def error(
        self, msg: object, *args: object, exc_type: type[Exception] | None = None, reraise: bool = False, **kwargs: Any
    ) -> None:
        """Log an error; with `exc_type`, raise such an exception after it, with `reraise` the one in `exc_info`."""
        super().error(msg, *args, **kwargs)
        cause = kwargs.get("exc_info")
        if reraise and isinstance(cause, BaseException):
            raise cause
        if exc_type is not None:
            raise exc_type(msg)


@dataclass
class CommonOptions:
    """The keyword arguments that every class takes. `update_secs` -1 means no lines of progress."""

    streamlevel: int = logging.INFO
    logger_file: Path | None = None
    filelevel: int = logging.WARNING
    update_secs: float = 300
    live: bool = False
    state_dir: Path | None = None
    given: logging.Logger | None = None
    log_format: Form = "text"
    heartbeats: Channel | None = None
    log_records: Channel | None = None
    _open: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def take(cls, kwargs: dict[str, Any]) -> Self:
        """Take the known arguments out of `kwargs`; raises TypeError when one is left that nobody knows."""
        file, place = kwargs.pop("logger_file", None), kwargs.pop("state_dir", None)
        options = cls(
            streamlevel=level_of(kwargs.pop("streamlevel", logging.INFO)),
            logger_file=None if file is None else Path(file),
            filelevel=level_of(kwargs.pop("filelevel", logging.WARNING)),
            update_secs=kwargs.pop("update_secs", 300),
            live=kwargs.pop("live", False),
            state_dir=None if place is None else Path(place),
            given=kwargs.pop("logger", None),
            log_format=kwargs.pop("log_format", "text"),
            heartbeats=_channel("heartbeat", kwargs),
            log_records=_channel("log", kwargs),
        )
        for name in _TAKEN:
            kwargs.pop(name, None)
        if kwargs:
            raise TypeError(f"unknown keyword arguments: {', '.join(sorted(kwargs))}")
        return options

    def logger(self, name: str) -> logging.Logger:
        """Set logging up, where the caller has not done so, and give the logger of one class; `close` takes it back."""
        file = None if self.logger_file is None else log_file(self.logger_file, name)
        level = None if logging.getLogger().handlers else self.streamlevel
        self._open.enter_context(
            logging_to(stream_level=level, file=file, file_level=self.filelevel, form=self.log_format)
        )
        if self.given is not None:
            return self.given
        logger = RaisingLogger(name)
        logger.parent = logging.getLogger()
        return logger

    def close(self) -> None:
        self._open.close()


def _channel(kind: str, kwargs: dict[str, Any]) -> Channel | None:
    """Take `<kind>_topic_name`, `<kind>_program_id` and `<kind>_interval_secs` out of `kwargs`."""
    return channel(
        kind, *(kwargs.pop(f"{kind}_{name}", None) for name in ("topic_name", "program_id", "interval_secs"))
    )


def pattern(regex: str | re.Pattern[str] | None) -> re.Pattern[str] | None:
    """The regular expression of a keyword argument. Raises UsageError."""
    try:
        return re.compile(regex) if isinstance(regex, str) else regex
    except re.error as error:
        raise UsageError(f"{regex!r} is not a regular expression: {error}", "correct it") from error


def add_common(parser: argparse.ArgumentParser) -> None:
    """What every long-running program has on its command line."""
    arguments.add_control(parser)
    parser.add_argument(
        "--state_dir", type=Path, metavar="FOLDER",
        help="where to remember what was done (default: LOGS/ in the folder, or the user's state folder)",
    )  # fmt: skip
    arguments.add_heartbeats_and_logs(parser)
    arguments.add_logging(parser)


def messages_of(args: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments for a class, from the options of `arguments.add_logging`."""
    return {
        "streamlevel": args.logger_stream_level,
        "logger_file": args.logger_file_path,
        "filelevel": args.logger_file_level,
        "live": is_terminal() and args.log_format == "text",
        "log_format": args.log_format,
    }


def common_of(args: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments for a class, from the options of `add_common`."""
    return {
        **messages_of(args),
        "update_secs": args.update_seconds,
        "state_dir": args.state_dir,
        "heartbeat_topic_name": args.heartbeat_topic_name,
        "heartbeat_program_id": args.heartbeat_program_id,
        "heartbeat_interval_secs": args.heartbeat_interval_secs,
        "log_topic_name": args.log_topic_name,
        "log_program_id": args.log_program_id,
        "log_interval_secs": args.log_interval_secs,
    }
