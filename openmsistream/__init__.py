"""openmsistream moves laboratory files through Apache Kafka.

The public classes are looked up when they are first used, so that importing the package costs nothing. Modules that
programs written for OpenMSIStream import by their old names are found by a table, `aliases/table.py`.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from .destinations.girder_processor import GirderUploadStreamProcessor as GirderUploadStreamProcessor
    from .destinations.s3_processor import S3TransferStreamProcessor as S3TransferStreamProcessor
    from .processing.file import File as File
    from .processing.functions import process_files as process_files
    from .processing.metadata import MetadataJSONReproducer as MetadataJSONReproducer
    from .processing.processor import DataFileStreamProcessor as DataFileStreamProcessor
    from .processing.reproducer import DataFileStreamReproducer as DataFileStreamReproducer
    from .transfer.download_directory import DataFileDownloadDirectory as DataFileDownloadDirectory
    from .transfer.upload_data_file import UploadDataFile as UploadDataFile
    from .transfer.upload_directory import DataFileUploadDirectory as DataFileUploadDirectory

__version__ = "2.0.0.dev0"

_HOMES = {
    "DataFileDownloadDirectory": "openmsistream.transfer.download_directory",
    "DataFileStreamProcessor": "openmsistream.processing.processor",
    "DataFileStreamReproducer": "openmsistream.processing.reproducer",
    "DataFileUploadDirectory": "openmsistream.transfer.upload_directory",
    "File": "openmsistream.processing.file",
    "GirderUploadStreamProcessor": "openmsistream.destinations.girder_processor",
    "MetadataJSONReproducer": "openmsistream.processing.metadata",
    "S3TransferStreamProcessor": "openmsistream.destinations.s3_processor",
    "UploadDataFile": "openmsistream.transfer.upload_data_file",
    "process_files": "openmsistream.processing.functions",
}

__all__ = [
    "DataFileDownloadDirectory",
    "DataFileStreamProcessor",
    "DataFileStreamReproducer",
    "DataFileUploadDirectory",
    "File",
    "GirderUploadStreamProcessor",
    "MetadataJSONReproducer",
    "S3TransferStreamProcessor",
    "UploadDataFile",
    "__version__",
    "process_files",
]


_OLD_ROOMS = frozenset(
    ("data_file_io", "girder", "kafka_wrapper", "metadata_extraction", "s3_buckets", "services", "tools", "utilities")
)
"""The packages of the table in aliases/table.py, so that nothing is loaded as long as none of them is asked for."""


class _Aliases:
    """Finds modules by the names that OpenMSIStream has for them.

    Asked before Python's own finders: an older installation that was replaced may have left folders of these names, with
    files of its users in them, and an empty package made of such a folder would hide what is to be found.
    """

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        package, _, rest = name.partition(".")
        if package != __name__ or rest.partition(".")[0] not in _OLD_ROOMS:
            return None
        finder = importlib.import_module(".aliases.finder", __name__)
        spec: ModuleSpec | None = finder.find_spec(name)
        return spec


if not any(getattr(finder, "__module__", None) == __name__ for finder in sys.meta_path):  # after a reload
    sys.meta_path.insert(0, _Aliases)


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
