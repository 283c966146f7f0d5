"""The program DataFileDownloadDirectory and its class: every file of a topic appears, whole and verified, in a folder."""

from __future__ import annotations

import argparse
import logging
import re
from pathlib import Path
from typing import Any

from openmsistream.config import load
from openmsistream.kafka.heartbeats import announcing
from openmsistream.ledger.live import LiveFile
from openmsistream.program import options
from openmsistream.program.announcing import Amount, Announcer, Counts
from openmsistream.program.runnable import Runnable

from . import command_lines
from .command_lines import GIVE_UP_AFTER
from .downloader import Downloader, DownloadOptions
from .lanes import Tally
from .reporting import MOST, Reporter, live_files

log = logging.getLogger(__name__)

NAME = command_lines.DOWNLOAD_DIRECTORY

parser = command_lines.of_download_directory


class DataFileDownloadDirectory(Runnable, Announcer):
    """A folder in which the files of a topic appear. The arguments are those of OpenMSIStream.

    `consumer_group_id` "create_new" (or None) means a group of this installation, which goes on where it was after a
    restart. `datafile_type` and `n_threads` are kept for programs that pass them. Further keyword arguments:
    `update_secs`, `streamlevel`, `logger_file`, `filelevel`, those of docs/heartbeats.md, and `from_beginning`,
    `give_up_after`, `state_dir`.
    """

    def __init__(
        self,
        dirpath: str | Path,
        config_path: str | Path,
        topic_name: str,
        datafile_type: type | None = None,
        filepath_regex: str | re.Pattern[str] | None = None,
        **kwargs: Any,
    ) -> None:
        self._settings = load(config_path)
        group = kwargs.pop("consumer_group_id", None)
        kwargs.pop("n_threads", None)
        from_beginning = kwargs.pop("from_beginning", False)
        give_up_after = kwargs.pop("give_up_after", GIVE_UP_AFTER)
        self._prepare(NAME, kwargs)
        self._options = DownloadOptions(
            root=Path(dirpath),
            topic=topic_name,
            regex=options.pattern(filepath_regex),
            group=None if group is None or group.lower() == "create_new" else group,
            from_beginning=from_beginning,
            give_up_after=give_up_after,
            state_dir=self._common.state_dir,
            program=type(self).__name__,
        )
        self._tally = Tally()
        self.consumer_topic_name = topic_name
        self.consumer_group_id = group

    def reconstruct(self) -> tuple[int, int, int, list[Path]]:
        """Receive files until "q" is put into `control_command_queue` or a signal comes.

        Gives the numbers of records read, of records used, of files delivered, and the paths of the last of these.
        """
        what = self._options
        self._tally = Tally()
        with announcing(self, self._common, self._settings, what.root, what.topic):
            for warning in self._settings.warnings:
                log.warning("%s", warning)
            downloader = Downloader(what, self._settings)
            self._tally = downloader.tally
            log.info("reading as a member of group %s", downloader.group)
            report = Reporter(
                NAME,
                what.ledger_path,
                self._report_settings(downloader.group),
                downloader.snapshot,
                lambda: at_work(downloader),
            )
            self._follow(downloader, f"{what.topic} -> {what.root.name}", downloader.snapshot, report)
        return self.n_msgs_read, self.n_msgs_processed, self.n_processed_files, self.recent_processed_filepaths

    @property
    def n_msgs_read(self) -> int:
        """Records read so far."""
        return self._tally.records

    @property
    def n_msgs_processed(self) -> int:
        """Records used so far."""
        return self._tally.records - self._tally.quarantined

    @property
    def n_processed_files(self) -> int:
        """Files delivered so far."""
        return self._tally.files

    @property
    def recent_processed_filepaths(self) -> list[Path]:
        """The relative paths of the last files that were delivered."""
        return [Path(path) for path in self._tally.recent]

    def _counts(self) -> Counts:
        tally = self._tally
        return {
            "read": Amount(tally.records, tally.chunk_bytes),
            "processed": Amount(self.n_msgs_processed, tally.chunk_bytes),
        }

    def _report_settings(self, group: str) -> dict[str, object]:
        """What it was started with, for `openmsistream status`."""
        regex = self._options.regex
        return {"group": group, "regex": None if regex is None else regex.pattern, "config": str(self._settings.path)}

    @classmethod
    def own_parser(cls) -> argparse.ArgumentParser:
        return parser()

    @classmethod
    def get_init_args_kwargs(cls, parsed_args: argparse.Namespace) -> tuple[list[Any], dict[str, Any]]:
        args = parsed_args
        kwargs = {
            "filepath_regex": args.download_regex,
            "consumer_group_id": args.consumer_group_id,
            "from_beginning": args.from_beginning,
            "give_up_after": args.give_up_after,
        }
        return [args.output_dir, args.config, args.consumer_topic_name], {**kwargs, **options.common_of(args)}

    def _run_parsed(self, args: argparse.Namespace) -> None:
        self.reconstruct()


def at_work(downloader: Downloader) -> list[LiveFile]:
    """What is on its way, and what waits."""
    return live_files(downloader.at_work[:MOST])


def main(args: list[str] | None = None) -> None:
    """The program."""
    DataFileDownloadDirectory.run_from_command_line(args)


if __name__ == "__main__":
    main()
