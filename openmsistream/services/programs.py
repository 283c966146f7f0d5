"""The programs that can run as services, by the names that people type."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Program:
    """A program of this package: its name, where its parser is (`module:function`), the module it runs as, what it does."""

    name: str
    parser: str
    module: str
    purpose: str

    def own_parser(self) -> argparse.ArgumentParser:
        """Its command line."""
        module, _, function = self.parser.partition(":")
        make: Callable[[], argparse.ArgumentParser] = getattr(importlib.import_module(module), function)
        return make()


_TRANSFER = "openmsistream.transfer"
_DESTINATIONS = "openmsistream.destinations"

PROGRAMS = {
    program.name: program
    for program in (
        Program(
            "DataFileUploadDirectory", f"{_TRANSFER}.command_lines:of_upload_directory", f"{_TRANSFER}.upload_directory",
            "send every file of a folder to a topic",
        ),
        Program(
            "DataFileDownloadDirectory", f"{_TRANSFER}.command_lines:of_download_directory",
            f"{_TRANSFER}.download_directory", "put every file of a topic into a folder",
        ),
        Program(
            "S3TransferStreamProcessor", f"{_DESTINATIONS}.command_lines:of_s3_transfer", f"{_DESTINATIONS}.s3_processor",
            "store every file of a topic in an S3 bucket",
        ),
        Program(
            "GirderUploadStreamProcessor", f"{_DESTINATIONS}.girder_command_line:of_girder_upload",
            f"{_DESTINATIONS}.girder_processor", "upload every file of a topic to a Girder server",
        ),
    )
}  # fmt: skip
"""UploadDataFile is not among them: it sends one file and ends."""
