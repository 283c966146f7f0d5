"""The program UploadDataFile and its class: send one file, see it go, and know that it arrived at the topic."""

from __future__ import annotations

import argparse
import logging
import signal
import threading
from pathlib import Path
from typing import Any

from openmsistream.config import load
from openmsistream.errors import FolderError
from openmsistream.files.source import Ranges
from openmsistream.files.wire import form_of
from openmsistream.files.wire.msgpack import appended
from openmsistream.program import options, progress
from openmsistream.program.runnable import Runnable

from . import command_lines
from .command_lines import CHUNK_SIZE
from .opening import Select, all_of_it
from .single import OneFile, send_file

log = logging.getLogger(__name__)

NAME = command_lines.UPLOAD_DATA_FILE

parser = command_lines.of_upload_data_file


class UploadDataFile(Runnable):
    """One file that can be sent. The arguments are those of OpenMSIStream.

    Its path on the topic is relative to `rootdir` (default: the file's own folder); `filename_append` is put between
    its stem and its suffix there. A subclass whose `select_bytes` gives ranges (first byte, end exclusive) sends only
    these, one behind the other. `wire_fields` (10 or 9, keyword only) counts for the msgpack form alone.
    """

    select_bytes: Ranges = ()

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
        self._wire_fields: int = kwargs.pop("wire_fields", 10)
        self._prepare(NAME, kwargs)
        self._stopped = threading.Event()
        try:
            relative = self.filepath.relative_to(self.rootdir)
        except ValueError:
            raise FolderError(f"{self.filepath} is not below {self.rootdir}", "name another rootdir") from None
        self.relative_path = appended(relative.as_posix(), self.filename_append)

    def upload_whole_file(
        self, config_path: str | Path, topic: str, n_threads: int = 2, chunk_size: int = CHUNK_SIZE
    ) -> None:
        """Send the file; returns when every chunk is acknowledged, raises an OpenMSIStreamError otherwise."""
        settings = load(config_path)
        for warning in settings.warnings:
            log.warning("%s", warning)
        form = form_of(settings.wire, self._wire_fields, original=self.filename, appendix=self.filename_append)
        what = OneFile(self.filepath, self.relative_path, form, chunk_size, lambda path: self.select_bytes)
        size = self.filepath.stat().st_size
        with progress.file_bar(self.filename, size, live=self._common.live) as moved:
            size = send_file(what, topic, settings, moved, self._stopped.is_set)
        log.info("sent %s (%s) to topic %s", self.relative_path, progress.size(size), topic)

    def stop(self) -> None:
        """Have a running upload end with an error."""
        self._stopped.set()

    @classmethod
    def own_parser(cls) -> argparse.ArgumentParser:
        return parser()

    @classmethod
    def get_init_args_kwargs(cls, parsed_args: argparse.Namespace) -> tuple[list[Any], dict[str, Any]]:
        kwargs = {"wire_fields": parsed_args.wire_fields, **options.messages_of(parsed_args)}
        return [parsed_args.filepath], kwargs

    def _run_parsed(self, args: argparse.Namespace) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: self.stop())
        self.upload_whole_file(args.config, args.topic_name, args.n_threads, args.chunk_size)


def selecting(datafile_type: type[UploadDataFile] | None, root: Path, logger: logging.Logger) -> Select:
    """The bytes to send of each file below a root, as the `select_bytes` of this class says."""
    if datafile_type is None or datafile_type is UploadDataFile:
        return all_of_it

    def select(path: str) -> Ranges:
        with datafile_type(root / path, rootdir=root, logger=logger) as file:
            return file.select_bytes

    return select


def main(args: list[str] | None = None) -> None:
    """The program."""
    UploadDataFile.run_from_command_line(args)


if __name__ == "__main__":
    main()
