"""The digest of a whole file, written with its kind: `blake3:<64 hex digits>`, in the msgpack form `sha512:<128 hex digits>`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Protocol

from blake3 import blake3

BLAKE3 = "blake3"
SHA512 = "sha512"


class Hasher(Protocol):
    """What is used of a running digest; `hexdigest()` may be asked at any time and ends nothing."""

    @property
    def name(self) -> str: ...

    def update(self, data: bytes | bytearray | memoryview, /) -> object: ...

    def hexdigest(self) -> str: ...

    def copy(self) -> Hasher: ...


_NEW: dict[str, Callable[[], Hasher]] = {BLAKE3: blake3, SHA512: hashlib.sha512}
_FORM = {BLAKE3: re.compile(r"blake3:[0-9a-f]{64}"), SHA512: re.compile(r"sha512:[0-9a-f]{128}")}


def new(kind: str = BLAKE3) -> Hasher:
    """A fresh running digest of this kind."""
    return _NEW[kind]()


def new_like(text: str | None) -> Hasher:
    """A fresh running digest of the kind that this digest has; of our own kind for None."""
    return new(BLAKE3 if text is None else text.partition(":")[0])


def text_of(hasher: Hasher) -> str:
    """The digest so far, as it stands in chunks and in the ledger."""
    return f"{hasher.name}:{hasher.hexdigest()}"


def of(data: bytes, kind: str = BLAKE3) -> str:
    """The digest of these bytes."""
    hasher = new(kind)
    hasher.update(data)
    return text_of(hasher)


def is_digest(value: str, kind: str = BLAKE3) -> bool:
    """Does this text have the form of a digest of this kind?"""
    return _FORM[kind].fullmatch(value) is not None
