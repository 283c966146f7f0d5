"""The msgpack wire: what is written is read again, and garbage is refused with a reason, never with a crash."""

from __future__ import annotations

import math
import os
import struct
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_native import PATHS, good_path

from openmsistream.errors import UsageError
from openmsistream.files import digest
from openmsistream.files.chunk import Chunk, new_generation
from openmsistream.files.names import parts_of
from openmsistream.files.wire import Unusable, abandonment, decode, native
from openmsistream.files.wire.msgpack import MAX_CHUNKS, Msgpack, appended, seconds

WHOLE = digest.of(b"0123456789", digest.SHA512)


def chunk_of(path: str = "f/a.b", index: int = 1, data: bytes = b"56789", count: int = 2, **facts: Any) -> Chunk:
    whole = WHOLE if count > 1 else digest.of(data, digest.SHA512)
    chunk = Chunk(path, "", index, index * 5, None, 10**18, data, whole, count)
    return Chunk(**{name: getattr(chunk, name) for name in Chunk.__slots__} | facts)


def read(value: bytes | None) -> Chunk:
    said = decode(None, value, None)
    assert isinstance(said, Chunk)
    return said


def array(**changed: object) -> list[object]:
    """The elements of a good record, changed."""
    names = ("name", "file_hash", "chunk_hash", "offset", "number", "count", "folder", "appendix", "data", "mtime")
    good = msgpack.unpackb(Msgpack().record(chunk_of()).value)
    return list((dict(zip(names, good, strict=True)) | changed).values())


# -- what is written is read again


@given(PATHS, st.integers(0, 5), st.binary(min_size=1, max_size=70_000), st.integers(0, 10**6), st.integers(1, 2**62))
def test_a_chunk_comes_back_as_it_went(path: str, index: int, data: bytes, after: int, mtime_ns: int) -> None:
    last = after == 0
    count = index + 1 + after
    whole = WHOLE if count > 1 else digest.of(data, digest.SHA512)
    sent = Chunk(path, "", index, index * 9, None, mtime_ns, data, whole, count)
    written = Msgpack().record(sent)
    found = read(written.value)
    assert (found.path, found.index, found.offset, found.data) == (path, index, index * 9, data)
    assert (found.count, found.digest) == (count, whole)
    assert (found.is_last, found.size) == (last, found.end if last else None)
    assert found.mtime_ns is not None
    assert seconds(found.mtime_ns) == seconds(mtime_ns)
    assert len(written.key) + len(written.value) < len(data) + Msgpack.overhead


@given(PATHS)
def test_the_value_is_what_the_msgpack_library_makes_of_it(path: str) -> None:
    value = Msgpack().record(chunk_of(path)).value
    assert msgpack.packb(msgpack.unpackb(value), use_bin_type=True) == value


@pytest.mark.parametrize("length", [0, 1, 255, 256, 65_535, 65_536])
def test_data_of_every_length_are_announced_in_the_shortest_way(length: int) -> None:
    value = Msgpack().record(chunk_of(index=0, count=1, data=bytes(length))).value
    assert msgpack.packb(msgpack.unpackb(value), use_bin_type=True) == value


def test_an_empty_file_is_one_record_with_empty_data() -> None:
    chunk = read(Msgpack().record(chunk_of(index=0, count=1, data=b"")).value)
    assert (chunk.data, chunk.size, chunk.is_last) == (b"", 0, True)
    assert chunk.digest == digest.of(b"", digest.SHA512)


@pytest.mark.parametrize(
    ("path", "key"), [("a.b", "_a.b_chunk_2_of_2"), ("f/a.b", "f_a.b_chunk_2_of_2"), ("f/g/a", "f_g_a_chunk_2_of_2")]
)
def test_the_key_is_that_of_openmsistream(path: str, key: str) -> None:
    assert Msgpack().record(chunk_of(path)).key.decode() == key


@pytest.mark.parametrize(
    ("name", "whole"),
    [("a.tar.gz", "a.tar_x.gz"), ("a", "a_x"), (".a", ".a_x"), ("f.d/a", "f.d/a_x"), ("f/a b.c", "f/a b_x.c")],
)
def test_an_appendix_stands_between_stem_and_suffix(name: str, whole: str) -> None:
    assert appended(name, "_x") == whole
    written = Msgpack(10, name.rpartition("/")[2], "_x").record(chunk_of(whole))
    assert read(written.value).path == whole
    assert "_x" not in written.key.decode()


def test_the_partition_is_chosen_from_the_path_on_this_disk() -> None:
    assert Msgpack().partition_key("f/a.b") == native.key("f/a.b")
    assert Msgpack(10, "a.b", "_x").partition_key("f/a_x.b") == b"f/a.b"


def test_there_are_ten_elements_or_nine() -> None:
    with pytest.raises(
        UsageError, match="records of 8 elements are not known; wire_fields is 10, or 9 for old readers"
    ):
        Msgpack(8)


