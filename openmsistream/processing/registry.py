"""`file_registry`: what a processor has done, as tables of the kind that programs written for OpenMSIStream read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, Generic, TypeVar

from openmsistream.ledger.database import reading, stream_in_use
from openmsistream.ledger.processed_csv import Unfinished
from openmsistream.ledger.received import ReceivedFile, files_below
from openmsistream.transfer.incoming import Incoming

from .lists import failed_files, unfinished


@dataclass(frozen=True)
class InProgress:
    """A file that is on its way (`status` is in_progress), or that failed (it says how). Times are local ones."""

    filename: str
    rel_filepath: Path
    status: str
    n_chunks: int
    first_message: datetime
    most_recent_message: datetime


@dataclass(frozen=True)
class Succeeded:
    """A file that was processed. Times are local ones."""

    filename: str
    rel_filepath: Path
    n_chunks: int
    first_message: datetime
    processed_at: datetime


Entry = TypeVar("Entry", bound="InProgress | Succeeded")


class Table(Generic[Entry]):
    """Rows as they stand when one asks; an address is the path of the file, as text."""

    def __init__(self, look: Callable[[], Iterator[Entry]]) -> None:
        self._look = look

    @property
    def objects(self) -> list[Entry]:
        """All rows."""
        return list(self._look())

    @property
    def n_entries(self) -> int:
        return sum(1 for _ in self._look())

    @property
    def obj_addresses(self) -> list[str]:
        return [entry.rel_filepath.as_posix() for entry in self._look()]

    def obj_addresses_by_key_attr(self, key_attr_name: str) -> dict[Any, list[str]]:
        """The addresses of the rows for each value of one of their attributes."""
        found: dict[Any, list[str]] = {}
        for entry in self._look():
            found.setdefault(getattr(entry, key_attr_name), []).append(entry.rel_filepath.as_posix())
        return found

    def get_entry_attrs(self, entry_obj_address: str, *args: str) -> dict[str, Any]:
        """The attributes of one row, all or those named. KeyError when there is no such row."""
        for entry in self._look():
            if entry.rel_filepath.as_posix() == entry_obj_address:
                values = asdict(entry)
                return {name: values[name] for name in args or values}
        raise KeyError(entry_obj_address)


class FileRegistry:
    """The files of one processor: told by its ledger, and by `begun` while it runs. Nothing can be changed here.

    `fails_as` is the status of a file on which the code failed.
    """

    def __init__(self, ledger: Path, begun: Callable[[], list[Incoming]], fails_as: str) -> None:
        self._ledger = ledger
        self._begun = begun
        self._fails_as = fails_as
        self.in_progress_table: Table[InProgress] = Table(self._in_progress)
        self.succeeded_table: Table[Succeeded] = Table(self._succeeded)

    @property
    def filepaths_to_rerun(self) -> list[Path]:
        """The relative paths of the files that are not processed yet: on their way, or failed."""
        return [entry.rel_filepath for entry in self._in_progress()]

    @property
    def n_files_to_rerun(self) -> int:
        return len(self.filepaths_to_rerun)

    def consolidate_succeeded_files(self) -> None:
        """There is one list only, and it is kept as the files are processed."""

    def _in_progress(self) -> Iterator[InProgress]:
        on_the_way = {incoming.path: unfinished(incoming) for incoming in self._begun()}
        yield from map(_in_progress, on_the_way.values())
        if self._ledger.exists():
            with reading(self._ledger) as connection:
                stream, _ = stream_in_use(connection) or (0, "")
                failed = failed_files(connection, stream, self._fails_as)
                yield from (_in_progress(file) for file in failed if file.path not in on_the_way)

    def _succeeded(self) -> Iterator[Succeeded]:
        if self._ledger.exists():
            with reading(self._ledger) as connection:
                stream, _ = stream_in_use(connection) or (0, "")
                yield from map(_succeeded, files_below(connection, stream, "", "delivered"))


def _in_progress(file: Unfinished) -> InProgress:
    path = PurePosixPath(file.path)
    return InProgress(path.name, Path(path), file.status, file.chunks, _local(file.first), _local(file.last))


def _succeeded(row: ReceivedFile) -> Succeeded:
    path = PurePosixPath(row.path)
    return Succeeded(path.name, Path(path), row.chunks, _local(row.began or row.updated), _local(row.updated))


def _local(unix_time: float) -> datetime:
    return datetime.fromtimestamp(int(unix_time))
