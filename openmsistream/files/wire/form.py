"""What a form of records is: a chunk as key, value and headers, and the refusal of what cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from openmsistream.files.chunk import Chunk


class Unusable(ValueError):
    """A record that cannot be used; the text is the reason, for the quarantine."""


@dataclass(frozen=True, slots=True)
class Written:
    """A record as it is given to a producer."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class Form(Protocol):
    """One of the ways in which the chunks of a file become records."""

    @property
    def overhead(self) -> int:
        """An upper bound on the bytes of a record beside those of its chunk: key, headers, framing."""

    @property
    def digest_first(self) -> bool:
        """Does each chunk carry the digest of the whole file, so that the file is read before its first chunk leaves?"""

    def new_generation(self) -> str:
        """An id, for the ledger, of a generation that is to be sent in this form."""

    def began(self, generation: str) -> bool:
        """Was the generation of this id begun in this form?"""

    def partition_key(self, path: str) -> bytes:
        """What the partition of a path is chosen from."""

    def record(self, chunk: Chunk) -> Written:
        """The chunk as a record."""
