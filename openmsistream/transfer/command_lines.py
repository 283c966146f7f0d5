"""The command lines of the three programs, apart from what they start: to be shown or refused they need nothing else.

A program's entry point is here. It loads the program once its command line is right, so that `--help` and a mistake are
answered at once.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from openmsistream.program import arguments, options

UPLOAD_DIRECTORY = "DataFileUploadDirectory"
DOWNLOAD_DIRECTORY = "DataFileDownloadDirectory"
UPLOAD_DATA_FILE = "UploadDataFile"

CHUNK_SIZE = 524_288

GIVE_UP_AFTER = 24 * 3600.0
"""Seconds without a new chunk after which an unfinished file is listed as incomplete and holds nothing any more."""

WIRE_FIELDS = (10, 9)
"""Elements that a record in OpenMSIStream's form may have (files/wire/msgpack.py); a test holds the two together."""


def upload_directory(args: list[str] | None = None) -> None:
    """The program DataFileUploadDirectory; ends by SystemExit."""
    of_upload_directory().parse_args(args)
    from .upload_directory import main

    main(args)


def download_directory(args: list[str] | None = None) -> None:
    """The program DataFileDownloadDirectory; ends by SystemExit."""
    of_download_directory().parse_args(args)
    from .download_directory import main

    main(args)


def upload_data_file(args: list[str] | None = None) -> None:
    """The program UploadDataFile; ends by SystemExit."""
    of_upload_data_file().parse_args(args)
    from .upload_data_file import main

    main(args)


def of_upload_directory() -> argparse.ArgumentParser:
    """DataFileUploadDirectory."""
    made = arguments.new_parser(UPLOAD_DIRECTORY, "Send every file of a folder to a topic, as soon as it has settled.")
    made.add_argument("upload_dir", type=arguments.existing_dir, help="the folder to send")
    arguments.add_connection(made)
    made.add_argument(
        "--upload_regex", type=arguments.regex, default=None,
        help="send only files whose path relative to the folder matches this from its start (default: all but hidden "
        "names, *.log, and lock and partial files)",
    )  # fmt: skip
    made.add_argument(
        "--chunk_size",
        type=arguments.int_power_of_two,
        default=CHUNK_SIZE,
        metavar="BYTES",
        help="bytes of a file in one record, a power of two",
    )
    _add_wire_fields(made)
    made.add_argument("--queue_max_size", type=arguments.positive_int, default=500, help="taken, not needed any more")
    made.add_argument("--upload_existing", action="store_true", help="send also what was there before the first start")
    made.add_argument(
        "--watchdog_lag_time", type=arguments.positive_float, default=None,
        help="seconds of quiet that every file has to wait for (default: a closed file leaves at once, others after 3 s)",
    )  # fmt: skip
    made.add_argument(
        "--use_polling_observer",
        action="store_true",
        help="look at the folder every 2 s instead of trusting its events",
    )
    made.add_argument(
        "--n_threads", type=arguments.positive_int, default=2, help="large files that travel side by side"
    )
    made.add_argument(
        "--dry_run", action="store_true", help="list what would be sent and what not, and why; send nothing"
    )
    made.add_argument(
        "--topic_partitions",
        type=arguments.positive_int,
        help="partitions, when the topic has to be made",
    )
    made.add_argument(
        "--topic_replication", type=arguments.positive_int, help="replicas, when the topic has to be made"
    )
    made.add_argument(
        "--topic_retention_hours",
        type=arguments.positive_float,
        help="hours that records are kept, when the topic has to be made",
    )
    options.add_common(made)
    return made


def of_download_directory() -> argparse.ArgumentParser:
    """DataFileDownloadDirectory."""
    made = arguments.new_parser(
        DOWNLOAD_DIRECTORY, "Put every file of a topic, whole and verified, into a folder, as soon as it is there."
    )
    made.add_argument("output_dir", type=Path, help="the folder to write to; made when it is missing")
    arguments.add_connection(made)
    made.add_argument(
        "--download_regex", type=arguments.regex, default=None,
        help="receive only files whose relative path matches this from its start",
    )  # fmt: skip
    made.add_argument("--n_threads", type=arguments.positive_int, default=2, help="taken, not needed any more")
    made.add_argument(
        "--from_beginning", action="store_true",
        help="read the topic again from its oldest record; what is there already is not written again",
    )  # fmt: skip
    made.add_argument(
        "--give_up_after", type=arguments.positive_float, default=GIVE_UP_AFTER,
        help="seconds without news after which an unfinished file is listed as incomplete",
    )  # fmt: skip
    options.add_common(made)
    return made


def of_upload_data_file() -> argparse.ArgumentParser:
    """UploadDataFile."""
    made = arguments.new_parser(UPLOAD_DATA_FILE, "Send one file to a topic and wait until it is there.")
    made.add_argument("filepath", type=arguments.existing_file, help="the file to send")
    made.add_argument("--config", default="test", help="configuration file, by name or path")
    made.add_argument("--topic_name", default="test", help="topic to send to")
    made.add_argument(
        "--chunk_size",
        type=arguments.int_power_of_two,
        default=CHUNK_SIZE,
        metavar="BYTES",
        help="bytes of a file in one record, a power of two",
    )
    _add_wire_fields(made)
    made.add_argument("--n_threads", type=arguments.positive_int, default=2, help="taken, not needed any more")
    arguments.add_logging(made)
    return made


def _add_wire_fields(parser: argparse.ArgumentParser) -> None:
    """`--wire_fields`."""
    parser.add_argument(
        "--wire_fields", type=int, choices=WIRE_FIELDS, default=max(WIRE_FIELDS),
        help="elements of a record in OpenMSIStream's form, 9 for readers older than 1.8.6.1; means nothing unless the "
        "configuration names DataFileChunkSerializer",
    )  # fmt: skip
