"""The program DataFileUploadDirectory and its class: send every file of a folder as soon as it has settled."""

from __future__ import annotations

import argparse
import logging
import re
import time
from pathlib import Path
from typing import Any

from openmsistream.config import load
from openmsistream.kafka.admin import TopicWish
from openmsistream.kafka.heartbeats import announcing
from openmsistream.ledger.live import LiveFile
from openmsistream.ledger.sent import sent_paths
from openmsistream.program import options, progress
from openmsistream.program.announcing import Amount, Announcer, Counts
from openmsistream.program.runnable import Runnable

from . import command_lines
from .command_lines import CHUNK_SIZE
from .outgoing import Outgoing
from .plan import planned
from .reporting import MOST, Reporter
from .scan import Skipped
from .upload_data_file import UploadDataFile, selecting
from .uploader import Uploader, UploadOptions

log = logging.getLogger(__name__)

NAME = command_lines.UPLOAD_DIRECTORY

parser = command_lines.of_upload_directory


class DataFileUploadDirectory(Runnable, Announcer):
    """A folder whose files are sent to a topic. The arguments are those of OpenMSIStream.

    `watchdog_lag_time` None means: closed files leave at once, others after 3 s of quiet. Of a `datafile_type`, a subclass
    of UploadDataFile, `select_bytes` is used. Further keyword arguments: `update_secs`, `streamlevel`, `logger_file`,
    `filelevel`, those of docs/heartbeats.md, and `state_dir`, `topic_partitions`, `topic_replication`,
    `topic_retention_hours`, `wire_fields`.
    """

    def __init__(
        self,
        dirpath: str | Path,
        config_path: str | Path,
        upload_regex: str | re.Pattern[str] | None = None,
        datafile_type: type[UploadDataFile] | None = None,
        watchdog_lag_time: float | None = None,
        use_polling_observer: bool = False,
        **kwargs: Any,
    ) -> None:
        self._root = Path(dirpath)
        self._settings = load(config_path)
        self._regex = options.pattern(upload_regex)
        self._lag = watchdog_lag_time
        self._polling = use_polling_observer
        hours = kwargs.pop("topic_retention_hours", None)
        self._wish = TopicWish(
            kwargs.pop("topic_partitions", None),
            kwargs.pop("topic_replication", None),
            None if hours is None else int(hours * 3_600_000),
        )
        self._wire_fields: int = kwargs.pop("wire_fields", 10)
        self._uploader: Uploader | None = None
        self._prepare(NAME, kwargs)
        self._select = selecting(datafile_type, self._root, self.logger)

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
            self._wish, self._common.state_dir, self._wire_fields, self._select,
        )  # fmt: skip
        self._uploader = None
        with announcing(self, self._common, self._settings, self._root, topic):
            self._warn()
            self._uploader = uploader = Uploader(what, self._settings)
            report = Reporter(
                NAME,
                what.ledger_path,
                self._report_settings(what, uploader),
                lambda: snapshot(uploader),
                lambda: at_work(uploader),
            )
            self._follow(uploader, f"{self._root.name} -> {topic}", lambda: snapshot(uploader), report)
        return sent_paths(what.ledger_path, topic)

    def _counts(self) -> Counts:
        return {"produced": Amount() if self._uploader is None else self._uploader.produced}

    def _report_settings(self, what: UploadOptions, uploader: Uploader) -> dict[str, object]:
        """What it was started with, for `openmsistream status`."""
        return {
            "regex": None if what.regex is None else what.regex.pattern, "lag": what.lag,
            "upload_existing": what.upload_existing, "watched": uploader.trusts_events, "config": str(self._settings.path),
        }  # fmt: skip

    def _warn(self) -> None:
        for warning in self._settings.warnings:
            log.warning("%s", warning)

    @classmethod
    def own_parser(cls) -> argparse.ArgumentParser:
        return parser()

    @classmethod
    def get_init_args_kwargs(cls, parsed_args: argparse.Namespace) -> tuple[list[Any], dict[str, Any]]:
        args = parsed_args
        kwargs = {
            "watchdog_lag_time": args.watchdog_lag_time,
            "use_polling_observer": args.use_polling_observer,
            "topic_partitions": args.topic_partitions,
            "topic_replication": args.topic_replication,
            "topic_retention_hours": args.topic_retention_hours,
            "wire_fields": args.wire_fields,
        }
        return [args.upload_dir, args.config, args.upload_regex], {**kwargs, **options.common_of(args)}

    @classmethod
    def _program(cls, args: argparse.Namespace) -> int:
        return _dry_run(args) if args.dry_run else super()._program(args)

    def _run_parsed(self, args: argparse.Namespace) -> None:
        topic, threads, queued = args.producer_topic_name, args.n_threads, args.queue_max_size
        self.upload_files_as_added(topic, threads, args.chunk_size, queued, args.upload_existing)


def snapshot(uploader: Uploader) -> progress.Snapshot:
    """How far an upload is."""
    tally, sending = uploader.tally, uploader.sending
    items = tuple(progress.Item(out.path, out.bytes_acked, out.size) for out in sending.current)
    return progress.Snapshot(
        verb="sent", files=tally.files, bytes=tally.bytes, moved=tally.chunk_bytes, failed=len(tally.failed),
        waiting=sending.waiting + len(uploader.settling), items=items, trouble=uploader.trouble, last=tally.last,
    )  # fmt: skip


def at_work(uploader: Uploader) -> list[LiveFile]:
    """What is on its way, what cannot be read just now, and what is waited for."""
    files = [_sending(out) for out in uploader.sending.current]
    files += [LiveFile(path, "failed", reason=reason) for path, reason in list(uploader.tally.failed.items())[:MOST]]
    ahead = time.time() - time.monotonic()
    waiting = uploader.settling.soonest(MOST)
    return files + [LiveFile(path, "waiting", until=round(due + ahead, 2)) for path, due in waiting]


def _sending(out: Outgoing) -> LiveFile:
    count = out.reading.chunks
    first = out.first  # another thread may be done with it in this moment
    reason = ""
    if first is not None:
        reason = f"being read for its digest, {progress.size(first.offset)} of {progress.size(out.size)}"
    elif out.compare_with is not None:
        reason = f"being read to compare it with what was sent, {progress.size(out.size)}"
    elif out.preparing:
        reason = f"being read again up to where it was sent before, {out.resume_at} of {count} chunks"
    return LiveFile(out.path, "sending", out.acked, count, out.bytes_acked, out.size, reason=reason)


def _dry_run(args: argparse.Namespace) -> int:
    files = total = 0
    topic = args.producer_topic_name
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
