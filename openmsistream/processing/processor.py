"""`DataFileStreamProcessor`: the class whose subclasses run code of their own on every file of a topic."""

from __future__ import annotations

import argparse
import logging
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from openmsistream.config import load
from openmsistream.errors import OpenMSIStreamError, UsageError
from openmsistream.files.names import STATE_FOLDER
from openmsistream.kafka.heartbeats import announcing
from openmsistream.kafka.message import Message, Unreadable, reading
from openmsistream.kafka.record import Record
from openmsistream.program import options
from openmsistream.program.announcing import Amount, Announcer, Counts
from openmsistream.program.logs import log_file
from openmsistream.program.runnable import Runnable
from openmsistream.transfer.command_lines import GIVE_UP_AFTER
from openmsistream.transfer.incoming import Incoming
from openmsistream.transfer.lanes import Tally
from openmsistream.transfer.reader import Committing, Reader
from openmsistream.transfer.receiving import Receiving

from .callers.failing import line
from .callers.guard import leave_if_only_imported
from .callers.rebuilt import Rebuilt, RemembersArguments
from .command_lines import MEMORY_LIMIT, RETRIES, output_folder, processor_parser
from .data_file import DownloadDataFile, type_for
from .engine import Processing, ProcessingOptions
from .file import File
from .keeping import MODES
from .lists import fails_as
from .registry import FileRegistry
from .stage import Callbacks, Patience
from .work import Caller, Outcome, Result
from .workers import Workers

log = logging.getLogger(__name__)


class HookError(OpenMSIStreamError):
    """A hook of a subclass did what it must not do; trying again would be the same."""


