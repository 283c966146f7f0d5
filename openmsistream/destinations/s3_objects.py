"""What a file is as an object of S3: its key, what stands beside its bytes, and their checksum. Pure."""

from __future__ import annotations

import base64
import mimetypes
import zlib
from collections.abc import Mapping
from typing import Any

from openmsistream.processing.file import File

LONGEST_KEY = 1024
"""Bytes in UTF-8 that S3 allows a key to have."""

_PACKED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


def key_of(file: File) -> str:
    """The key of the object that a file becomes, as OpenMSIStream makes it."""
    return f"{file.source.topic}/{file.path}"


def described(file: File) -> dict[str, Any]:
    """What stands beside an object's bytes, as arguments of a request."""
    metadata = {"digest": file.digest, "topic": file.source.topic}
    if file.mtime_ns is not None:
        seconds, rest = divmod(abs(file.mtime_ns), 1_000_000_000)
        metadata["mtime"] = f"{'-' if file.mtime_ns < 0 else ''}{seconds}.{rest:09}"
    return {"ContentType": content_type(file.name), "Metadata": metadata}


def is_object_of(found: Mapping[str, Any], file: File) -> bool:
    """Is this answer to HEAD about an object with the file's content?"""
    return bool(found["ContentLength"] == file.size and found["Metadata"].get("digest") == file.digest)


def content_type(name: str) -> str:
    """The media type that a name stands for. Of data.csv.gz it is that of what it is packed by."""
    kind, packed = mimetypes.guess_type(name)
    return _PACKED.get(packed, "application/octet-stream") if packed else kind or "application/octet-stream"


def crc32(data: bytes) -> str:
    """The checksum in the form of S3's headers."""
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()
