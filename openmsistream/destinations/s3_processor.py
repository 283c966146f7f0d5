"""The program S3TransferStreamProcessor and its class: every file of a topic becomes an object in an S3 bucket."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path
from typing import Any

from openmsistream.processing.processor import DataFileStreamProcessor, processing_of

from . import command_lines
from .outages import WaitsOut
from .s3 import S3Destination
from .s3_settings import S3Settings, misspelt

log = logging.getLogger(__name__)


class S3TransferStreamProcessor(DataFileStreamProcessor):
    """Stores every file of a topic in an S3 bucket, under the key `<topic>/<path of the file>`.

    The server and the keys are in section [s3] of the configuration; what it does not have is looked for where AWS's own
    programs look. Further keyword arguments are those of DataFileStreamProcessor.
    """

    def __init__(
        self, bucket_name: str, config_path: str | Path, consumer_topic_name: str, **kwargs: Any
    ) -> None:  # fmt: skip
        super().__init__(config_path, consumer_topic_name, **kwargs)
        self.bucket_name = bucket_name
        try:
            self.destination = S3Destination(bucket_name, S3Settings.of(self._settings))
        except BaseException:
            super().close()
            raise
        self._put = WaitsOut(self.destination.put)

    def make_stream(self) -> tuple[int, int, int, list[Path]]:
        """Store files until "q" is put into `control_command_queue` or a signal comes; see `process_files_as_read`."""
        return self.process_files_as_read()

    def process_files_as_read(self) -> tuple[int, int, int, list[Path]]:
        """Store files until "q" is put into `control_command_queue` or a signal comes.

        Gives the numbers of records read, of records used, of files stored, and the paths of the last of these. Raises
        DestinationError at once when the bucket is missing, cannot be reached or may not be written to.
        """
        for warning in misspelt(self._settings):
            log.warning("%s", warning)
        self.destination.check()
        return super().process_files_as_read()

    def _process_downloaded_data_file(self, datafile: Any, lock: Any) -> BaseException | None:
        put = self._put(datafile.file)
        log.debug("%s: %s", datafile.file.path, put.value)
        return None

    def close(self) -> None:
        """Let go of everything; may be called more than once."""
        self._put.close()
        self.destination.close()
        super().close()

    @classmethod
    def own_parser(cls) -> argparse.ArgumentParser:
        return command_lines.of_s3_transfer(cls.__name__)

    @classmethod
    def get_init_args_kwargs(cls, parsed_args: argparse.Namespace) -> tuple[list[Any], dict[str, Any]]:
        args = parsed_args
        return [args.bucket_name, args.config, args.consumer_topic_name], processing_of(args)


def main(args: list[str] | None = None) -> None:
    """The program."""
    for library in ("boto3", "botocore", "urllib3"):  # at "debug" they write a page for each request
        logging.getLogger(library).setLevel(logging.INFO)
    S3TransferStreamProcessor.run_from_command_line(args)


if __name__ == "__main__":
    main()
