"""An S3 bucket as a destination: files become objects, large ones part by part. The only module that imports boto3."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, wait
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

from openmsistream.config import container
from openmsistream.errors import ConfigError
from openmsistream.processing.file import File

from . import s3_errors
from .contract import DestinationError, Put, Unreachable
from .parts import MIB, Room, Senders, cut
from .reading import whole
from .s3_errors import Where
from .s3_objects import LONGEST_KEY, crc32, described, is_object_of, key_of
from .s3_settings import S3Settings, bucket_name

log = logging.getLogger(__name__)

ONE_REQUEST = 32 * MIB
"""Files up to here go in one request, which costs a server the least; larger ones in parts side by side."""

AT_ONCE = 64 * MIB
"""Bytes that are in memory at a time, read from disk or cut from a file in memory, whatever the number of threads."""

_PART_THREADS = 4
"""Requests for parts side by side, over all files. Their parts are half of AT_ONCE, so that the next ones are read meanwhile."""

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
        self.client, self._quick = _clients(settings, Where(self.bucket, settings.endpoint_url))
        self._where = Where(self.bucket, self.client.meta.endpoint_url)  # which AWS's settings may say as well
        self._room = Room(AT_ONCE)
        self._senders = Senders(_PART_THREADS)
        self._left: list[dict[str, str]] = []  # uploads to be given up when the server answers again

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

    def exists(self, file: File, key: str | None = None) -> bool:
        """Is there an object of the file's key, size and digest? No, also where this account may not look."""
        with self._told("look into"):
            found = _unless_denied(self.client.head_object, Bucket=self.bucket, Key=key or key_of(file))
        return found is not None and is_object_of(found, file)

    def put(self, file: File, key: str | None = None) -> Put:
        """Make the file an object, under another key than its own if asked, unless that very object is there already."""
        key = key or key_of(file)
        if len(key.encode()) > LONGEST_KEY:
            raise DestinationError(
                f"{file.path} has too long a name for an object: with its topic more than {LONGEST_KEY} bytes",
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
                self.client.put_object(**self._object(key), **described(file), Body=data, ChecksumCRC32=crc32(data))
        finally:
            self._room.give_back(taken)

    def _put_in_parts(self, file: File, key: str) -> None:
        """All parts, some side by side, and then the object: until that nobody sees anything of it."""
        name = self._object(key)
        with self._told("write to"):
            begun = self.client.create_multipart_upload(**name, **described(file), ChecksumAlgorithm="CRC32")
        name["UploadId"] = begun["UploadId"]
        try:
            self._complete(file, name, self._send_parts(file, name))
        except BaseException:
            self._give_up(name)
            raise
        left, self._left = self._left, []
        for name in left:
            self._give_up(name)

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
            crc = crc32(data)
            answer = self.client.upload_part(**name, PartNumber=number, Body=data, ChecksumCRC32=crc)
        known = {"ChecksumCRC32": crc} if "ChecksumCRC32" in answer else {}  # others need not understand it later
        return {"PartNumber": number, "ETag": answer["ETag"], **known}

    def _give_up(self, name: dict[str, str]) -> None:
        """Have the server drop what it has of a file; what failed before is the error, not this."""
        try:
            with self._told("give up an upload to"):
                self._quick.abort_multipart_upload(**name)
        except Unreachable:
            self._left.append(name)
        except DestinationError as error:
            key = name["Key"]
            log.warning("parts of %s may be left at the server until it drops unfinished uploads: %s", key, error)

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


def _clients(settings: S3Settings, where: Where) -> tuple[Any, Any]:
    """A patient and a quick client of boto3's; each may be used by many threads."""
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise ConfigError("the transfer to S3 needs boto3, which is not installed", container.extra("s3")) from error
    common = Config(
        tcp_keepalive=True, max_pool_connections=32,
        request_checksum_calculation="when_required",  # ours are headers; boto3's are trailers, which many servers refuse
        s3={"payload_signing_enabled": True},
    )  # fmt: skip
    try:
        session = boto3.Session(settings.access_key_id, settings.secret_key_id, region_name=settings.region)
        server = {
            "region_name": session.region_name or "us-east-1",  # others than AWS have none, but a signature names one
            "endpoint_url": settings.endpoint_url,
            "verify": settings.ca_bundle,
        }
        patient, quick = (
            session.client("s3", config=common.merge(Config(**manner)), **server) for manner in (_PATIENT, _QUICK)
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(
            f"no client for {where} can be made: {error}", "look at section [s3] of the configuration"
        ) from error
    return patient, quick


def _unless_denied(call: Callable[..., dict[str, Any]], **arguments: str | int) -> dict[str, Any] | None:
    """An answer; None where there is nothing, and where this account may not ask: it may still be allowed to write."""
    from botocore.exceptions import ClientError

    try:
        return call(**arguments)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in ("AccessDenied", "403", "404", "NoSuchKey", "NotFound"):
            return None
        raise
