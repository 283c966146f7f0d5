"""A topic is read and somebody's code runs on each file: the reader, the stage and the commits put together."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from openmsistream.config import Settings
from openmsistream.kafka.record import Record
from openmsistream.ledger import deaths
from openmsistream.ledger.live import LiveFile
from openmsistream.program.progress import Item, Snapshot
from openmsistream.transfer.command_lines import GIVE_UP_AFTER
from openmsistream.transfer.folders import refuse_loop
from openmsistream.transfer.incoming import Incoming
from openmsistream.transfer.memory import keep_pages
from openmsistream.transfer.reader import Committing, Purpose, Reader, ReaderOptions
from openmsistream.transfer.receiving import Receiving
from openmsistream.transfer.reporting import MOST, Reporter, live_files
from openmsistream.transfer.rows import Rows

from .attempts import Attempts
from .callers.in_thread import InThread
from .command_lines import MEMORY_LIMIT
from .keeping import Keeping, Mode
from .lists import Listed, ProcessingLists
from .stage import Callbacks, Patience, ProcessingStage, attempts_file
from .work import Caller

_RESULTS_EVERY = 0.1
"""Seconds between transactions: a result is not visible before one ends."""


@dataclass(frozen=True)
class ProcessingOptions:
    """What to process and how. `root` is the folder for files and the ledger; `memory_limit` in bytes.

    `lists_in` is the folder for the CSV files that tell what was processed (default: the ledger's), `results_to` the topic
    that results go to.
    """

    root: Path
    topic: str
    program: str
    mode: Mode = "memory"
    regex: re.Pattern[str] | None = None
    group: str | None = None
    from_beginning: bool = False
    give_up_after: float = GIVE_UP_AFTER
    memory_limit: int = MEMORY_LIMIT
    patience: Patience = field(default_factory=Patience)
    state_dir: Path | None = None
    lists_in: Path | None = None
    results_to: str | None = None

    def with_absolute_folders(self) -> Self:
        """The same for code that changes the working directory while it runs."""
        state, lists = self.state_dir, self.lists_in
        return replace(
            self, root=self.root.absolute(), state_dir=state and state.absolute(), lists_in=lists and lists.absolute()
        )

    def reader(self) -> ReaderOptions:
        """What of it is about reading."""
        return ReaderOptions(
            self.root, self.topic, self.regex, self.group, self.from_beginning, self.give_up_after, self.state_dir,
            self.program, "process",
        )  # fmt: skip


def in_threads(callers: Sequence[Caller]) -> bool:
    """Does the code run in threads of this process, so that it can bring the whole program down?"""
    return any(isinstance(caller, InThread) for caller in callers)


class Processing(Reader):
    """One topic being processed until it is stopped. `start`, then `stop`, then `join`; see `transfer.reader.Reader`.

    `make_callers` gives what runs the code, one for each worker.
    """

    stage: ProcessingStage

    def __init__(
        self, options: ProcessingOptions, settings: Settings, make_callers: Callable[[], Sequence[Caller]],
        callbacks: Callbacks, make_committing: Callable[[Reader], Committing] | None = None,
        tap: Callable[[Record, Receiving], None] | None = None,
    ) -> None:  # fmt: skip
        options = self._processing = options.with_absolute_folders()
        refuse_loop(options.root, options.topic)
        if options.mode != "disk":
            keep_pages()
        keeping = Keeping(options.root, options.topic, options.mode, options.memory_limit)

        def make_stage(rows: Rows) -> ProcessingStage:
            callers = make_callers()
            file = attempts_file(rows.ledger.path)
            guilty = [(a.generation, a.path) for a in Attempts.left(file)] if in_threads(callers) else []
            died = deaths.note(rows.ledger, guilty)
            attempts = Attempts(file, len(callers))
            return ProcessingStage(callers, keeping, callbacks, options.patience, attempts, died)

        purpose = Purpose(
            keeping.wanted(), make_stage, make_committing, _RESULTS_EVERY if make_committing else 0.5, tap
        )
        super().__init__(options.reader(), settings, purpose)
        listed = Listed(options.lists_in or self.ledger.path.parent, options.topic, self.group, options.results_to)
        self._resources.enter_context(closing(ProcessingLists(self.rows, listed, self._begun)))

    def _begun(self) -> list[Incoming]:
        return self.receiving.begun if self.receiving is not None else []

    def report(self, workers: str) -> Reporter:
        """What tells of it for `openmsistream status`; `workers` says how many and of which kind they are."""
        what = self._processing
        told = {
            "group": self.group, "regex": None if what.regex is None else what.regex.pattern,
            "config": str(self.settings.path), "mode": what.mode, "workers": workers, "results_to": what.results_to,
        }  # fmt: skip
        return Reporter(what.program, self.options.ledger_path, told, self.snapshot, self._live_files)

    def _live_files(self) -> list[LiveFile]:
        """What it is at work on, those first on which the code runs: only so many are named."""
        return live_files(sorted(self.at_work, key=lambda file: file.state != "running")[:MOST])

    def snapshot(self) -> Snapshot:
        """How far it is."""
        now = super().snapshot()
        running = (Item(f"{path} (running)", 0, 0) for path in self.stage.running)
        return replace(now, verb="processed", items=(*running, *now.items), waiting=self.stage.waiting)
