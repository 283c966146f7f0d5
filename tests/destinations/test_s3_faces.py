"""The classes that programs written for OpenMSIStream take from its package for S3."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from openmsistream.s3_buckets.s3_data_transfer import S3DataTransfer
from openmsistream.s3_buckets.s3_service import S3Service
from s3_servers import KEY, SECRET, Gateway

from openmsistream.destinations.contract import DestinationError
from openmsistream.processing.data_file import DownloadDataFileToMemory
from openmsistream.processing.file import File, Source


def test_a_data_file_is_stored_compared_read_and_deleted(gate: Gateway, tmp_path: Path) -> None:
    bucket = gate.bucket()
    config = {"access_key_id": KEY, "secret_key_id": SECRET, "endpoint_url": gate.url, "region": "us-east-1"}
    file = File("a.txt", Source("topic", 0, 0, "g"), size=3, digest="blake3:none", data=b"abc")
    datafile = DownloadDataFileToMemory.of(file, tmp_path)
    transfer, service = S3DataTransfer({**config, "bucket_name": bucket}), S3Service(config)

    transfer.transfer_object_stream("topic/a.txt", datafile)
    assert service.get_object_stream_by_object_key(bucket, "topic/a.txt") == b"abc"
    md5 = hashlib.md5(b"abc", usedforsecurity=False).hexdigest()
    assert service.compare_producer_datafile_with_s3_object_stream(bucket, "topic/a.txt", md5) is True
    assert service.compare_producer_datafile_with_s3_object_stream(bucket, "topic/a.txt", "00") is False
    assert service.compare_consumer_datafile_with_s3_object_stream(bucket, "topic/a.txt", datafile) is True
    service.delete_object_from_bucket(bucket, "topic/a.txt")
    with pytest.raises(DestinationError, match="NoSuchKey"):
        service.get_object_stream_by_object_key(bucket, "topic/a.txt")
    for face in (transfer, service):
        face.close()
        face.close()


def test_the_processor_is_where_it_was() -> None:
    from openmsistream.s3_buckets.s3_transfer_stream_processor import S3TransferStreamProcessor as there

    from openmsistream.destinations.s3_processor import S3TransferStreamProcessor as here

    assert here is there
