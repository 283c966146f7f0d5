"""`S3Service` and `S3DataTransfer`: objects in buckets under the names that programs written for OpenMSIStream have for it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any

from .s3 import S3Destination
from .s3_settings import S3Settings


class S3Service:
    """Objects of any bucket of one server. `s3_config` has the keys of section [s3]; those missing are AWS's usual ones."""

    def __init__(self, s3_config: Mapping[str, Any], *args: Any, **kwargs: Any) -> None:
        self.s3_config = s3_config
        self.bucket_name = str(s3_config.get("bucket_name", ""))
        self.logger: logging.Logger = kwargs.get("logger") or logging.getLogger(type(self).__name__)
        self._settings = S3Settings.from_values(s3_config, "the S3 configuration given")
        self._buckets: dict[str, S3Destination] = {}

    def close(self) -> None:
        """Let go of connections; may be called more than once."""
        while self._buckets:
            self._buckets.popitem()[1].close()

    def get_object_stream_by_object_key(self, bucket_name: str, object_key: str) -> bytes:
        """All bytes of an object. Raises DestinationError."""
        return self._bucket(bucket_name).read(object_key)

    def delete_object_from_bucket(self, bucket_name: str, object_key: str) -> None:
        """Remove an object. Raises DestinationError."""
        self._bucket(bucket_name).delete(object_key)

    def compare_producer_datafile_with_s3_object_stream(
        self, bucket_name: str, object_key: str, hashed_datafile_stream: str
    ) -> bool:
        """Has the object this MD5 (hexadecimal)? It is read for that."""
        found = hashlib.md5(self._bucket(bucket_name).read(object_key), usedforsecurity=False).hexdigest()
        return found == hashed_datafile_stream

    def compare_consumer_datafile_with_s3_object_stream(
        self, bucket_name: str, object_key: str, datafile: Any
    ) -> bool:  # fmt: skip
        """Has the object the content of this data file? It is read for that."""
        content = hashlib.md5(datafile.bytestring, usedforsecurity=False).hexdigest()
        return self.compare_producer_datafile_with_s3_object_stream(bucket_name, object_key, content)

    def _bucket(self, name: str) -> S3Destination:
        if name not in self._buckets:
            self._buckets[name] = S3Destination(name, self._settings)
        return self._buckets[name]


class S3DataTransfer(S3Service):
    """Puts data files into the bucket that `s3_config` names as `bucket_name`."""

    def transfer_object_stream(self, object_key: str, datafile: Any) -> None:
        """Make a data file an object of this key, unless that very object is there already. Raises DestinationError."""
        self._bucket(self.bucket_name).put(datafile.file, object_key)
