"""`DataFileStreamReproducer`: what comes of each file of one topic is a record on another one, exactly once."""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from openmsistream.config import Settings
from openmsistream.errors import OpenMSIStreamError, UsageError
from openmsistream.kafka.admin import Admin, TopicWish
from openmsistream.kafka.commits import Commit
from openmsistream.kafka.consumer import ChunkConsumer, Interrupted
from openmsistream.kafka.serializers import serializers
from openmsistream.kafka.transactions import NotCommitted, ResultsRefused, TransactionalProducer
from openmsistream.program import options
from openmsistream.program.announcing import Amount, Counts
from openmsistream.program.arguments import add_connection, new_parser
from openmsistream.transfer.reader import Reader
from openmsistream.transfer.stage import Finished
from openmsistream.transfer.topics import ensure_result_topic

from .command_lines import add_processing
from .file import File
from .processor import DataFileStreamProcessor, HookError, ToHooks, first_line, only_named, shared_of
from .reproducer_message import Producible
from .stage import UNCOMPUTED
from .work import Result

log = logging.getLogger(__name__)


class NoResult(OpenMSIStreamError):
    """A hook found no result for its file; what went wrong it has logged itself."""

    retriable = True
    kind = UNCOMPUTED


class DataFileStreamReproducer(DataFileStreamProcessor):
    """Puts what a subclass makes of each file of one topic on another topic, as soon as the file is whole.

        class Lengths(DataFileStreamReproducer):
            def _get_processing_result_message_for_file(self, datafile, lock):
                return LengthMessage(datafile)  # its msg_value is len(datafile.bytestring)

    The result and the word that its file is done become visible together, in one transaction of Kafka: for readers with
    isolation.level = read_committed there is one result for each version of a file, whatever is killed and wherever it goes
    on. (Files that OpenMSIStream's producers scattered over several partitions: at least one.) Headers of the record name
    its source: `source.path`, `source.digest`, `source.topic`, `source.generation`.

    The arguments are those of OpenMSIStream; `n_consumer_threads` files are worked on side by side. See
    `DataFileStreamProcessor` for the others.
    """

    _NEEDED_HOOKS: ClassVar = ("_get_processing_result_message_for_file",)

    producer_topic_name: str

    def __init__(
        self,
        config_file: str | Path,
        consumer_topic_name: str,
        producer_topic_name: str,
        *,
        n_producer_threads: int = 1,
        n_consumer_threads: int = 2,
        **kwargs: Any,
    ) -> None:
        if producer_topic_name == consumer_topic_name:
            raise UsageError(
                f"the results would go to the topic that is read, {consumer_topic_name}", "name another topic for them"
            )
        self.producer_topic_name = producer_topic_name
        super().__init__(config_file, consumer_topic_name, **{"n_threads": n_consumer_threads, **kwargs})
        self.n_consumer_threads, self.n_producer_threads = n_consumer_threads, n_producer_threads
        self._serializers = serializers(self._settings)
        self._results: Results | None = None

    @only_named
    def _get_processing_result_message_for_file(self, datafile: Any, lock: Any) -> Producible | None:
        """What comes of one file; None when nothing could be made of it, which counts as failed. May raise."""
        raise NotImplementedError

    def _failed_computing_processing_result(self, datafile: Any, lock: Any) -> None:
        """No result could be made of this file; it is listed, and `openmsistream retry` tries it again."""

    def produce_processing_results_for_files_as_read(self) -> tuple[int, int, int, int, list[Path]]:
        """Produce results until "q" is put into `control_command_queue` or a signal comes.

        Gives the numbers of records read, of records used, of files processed, of results produced, and the paths of the
        last files whose results were produced.
        """
        self._run_engine()
        recent = self.recent_results_produced
        return self.n_msgs_read, self.n_msgs_processed, self.n_processed_files, self.n_results_produced_files, recent

    @property
    def n_results_produced_files(self) -> int:
        """Files whose results were produced so far."""
        return self._results.sent if self._results is not None else 0

    @property
    def n_msgs_produced(self) -> int:
        """Results produced so far."""
        return self.n_results_produced_files

    @property
    def recent_results_produced(self) -> list[Path]:
        """The relative paths of the last files whose results were produced."""
        return self.recent_processed_filepaths

    def _counts(self) -> Counts:
        results = self._results
        produced = Amount() if results is None else Amount(results.sent, results.sent_bytes)
        return {**super()._counts(), "produced": produced}

    # -- the work --------------------------------------------------------------------------------------

    def _work(self, file: File) -> Result:
        datafile = self._datafile(file)
        message = self._get_processing_result_message_for_file(datafile, self.lock)
        if message is None:
            raise NoResult(f"{type(self).__name__} made no result of it", "its log may say why")
        if not (hasattr(message, "msg_key") and hasattr(message, "msg_value")):
            raise HookError(
                f"_get_processing_result_message_for_file of {type(self).__name__} gave back {message!r:.200}",
                "it has to give something with a msg_key and a msg_value, such as a ReproducerMessage, or None",
            )
        return Result(
            self._serializers.key(message.msg_key), self._serializers.value(message.msg_value), source_headers(file)
        )

    def _make_committing(self, reader: Reader) -> Results:
        self._results = Results(
            self._settings, self.producer_topic_name, f"{reader.group}-{reader.ledger.installation()}"
        )
        return self._results

    def _callbacks(self) -> ToHooks:
        return _ToHooks(self)

    # -- the command line ------------------------------------------------------------------------------

    @classmethod
    def own_parser(cls) -> argparse.ArgumentParser:
        made = new_parser(cls.__name__, first_line(cls))
        add_connection(made)
        add_processing(made, cls.__name__, workers_as="--n_consumer_threads")
        made.add_argument("--n_producer_threads", type=int, default=1, help="taken, not needed any more")
        options.add_common(made)
        return made

    @classmethod
    def get_init_args_kwargs(cls, parsed_args: argparse.Namespace) -> tuple[list[Any], dict[str, Any]]:
        args = parsed_args
        others = {"n_consumer_threads": args.n_consumer_threads, "n_producer_threads": args.n_producer_threads}
        return [args.config, args.consumer_topic_name, args.producer_topic_name], {**shared_of(args), **others}

    def _run_parsed(self, args: argparse.Namespace) -> None:
        self.produce_processing_results_for_files_as_read()


