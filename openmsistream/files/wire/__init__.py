"""The forms of a chunk as a record: which one a record has, and what it says.

A record with the header `oms` is native (native.py). The msgpack form of existing deployments will stand beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

from openmsistream.files.chunk import Abandoned, Chunk

from . import native
from .native import Unusable

Headers = Sequence[tuple[str, bytes | None]]

__all__ = ["Headers", "Unusable", "decode"]


def decode(key: bytes | None, value: bytes | None, headers: Headers | None) -> Chunk | Abandoned:
    """What a record says. Raises Unusable, with the reason, when it says nothing that can be used."""
    fields = dict(headers) if headers else {}
    if native.VERSION_HEADER in fields:
        return native.decode(key, value, fields)
    raise Unusable("it has no header 'oms', so it is not a chunk of a file in the native form")
