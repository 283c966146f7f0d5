"""The msgpack wire: a chunk and all about it in one msgpack array, the form that OpenMSIStream's programs speak.

The form is specified in docs/wire.md, with test vectors in tests/files/msgpack_vectors.json.
"""

from __future__ import annotations

import hashlib
import math
import re
import struct
from dataclasses import dataclass
from pathlib import PurePosixPath

import msgpack
from blake3 import blake3

from openmsistream.errors import UsageError
from openmsistream.files import names
from openmsistream.files.chunk import CONTENT_MARK, Chunk, is_named_by_content, new_generation

from .form import Unusable, Written

FIELDS = (10, 9)
"""How many elements the array may have; the tenth, the time of the last change, came with OpenMSIStream 1.8.6.1."""

OVERHEAD = 512
"""An upper bound on the bytes of a record beside its chunk, the names not counted: value and framing need about 300."""

MAX_CHUNKS = 2**40
"""More chunks than any file has: one of 2^40 bytes would need chunks of a byte."""

_MAX = 2**63 - 1
_DIGITS = re.compile(rb"[0-9]{1,19}")
_HASH_LENGTH = 64
_BILLION = 10**9

_ARRAY, _DOUBLE = 0x90, 0xCB
_FLOAT = struct.Struct(">Bd")


@dataclass(frozen=True)
class Msgpack:
    """The form as a writer uses it: each chunk carries the SHA-512 of the whole file. With 10 elements or, for old readers, 9.

    `original` and `appendix`, for one file only: the name that it has on this disk, and what is put between the stem and
    the suffix of that where it is received. Chunks have the path with the appendix.
    """

    fields: int = 10
    original: str = ""
    appendix: str = ""

    overhead = OVERHEAD + 2 * names.MAX_PATH_BYTES
    digest_first = True

    def __post_init__(self) -> None:
        if self.fields not in FIELDS:
            raise UsageError(
                f"records of {self.fields} elements are not known", "wire_fields is 10, or 9 for old readers"
            )

    def new_generation(self) -> str:
        """An id for the ledger; readers make their own (`_generation`)."""
        return CONTENT_MARK + new_generation()

    def began(self, generation: str) -> bool:
        return is_named_by_content(generation)

    def partition_key(self, path: str) -> bytes:
        """The path in UTF-8, as in the native form, with the name that it has on this disk.

        OpenMSIStream's readers put together under that name, so files that differ in the appendix alone must not mix.
        """
        folder, slash, name = path.rpartition("/")
        return f"{folder}{slash}{self.original or name}".encode()

    def record(self, chunk: Chunk) -> Written:
        folder, _, name = chunk.path.rpartition("/")
        name = self.original or name
        number, count = chunk.index + 1, chunk.count
        assert chunk.digest is not None
        key = f"{folder.replace('/', '_')}_{name}_chunk_{number}_of_{count}"
        file_hash = bytes.fromhex(chunk.digest.removeprefix("sha512:"))
        chunk_hash = file_hash if count == 1 else hashlib.sha512(chunk.data).digest()
        facts = (name, file_hash, chunk_hash, chunk.offset, number, count, folder, self.appendix)
        head = bytes([_ARRAY + self.fields]) + b"".join(map(msgpack.packb, facts))
        tail = _FLOAT.pack(_DOUBLE, seconds(chunk.mtime_ns or 0)) if self.fields == max(FIELDS) else b""
        # by hand from here: packing the data with the library would copy them twice
        return Written(key.encode("utf-8"), b"".join((head, _binary(len(chunk.data)), chunk.data, tail)), [])


def seconds(ns: int) -> float:
    """A time as the float that Python's `st_mtime` has for it, which OpenMSIStream writes; 0.0 for one before 1970."""
    whole, rest = divmod(ns, _BILLION)
    return max(0.0, whole + 1e-9 * rest)


def appended(path: str, appendix: str) -> str:
    """The path with the appendix put between the stem and the suffix of its last component."""
    if not appendix:
        return path
    folder, slash, name = path.rpartition("/")
    pure = PurePosixPath(name)
    return f"{folder}{slash}{pure.stem}{appendix}{pure.suffix}"


def may_be(value: bytes) -> bool:
    """Does this begin as an array of 9 or 10 elements does?"""
    return value[:1] in (b"\x9a", b"\x99") or value[:3] in (b"\xdc\x00\x0a", b"\xdc\x00\x09")


def decode(value: bytes) -> Chunk:
    """The chunk that a record's value holds, checked against every limit; raises Unusable.

    The chunk's own hash is not compared: that of the whole file is, over every byte, and a second SHA-512 would be half of
    a download's CPU time (measured; see docs/performance.md).
    """
    fields = _unpacked(value)
    path = _path(_name(fields[0], "file's name"), _text(fields[6], "folder"), _name(fields[7], "appendix to the name"))
    file_hash, _ = (_hash(field, what) for field, what in ((fields[1], "file"), (fields[2], "chunk")))
    offset, number, count = (
        _number(field, what)
        for field, what in ((fields[3], "offset"), (fields[4], "chunk number"), (fields[5], "number of chunks"))
    )
    data = fields[8]
    if not isinstance(data, bytes):
        raise Unusable("its data are not bytes")
    _check_place(number, count, offset, len(data))
    mtime = _time(fields[9]) if len(fields) == max(FIELDS) else None
    return Chunk(
        path, _generation(path, file_hash, mtime, count), number - 1, offset,
        offset + len(data) if number == count else None, None if mtime is None else _ns(mtime), data,
        "sha512:" + file_hash.hex(), count,
    )  # fmt: skip


