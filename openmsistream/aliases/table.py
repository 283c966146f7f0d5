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


ENCRYPTION = Later("encryption by KafkaCrypto")

Homes = Mapping[str, str | Later]
"""For each name the module of this package in which it is, or why it is nowhere."""


def _all_in(home: str, *names: str) -> Homes:
    return dict.fromkeys(names, home)


_DATA_FILE = _all_in("processing.data_file", "DataFile")
_DIRECTORY = _all_in("processing.data_file", "DataFileDirectory")
_DOWNLOADED = _all_in(
    "processing.data_file",
    "DownloadDataFile", "DownloadDataFileToDisk", "DownloadDataFileToMemory", "DownloadDataFileToMemoryAndDisk",
)  # fmt: skip
_MESSAGE = _all_in("processing.reproducer_message", "ReproducerMessage")
_PRODUCIBLE = _all_in("kafka.producible", "Producible")
_METADATA = _all_in("processing.metadata", "MetadataJSONReproducer")
_UPLOAD = _all_in("transfer.upload_directory", "DataFileUploadDirectory", "main")
_DOWNLOAD = _all_in("transfer.download_directory", "DataFileDownloadDirectory", "main")
_UPLOAD_ONE = _all_in("transfer.upload_data_file", "UploadDataFile", "main")
_PRODUCER = _all_in("kafka.clients", "OpenMSIStreamProducer")
_CONSUMER = _all_in("kafka.clients", "OpenMSIStreamConsumer")
_CLIENTS = _all_in("kafka.clients", "ConsumerAndProducerGroup")
_CRYPTO: Homes = {"OpenMSIStreamKafkaCrypto": ENCRYPTION}
_PARSER = _all_in("aliases.argument_parser", "OpenMSIStreamArgumentParser")
_TABLES = _all_in("aliases.dataclass_table", "DataclassTable", "DataclassTableAppendOnly", "DataclassTableReadOnly")

MODULES: Mapping[str, Homes | Later] = {
    "data_file_io": {**_DATA_FILE, **_DOWNLOADED, **_DIRECTORY, **_MESSAGE},
    "data_file_io.actor": {},
    "data_file_io.actor.data_file_download_directory": _DOWNLOAD,
    "data_file_io.actor.data_file_stream_processor": _all_in("processing.processor", "DataFileStreamProcessor"),
    "data_file_io.actor.data_file_stream_reproducer": _all_in("processing.reproducer", "DataFileStreamReproducer"),
    "data_file_io.actor.data_file_upload_directory": _UPLOAD,
    "data_file_io.config": _all_in("aliases.handling_const", "DATA_FILE_HANDLING_CONST"),
    "data_file_io.entity": {},
    "data_file_io.entity.data_file": _DATA_FILE,
    "data_file_io.entity.data_file_chunk": _all_in("kafka.chunk_value", "DataFileChunk"),
    "data_file_io.entity.data_file_directory": _DIRECTORY,
    "data_file_io.entity.download_data_file": _DOWNLOADED,
    "data_file_io.entity.reproducer_message": _MESSAGE,
    "data_file_io.entity.upload_data_file": _UPLOAD_ONE,
    "girder": {},
    "girder.girder_upload_stream_processor": _all_in(
        "destinations.girder_processor", "GirderUploadStreamProcessor", "main"
    ),
    "kafka_wrapper": {**_PRODUCER, **_CONSUMER, **_CLIENTS, **_CRYPTO, **_PRODUCIBLE},
    "kafka_wrapper.consumer_and_producer_group": _CLIENTS,
    "kafka_wrapper.controlled_message_processor": _all_in("processing.messages", "ControlledMessageProcessor"),
    "kafka_wrapper.controlled_message_reproducer": _all_in(
        "processing.message_reproducer", "ControlledMessageReproducer"
    ),
    "kafka_wrapper.openmsistream_consumer": _CONSUMER,
    "kafka_wrapper.openmsistream_kafka_crypto": _CRYPTO,
    "kafka_wrapper.openmsistream_producer": _PRODUCER,
    "kafka_wrapper.producible": _PRODUCIBLE,
    "metadata_extraction": _METADATA,
    "metadata_extraction.metadata_json_message": _all_in("processing.metadata", "MetadataJSONMessage"),
    "metadata_extraction.metadata_json_reproducer": _METADATA,
    "s3_buckets": {},
    "s3_buckets.s3_data_transfer": _all_in("destinations.s3_faces", "S3DataTransfer"),
    "s3_buckets.s3_service": _all_in("destinations.s3_faces", "S3Service"),
    "s3_buckets.s3_transfer_stream_processor": _all_in(
        "destinations.s3_processor", "S3TransferStreamProcessor", "main"
    ),
    "services.install_service": _all_in("services.install", "main"),
    "services.linux_service_manager": _all_in("services.faces", "LinuxServiceManager"),
    "services.manage_service": _all_in("services.manage", "main"),
    "services.windows_service_manager": _all_in("services.faces", "WindowsServiceManager"),
    "tools": ENCRYPTION,
    "utilities": {**_PARSER, **_TABLES},
    "utilities.argument_parsing": _PARSER,
    "utilities.config": _all_in("aliases.run_const", "RUN_CONST"),
    "utilities.dataclass_table": _TABLES,
}
"""By the module's name without "openmsistream."; a module that is a `Later` as a whole has no names yet."""


def entry(module: str) -> Homes | Later | None:
    """What is known of a module by its name without "openmsistream."; None when nothing is. Below a `Later` all is later."""
    if module in MODULES:
        return MODULES[module]
    parent, _, _ = module.rpartition(".")
    above = entry(parent) if parent else None
    return above if isinstance(above, Later) else None
