"""The forms of a chunk as a record: which one a record has, and what it says.

A record with the header `oms` is native (native.py); any other is of the msgpack form (msgpack.py) or of none.
"""

from __future__ import annotations

from collections.abc import Sequence

from openmsistream.config.wire import Wire
from openmsistream.files.chunk import Abandoned, Chunk, is_named_by_content

from . import msgpack, native
from .form import Form, Unusable, Written

Headers = Sequence[tuple[str, bytes | None]]

__all__ = ["Form", "Headers", "Unusable", "Written", "abandonment", "decode", "form_of"]


def form_of(wire: Wire, fields: int = 10, *, original: str = "", appendix: str = "") -> Form:
    """The form to write that a configuration names. The rest is for the msgpack form, see there."""
    asked = msgpack.Msgpack(fields, original, appendix)
    return native.NATIVE if wire is Wire.NATIVE else asked


def abandonment(path: str, generation: str) -> Written | None:
    """The record that gives this generation up, in the form in which it was begun; the msgpack form has no such record."""
    return None if is_named_by_content(generation) else native.abandonment(path, generation)


def decode(key: bytes | None, value: bytes | None, headers: Headers | None) -> Chunk | Abandoned:
    """What a record says. Raises Unusable, with the reason, when it says nothing that can be used."""
    fields = dict(headers) if headers else {}
    if native.VERSION_HEADER in fields:
        return native.decode(key, value, fields)
    if value is not None and msgpack.may_be(value):
        return msgpack.decode(value)
    found = "null" if value is None else "no msgpack array of 9 or 10 elements"
    raise Unusable(f"it has no header 'oms' and its value is {found}, so it is not a chunk of a file in either form")
