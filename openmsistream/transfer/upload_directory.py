"""The program DataFileUploadDirectory and its class: send every file of a folder as soon as it has settled."""

from __future__ import annotations

import argparse
import logging
import queue
import re
from pathlib import Path
from typing import Any, Self

from openmsistream.config import load
from openmsistream.kafka.admin import TopicWish
from openmsistream.ledger.sent import sent_paths
from openmsistream.program import arguments, options, progress, run

from .plan import planned
from .scan import Skipped
from .uploader import CHUNK_SIZE, Uploader, UploadOptions

log = logging.getLogger(__name__)

NAME = "DataFileUploadDirectory"


class DataFileUploadDirectory:
    """A folder whose files are sent to a topic. The arguments are those of OpenMSIStream.

    `watchdog_lag_time` None means: closed files leave at once, others after 3 s of quiet. `datafile_type` is kept for
    programs that pass it. Further keyword arguments: `update_secs`, `streamlevel`, `logger_file`, `filelevel`, and
    `state_dir`, `topic_partitions`, `topic_replication`, `topic_retention_hours`.
    """

    def __init__(
        self,
        dirpath: str | Path,
        config_path: str | Path,
        upload_regex: str | re.Pattern[str] | None = None,
        datafile_type: type | None = None,
        watchdog_lag_time: float | None = None,
        use_polling_observer: bool = False,
        **kwargs: Any,
    ) -> None:
        self.control_command_queue: run.Commands = queue.Queue()
        self._root = Path(dirpath)
        self._settings = load(config_path)
        self._regex = re.compile(upload_regex) if isinstance(upload_regex, str) else upload_regex
        self._lag = watchdog_lag_time
        self._polling = use_polling_observer
        hours = kwargs.pop("topic_retention_hours", None)
        self._wish = TopicWish(
            kwargs.pop("topic_partitions", None),
            kwargs.pop("topic_replication", None),
            None if hours is None else int(hours * 3_600_000),
        )
        self._common = options.CommonOptions.take(kwargs)
        self.logger = self._common.logger(NAME)
        self.summary = ""

    def upload_files_as_added(
        self,
        topic: str,
        n_threads: int = 2,
        chunk_size: int = CHUNK_SIZE,
        max_queue_size: float = 500,
        upload_existing: bool = False,
    ) -> list[str]:
        """Send files as they come until "q" is put into `control_command_queue` or a signal comes.

        Gives the paths of all files that were ever sent from this folder to this topic. `n_threads` large files travel
        side by side. `max_queue_size` is taken and not needed: what is in memory is bounded by the window.
        """
        what = UploadOptions(
            self._root, topic, chunk_size, self._regex, self._lag, self._polling, upload_existing, n_threads,
            self._wish, self._common.state_dir,
        )  # fmt: skip
        self._warn()
        uploader = Uploader(what, self._settings)
        self.summary = run.run(
            uploader,
            self.control_command_queue,
            f"{self._root.name} -> {topic}",
            lambda: snapshot(uploader),
            update_secs=self._common.update_secs,
            live=self._common.live,
        )
        return sent_paths(what.ledger_path, topic)

    def close(self) -> None:
        """Let go of everything; may be called more than once."""
        self._common.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _warn(self) -> None:
        for warning in self._settings.warnings:
            log.warning("%s", warning)

    @classmethod
    def run_from_command_line(cls, args: list[str] | None = None) -> None:
        """Run the program with these arguments, or those of the command line; ends by SystemExit."""
        raise SystemExit(run.main(lambda: _program(cls, arguments.parse(parser(), args))))


def snapshot(uploader: Uploader) -> progress.Snapshot:
    """How far an upload is."""
    tally, sending = uploader.tally, uploader.sending
    items = tuple(progress.Item(out.path, out.bytes_acked, out.state.size) for out in sending.current)
    return progress.Snapshot(
        verb="sent", files=tally.files, bytes=tally.bytes, moved=tally.chunk_bytes, failed=len(tally.failed),
        waiting=sending.waiting + uploader.settling, items=items, trouble=uploader.trouble, last=tally.last,
    )  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = arguments.new_parser(NAME, "Send every file of a folder to a topic, as soon as it has settled.")
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


def _program(cls: type[DataFileUploadDirectory], args: argparse.Namespace) -> int:
    topic = args.producer_topic_name
    if args.dry_run:
        return _dry_run(args, topic)
    upload = cls(
        args.upload_dir, args.config, args.upload_regex, watchdog_lag_time=args.watchdog_lag_time,
        use_polling_observer=args.use_polling_observer, topic_partitions=args.topic_partitions,
        topic_replication=args.topic_replication, topic_retention_hours=args.topic_retention_hours,
        **options.common_of(args),
    )  # fmt: skip
    with upload:
        run.listen_to_keyboard(upload.control_command_queue)
        upload.upload_files_as_added(topic, args.n_threads, args.chunk_size, args.queue_max_size, args.upload_existing)
        print(upload.summary)
    return 0


def _dry_run(args: argparse.Namespace, topic: str) -> int:
    files = total = 0
    what = UploadOptions(
        args.upload_dir, topic, regex=args.upload_regex, upload_existing=args.upload_existing, state_dir=args.state_dir
    )
    for item in planned(what):
        if isinstance(item, Skipped):
            print(f"skip  {item.path}  ({item.reason})")
        else:
            files, total = files + 1, total + item.state.size
            print(f"send  {item.path}  ({progress.size(item.state.size)})")
    print(f"would send {files} files, {progress.size(total)} to topic {topic}")
    return 0


def main(args: list[str] | None = None) -> None:
    """The program."""
    DataFileUploadDirectory.run_from_command_line(args)


if __name__ == "__main__":
    main()
