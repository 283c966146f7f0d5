"""An S3 bucket as a destination: files become objects, large ones part by part. The only module that imports boto3."""

from __future__ import annotations

import base64
import logging
import mimetypes
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, wait
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

from openmsistream.errors import ConfigError
from openmsistream.processing.file import File

from . import s3_errors
from .contract import DestinationError, Put
from .parts import MIB, Room, Senders, cut
from .reading import whole
from .s3_errors import Where
from .s3_settings import S3Settings, bucket_name

log = logging.getLogger(__name__)

ONE_REQUEST = 32 * MIB
"""Files up to here go in one request, which costs a server the least; larger ones in parts side by side."""

AT_ONCE = 64 * MIB
"""Bytes that are in memory at a time, read from disk or cut from a file in memory, whatever the number of threads."""

_PART_THREADS = 4
"""Requests for parts side by side, over all files. Their parts are half of AT_ONCE, so that the next ones are read meanwhile."""

_LONGEST_KEY = 1024
"""Bytes in UTF-8 that S3 allows a key to have."""

_PATIENT = {"retries": {"mode": "standard", "total_max_attempts": 5}, "connect_timeout": 10, "read_timeout": 300}
"""For files. A server may need minutes to put the parts of a large one together before it answers."""

_QUICK = {"retries": {"mode": "standard", "total_max_attempts": 2}, "connect_timeout": 5, "read_timeout": 20}
"""For the start, which should tell within seconds what is wrong, and for giving up what failed."""


Part = Future[dict[str, Any]]
"""A part on its way; what comes of it is what the server has to be told of it in the end."""