def source_headers(file: File) -> tuple[tuple[str, bytes], ...]:
    """Headers that link a result to the file it came of."""
    source = file.source
    return (
        ("source.path", file.path.encode()),
        ("source.digest", file.digest.encode()),
        ("source.topic", source.topic.encode()),
        ("source.generation", source.generation.encode()),
    )


class Results:
    """Results and offsets go out together. See `transfer.reader.Committing`."""

    def __init__(self, settings: Settings, topic: str, transactional_id: str) -> None:
        self.sent = self.sent_bytes = 0
        found = ensure_result_topic(Admin.of(settings), topic, TopicWish())
        self._producer = TransactionalProducer(settings.transactional.properties, found, transactional_id)

    def refused(self, result: Result) -> str | None:
        """Why the topic cannot take this result; None when it can."""
        return self._producer.too_large(result)

    def start(self, within: float) -> None:
        self._producer.start(within)

    def commit(
        self, consumer: ChunkConsumer, commits: Mapping[int, Commit], ended: Sequence[Finished], within: float,
        refuse: Callable[[Finished, str], None],
    ) -> None:  # fmt: skip
        deadline = time.monotonic() + within
        going = [f for f in ended if isinstance(f.result, Result)]
        results: list[Result] = []
        while going or commits:
            results = [finished.result for finished in going if isinstance(finished.result, Result)]
            try:
                self._producer.commit(results, commits, consumer, max(0.1, deadline - time.monotonic()))
                break
            except ResultsRefused as error:
                for number, reason in error.reasons.items():
                    refuse(
                        going[number], f"{self._producer.topic.name} did not take its result: {reason}; {error.advice}"
                    )
                going = [finished for number, finished in enumerate(going) if number not in error.reasons]
            except NotCommitted as error:
                if time.monotonic() > deadline:
                    raise Interrupted(f"{error}; the files since the last commit are read again") from error
        self.sent += len(going)
        self.sent_bytes += sum(len(result.value or b"") for result in results)

    def close(self) -> None:
        self._producer.close()


class _ToHooks(ToHooks):
    """As a processor's, with the failures that only a reproducer has."""

    _processor: DataFileStreamReproducer

    def failed(self, file: File, outcome: Any) -> None:
        self._processor._failed_computing_processing_result(self._processor._datafile(file), self._processor.lock)

    def refused(self, result: Result) -> str | None:
        results = self._processor._results
        return results.refused(result) if results is not None else None
