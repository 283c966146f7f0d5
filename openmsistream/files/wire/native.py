"""The native wire: the value is the raw bytes of the chunk, the key its path, the rest is in headers.

The form is specified in docs/wire.md, with test vectors in tests/files/native_vectors.json.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from openmsistream.files import digest, names
from openmsistream.files.chunk import Abandoned, Chunk, new_generation

from .form import Unusable, Written

VERSION_HEADER = "oms"
VERSION = b"1"

OVERHEAD = 512
"""An upper bound on the bytes of headers and record framing, the key not counted: seven short headers need about 260."""

_GENERATION = re.compile(r"[0-9a-f]{32}")
_NUMBER = re.compile(rb"0|[1-9][0-9]{0,18}")
_SIGNED = re.compile(rb"0|-?[1-9][0-9]{0,18}")
_MAX = 2**63 - 1


def key(path: str) -> bytes:
    """The record's key: the path in UTF-8."""
    return path.encode("utf-8")


def headers(chunk: Chunk) -> list[tuple[str, bytes]]:
    """The headers of a chunk's record. The chunk must know the size and the time of its file."""
    assert chunk.size is not None
    assert chunk.mtime_ns is not None
    out = [
        (VERSION_HEADER, VERSION),
        ("gen", chunk.generation.encode("ascii")),
        ("chunk", b"%d" % chunk.index),
        ("offset", b"%d" % chunk.offset),
        ("size", b"%d" % chunk.size),
        ("mtime", b"%d" % chunk.mtime_ns),
    ]
    if chunk.digest is not None:
        out += [("last", b"1"), ("digest", chunk.digest.encode("ascii"))]
    return out


def abandoned_headers(generation: str) -> list[tuple[str, bytes]]:
    """The headers of the record that gives a generation up; its value is empty."""
    return [(VERSION_HEADER, VERSION), ("gen", generation.encode("ascii")), ("abandoned", b"1")]


class Native:
    """The form as a writer uses it: a file is read once, its digest travels with the last chunk."""

    overhead = OVERHEAD + names.MAX_PATH_BYTES
    digest_first = False

    def new_generation(self) -> str:
        return new_generation()

    def began(self, generation: str) -> bool:
        return _GENERATION.fullmatch(generation) is not None

    def partition_key(self, path: str) -> bytes:
        return key(path)

    def record(self, chunk: Chunk) -> Written:
        return Written(key(chunk.path), chunk.data, headers(chunk))


NATIVE = Native()


def abandonment(path: str, generation: str) -> Written:
    """The record that gives a generation up."""
    return Written(key(path), b"", abandoned_headers(generation))


def decode(key: bytes | None, value: bytes | None, fields: Mapping[str, bytes | None]) -> Chunk | Abandoned:
    """The chunk that a record holds, checked against every limit; raises Unusable."""
    version = fields.get(VERSION_HEADER)
    if version != VERSION:
        raise Unusable(f"its wire version is {_shown(version)}, this program reads version 1")
    path = _path(key)
    generation = _text(fields, "gen")
    if not _GENERATION.fullmatch(generation):
        raise Unusable("its header 'gen' is not 32 hex digits")
    if "abandoned" in fields:
        return Abandoned(path, generation)
    if value is None:
        raise Unusable("its value is null (kept for deleted paths, which are not sent yet)")
    index, offset, size = (_number(fields, name) for name in ("chunk", "offset", "size"))
    mtime_ns, found = _number(fields, "mtime", _SIGNED), _digest(fields)
    count = None if found is None else index + 1
    return _checked(Chunk(path, generation, index, offset, size, mtime_ns, value, found, count), size)


def _checked(chunk: Chunk, size: int) -> Chunk:
    """The chunk, when its place in a file of this size is possible."""
    if chunk.end > size:
        raise Unusable(f"its bytes end at {chunk.end}, behind the file's end at {size}")
    if (chunk.index == 0) != (chunk.offset == 0):
        raise Unusable(f"chunk {chunk.index} cannot begin at byte {chunk.offset}")
    if chunk.is_last != (chunk.end == size):
        raise Unusable("the mark of the last chunk and the end of the file do not fall together")
    if not chunk.data and size:
        raise Unusable("it is empty, and the file is not")
    if chunk.index > chunk.offset:
        raise Unusable(f"chunk {chunk.index} cannot begin at byte {chunk.offset}")
    return chunk


def _path(key: bytes | None) -> str:
    if key is None:
        raise Unusable("it has no key, so no path")
    try:
        path = key.decode("utf-8")
        names.parts_of(path)
    except UnicodeDecodeError:
        raise Unusable("its key is not valid UTF-8") from None
    except names.BadName as bad:
        raise Unusable(str(bad)) from None
    return path


def _digest(fields: Mapping[str, bytes | None]) -> str | None:
    if ("last" in fields) != ("digest" in fields):
        raise Unusable("'last' and 'digest' do not stand together")
    if "last" not in fields:
        return None
    value = _text(fields, "digest")
    if not digest.is_digest(value):
        raise Unusable("its header 'digest' is not 'blake3:' and 64 hex digits")
    return value


def _text(fields: Mapping[str, bytes | None], name: str) -> str:
    value = fields.get(name)
    if value is None:
        raise Unusable(f"its header '{name}' is missing")
    try:
        return value.decode("ascii")
    except UnicodeDecodeError:
        raise Unusable(f"its header '{name}' is not ASCII") from None


def _number(fields: Mapping[str, bytes | None], name: str, form: re.Pattern[bytes] = _NUMBER) -> int:
    value = fields.get(name)
    if value is None:
        raise Unusable(f"its header '{name}' is missing")
    if not form.fullmatch(value) or not -_MAX <= (number := int(value)) <= _MAX:
        raise Unusable(f"its header '{name}' is {_shown(value)}, not a number that can be")
    return number


def _shown(value: bytes | None) -> str:
    return "missing" if value is None else repr(value[:24])[1:]
