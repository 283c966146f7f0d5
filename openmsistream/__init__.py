"""openmsistream moves laboratory files through Apache Kafka.

The public classes are looked up when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .transfer.download_directory import DataFileDownloadDirectory as DataFileDownloadDirectory
    from .transfer.upload_data_file import UploadDataFile as UploadDataFile
    from .transfer.upload_directory import DataFileUploadDirectory as DataFileUploadDirectory

__version__ = "2.0.0.dev0"

_HOMES = {
    "DataFileDownloadDirectory": "openmsistream.transfer.download_directory",
    "DataFileUploadDirectory": "openmsistream.transfer.upload_directory",
    "UploadDataFile": "openmsistream.transfer.upload_data_file",
}

__all__ = ["DataFileDownloadDirectory", "DataFileUploadDirectory", "UploadDataFile", "__version__"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
