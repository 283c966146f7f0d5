"""The native wire: what is written is read again, and garbage is refused with a reason, never with a crash."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmsistream.files import digest
from openmsistream.files.chunk import Abandoned, Chunk
from openmsistream.files.names import BadName, parts_of
from openmsistream.files.wire import Unusable, decode, native

GENERATION = "0123456789abcdef" * 2


def good_path(path: str) -> bool:
    try:
        parts_of(path)
    except BadName:
        return False
    return True


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=30)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join).filter(good_path)


@given(
    PATHS, st.binary(min_size=1, max_size=50), st.integers(0, 5), st.integers(0, 10**6), st.integers(-(2**62), 2**62)
)
def test_a_chunk_comes_back_as_it_went(path: str, data: bytes, index: int, rest: int, mtime_ns: int) -> None:
    offset = index * 100
    size = offset + len(data) + rest
    chunk = Chunk(path, GENERATION, index, offset, size, mtime_ns, data)
    if not rest:
        chunk = replace(chunk, digest=digest.of(data), count=index + 1)
    assert decode(native.key(path), data, native.headers(chunk)) == chunk


@given(PATHS)
def test_an_empty_file_is_one_chunk_with_an_empty_value(path: str) -> None:
    chunk = Chunk(path, GENERATION, 0, 0, 0, 0, b"", digest.of(b""), 1)
    assert decode(native.key(path), b"", native.headers(chunk)) == chunk


@given(PATHS)
def test_the_word_that_a_generation_was_abandoned_comes_back(path: str) -> None:
    assert decode(native.key(path), b"", native.abandoned_headers(GENERATION)) == Abandoned(path, GENERATION)


KNOWN = ["oms", "gen", "chunk", "offset", "size", "mtime", "last", "digest", "abandoned", "other"]
VALUES = st.one_of(
    st.none(),
    st.binary(max_size=40),
    st.sampled_from(
        [b"1", b"0", b"-1", b"-0", b"01", b"9" * 19, b"9" * 400, b"1e3", "²".encode(), GENERATION.encode()]
    ),
    st.just(digest.of(b"x").encode()),
)


@given(
    st.one_of(st.none(), st.binary(max_size=30), PATHS.map(native.key)),
    st.one_of(st.none(), st.binary(max_size=30)),
    st.one_of(
        st.none(), st.lists(st.tuples(st.one_of(st.sampled_from(KNOWN), st.text(max_size=5)), VALUES), max_size=12)
    ),
    st.booleans(),
)
def test_garbage_raises_unusable_and_nothing_else(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]] | None, versioned: bool
) -> None:
    if versioned:
        headers = [*(headers or []), ("oms", b"1")]
    try:
        said = decode(key, value, headers)
    except Unusable:
        return
    assert parts_of(said.path)
    if isinstance(said, Chunk):
        assert 0 <= said.offset <= said.end <= (said.size or said.end) < 2**63


@given(st.dictionaries(st.sampled_from(KNOWN[1:]), VALUES, min_size=1, max_size=4), st.binary(max_size=10))
def test_a_good_record_with_garbage_in_some_headers_is_a_chunk_or_unusable(
    wrong: dict[str, bytes | None], value: bytes
) -> None:
    headers = dict(native.headers(Chunk("a", GENERATION, 0, 0, len(value), 5, value, digest.of(value)))) | wrong
    try:
        said = decode(b"a", value, list(headers.items()))
    except Unusable:
        return
    assert said.path == "a"


def headers(**changed: bytes | None) -> list[tuple[str, bytes | None]]:
    """The headers of chunk 1 of a file of 10 bytes whose value is b"56789", changed; None leaves one out."""
    good = dict(native.headers(Chunk("a", GENERATION, 1, 5, 10, 7, b"56789", digest.of(b"0123456789"))))
    return [(name, value) for name, value in (good | changed).items() if value is not None]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"oms": b"2"}, "wire version is '2', this program reads version 1"),
        ({"oms": None}, "no header 'oms'"),
        ({"gen": None}, "'gen' is missing"),
        ({"gen": b"\xff" * 32}, "'gen' is not ASCII"),
        ({"gen": b"xyz"}, "'gen' is not 32 hex digits"),
        ({"chunk": b"-1"}, "'chunk' is '-1', not a number that can be"),
        ({"size": b"9" * 19}, "not a number that can be"),
        ({"size": b"7"}, "behind the file's end"),
        ({"chunk": b"0"}, "chunk 0 cannot begin at byte 5"),
        ({"chunk": b"6"}, "chunk 6 cannot begin at byte 5"),
        ({"size": b"11"}, "do not fall together"),
        ({"last": None}, "do not stand together"),
        ({"last": None, "digest": None}, "do not fall together"),
        ({"digest": b"md5:00"}, "'digest' is not 'blake3:'"),
        ({"mtime": None}, "'mtime' is missing"),
    ],
)
def test_the_reason_says_what_is_wrong(changed: dict[str, bytes | None], reason: str) -> None:
    with pytest.raises(Unusable) as caught:
        decode(b"a", b"56789", headers(**changed))
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (None, b"56789", "no key"),
        (b"\xff", b"56789", "not valid UTF-8"),
        (b"../a", b"56789", "could lead outside"),
        (b"a", None, "null"),
        (b"a", b"", "do not fall together"),
    ],
)
def test_the_reason_says_what_is_wrong_with_key_or_value(key: bytes | None, value: bytes | None, reason: str) -> None:
    with pytest.raises(Unusable) as caught:
        decode(key, value, headers())
    assert reason in str(caught.value)


def test_unknown_headers_are_ignored() -> None:
    assert isinstance(decode(b"a", b"56789", [*headers(), ("trace", b"x"), ("nothing", None)]), Chunk)
