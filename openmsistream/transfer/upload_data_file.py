"""The program UploadDataFile and its class: send one file, see it go, and know that it arrived at the topic."""

from __future__ import annotations

import argparse
import logging
import signal
import threading
from pathlib import Path
from typing import Any, Self

from openmsistream.config import load
from openmsistream.errors import FolderError
from openmsistream.program import arguments, options, progress, run

from .single import send_file
from .uploader import CHUNK_SIZE

log = logging.getLogger(__name__)

NAME = "UploadDataFile"


class UploadDataFile:
    """One file that can be sent. The arguments are those of OpenMSIStream.

    Its path on the topic is relative to `rootdir` (default: the file's own folder); `filename_append` is put between
    its stem and its suffix there.
    """

    def __init__(
        self,
        filepath: str | Path,
        to_upload: bool = True,
        rootdir: str | Path | None = None,
        filename_append: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.filepath = Path(filepath).resolve()
        self.filename = self.filepath.name
        self.to_upload = to_upload
        self.rootdir = Path(rootdir).resolve() if rootdir is not None else self.filepath.parent
        self.filename_append = filename_append or ""
        self._common = options.CommonOptions.take(kwargs)
        self.logger = self._common.logger(NAME)
        self._stopped = threading.Event()
        try:
            relative = self.filepath.relative_to(self.rootdir)
        except ValueError:
            raise FolderError(f"{self.filepath} is not below {self.rootdir}", "name another rootdir") from None
        self.relative_path = relative.with_name(relative.stem + self.filename_append + relative.suffix).as_posix()

    def upload_whole_file(
        self, config_path: str | Path, topic: str, n_threads: int = 2, chunk_size: int = CHUNK_SIZE
    ) -> None:
        """Send the file; returns when every chunk is acknowledged, raises an OpenMSIStreamError otherwise."""
        settings = load(config_path)
        for warning in settings.warnings:
            log.warning("%s", warning)
        size = self.filepath.stat().st_size
        with progress.file_bar(self.filename, size, live=self._common.live) as moved:
            send_file(self.filepath, self.relative_path, topic, settings, chunk_size, moved, self._stopped.is_set)
        log.info("sent %s (%s) to topic %s", self.relative_path, progress.size(size), topic)

    def stop(self) -> None:
        """Have a running upload end with an error."""
        self._stopped.set()

    def close(self) -> None:
        """Let go of everything; may be called more than once."""
        self._common.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @classmethod
    def run_from_command_line(cls, args: list[str] | None = None) -> None:
        """Run the program with these arguments, or those of the command line; ends by SystemExit."""
        raise SystemExit(run.main(lambda: _program(cls, arguments.parse(parser(), args))))


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = arguments.new_parser(NAME, "Send one file to a topic and wait until it is there.")
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
    made.add_argument("--n_threads", type=arguments.positive_int, default=2, help="taken, not needed any more")
    arguments.add_logging(made)
    return made


def _program(cls: type[UploadDataFile], args: argparse.Namespace) -> int:
    with cls(args.filepath, **options.messages_of(args)) as upload:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: upload.stop())
        upload.upload_whole_file(args.config, args.topic_name, args.n_threads, args.chunk_size)
    return 0


def main(args: list[str] | None = None) -> None:
    """The program."""
    UploadDataFile.run_from_command_line(args)


if __name__ == "__main__":
    main()
