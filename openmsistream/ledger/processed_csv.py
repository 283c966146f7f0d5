"""The CSV files that OpenMSIStream keeps of files that somebody's code runs on: how they are called, their rows as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .registry_csv import local_time, names_of, row_of

PROCESSED_HEADER = "filename;rel_filepath;n_chunks;first_message;processed_at"
IN_PROGRESS_HEADER = "filename;rel_filepath;status;n_chunks;first_message;most_recent_message"

IN_PROGRESS = "in_progress"

_FORBIDDEN = re.compile(r'[/\\:*?"<>|\x00-\x1f]')


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A file that is on its way, or that failed. `chunks` in all; `first` and `last` are the Unix times at which chunks came."""

    path: str
    status: str
    chunks: int
    first: float
    last: float


def in_progress_name(topic: str, group: str) -> str:
    return f"consuming_from_{topic}_in_progress_by_{_in_a_name(group)}.csv"


def processed_name(topic: str, group: str) -> str:
    return f"processed_from_{topic}_by_{_in_a_name(group)}.csv"


def results_name(topic: str) -> str:
    return f"results_produced_to_{topic}.csv"


def in_progress_rows(files: Iterable[Unfinished]) -> Iterator[str]:
    """Rows of `consuming_from_<topic>_in_progress_by_<group>.csv`, without line ends."""
    for file in files:
        times = local_time(file.first), local_time(file.last)
        yield row_of([*names_of(file.path), repr(file.status), str(file.chunks), *times])


def _in_a_name(group: str) -> str:
    """A group as a part of a file's name: Kafka allows every character in it, file systems do not."""
    return _FORBIDDEN.sub("_", group)
