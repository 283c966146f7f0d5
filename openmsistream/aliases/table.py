"""Which names of OpenMSIStream are where, module by module, and which of them come later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from openmsistream.errors import OpenMSIStreamError

PACKAGE = "openmsistream"


@dataclass(frozen=True)
class Later:
    """A feature of OpenMSIStream that this version has not got yet."""

    feature: str


class NotThereYet(OpenMSIStreamError, ImportError):
    """A name of OpenMSIStream was asked for whose feature comes with a later version."""

    exit_code = 3

    def __init__(self, name: str, later: Later) -> None:
        super().__init__(
            f"{name} is not in this version: {later.feature} will come later",
            "use OpenMSIStream 1.8.8 for that program, in an environment of its own; it reads and writes the same topics, as "
            "long as records are written with value.serializer = DataFileChunkSerializer",
        )


PROCESSING = Later("processing files with code of one's own")
REPRODUCING = Later("turning files into results on another topic")
GIRDER = Later("the upload to Girder")
S3 = Later("the transfer to S3")
SERVICES = Later("running programs as services")
ENCRYPTION = Later("encryption by KafkaCrypto")
CLIENTS = Later("Kafka clients for programs of one's own")

Homes = Mapping[str, str | Later]
"""For each name the module of this package in which it is, or why it is nowhere."""

_FILES: Homes = {
    "DataFile": PROCESSING,
    "DataFileDirectory": PROCESSING,
    "DownloadDataFile": PROCESSING,
    "DownloadDataFileToDisk": PROCESSING,
    "DownloadDataFileToMemory": PROCESSING,
    "DownloadDataFileToMemoryAndDisk": PROCESSING,
    "ReproducerMessage": REPRODUCING,
}
_UPLOAD = {"DataFileUploadDirectory": "transfer.upload_directory", "main": "transfer.upload_directory"}
_DOWNLOAD = {"DataFileDownloadDirectory": "transfer.download_directory", "main": "transfer.download_directory"}
_UPLOAD_ONE = {"UploadDataFile": "transfer.upload_data_file", "main": "transfer.upload_data_file"}
_PARSER = {"OpenMSIStreamArgumentParser": "aliases.argument_parser"}

MODULES: Mapping[str, Homes | Later] = {
    "data_file_io": _FILES,
    "data_file_io.actor": {},
    "data_file_io.actor.data_file_download_directory": _DOWNLOAD,
    "data_file_io.actor.data_file_stream_processor": PROCESSING,
    "data_file_io.actor.data_file_stream_reproducer": REPRODUCING,
    "data_file_io.actor.data_file_upload_directory": _UPLOAD,
    "data_file_io.entity": {},
    "data_file_io.entity.data_file": PROCESSING,
    "data_file_io.entity.data_file_directory": PROCESSING,
    "data_file_io.entity.download_data_file": PROCESSING,
    "data_file_io.entity.reproducer_message": REPRODUCING,
    "data_file_io.entity.upload_data_file": _UPLOAD_ONE,
    "girder": GIRDER,
    "kafka_wrapper": {
        "ConsumerAndProducerGroup": CLIENTS,
        "OpenMSIStreamConsumer": CLIENTS,
        "OpenMSIStreamKafkaCrypto": ENCRYPTION,
        "OpenMSIStreamProducer": CLIENTS,
        "Producible": REPRODUCING,
    },
    "kafka_wrapper.controlled_message_processor": PROCESSING,
    "kafka_wrapper.controlled_message_reproducer": REPRODUCING,
    "metadata_extraction": REPRODUCING,
    "s3_buckets": S3,
    "services": SERVICES,
    "tools": ENCRYPTION,
    "utilities": {
        **_PARSER,
        "DataclassTable": CLIENTS,
        "DataclassTableAppendOnly": CLIENTS,
        "DataclassTableReadOnly": CLIENTS,
    },
    "utilities.argument_parsing": _PARSER,
    "utilities.config": {"RUN_CONST": "aliases.run_const"},
}
"""By the module's name without "openmsistream."; a module that is a `Later` as a whole has no names yet."""

TOP_LEVEL: Mapping[str, Later] = {
    "DataFileStreamProcessor": PROCESSING,
    "DataFileStreamReproducer": REPRODUCING,
    "GirderUploadStreamProcessor": GIRDER,
    "MetadataJSONReproducer": REPRODUCING,
    "S3TransferStreamProcessor": S3,
}
"""Public classes of OpenMSIStream that `openmsistream` itself has not got yet."""


def entry(module: str) -> Homes | Later | None:
    """What is known of a module by its name without "openmsistream."; None when nothing is. Below a `Later` all is later."""
    if module in MODULES:
        return MODULES[module]
    parent, _, _ = module.rpartition(".")
    above = entry(parent) if parent else None
    return above if isinstance(above, Later) else None
