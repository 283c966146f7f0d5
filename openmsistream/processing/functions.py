"""`process_files`: a plain function runs on every file of a topic, in one line."""

from __future__ import annotations

import inspect
import logging
import queue
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from openmsistream.config import load
from openmsistream.errors import UsageError
from openmsistream.program import run
from openmsistream.program.options import pattern
from openmsistream.program.progress import is_terminal

from .callers.guard import leave_if_only_imported
from .callers.rebuilt import AsItIs
from .command_lines import MEMORY_LIMIT, RETRIES, output_folder
from .engine import Processing, ProcessingOptions
from .file import File
from .keeping import MODES, Mode
from .stage import Patience
from .work import Outcome, Result
from .workers import Workers

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Processed:
    """What `process_files` has done: how many files, and the paths of those that failed with the reason for each."""

    files: int
    failed: dict[str, str]


class NotRun(UsageError):
    """What was called has only made something that could be run."""


@dataclass(frozen=True)
class OnEach:
    """A function of one file as work: what it gives back is not used."""

    function: Callable[[File], object]

    def __call__(self, file: File) -> None:
        given = self.function(file)
        if inspect.isgenerator(given) or inspect.isawaitable(given) or inspect.isasyncgen(given):
            raise NotRun(
                f"{_called(self.function)} gave back {type(given).__name__}, which has not run",
                "let it do its work and return",
            )


def process_files(
    topic: str,
    function: Callable[[File], object],
    *,
    config: str | Path = "local",
    name: str | None = None,
    output_dir: str | Path | None = None,
    mode: Mode = "memory",
    group: str | None = None,
    regex: str | re.Pattern[str] | None = None,
    n_workers: int = 2,
    workers: Literal["threads", "process"] = "threads",
    timeout: float | None = None,
    retries: int = RETRIES,
    memory_limit: int = MEMORY_LIMIT,
    from_beginning: bool = False,
    state_dir: str | Path | None = None,
    on_failure: Callable[[File, str], object] | None = None,
    commands: run.Commands | None = None,
) -> Processed:
    """Run `function` on every file of `topic` as soon as the file is whole, until a signal comes (Ctrl-C).

        def analyse(file: File) -> None:
            print(file.path, len(file.read_bytes()))

        process_files("measurements", analyse, config="local")

    The function gets one `File`, whose content it can have as bytes (`read_bytes`), as a file object (`open`) or as a path
    (`on_disk`). It runs once for each version of a file: what it did is committed when it has returned, so that only a file
    whose run was cut short runs again. When it raises, its file is tried again `retries` times with growing waits and then
    listed (`openmsistream status FOLDER`, `openmsistream retry FOLDER`); `on_failure` is called then, with the reason.

    `name` (default: the function's) stands in the name of the consumer group and of the folder `<name>_output`, which
    `output_dir` replaces; it holds LOGS/ and, with `mode` "disk" or "both", the files. Programs with the same `group` share
    the files; without one each installation gets all. `n_workers` files are processed side by side, in threads or, with
    `workers="process"`, in processes of their own: for code that keeps a processor busy or may crash, and where `timeout`
    ends a run after so many seconds. `regex` is matched with the start of the relative path. `memory_limit` is in bytes;
    the ledger is below `state_dir` when one is given.
    "q" in the queue `commands` stops it too.

    Raises an OpenMSIStreamError when the configuration, the broker, the topic or the folder cannot be used.
    """
    leave_if_only_imported()
    if mode not in MODES:
        raise UsageError(f"mode {mode!r} is not known", f"choose one of {', '.join(MODES)}")
    if not callable(function):
        raise UsageError(f"{function!r} is no function", "give one that takes a File")
    if (
        inspect.isgeneratorfunction(function)
        or inspect.iscoroutinefunction(function)
        or inspect.isasyncgenfunction(function)
    ):
        raise NotRun(
            f"{_called(function)} is a generator or an async function: called, it does not run",
            "give a plain function; for async code, one that calls asyncio.run",
        )
    if memory_limit < 0:
        raise UsageError(f"a memory_limit of {memory_limit} bytes is less than none", "give a number of bytes")
    working = Workers(n_workers, workers, timeout)
    called = name or _called(function).strip("<>")
    options = ProcessingOptions(
        root=Path(output_dir) if output_dir is not None else output_folder(called), topic=topic, program=called, mode=mode,
        regex=pattern(regex), group=group, from_beginning=from_beginning, memory_limit=memory_limit,
        patience=Patience(retries), state_dir=None if state_dir is None else Path(state_dir),
    )  # fmt: skip
    settings = load(config)
    for warning in settings.warnings:
        log.warning("%s", warning)
    work = OnEach(function)
    engine = Processing(options, settings, lambda: working.callers(work, AsItIs(work)), _Told(on_failure))
    log.info("reading as a member of group %s", engine.group)
    summary = run.run(
        engine, commands or queue.Queue(), f"{topic} -> {called}", engine.snapshot, update_secs=300, live=is_terminal(),
        report=engine.report(str(working)),
    )  # fmt: skip
    log.info("%s", summary)
    return Processed(engine.tally.files, dict(engine.tally.failed))


def _called(function: Callable[[File], object]) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


@dataclass(frozen=True)
class _Told:
    """Tells a function of failures."""

    function: Callable[[File, str], object] | None

    def failed(self, file: File, outcome: Outcome) -> None:
        self._tell(file, outcome.failure or "")

    def mismatched(self, file: File, reason: str) -> None:
        self._tell(file, reason)

    def refused(self, result: Result) -> str | None:
        return None

    def _tell(self, file: File, reason: str) -> None:
        if self.function is not None:
            self.function(file, reason)
