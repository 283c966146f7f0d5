"""The partition of a path is the one that the Java client would choose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmsistream.kafka.partitions import murmur2, partition_of


def signed(number: int) -> int:
    return number - (1 << 32) if number >= 1 << 31 else number


@pytest.mark.parametrize(
    ("data", "value"),  # of org.apache.kafka.common.utils.UtilsTest
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_that_of_the_java_client(data: bytes, value: int) -> None:
    assert signed(murmur2(data)) == value


@given(st.binary(max_size=40), st.integers(1, 1000))
def test_every_key_has_one_of_the_partitions(key: bytes, partitions: int) -> None:
    assert 0 <= partition_of(key, partitions) < partitions