class S3Destination:
    """A bucket. An object's key is `<topic>/<path of the file>`. `close` it, or use it in a `with`.

    Each request carries the SHA-256 of what it sends in its signature and its CRC32 in a header; the server compares
    both before it stores anything, so that nothing has to be read back. An object's metadata tell `digest`, `topic` and
    `mtime` (seconds since 1970 with nine decimals, the form that rclone uses).
    """

    def __init__(self, bucket: str, settings: S3Settings | None = None) -> None:
        self.bucket = bucket_name(bucket)
        settings = settings or S3Settings()
        self._where = Where(self.bucket, settings.endpoint_url)
        self.client = _client(settings, self._where, _PATIENT)
        self._quick = _client(settings, self._where, _QUICK)
        self._room = Room(AT_ONCE)
        self._senders = Senders(_PART_THREADS)

    def __repr__(self) -> str:
        return f"<S3Destination {self._where}>"

    def close(self) -> None:
        self._senders.close()
        self.client.close()
        self._quick.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def check(self) -> None:
        """Is the bucket there, and may this account write to it? Leaves nothing behind.

        Whether it may is tried by beginning an upload in parts and giving it up: no object comes of that.
        """
        name = {"Bucket": self.bucket, "Key": ".openmsistream-check"}
        with self._told("list"):
            _unless_denied(self._quick.list_objects_v2, Bucket=self.bucket, MaxKeys=1)
        with self._told("write to"):
            begun = self._quick.create_multipart_upload(**name)
        with self._told("give up an upload to"):
            _unless_denied(self._quick.abort_multipart_upload, **name, UploadId=begun["UploadId"])

    def key_of(self, file: File) -> str:
        """The key of the object that a file becomes."""
        return f"{file.source.topic}/{file.path}"

    def exists(self, file: File, key: str | None = None) -> bool:
        """Is there an object of the file's key, size and digest? No, also where this account may not look."""
        with self._told("look into"):
            found = _unless_denied(self.client.head_object, Bucket=self.bucket, Key=key or self.key_of(file))
        return found is not None and _is(found, file)

    def put(self, file: File, key: str | None = None) -> Put:
        """Make the file an object, under another key than its own if asked, unless that very object is there already."""
        key = key or self.key_of(file)
        if len(key.encode()) > _LONGEST_KEY:
            raise DestinationError(
                f"{file.path} has too long a name for an object: with its topic more than {_LONGEST_KEY} bytes",
                "shorten its path where it is sent from",
            )
        if self.exists(file, key):
            return Put.ALREADY_THERE
        if file.size <= ONE_REQUEST:
            self._put_at_once(file, key)
        else:
            self._put_in_parts(file, key)
        return Put.SENT

    def read(self, key: str) -> bytes:
        """All bytes of an object."""
        with self._told("read"):
            content: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return content

    def delete(self, key: str) -> None:
        """Remove an object; that there is none is as good."""
        with self._told("delete from"):
            self.client.delete_object(Bucket=self.bucket, Key=key)

    def _put_at_once(self, file: File, key: str) -> None:
        taken = 0 if file.in_memory else self._room.take(file.size)
        try:
            data = whole(file)
            with self._told("write to"):
                self.client.put_object(**self._object(key), **_described(file), Body=data, ChecksumCRC32=_crc32(data))
        finally:
            self._room.give_back(taken)

    def _put_in_parts(self, file: File, key: str) -> None:
        """All parts, some side by side, and then the object: until that nobody sees anything of it."""
        name = self._object(key)
        with self._told("write to"):
            begun = self.client.create_multipart_upload(**name, **_described(file), ChecksumAlgorithm="CRC32")
        name["UploadId"] = begun["UploadId"]
        try:
            self._complete(file, name, self._send_parts(file, name))
        except BaseException:
            self._give_up(file, name)
            raise

    def _send_parts(self, file: File, name: dict[str, str]) -> list[dict[str, Any]]:
        """What the server has to be told of each part, when all are there."""
        sending: list[Part] = []
        failed: list[Part] = []
        try:
            for number, (data, taken) in enumerate(cut(file, self._room), 1):
                part = self._senders.submit(partial(self._send_part, name, number, data))
                del data  # or it would stay in memory while the next one is read
                part.add_done_callback(partial(self._part_is_done, taken, failed))
                sending.append(part)
                if failed:
                    break
            return [part.result() for part in sending]
        except CancelledError as error:
            raise DestinationError(
                f"{file.path} was on its way when the transfer was closed", retriable=True
            ) from error
        finally:
            for part in sending:
                part.cancel()
            wait(sending)

    def _part_is_done(self, taken: int, failed: list[Part], part: Part) -> None:
        self._room.give_back(taken)
        if not part.cancelled() and part.exception() is not None:
            failed.append(part)

    def _complete(self, file: File, name: dict[str, str], parts: list[dict[str, Any]]) -> None:
        try:
            with self._told("write to"):
                self.client.complete_multipart_upload(**name, MultipartUpload={"Parts": parts})
        except DestinationError:
            if not self.exists(file, name["Key"]):
                raise
            # it was put together already; the answer that said so was lost, and asking again found no upload

    def _send_part(self, name: dict[str, str], number: int, data: bytes) -> dict[str, Any]:
        with self._told("write to"):
            crc = _crc32(data)
            answer = self.client.upload_part(**name, PartNumber=number, Body=data, ChecksumCRC32=crc)
        known = {"ChecksumCRC32": crc} if "ChecksumCRC32" in answer else {}  # others need not understand it later
        return {"PartNumber": number, "ETag": answer["ETag"], **known}

    def _give_up(self, file: File, name: dict[str, str]) -> None:
        """Have the server drop what it has of a file; what failed before is the error, not this."""
        try:
            with self._told("give up an upload to"):
                self._quick.abort_multipart_upload(**name)
        except DestinationError as error:
            log.warning("parts of %s may be left at the server until it drops unfinished uploads: %s", file.path, error)

    def _object(self, key: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": key}

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        """What the client library raises, in our words."""
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

        try:
            yield
        except ClientError as error:
            said, status = error.response.get("Error", {}), error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
            raise s3_errors.refused(
                self._where, doing, said.get("Code", ""), status, said.get("Message", "")
            ) from error
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise s3_errors.no_credentials(self._where, str(error)) from error
        except BotoCoreError as error:
            below = error.kwargs.get("error", error)  # the library's own text leaves out why
            raise s3_errors.unreachable(self._where, type(error).__name__, str(below)) from error
        except OSError as error:
            raise s3_errors.unreachable(self._where, type(error).__name__, str(error)) from error


def _client(settings: S3Settings, where: Where, manner: dict[str, Any]) -> Any:
    """A client of boto3's; it may be used by many threads."""
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise ConfigError(
            "the transfer to S3 needs boto3, which is not installed", 'pip install "openmsistream[s3]"'
        ) from error
    config = Config(
        **manner, tcp_keepalive=True, max_pool_connections=32,
        request_checksum_calculation="when_required",  # ours are headers; boto3's are trailers, which many servers refuse
        s3={"payload_signing_enabled": True},
    )  # fmt: skip
    try:
        session = boto3.Session(settings.access_key_id, settings.secret_key_id, region_name=settings.region)
        region = session.region_name or "us-east-1"  # servers other than AWS have none, but a signature names one
        return session.client(
            "s3", region_name=region, endpoint_url=settings.endpoint_url, verify=settings.ca_bundle, config=config
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(
            f"no client for {where} can be made: {error}", "look at section [s3] of the configuration"
        ) from error


def _unless_denied(call: Callable[..., dict[str, Any]], **arguments: str | int) -> dict[str, Any] | None:
    """An answer; None where there is nothing, and where this account may not ask: it may still be allowed to write."""
    from botocore.exceptions import ClientError

    try:
        return call(**arguments)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in ("AccessDenied", "403", "404", "NoSuchKey", "NotFound"):
            return None
        raise


def _is(found: dict[str, Any], file: File) -> bool:
    return bool(found["ContentLength"] == file.size and found["Metadata"].get("digest") == file.digest)


def _crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def _described(file: File) -> dict[str, Any]:
    """What stands beside an object's bytes."""
    metadata = {"digest": file.digest, "topic": file.source.topic}
    if file.mtime_ns is not None:
        seconds, rest = divmod(abs(file.mtime_ns), 1_000_000_000)
        metadata["mtime"] = f"{'-' if file.mtime_ns < 0 else ''}{seconds}.{rest:09}"
    return {"ContentType": content_type(file.name), "Metadata": metadata}


_PACKED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


def content_type(name: str) -> str:
    """The media type that a name stands for. Of data.csv.gz it is that of what it is packed by."""
    kind, packed = mimetypes.guess_type(name)
    return _PACKED.get(packed, "application/octet-stream") if packed else kind or "application/octet-stream"
