"""`DataclassTable` and its two relations: rows of a CSV file as objects of a dataclass.

The file is OpenMSIStream's: `;` between columns, the names of the fields as the first line, each cell the `repr` of its
value, the last line without a newline. Fields are of type str, int, float, complex, bool, Path or datetime (local time,
whole seconds), or lists, tuples or sets of the first five. An object is spoken of by its address, a text.
"""

from __future__ import annotations

import ast
import csv
import dataclasses
import io
import logging
import os
import sys
import threading
import time
import typing
from collections.abc import Callable, Iterable, Sequence, ValuesView
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Self

from openmsistream.errors import FolderError


class BadTable(FolderError, RuntimeError):
    """A file is no table of this dataclass."""


_PLAIN: dict[Any, Callable[[str], Any]] = {
    str: lambda cell: str(ast.literal_eval(cell)),
    int: int,
    float: float,
    complex: complex,
    bool: {"True": True, "False": False}.__getitem__,
    Path: lambda cell: Path(ast.literal_eval(cell)),
}
_MEMBERS = (str, int, float, complex, bool)
_SEVERAL = (list, tuple, set)


class _Table:
    """What the three have in common: a file, and objects by their address."""

    DELIMITER: ClassVar[str] = ";"
    DATETIME_FORMAT: ClassVar[str] = "%a %b %d, %Y at %H:%M:%S"
    UPDATE_FILE_EVERY: ClassVar[float] = 5
    """Seconds between two writings of the file; `dump_to_file` writes at once."""

    def __init__(
        self,
        dataclass_type: type,
        *,
        filepath: str | Path | None = None,
        logger: logging.Logger | None = None,
        **_messages: Any,
    ) -> None:
        if not (isinstance(dataclass_type, type) and dataclasses.is_dataclass(dataclass_type)):
            raise TypeError(f"{dataclass_type!r} is no dataclass")
        self.dataclass_type: type[Any] = dataclass_type
        self.filepath = Path(f"{dataclass_type.__name__}.csv") if filepath is None else Path(filepath)
        self.logger = logger or logging.getLogger(type(self).__name__)
        self._lock = threading.RLock()
        self._written = 0.0
        types = typing.get_type_hints(dataclass_type)
        self._types = {field.name: types[field.name] for field in dataclasses.fields(dataclass_type)}
        for name, kind in self._types.items():
            _refuse_unknown(name, kind)
        self._objects: dict[str, Any] = {}
        if self.filepath.is_file():
            self._register(self._read())
        elif self._begins_file:
            self.dump_to_file()

    _begins_file = True

    @property
    def csv_header_line(self) -> str:
        """The names of the columns as the file has them."""
        return self.DELIMITER.join(self._types)

    @property
    def n_entries(self) -> int:
        """How many objects there are."""
        return len(self._objects)

    @property
    def obj_addresses(self) -> list[str]:
        """The addresses of all objects, in the order in which they were added."""
        with self._lock:
            return list(self._objects)

    def obj_addresses_by_key_attr(self, key_attr_name: str) -> dict[Any, list[str]]:
        """For each value of an attribute the addresses of the objects that have it."""
        self._refuse_names((key_attr_name,))
        found: dict[Any, list[str]] = {}
        with self._lock:
            for address, entry in self._objects.items():
                found.setdefault(getattr(entry, key_attr_name), []).append(address)
        return found

    def get_entry_attrs(self, entry_obj_address: str, *args: str) -> dict[str, Any]:
        """The attributes of an object, all of them or those that are named."""
        self._refuse_names(args)
        with self._lock:
            entry = self._at(entry_obj_address)
            return {name: getattr(entry, name) for name in args or self._types}

    def dump_to_file(self, reraise_exc: bool = True, retries: int = 2) -> None:
        """Write the file now, whole or not at all. A failure is raised, or logged, after so many further attempts."""
        with self._lock:
            for left in range(retries, -1, -1):
                try:
                    self._write()
                    return
                except OSError as error:
                    if left:
                        continue
                    if reraise_exc:
                        raise FolderError(
                            f"{self.filepath} cannot be written: {error.strerror}", "make room, or choose another file"
                        ) from error
                    self.logger.warning("%s cannot be written: %s", self.filepath, error.strerror)

    def _write(self) -> None:
        first = ["sep=" + self.DELIMITER] if sys.platform == "win32" else []
        lines = [*first, self.csv_header_line, *map(self._line_of, self._objects.values())]
        beside = self.filepath.with_name(f".{self.filepath.name}.{os.getpid()}.{threading.get_ident()}.tmp")
        try:
            beside.write_text("\n".join(lines), "utf-8", newline="\n")
            os.replace(beside, self.filepath)
        finally:
            beside.unlink(missing_ok=True)
        self._written = time.monotonic()

    def _at(self, address: str) -> Any:
        if address not in self._objects:
            raise ValueError(f"there is no object at {address} in {self.filepath}")
        return self._objects[address]

    def _refuse_names(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self._types:
                raise ValueError(f"{name!r} is no field of {self.dataclass_type.__name__}")

    def _register(self, entries: Iterable[Any]) -> None:
        for entry in entries:
            address = hex(id(entry))
            if address in self._objects:
                raise ValueError(f"the object at {address} is in {self.filepath} already")
            self._objects[address] = entry

    # -- text and values ---------------------------------------------------------------------------------------

    def _line_of(self, entry: Any) -> str:
        text = io.StringIO()
        cells = [self._cell_of(getattr(entry, name)) for name in self._types]
        csv.writer(text, delimiter=self.DELIMITER, lineterminator="").writerow(cells)
        return text.getvalue()

    def _cell_of(self, value: Any) -> str:
        if isinstance(value, datetime):
            value = value.strftime(self.DATETIME_FORMAT)
        return repr(str(value) if isinstance(value, Path) else value)

    def _read(self) -> list[Any]:
        with self.filepath.open(encoding="utf-8-sig", newline="") as text:
            rows = [row for row in csv.reader(text, delimiter=self.DELIMITER) if row]
        if rows and rows[0][0].startswith("sep="):
            rows = rows[1:]
        if rows and rows[0] != list(self._types):
            raise BadTable(
                f"{self.filepath} has the columns {self.DELIMITER.join(rows[0])} instead of {self.csv_header_line}",
                "it is another table; choose another file, or move this one away",
            )
        return [self._entry_of(row, number) for number, row in enumerate(rows[1:], 2)]

    def _entry_of(self, row: Sequence[str], number: int) -> Any:
        try:
            cells = dict(zip(self._types, row, strict=True))
            return self.dataclass_type(**{name: self._value_of(cell, name) for name, cell in cells.items()})
        except (ValueError, KeyError, SyntaxError, TypeError) as error:
            raise BadTable(
                f"row {number} of {self.filepath} cannot be read ({error})", "correct it, or take the line out"
            ) from error

    def _value_of(self, cell: str, name: str) -> Any:
        kind = self._types[name]
        if kind is datetime:
            return datetime.strptime(ast.literal_eval(cell), self.DATETIME_FORMAT)
        if kind in _PLAIN:
            return _PLAIN[kind](cell)
        container = typing.get_origin(kind)
        assert container is not None
        return container(ast.literal_eval(cell))


class DataclassTableReadOnly(_Table):
    """The objects of a file that somebody else writes."""

    _begins_file = False

    @property
    def objects(self) -> ValuesView[Any]:
        """All objects."""
        return self._objects.values()

    @property
    def lines(self) -> list[str]:
        """The objects as lines of the file."""
        return [self._line_of(entry) for entry in self._objects.values()]


class DataclassTableAppendOnly(_Table):
    """A file that objects are added to. Its file is begun at once."""

    def add_entries(self, new_entries: Any) -> None:
        """Add an object, or several. TypeError for one of another class, ValueError for one that is there already."""
        entries = [new_entries] if isinstance(new_entries, self.dataclass_type) else list(new_entries)
        for entry in entries:
            if not isinstance(entry, self.dataclass_type):
                raise TypeError(f"{entry!r} is no {self.dataclass_type.__name__}")
        with self._lock:
            self._register(entries)
            self._dump_in_time()

    def as_read_only(self) -> DataclassTableReadOnly:
        """What the file says after it has been written, as objects of their own."""
        self.dump_to_file()
        return DataclassTableReadOnly(self.dataclass_type, filepath=self.filepath, logger=self.logger)

    def close(self) -> None:
        """Write what was not written yet."""
        self.dump_to_file()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _dump_in_time(self) -> None:
        if time.monotonic() - self._written >= self.UPDATE_FILE_EVERY:
            self.dump_to_file(reraise_exc=False)


class DataclassTable(DataclassTableAppendOnly):
    """A file whose objects may change and go."""

    def set_entry_attrs(self, entry_obj_address: str, **kwargs: Any) -> None:
        """Give attributes of an object other values."""
        self._refuse_names(kwargs)
        with self._lock:
            entry = self._at(entry_obj_address)
            for name, value in kwargs.items():
                setattr(entry, name, value)
            self._dump_in_time()

    def remove_entries(self, entry_obj_addresses: str | Iterable[str]) -> None:
        """Take an object, or several, out by their addresses."""
        given = [entry_obj_addresses] if isinstance(entry_obj_addresses, str) else list(entry_obj_addresses)
        with self._lock:
            for address in given:
                self._at(address)
            for address in given:
                del self._objects[address]
            self._dump_in_time()


def _refuse_unknown(name: str, kind: Any) -> None:
    members = typing.get_args(kind)
    several = typing.get_origin(kind) in _SEVERAL and members and all(m in _MEMBERS or m is Ellipsis for m in members)
    if not (kind is datetime or kind in _PLAIN or several):
        raise ValueError(f"the field {name} has type {kind}, which a cell of a table cannot hold")
