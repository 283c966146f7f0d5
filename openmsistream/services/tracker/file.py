"""The tracker: a file of records of what is deployed where."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from openmsistream.errors import ConfigError, FolderError
from openmsistream.services.tracker.text import Reading, read

FILE = Path("tracker.json")

FIELDS = (
    "type", "service_name", "service_local_location", "service_local_target_folder", "installation_notes",
    "primary_contact_name", "primary_contact_email", "machine_metadata", "code_metadata",
)  # fmt: skip
"""What a record says, in the order in which it is written."""

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tracker:
    """The records of a file, in their order. `single` is the old shape: one record, and no list around it."""

    records: tuple[Record, ...] = ()
    single: bool = False

    def like(self, record: Record) -> int | None:
        """The number, from 0, of the record of the same service at the same place; None when there is none."""
        same = (number for number, known in enumerate(self.records) if _identity(known) == _identity(record))
        return next(same, None)

    def with_record(self, record: Record) -> Tracker:
        """With this record, in place of the one of the same service, if there is one. Fields unknown to us stay."""
        at = self.like(record)
        records = list(self.records)
        if at is None:
            records.append(record)
        else:
            records[at] = {**records[at], **record}
        return replace(self, records=tuple(records), single=False)


def of(reading: Reading) -> Tracker:
    """The records in what was read; what is no record is left out."""
    if isinstance(reading.value, list):
        return Tracker(tuple(record for record in reading.value if isinstance(record, dict)))
    return Tracker((reading.value,), single=True) if isinstance(reading.value, dict) else Tracker()


def load(path: Path) -> Reading:
    """What a tracker file comes to. Raises FolderError."""
    try:
        return read(path)
    except FileNotFoundError as error:
        raise FolderError(
            f"there is no file {path}", "name the tracker, or make one with: openmsistream tracker add"
        ) from error
    except OSError as error:
        raise FolderError(f"{path} cannot be read: {error.strerror}", "name a file that can") from error


def text(tracker: Tracker) -> str:
    """The file of these records."""
    value = tracker.records[0] if tracker.single else list(tracker.records)
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def write(path: Path, tracker: Tracker) -> None:
    """Put the records in place of the file. Raises FolderError."""
    replace_text(path, text(tracker))


def replace_text(path: Path, content: str) -> None:
    """Put a text in place of the file at once; its rights stay. Raises FolderError."""
    target = path.resolve()  # of a link the file behind it
    beside: str | None = None
    try:
        handle, beside = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
        with open(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, target.stat().st_mode & 0o777 if target.exists() else 0o644)
        os.replace(beside, target)
    except OSError as error:
        if beside is not None:
            Path(beside).unlink(missing_ok=True)
        raise FolderError(
            f"{path} cannot be written: {error.strerror}", "it is as it was; see to the rights of its folder"
        ) from error


def keep(path: Path, ending: str) -> Path:
    """Copy the file beside itself, under the first such name that is free. Raises FolderError."""
    for number in range(1000):
        copy = path.with_name(path.name + ending + (f".{number}" if number else ""))
        try:
            with open(copy, "xb") as file:
                file.write(path.read_bytes())
        except FileExistsError:
            continue
        except OSError as error:
            raise FolderError(
                f"{copy} cannot be written: {error.strerror}", "see to the rights of its folder"
            ) from error
        return copy
    raise FolderError(f"there are too many copies of {path}", "remove some")


@cache
def schema() -> dict[str, Any]:
    """The JSON schema of a tracker."""
    made: dict[str, Any] = json.loads(files(__package__).joinpath("tracker.schema.json").read_text(encoding="utf-8"))
    return made


def purpose(field: str) -> str:
    """What stands in a field, in words."""
    said: str = schema()["$defs"]["record"]["properties"][field]["description"]
    return said


def needed(field: str) -> bool:
    """Must there be a text in it, or may it be empty?"""
    return field in _NEEDED


def unusable(path: Path, mistakes: int, *, mendable: bool) -> ConfigError:
    """The error about a file with mistakes that were shown."""
    count = "1 mistake" if mistakes == 1 else f"{mistakes} mistakes"
    mend = (
        f"; what is only badly written is put right by: openmsistream tracker check {path} --mend" if mendable else ""
    )
    return ConfigError(f"{path} has {count}", f"correct {'it' if mistakes == 1 else 'them'}{mend}")


_NEEDED = {"type", "service_name", "service_local_location", "service_local_target_folder", "primary_contact_name"}


def _identity(record: Record) -> tuple[str, str]:
    return str(record.get("service_name", "")), str(record.get("service_local_location", ""))
