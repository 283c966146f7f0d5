"""The digest of a whole file: BLAKE3, written as `blake3:<64 hex digits>`."""

from __future__ import annotations

from typing import Protocol

from blake3 import blake3

PREFIX = "blake3:"
_HEX_LENGTH = 64


class Hasher(Protocol):
    """What is used of a running BLAKE3 state; `digest()` may be asked at any time and ends nothing."""

    def update(self, data: bytes | bytearray | memoryview, /) -> object: ...

    def hexdigest(self) -> str: ...


def new() -> Hasher:
    """A fresh running digest."""
    return blake3()


def text(hasher: Hasher) -> str:
    """The digest so far, as it stands in headers and in the ledger."""
    return PREFIX + hasher.hexdigest()


def of(data: bytes) -> str:
    """The digest of these bytes."""
    return PREFIX + blake3(data).hexdigest()


def is_digest(value: str) -> bool:
    """Does this text have the form of a digest that we can check?"""
    return (
        value.startswith(PREFIX)
        and len(value) == len(PREFIX) + _HEX_LENGTH
        and all(c in "0123456789abcdef" for c in value[len(PREFIX) :])
    )