def test_a_generation_is_given_up_by_a_record_in_the_native_form_alone() -> None:
    assert abandonment("a", Msgpack().new_generation()) is None
    assert abandonment("a", new_generation()) is not None


# -- generations


def test_the_chunks_of_a_file_are_of_one_generation_and_those_of_another_version_of_another() -> None:
    names = [
        read(Msgpack().record(chunk).value).generation
        for chunk in (
            chunk_of(),
            chunk_of(index=0, data=b"01234"),
            chunk_of("f/a"),
            chunk_of(count=3),
            chunk_of(mtime_ns=10**18 + 1000),
            chunk_of(digest=digest.of(b"other", digest.SHA512)),
        )
    ]
    assert names[0] == names[1]
    assert len(set(names)) == 5
    assert all(len(name) == 33 and name.startswith("m") for name in names)


# -- times


@pytest.mark.parametrize("mtime", [1700000000.25, 1e-9, 1234567890.1234567, 4102444800.999, 1.5e9, 3])
def test_a_time_is_read_so_that_the_file_gives_it_back(mtime: float, tmp_path: Path) -> None:
    ns = read(msgpack.packb(array(mtime=mtime))).mtime_ns
    assert ns is not None
    file = tmp_path / "a"
    file.touch()
    os.utime(file, ns=(ns, ns))
    assert file.stat().st_mtime == mtime
    assert seconds(ns) == mtime


@pytest.mark.parametrize("mtime", [0.0, -1.0, math.nan, math.inf, -math.inf, 1e300, None, 0])
def test_a_time_that_is_not_known_or_cannot_be_is_none(mtime: float | None) -> None:
    assert read(msgpack.packb(array(mtime=mtime))).mtime_ns is None


@pytest.mark.parametrize("ns", [0, -1, -(10**18)])
def test_a_time_before_1970_is_written_as_unknown(ns: int) -> None:
    assert Msgpack().record(chunk_of(mtime_ns=ns)).value[-9:] == b"\xcb" + struct.pack(">d", 0.0)


# -- what is tolerated


@pytest.mark.parametrize(
    "changed",
    [
        {"offset": "5", "number": b"2", "count": "02"},
        {"name": b"a.b", "folder": b"f", "appendix": b""},
    ],
    ids=["digits as text", "text as bytes"],
)
def test_what_openmsistreams_readers_take_is_taken(changed: dict[str, object]) -> None:
    assert read(msgpack.packb(array(**changed))) == read(Msgpack().record(chunk_of()).value)


def test_text_of_the_old_msgpack_form_is_taken() -> None:
    old = msgpack.packb(array(), use_bin_type=False)
    assert read(old) == read(Msgpack().record(chunk_of()).value)


def test_the_key_is_not_looked_at() -> None:
    value = Msgpack().record(chunk_of()).value
    assert decode(None, value, None) == decode(b"\xff", value, []) == decode(b"a", value, [("trace", b"1")])


# -- what is refused


NULL = "it has no header 'oms' and its value is null, so it is not a chunk of a file in either form"
FOREIGN = NULL.replace("null", "no msgpack array of 9 or 10 elements")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, NULL),
        (b"", FOREIGN),
        (b"\xc0", FOREIGN),
        (b"plain text", FOREIGN),
        (b'{"json": 1}', FOREIGN),
        (msgpack.packb(array()[:8]), FOREIGN),
        (msgpack.packb([*array(), 1]), FOREIGN),
        (msgpack.packb(array())[:-1], "its value is not one msgpack array: Unpack failed: incomplete input"),
        (msgpack.packb(array())[:100], "its value is not one msgpack array: Unpack failed: incomplete input"),
        (msgpack.packb(array()) + b"\x01", "its value is not one msgpack array: unpack(b) received extra data."),
        (b"\x9a\xdd\xff\xff\xff\xff", "its value is not one msgpack array: 4294967295 exceeds max_array_len(10)"),
        (b"\x9a" + b"\x91" * 100_000, "its value is not one msgpack array: StackError"),
        (b"\x9a\xdf\xff\xff\xff\xff", "its value is not one msgpack array: 4294967295 exceeds max_map_len(0)"),
    ],
)  # fmt: skip
def test_what_is_no_record_of_a_file_is_refused_with_its_reason(value: bytes | None, reason: str) -> None:
    with pytest.raises(Unusable) as refused:
        read(value)
    assert str(refused.value) == reason


