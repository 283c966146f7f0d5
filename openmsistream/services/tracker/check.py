"""What is wrong with a tracker, and what is worth a second look: each with its line, column and field."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openmsistream.config.secret import hidden, mask
from openmsistream.services.tracker.file import FIELDS, schema
from openmsistream.services.tracker.text import Path_, Place, Reading

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

TYPES = (
    "Producer", "Consumer", "DataFileUploadDirectory", "DataFileDownloadDirectory", "UploadDataFile",
    "DataFileStreamProcessor", "DataFileStreamReproducer", "MetadataJSONReproducer", "S3TransferStreamProcessor",
    "GirderUploadStreamProcessor",
)  # fmt: skip
"""What `type` says mostly. Names of people's own programs are as good, so that only what looks mistyped is spoken of."""

_KEY = re.compile(r"[A-Za-z0-9]{30,}|[A-Za-z0-9+/]{43,}={0,2}")
_CONTROL = re.compile(r"[\x00-\x1f]")
_SIGNS = {"\n": "a line feed", "\t": "a tab", "\b": "a backspace", "\f": "a form feed", "\r": "a carriage return"}
_ESCAPES = {"\n": "\\n", "\t": "\\t", "\b": "\\b", "\f": "\\f", "\r": "\\r"}
_EMPTY = ' (it may be "" where nothing is known)'
_PATHS = ("service_local_location", "service_local_target_folder", "code_metadata")
_TYPE_NAMES = {dict: "a group of names", list: "a list", bool: "true or false", int: "a number", float: "a number"}


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing about a file. `grave`: the file is not as it must be; otherwise it is worth a look."""

    place: Place
    grave: bool
    field: str
    what: str
    advice: str
    mendable: bool = False

    def __str__(self) -> str:
        field = f"{self.field}: " if self.field else ""
        return f"{field}{self.what}; {self.advice}"


def findings(reading: Reading) -> list[Finding]:
    """All there is to say about a file, from its top to its bottom."""
    several = isinstance(reading.value, list) or not reading.whole
    found = [
        Finding(slip.place, True, _field(slip.path, several), slip.what, slip.advice, mendable=reading.whole)
        for slip in reading.slips
    ]
    if reading.whole:
        found += _against_schema(reading, several)
        found += _doubtful(reading, several)
    return sorted(found)


def _field(path: Path_, several: bool) -> str:
    """`record 2, service_name`."""
    parts = [f"record {path[0] + 1}"] if several and path and isinstance(path[0], int) else []
    names = [str(part) for part in path if isinstance(part, str)]
    return ", ".join([*parts, ".".join(names)] if names else parts)


# -- what must be so ---------------------------------------------------------------------------------------------


def _against_schema(reading: Reading, several: bool) -> Iterator[Finding]:
    from jsonschema import Draft202012Validator

    for error in Draft202012Validator(schema()).iter_errors(reading.value):
        path: Path_ = tuple(error.absolute_path)
        for name in _missing(error):
            advice = f'add the line "{name}": "...",{_EMPTY if _may_be_empty(name) else ""}'
            yield Finding(reading.place(path), True, _field((*path, name), several), "this field is missing", advice)
        if error.validator != "required":
            yield Finding(reading.place(path), True, _field(path, several), *_in_words(error))


def _missing(error: ValidationError) -> list[str]:
    """The field that is missing, each of which has an error of its own."""
    if error.validator != "required" or not isinstance(error.instance, dict):
        return []
    return [name for name in FIELDS if error.message.startswith(f"'{name}' ")]


def _may_be_empty(name: str) -> bool:
    return str(schema()["$defs"]["record"]["properties"][name]["$ref"]).endswith("/text")


def _in_words(error: ValidationError) -> tuple[str, str]:
    if error.validator == "type" and error.validator_value == "object":
        return "a record is expected here", 'write { "type": "...", "service_name": "...", ... }'
    if error.validator == "type":
        return f"this is {_TYPE_NAMES.get(type(error.instance), 'nothing')}, not a text", 'put it between quotes: "..."'
    if error.path and error.path[-1] == "primary_contact_email":
        return "this is not an address", 'write name@place.org, or "" when there is none'
    return "this is empty", "fill it in: others have to find the thing by it"


# -- what may be so, but is rarely meant -------------------------------------------------------------------------


def _doubtful(reading: Reading, several: bool) -> Iterator[Finding]:
    seen: dict[tuple[str, str], int] = {}
    values = reading.value if isinstance(reading.value, list) else [reading.value]
    for number, record in enumerate(values):
        if not isinstance(record, dict):
            continue
        base: Path_ = (number,) if isinstance(reading.value, list) else ()
        for name, value in record.items():
            if isinstance(value, str):
                for what, advice in _of_field(name, value):
                    yield Finding(reading.place((*base, name)), False, _field((*base, name), several), what, advice)
        identity = (str(record.get("service_name")), str(record.get("service_local_location")))
        if identity in seen:
            what = f"record {seen[identity] + 1} is of the same service at the same place"
            yield Finding(reading.place(base), False, _field(base, several), what, "remove one of the two")
        seen.setdefault(identity, number)


def _of_field(name: str, value: str) -> Iterator[tuple[str, str]]:
    if is_secret(name, value):
        yield "this looks like a password or key", "remove it, and change it if this file was ever passed on"
    if name in _PATHS and (sign := _CONTROL.search(value)):
        wrong = _ESCAPES.get(sign[0], "a backslash")
        yield (
            f"there is {_SIGNS.get(sign[0], 'a control character')} in this path",
            f"write \\{wrong} if {wrong} is meant",
        )
    if name == "type" and value not in TYPES and (near := _near(value)):
        yield f"{value} is not a known type", f"write {near} if that is meant"


def is_secret(name: str, value: str) -> bool:
    """Does a field hold what nobody else should read?"""
    key = _KEY.search(value)
    return mask(name, value) != value or hidden(value) != value or (key is not None and _is_random(key[0]))


def _is_random(word: str) -> bool:
    """Letters of both kinds and digits, mixed: a key of a cloud service; not a name, and not the hash of a commit."""
    changes = sum(a.isdigit() != b.isdigit() for a, b in itertools.pairwise(word))
    return changes >= 4 and word != word.lower() and word != word.upper() and word.count("/") * 8 < len(word)


def _near(value: str) -> str | None:
    lower = {known.lower(): known for known in TYPES}
    found = difflib.get_close_matches(value.lower(), lower, 1, 0.85)
    return lower[found[0]] if found else None