def _unpacked(value: bytes) -> list[object]:
    """The elements of the array; text as bytes, since nothing says that it is UTF-8."""
    try:
        fields = msgpack.unpackb(
            value, raw=True, max_array_len=max(FIELDS), max_map_len=0, max_ext_len=0,
            max_str_len=len(value), max_bin_len=len(value),
        )  # fmt: skip
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise Unusable(f"its value is not one msgpack array: {str(error) or type(error).__name__}") from None
    if not isinstance(fields, list) or len(fields) not in FIELDS:
        raise Unusable("its value is not a msgpack array of 9 or 10 elements")
    return fields


def _binary(length: int) -> bytes:
    """How msgpack announces so many bytes."""
    if length < 1 << 8:
        return struct.pack(">BB", 0xC4, length)
    return struct.pack(">BH", 0xC5, length) if length < 1 << 16 else struct.pack(">BI", 0xC6, length)


def _check_place(number: int, count: int, offset: int, length: int) -> None:
    """Raise Unusable unless a chunk of this number and length can begin at this byte."""
    if count > MAX_CHUNKS:
        raise Unusable(f"its file has {count} chunks, at most {MAX_CHUNKS} are allowed")
    if not 1 <= number <= count:
        raise Unusable(f"it is chunk {number} of {count}")
    if (number == 1) != (offset == 0) or number - 1 > offset:
        raise Unusable(f"chunk {number} of {count} cannot begin at byte {offset}")
    if not length and count > 1:
        raise Unusable(f"it is empty, and chunk {number} of {count}")
    if offset + length + count - number > _MAX:
        raise Unusable(f"its bytes end at {offset + length}, further than a file can reach")
    if count * length > _MAX:
        raise Unusable(f"{count} chunks of {length} bytes are more than a file can hold")


def _path(name: str, folder: str, appendix: str) -> str:
    """The path at which the file is to stand, checked before and after the appendix is put in."""
    path = f"{folder}/{name}" if folder else name
    whole = appended(path, appendix)
    try:
        names.parts_of(path)
        names.parts_of(whole)
    except names.BadName as bad:
        raise Unusable(str(bad)) from None
    return whole


def _name(field: object, what: str) -> str:
    """Text that is one component of a path, or a piece of one."""
    text = _text(field, what)
    if "/" in text:
        raise Unusable(f"its {what} {text[:40]!r} contains '/'")
    return text


def _text(field: object, what: str) -> str:
    if not isinstance(field, bytes):
        raise Unusable(f"its {what} is not text")
    if len(field) > names.MAX_PATH_BYTES:
        raise Unusable(f"its {what} is {len(field)} bytes long, at most {names.MAX_PATH_BYTES} are allowed")
    try:
        return field.decode("utf-8")
    except UnicodeDecodeError:
        raise Unusable(f"its {what} is not valid UTF-8") from None


def _hash(field: object, what: str) -> bytes:
    if not isinstance(field, bytes) or len(field) != _HASH_LENGTH:
        raise Unusable(f"its {what}'s hash is not a SHA-512 of 64 bytes")
    return field


def _number(field: object, what: str) -> int:
    """A number that is not negative; its digits as text are as good, since OpenMSIStream's readers take them."""
    if isinstance(field, bytes) and _DIGITS.fullmatch(field):
        field = int(field)
    if not isinstance(field, int) or isinstance(field, bool):
        raise Unusable(f"its {what} is not a whole number")
    if not 0 <= field <= _MAX:
        raise Unusable(f"its {what} is {field}, not a number that can be")
    return field


def _time(field: object) -> float | None:
    """Seconds since 1970; None where they are not known or cannot be."""
    if field is None:
        return None
    if not isinstance(field, int | float) or isinstance(field, bool):
        raise Unusable("its time of last change is not a number")
    return float(field) if 0 < field < _MAX / _BILLION and math.isfinite(field) else None


def _ns(mtime: float) -> int:
    """The ns that a file must be given so that its time, asked for as a float, is this one."""
    seconds = int(mtime)
    return seconds * _BILLION + round((mtime - seconds) * _BILLION)


def _generation(path: str, file_hash: bytes, mtime: float | None, count: int) -> str:
    """The id of the version that these make up: `m` and 32 hex digits, never an id of the native form."""
    facts = path.encode("utf-8"), file_hash, struct.pack(">dQ", mtime or 0.0, count)
    return CONTENT_MARK + blake3(b"\0".join(facts)).hexdigest(length=16)