HUGE = 2**63
UP = "the name has the component '..', which could lead outside the folder"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"name": None}, "its file's name is not text"),
        ({"name": b"\xff"}, "its file's name is not valid UTF-8"),
        ({"name": "a/b"}, "its file's name 'a/b' contains '/'"),
        ({"name": "../../a"}, "its file's name '../../a' contains '/'"),
        ({"name": ".."}, UP),
        ({"name": "..", "appendix": "x"}, UP),
        ({"name": "", "appendix": "x"}, "the name has the component '', which could lead outside the folder"),
        ({"name": "a\0b"}, "the name contains a NUL character"),
        ({"name": "x" * 5000}, "its file's name is 5000 bytes long, at most 4096 are allowed"),
        ({"folder": "../.."}, UP),
        ({"folder": "a/../../../b"}, UP),
        ({"folder": "/etc"}, "the name is an absolute path"),
        ({"folder": "LOGS"}, "LOGS/ holds this program's own state"),
        ({"folder": 7}, "its folder is not text"),
        ({"appendix": "/../x"}, "its appendix to the name '/../x' contains '/'"),
        ({"appendix": None}, "its appendix to the name is not text"),
        ({"file_hash": b"x" * 63}, "its file's hash is not a SHA-512 of 64 bytes"),
        ({"file_hash": 5}, "its file's hash is not a SHA-512 of 64 bytes"),
        ({"chunk_hash": b""}, "its chunk's hash is not a SHA-512 of 64 bytes"),
        ({"data": None}, "its data are not bytes"),
        ({"data": b""}, "it is empty, and chunk 2 of 2"),
        ({"offset": -1}, "its offset is -1, not a number that can be"),
        ({"offset": HUGE}, f"its offset is {HUGE}, not a number that can be"),
        ({"offset": HUGE - 2}, f"its bytes end at {HUGE + 3}, further than a file can reach"),
        ({"offset": 0}, "chunk 2 of 2 cannot begin at byte 0"),
        ({"offset": 5.0}, "its offset is not a whole number"),
        ({"offset": True}, "its offset is not a whole number"),
        ({"offset": "-5"}, "its offset is not a whole number"),
        ({"offset": "9" * 20}, "its offset is not a whole number"),
        ({"number": 1}, "chunk 1 of 2 cannot begin at byte 5"),
        ({"number": 0}, "it is chunk 0 of 2"),
        ({"number": 3}, "it is chunk 3 of 2"),
        ({"number": 9, "count": 9}, "chunk 9 of 9 cannot begin at byte 5"),
        ({"number": []}, "its chunk number is not a whole number"),
        ({"count": 0}, "it is chunk 2 of 0"),
        ({"count": MAX_CHUNKS + 1}, f"its file has {MAX_CHUNKS + 1} chunks, at most {MAX_CHUNKS} are allowed"),
        (
            {"count": 2**40, "number": 2, "offset": 2**23, "data": bytes(2**23)},
            f"{2**40} chunks of {2**23} bytes are more than a file can hold",
        ),
        ({"count": 2**64 - 1}, f"its number of chunks is {2**64 - 1}, not a number that can be"),
        ({"mtime": "now"}, "its time of last change is not a number"),
        ({"mtime": True}, "its time of last change is not a number"),
    ],
)  # fmt: skip
def test_the_reason_says_what_is_wrong(changed: dict[str, object], reason: str) -> None:
    with pytest.raises(Unusable) as refused:
        read(msgpack.packb(array(**changed)))
    assert str(refused.value) == reason


def sound(value: bytes) -> None:
    """It is refused, or it is a chunk whose facts can be."""
    try:
        chunk = read(value)
    except Unusable:
        return
    assert parts_of(chunk.path)
    assert chunk.count is not None
    assert 0 <= chunk.index < chunk.count
    assert 0 <= chunk.offset <= chunk.end < 2**63


@given(st.sampled_from([b"", b"\x9a", b"\x99", b"\xdc\x00\x0a"]), st.binary(max_size=200))
def test_garbage_raises_unusable_and_nothing_else(start: bytes, rest: bytes) -> None:
    sound(start + rest)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=8) | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@given(st.lists(ANYTHING, min_size=9, max_size=10))
def test_elements_of_other_types_raise_unusable_and_nothing_else(elements: list[object]) -> None:
    sound(msgpack.packb(elements))


@given(st.integers(0, 9), ANYTHING)
def test_a_good_record_with_one_other_element_is_a_chunk_or_unusable(place: int, other: object) -> None:
    elements = array()
    elements[place] = other
    sound(msgpack.packb(elements))


@given(st.data())
def test_a_good_record_with_other_bytes_in_it_is_a_chunk_or_unusable(data: st.DataObject) -> None:
    value = bytearray(Msgpack().record(chunk_of()).value)
    for _ in range(data.draw(st.integers(1, 4))):
        value[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
    sound(bytes(value[: data.draw(st.integers(0, len(value)))] + data.draw(st.binary(max_size=3))))


@given(st.text(max_size=6), st.text(max_size=6), st.text(max_size=6))
def test_no_three_names_make_a_path_that_leads_out(folder: str, name: str, appendix: str) -> None:
    try:
        value = msgpack.packb(array(folder=folder, name=name, appendix=appendix))
    except UnicodeEncodeError:
        return
    try:
        assert good_path(read(value).path)
    except Unusable:
        pass
