"""Which partition a path belongs to: murmur2 of the key, as the Java client and librdkafka's `murmur2_random` do it.

The uploader chooses the partition itself, since it keeps a window for each and since a path stays where it was when
partitions are added; the choice is the one that any plain producer makes. Source of the algorithm: Austin Appleby's
public-domain MurmurHash2, with the seed of org.apache.kafka.common.utils.Utils.murmur2.
"""

from __future__ import annotations

import struct

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The 32-bit hash, unsigned."""
    whole = len(data) & ~3
    h = _SEED ^ len(data)
    for (k,) in struct.iter_unpack("<I", data[:whole]):
        k = (k * _M) & _MASK
        k = ((k ^ (k >> 24)) * _M) & _MASK
        h = ((h * _M) & _MASK) ^ k
    tail = data[whole:]
    if tail:
        h = ((h ^ int.from_bytes(tail, "little")) * _M) & _MASK
    h = ((h ^ (h >> 13)) * _M) & _MASK
    return h ^ (h >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """The partition, of so many, for this key."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