def only_named(hook: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a hook that is here to be replaced by subclasses, and only for that."""
    hook.is_only_named = True  # type: ignore[attr-defined]
    return hook


class DataFileStreamProcessor(RemembersArguments, Runnable, Announcer):
    """Runs `_process_downloaded_data_file` of a subclass on every file of a topic, as soon as the file is whole.

        class Counter(DataFileStreamProcessor):
            def _process_downloaded_data_file(self, datafile, lock):
                print(datafile.relative_filepath, len(datafile.bytestring))

    The arguments are those of OpenMSIStream. `mode` is where a file is meanwhile: "memory", "disk" (below `output_dir`, where
    it stays) or "both". `n_threads` files are processed side by side. `consumer_group_id` "create_new" (or None) means a
    group of this installation, which goes on where it was after a restart.

    Beyond these: `retries` of a file that failed, before it is listed; `workers` "threads", or "process" for code that keeps
    a processor busy or may crash, where `timeout` ends a run after so many seconds; `memory_limit` in bytes;
    `from_beginning`, `give_up_after`, `state_dir`.
    """

    N_RECENT_FILES = 50
    DEF_N_THREADS = 2
    LOG_SUBDIR_NAME = STATE_FOLDER

    _NEEDED_HOOKS: ClassVar = ("_process_downloaded_data_file",)

    consumer_topic_name: str
    producer_topic_name: str | None = None

    def __init__(
        self,
        config_file: str | Path,
        topic_name: str,
        *,
        output_dir: str | Path | None = None,
        mode: str = "memory",
        datafile_type: type | None = None,
        n_threads: int = 2,
        consumer_group_id: str | None = "create_new",
        filepath_regex: str | re.Pattern[str] | None = None,
        retries: int = RETRIES,
        workers: str = "threads",
        timeout: float | None = None,
        memory_limit: int = MEMORY_LIMIT,
        from_beginning: bool = False,
        give_up_after: float = GIVE_UP_AFTER,
        **kwargs: Any,
    ) -> None:
        self._check_hooks()
        self.datafile_type = type_for(mode, datafile_type)
        self._workers = Workers(n_threads, workers, timeout)
        self._settings = load(config_file)
        self._prepare(type(self).__name__, kwargs)
        self._output_dir = output_folder(type(self).__name__) if output_dir is None else Path(output_dir)
        self._logs_subdir = self._output_dir / STATE_FOLDER
        self.lock = threading.Lock()
        self.consumer_topic_name = topic_name
        self.consumer_group_id = consumer_group_id
        self.restart_at_beginning = from_beginning
        self.message_key_regex: re.Pattern[str] | None = None
        self.n_threads = n_threads
        self.filepath_regex = options.pattern(filepath_regex)
        file = self._common.logger_file
        self._options = ProcessingOptions(
            root=self._output_dir,
            topic=topic_name,
            program=type(self).__name__,
            mode=MODES[MODES.index(mode)],
            regex=self.filepath_regex,
            group=None if consumer_group_id is None or consumer_group_id.lower() == "create_new" else consumer_group_id,
            from_beginning=from_beginning,
            give_up_after=give_up_after,
            memory_limit=memory_limit,
            patience=Patience(retries),
            state_dir=self._common.state_dir,
            lists_in=None if file is None else log_file(file, type(self).__name__).parent,
            results_to=self.producer_topic_name,
        )
        self._engine: Processing | None = None
        self._tally = Tally()

    # -- hooks: what a subclass does -------------------------------------------------------------------

    @only_named
    def _process_downloaded_data_file(self, datafile: Any, lock: Any) -> BaseException | None:
        """Process one file. Return None when that is done; raise, or return, an exception when it has failed.

        `lock` is one for all workers of this program, for what must not happen side by side.
        """
        raise NotImplementedError

    def _failed_processing_callback(self, datafile: Any, lock: Any) -> None:
        """This file has failed for the last time; it is listed, and `openmsistream retry` runs it again."""

    def _mismatched_hash_callback(self, datafile: Any, lock: Any) -> None:
        """All of this file has come, and its content is not what was sent."""

    def _process_message(self, lock: Any, msg: Message, *args: Any, **kwargs: Any) -> bool:
        """Take one record of the topic. A subclass that replaces this sees each, and passes on what is to become a file.

        It is called before anything else looks at the record; what it raises puts the record into the quarantine.
        """
        assert self._taken_by is not None
        self._taken_by.take(msg.record)
        self._taken_by = None
        return True

    @property
    def other_datafile_kwargs(self) -> dict[str, Any]:
        """Further keyword arguments for the constructor of a `datafile_type` of one's own."""
        return {}

    def _on_check(self) -> None:
        """Somebody asked how far it is ("c"); the line is written in any case."""

    def _on_shutdown(self) -> None:
        """The program ends; nothing runs any more."""

    # -- the run ---------------------------------------------------------------------------------------

    def process_files_as_read(self) -> tuple[int, int, int, list[Path]]:
        """Process files until "q" is put into `control_command_queue` or a signal comes.

        Gives the numbers of records read, of records used, of files processed, and the paths of the last of these.
        """
        self._run_engine()
        return self.n_msgs_read, self.n_msgs_processed, self.n_processed_files, self.recent_processed_filepaths

    def _run_engine(self) -> None:
        leave_if_only_imported()
        with announcing(
            self, self._common, self._settings, self._output_dir, self.consumer_topic_name, self._secrets()
        ):
            for warning in self._settings.warnings:
                log.warning("%s", warning)
            again = self._options.from_beginning or self.restart_at_beginning  # which a subclass may have set
            engine = self._engine = Processing(
                replace(self._options, from_beginning=again),
                self._settings,
                self._callers,
                self._callbacks(),
                self._make_committing,
                self._tap(),
            )
            self._tally = engine.tally
            log.info("reading as a member of group %s", engine.group)
            self.consumer_group_id = engine.group
            report = engine.report(str(self._workers))
            try:
                self._follow(engine, f"{self.consumer_topic_name} -> {type(self).__name__}", engine.snapshot, report)
            finally:
                self._on_shutdown()

    def _secrets(self) -> Iterable[str]:
        """What must not be in log messages, beside what the configuration keeps."""
        return ()

    def _counts(self) -> Counts:
        tally = self._tally
        return {
            "read": Amount(tally.records, tally.chunk_bytes),
            "processed": Amount(self.n_msgs_processed, tally.chunk_bytes),
        }

    def _tap(self) -> Callable[[Record, Receiving], None] | None:
        """What is given each record, when a subclass wants to see them."""
        if type(self)._process_message is DataFileStreamProcessor._process_message:
            return None
        read = reading(self._settings)

        def tap(record: Record, receiving: Receiving) -> None:
            try:
                message = read(record)
            except Unreadable:  # what it is, and what to do with it, the receiving side knows
                receiving.take(record)
                return
            self._taken_by = receiving
            try:
                self._process_message(self.lock, message)
            except Exception as error:
                log.debug("_process_message failed", exc_info=True)
                if self._taken_by is not None:
                    receiving.pass_over(record, f"_process_message of {type(self).__name__}: {line(error)}")
                return
            if self._taken_by is not None:
                receiving.pass_over(record)

        return tap

    _taken_by: Receiving | None = None

    _make_committing: Callable[[Reader], Committing] | None = None

    def _callbacks(self) -> Callbacks:
        return ToHooks(self)

    def _callers(self) -> Sequence[Caller]:
        """What runs the code, one for each worker."""
        return self._workers.callers(self._work, Rebuilt.like(self, "_work"))

    def _work(self, file: File) -> Result | None:
        """Run the hook on a file."""
        said = self._process_downloaded_data_file(self._datafile(file), self.lock)
        if isinstance(said, BaseException):
            raise said
        if said is not None:
            raise HookError(
                f"_process_downloaded_data_file of {type(self).__name__} gave back {said!r:.200}",
                "it has to return None when the file is done, or the exception that occurred",
            )
        return None

    def _datafile(self, file: File) -> DownloadDataFile:
        return self.datafile_type.of(file, self._output_dir, logger=self.logger, **self.other_datafile_kwargs)

    def _check_hooks(self) -> None:
        """Say at the start, not at the first file, that a subclass lacks something."""
        for name in self._NEEDED_HOOKS:
            if hasattr(getattr(type(self), name), "is_only_named"):
                raise UsageError(
                    f"{type(self).__name__} has no method {name} of its own",
                    "a subclass has to say there what is done with a file",
                )

    # -- how far it is ---------------------------------------------------------------------------------

    @property
    def n_msgs_read(self) -> int:
        """Records read so far."""
        return self._tally.records

    @property
    def n_msgs_processed(self) -> int:
        """Records used so far: not those that were no chunks, nor the last one of a file that failed."""
        return self._tally.records - self._tally.quarantined - len(self._tally.failed)

    @property
    def alive(self) -> bool:
        """Is it running?"""
        return self._engine is not None and self._engine.alive

    @property
    def n_processed_files(self) -> int:
        """Files processed so far."""
        return self._tally.files

    @property
    def recent_processed_filepaths(self) -> list[Path]:
        """The relative paths of the last files that were processed."""
        return [Path(path) for path in self._tally.recent[-self.N_RECENT_FILES :]]

    @property
    def file_registry(self) -> FileRegistry:
        """The files that are on their way, have failed or were processed, as tables to be read."""
        return FileRegistry(self._options.reader().ledger_path, self._begun, fails_as(self.producer_topic_name))

    def _begun(self) -> list[Incoming]:
        receiving = self._engine.receiving if self._engine is not None else None
        return [] if receiving is None else receiving.begun

    @property
    def files_in_progress_by_path(self) -> Mapping[Path, Any]:
        """The files of which some chunks have come, by their relative paths."""
        receiving = self._engine.receiving if self._engine is not None else None
        return {} if receiving is None else {Path(i.path): i for i in receiving.unfinished}

    # -- the command line ------------------------------------------------------------------------------

    @classmethod
    def own_parser(cls) -> argparse.ArgumentParser:
        return processor_parser(cls.__name__, first_line(cls))

    @classmethod
    def get_init_args_kwargs(cls, parsed_args: argparse.Namespace) -> tuple[list[Any], dict[str, Any]]:
        return [parsed_args.config, parsed_args.consumer_topic_name], processing_of(parsed_args)

    def _run_parsed(self, args: argparse.Namespace) -> None:
        self.process_files_as_read()


def processing_of(args: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments of a processor, from what was parsed."""
    return {**shared_of(args), "n_threads": args.n_threads}


def shared_of(args: argparse.Namespace) -> dict[str, Any]:
    """The keyword arguments that processors and reproducers share, from what was parsed."""
    return {
        "output_dir": args.output_dir,
        "mode": args.mode,
        "consumer_group_id": args.consumer_group_id,
        "filepath_regex": args.download_regex,
        "retries": args.retries,
        "workers": args.workers,
        "timeout": args.timeout,
        "memory_limit": args.memory_limit,
        "from_beginning": args.from_beginning,
        "give_up_after": args.give_up_after,
        **options.common_of(args),
    }


class ToHooks:
    """Hands what went wrong to the hooks of a processor."""

    def __init__(self, processor: DataFileStreamProcessor) -> None:
        self._processor = processor

    def failed(self, file: File, outcome: Outcome) -> None:
        self._processor._failed_processing_callback(self._processor._datafile(file), self._processor.lock)

    def mismatched(self, file: File, reason: str) -> None:
        self._processor._mismatched_hash_callback(self._processor._datafile(file), self._processor.lock)

    def refused(self, result: Result) -> str | None:
        """A processor has no results to send."""
        return None


def first_line(cls: type) -> str:
    text = (cls.__doc__ or "").strip() or DataFileStreamProcessor.__doc__ or ""
    return text.splitlines()[0]
