"""The CSV files of an upload, written on from its ledger; nothing is read from them but at the first start."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from . import registry_csv
from .lists import WRITE_EVERY, Lists, Pair
from .registry_csv import COMPLETED_HEADER, IN_PROGRESS_HEADER, InProgress
from .sent import SentLedger

__all__ = ["WRITE_EVERY", "Registries"]


class Registries:
    """The two CSV files of one upload, in the folder of its ledger. Used by the thread that writes the ledger."""

    def __init__(self, ledger: SentLedger, topic: str) -> None:
        self._ledger = ledger
        folder = ledger.path.parent
        pair = Pair(
            folder / registry_csv.completed_name(topic), COMPLETED_HEADER,
            folder / registry_csv.in_progress_name(topic), IN_PROGRESS_HEADER, "files are sent",
        )  # fmt: skip
        self._lists = Lists(ledger, pair)

    def keep(self, now: float, on_the_way: Callable[[], Iterable[str]]) -> None:
        """Write what is new, when it is time to; call it as often as you like.

        `now` is monotonic; `on_the_way` gives the paths of the files in several chunks that are being sent.
        """
        self._lists.keep(now, lambda: self._rows(on_the_way()))

    def finish(self, on_the_way: Collection[str]) -> None:
        """Write all that is new, at the end."""
        self._lists.finish(lambda: self._rows(on_the_way))

    def _rows(self, paths: Iterable[str]) -> list[str]:
        return registry_csv.in_progress_rows(self._on_the_way(paths))

    def _on_the_way(self, paths: Iterable[str]) -> Iterator[InProgress]:
        """How far these files are; not those of which nothing has been acknowledged yet, as OpenMSIStream has it, or all."""
        for path in paths:
            row, started = self._ledger.get(path), self._ledger.started(path)
            if row is None or started is None or row.state != "sending" or not row.acked_chunks or not row.chunk_size:
                continue
            yield InProgress(path, -(-row.file.size // row.chunk_size), row.acked_chunks, started)
