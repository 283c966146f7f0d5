"""A topic is read and somebody's code runs on each file: the reader, the stage and the commits put together."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from openmsistream.config import Settings
from openmsistream.ledger import deaths
from openmsistream.program.progress import Item, Snapshot
from openmsistream.transfer.command_lines import GIVE_UP_AFTER
from openmsistream.transfer.reader import Committing, Purpose, Reader, ReaderOptions
from openmsistream.transfer.rows import Rows

from .attempts import Attempts
from .command_lines import MEMORY_LIMIT
from .keeping import Keeping, Mode
from .stage import Callbacks, Patience, ProcessingStage, attempts_file
from .work import Caller

_RESULTS_EVERY = 0.1
"""Seconds between transactions: a result is not visible before one ends."""


@dataclass(frozen=True)
class ProcessingOptions:
    """What to process and how. `root` is the folder for files and the ledger; `memory_limit` in bytes."""

    root: Path
    topic: str
    program: str
    mode: Mode = "memory"
    regex: re.Pattern[str] | None = None
    group: str | None = None
    from_beginning: bool = False
    give_up_after: float = GIVE_UP_AFTER
    memory_limit: int = MEMORY_LIMIT
    patience: Patience = Patience()
    state_dir: Path | None = None

    def reader(self) -> ReaderOptions:
        """What of it is about reading."""
        return ReaderOptions(
            self.root, self.topic, self.regex, self.group, self.from_beginning, self.give_up_after, self.state_dir,
            self.program, "process",
        )  # fmt: skip


class Processing(Reader):
    """One topic being processed until it is stopped. `start`, then `stop`, then `join`; see `transfer.reader.Reader`.

    `make_callers` gives what runs the code, one for each worker.
    """

    stage: ProcessingStage

    def __init__(
        self, options: ProcessingOptions, settings: Settings, make_callers: Callable[[], Sequence[Caller]],
        callbacks: Callbacks, make_committing: Callable[[Reader], Committing] | None = None,
    ) -> None:  # fmt: skip
        keeping = Keeping(options.root, options.topic, options.mode, options.memory_limit)

        def make_stage(rows: Rows) -> ProcessingStage:
            callers = make_callers()
            file = attempts_file(rows.ledger.path)
            died = deaths.note(rows.ledger, ((a.generation, a.path) for a in Attempts.left(file)))
            attempts = Attempts(file, len(callers))
            return ProcessingStage(callers, keeping, callbacks, options.patience, attempts, died)

        purpose = Purpose(keeping.wanted(), make_stage, make_committing, _RESULTS_EVERY if make_committing else 0.5)
        super().__init__(options.reader(), settings, purpose)

    def snapshot(self, verb: str = "processed") -> Snapshot:
        """How far it is."""
        tally, receiving = self.tally, self.receiving
        unfinished = receiving.unfinished if receiving is not None else []
        items = [Item(f"{path} (running)", 0, 0) for path in self.stage.running]
        items += [Item(i.path, i.reassembly.received, i.size) for i in unfinished]
        return Snapshot(
            verb=verb, files=tally.files, bytes=tally.bytes, moved=tally.chunk_bytes, failed=len(tally.failed),
            items=tuple(items), trouble=self.trouble, waiting=self.stage.waiting,
            last=tally.recent[-1] if tally.recent else "", behind=self.lag,
            behind_bytes=None if not self.lag else self.lag * tally.chunk_bytes // max(1, tally.records),
        )  # fmt: skip
