"""`ControlledMessageProcessor`: the class whose subclasses run code of their own on every record of a topic."""

from __future__ import annotations

import argparse
import re
import threading
from pathlib import Path
from typing import Any, ClassVar

from openmsistream.config import load
from openmsistream.errors import UsageError
from openmsistream.kafka.clients import ConsumerAndProducerGroup, OpenMSIStreamConsumer, OpenMSIStreamProducer, wanted
from openmsistream.kafka.heartbeats import announcing
from openmsistream.kafka.message import Message, place_of
from openmsistream.kafka.message_loop import Counted, MessageLoop
from openmsistream.program import arguments, options
from openmsistream.program.announcing import Amount, Announcer, Counts
from openmsistream.program.progress import Snapshot
from openmsistream.program.runnable import Runnable


class ControlledMessageProcessor(Runnable, Announcer):
    """Runs `_process_message` of a subclass on every record of a topic.

        class Printing(ControlledMessageProcessor):
            def _process_message(self, lock, msg):
                print(msg.key(), msg.value())
                return True

    Keys and values are as the deserializers of the configuration give them. `n_threads` consumers read side by side, as many
    as the topic has partitions at most. True means that the record is dealt with. One for which the method gives back
    anything else, or raises, comes again after a restart of the same `consumer_group_id`, and those above it that are dealt
    with do not. With "create_new" (or None) the group is one that nobody had before, which begins where
    `auto.offset.reset` says. `filepath_regex` lets through chunks of files whose path matches from its start.

    The method has to return within `max.poll.interval.ms` (five minutes, where nothing else is said): after that the group
    gives the partition to another member. For work that takes longer there is `DataFileStreamProcessor`.
    """

    DEF_N_THREADS: ClassVar[int] = 2

    def __init__(
        self,
        config_path: str | Path,
        consumer_topic_name: str,
        filepath_regex: str | re.Pattern[str] | None = None,
        *,
        n_threads: int | None = None,
        consumer_group_id: str | None = "create_new",
        from_beginning: bool = False,
        producer_topic_name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if type(self)._process_message is ControlledMessageProcessor._process_message:
            raise UsageError(
                f"{type(self).__name__} has no method _process_message of its own",
                "a subclass has to say there what is done with a record",
            )
        self._settings = load(config_path)
        self._prepare(type(self).__name__, kwargs)
        self._clients = ConsumerAndProducerGroup(
            config_path,
            consumer_topic_name=consumer_topic_name,
            consumer_group_id=consumer_group_id,
            logger=self.logger,
        )
        self.consumer_topic_name = consumer_topic_name
        self.producer_topic_name = producer_topic_name
        self.consumer_group_id = self._clients.consumer_group_id
        self.n_threads = self.DEF_N_THREADS if n_threads is None else n_threads
        self.lock = threading.Lock()
        self.filepath_regex = re.compile(filepath_regex) if isinstance(filepath_regex, str) else filepath_regex
        self.message_key_regex: re.Pattern[str] | None = None
        self.filter_new_message_keys = False
        self.restart_at_beginning = from_beginning
        self._done = Counted()
        self._loop: MessageLoop | None = None

    # -- hooks: what a subclass does -------------------------------------------------------------------

    def _process_message(self, lock: Any, msg: Message) -> bool:
        """Deal with one record; True when that is done. `lock` is one for all threads."""
        raise NotImplementedError

    def _on_check(self) -> None:
        """Somebody asked how far it is ("c"); the line is written in any case."""

    def _on_shutdown(self) -> None:
        """The program ends; no record is being worked on any more."""

    # -- the run ---------------------------------------------------------------------------------------

    def run(self) -> None:
        """Read until "q" is put into `control_command_queue`, is typed, or a signal comes."""
        with announcing(self, self._common, self._settings, Path(), self.consumer_topic_name):
            loop = self._loop = MessageLoop(
                self._settings, self.consumer_group_id, self.consumer_topic_name, self,
                members=self.n_threads, from_beginning=self.restart_at_beginning,
            )  # fmt: skip
            self._done = loop.counts
            self.logger.info("reading topic %s as a member of group %s", loop.topic, loop.group)
            try:
                self._follow(loop, f"{loop.topic} -> {type(self).__name__}", self._snapshot)
            finally:
                self._on_shutdown()

    def wants(self, message: Message) -> bool:
        """Do the file's path and the key match what is asked for?"""
        return wanted(message, self.filepath_regex, self.message_key_regex if self.filter_new_message_keys else None)

    def handle(self, message: Message) -> bool:
        """Run the hook on a record; whatever it raises is logged, and the record is held."""
        try:
            return self._process_message(self.lock, message) is True
        except Exception as error:  # the logger may be one of openmsitoolbox, which takes no further arguments
            self.logger.error(f"the record at {place_of(message.record)} failed", exc_info=error)
            return False

    def before_commit(self, within: float) -> bool:
        """What the records have led to is made good by the hook itself."""
        return True

    def get_new_producer(self, **kwargs: Any) -> OpenMSIStreamProducer:
        """A producer as the configuration says; flushing it is up to the caller."""
        return self._clients.get_new_producer(**kwargs)

    def get_new_subscribed_consumer(self, **kwargs: Any) -> OpenMSIStreamConsumer:
        """A further consumer of the topic in the group; closing it is up to the caller."""
        return self._clients.get_new_subscribed_consumer(**kwargs)

    # -- how far it is ---------------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Is it reading?"""
        return self._loop is not None and self._loop.alive

    @property
    def n_msgs_read(self) -> int:
        """Records read so far."""
        return self._done.read

    @property
    def n_msgs_processed(self) -> int:
        """Records dealt with so far."""
        return self._done.processed

    def _counts(self) -> Counts:
        done = self._done
        return {
            "read": Amount(done.read, done.bytes_read),
            "processed": Amount(done.processed, done.bytes_processed),
        }

    def _snapshot(self) -> Snapshot:
        done = self._done
        return Snapshot(
            verb="processed", what="records", files=done.processed, bytes=done.bytes_processed,
            moved=done.bytes_read, failed=done.failed, trouble=self._loop.trouble if self._loop is not None else "",
        )  # fmt: skip

    # -- the command line ------------------------------------------------------------------------------

    @classmethod
    def own_parser(cls) -> argparse.ArgumentParser:
        made = arguments.new_parser(cls.__name__, (cls.__doc__ or "").strip().partition("\n")[0])
        arguments.add_connection(made)
        cls._add_threads(made)
        made.add_argument(
            "--download_regex", type=arguments.regex, default=None,
            help="process only chunks of files whose relative path matches this from its start",
        )  # fmt: skip
        made.add_argument(
            "--from_beginning", action="store_true", help="process the topic again from its oldest record"
        )
        options.add_common(made)
        return made

    @classmethod
    def _add_threads(cls, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--n_threads",
            type=arguments.positive_int,
            default=cls.DEF_N_THREADS,
            help="consumers that read side by side",
        )

    @classmethod
    def get_init_args_kwargs(cls, parsed_args: argparse.Namespace) -> tuple[list[Any], dict[str, Any]]:
        args = parsed_args
        kwargs = {
            "consumer_topic_name": args.consumer_topic_name,
            "producer_topic_name": args.producer_topic_name,
            "consumer_group_id": args.consumer_group_id,
            "n_threads": args.n_threads,
            "filepath_regex": args.download_regex,
            "from_beginning": args.from_beginning,
            **options.common_of(args),
        }
        return [args.config], kwargs

    def _run_parsed(self, args: argparse.Namespace) -> None:
        self.run()
