"""The life of a reader of one topic: it waits for the topic, follows it, and reads it until it is stopped."""

from __future__ import annotations

import contextlib
import logging
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from openmsistream.config import Settings
from openmsistream.errors import BrokerUnreachable, OpenMSIStreamError, UsageError
from openmsistream.kafka.admin import Admin, Topic
from openmsistream.kafka.commits import Commit
from openmsistream.kafka.consumer import ChunkConsumer, Interrupted, TopicGone
from openmsistream.kafka.record import Record
from openmsistream.ledger.database import broken, is_in_use, reader
from openmsistream.ledger.location import state_folder
from openmsistream.ledger.received import ReceivedLedger
from openmsistream.program.progress import Item, Snapshot

from . import remembering
from .command_lines import GIVE_UP_AFTER
from .disk import Target, allow_open_files
from .folders import prepare_folder
from .incoming import AtWork
from .lanes import Tally
from .receiving import Receiving
from .rows import Rows
from .session import ASK_WITHIN, AT_LEAST, Session
from .space import Space
from .stage import Finished, Stage
from .topics import check, describe
from .wanted import Wanted

log = logging.getLogger(__name__)

_TOPIC_EVERY = 10.0
_TURN = 0.2

_START_WITHIN = 3.0

_DRAIN = 8.0
"""Seconds for whole files to become durable and be committed when partitions are given up; a stop may say less."""

_OPEN_FILES = 16_384
"""Open files that are asked for: 280 unfinished ones in each of 50 partitions."""

_AGAIN_AFTER = 1.0


@dataclass(frozen=True)
class ReaderOptions:
    """What to read and how. `group` None: one of this installation's own. Times in seconds."""

    root: Path
    topic: str
    regex: re.Pattern[str] | None = None
    group: str | None = None
    from_beginning: bool = False
    give_up_after: float = GIVE_UP_AFTER
    state_dir: Path | None = None
    program: str = "DataFileDownloadDirectory"
    direction: str = "download"

    @property
    def ledger_path(self) -> Path:
        return state_folder(self.root, self.state_dir) / f"{self.direction}-{self.topic}.sqlite"


class Committing(Protocol):
    """Who commits when that is more than telling the consumer: results that have to go out with the offsets."""

    def start(self, within: float) -> None:
        """To be called before it is asked what the group has committed. Raises an OpenMSIStreamError, retriable or not."""
        ...

    def commit(
        self, consumer: ChunkConsumer, commits: Mapping[int, Commit], ended: Sequence[Finished], within: float,
        refuse: Callable[[Finished, str], None],
    ) -> None:  # fmt: skip
        """Make the results of these files and the commits good together; `refuse` is told before of those that cannot be.

        Raises Interrupted when nothing was made good, and the files have to be read again.
        """
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Purpose:
    """What whole files are read for: which are wanted, who takes them, and how their offsets are committed.

    `tap` is given each record instead of the receiving side, and passes it on or not.
    """

    wanted: Wanted
    make_stage: Callable[[Rows], Stage]
    make_committing: Callable[[Reader], Committing] | None = None
    commit_every: float = 0.5
    tap: Callable[[Record, Receiving], None] | None = None


class Reader:
    """One topic being read for a purpose until it is stopped. `start`, then `stop`, then `join`.

    Making it checks the folder, the ledger, the broker and the topic, and raises an OpenMSIStreamError that says what is
    wrong. A topic that does not exist yet is waited for.
    """

    def __init__(self, options: ReaderOptions, settings: Settings, purpose: Purpose) -> None:
        self.options = options
        self.purpose = purpose
        self.tally = Tally()
        self.error: BaseException | None = None
        self.turned: float | None = None
        self.receiving: Receiving | None = None
        self.lag: int | None = None
        self.at_work: list[AtWork] = []  # a second old at most
        self.settings = settings
        self.stopping = threading.Event()
        self._deadline: float | None = None
        self.rewound: set[int] = set()
        self.replaced = threading.Event()
        self._trouble = ""
        self._asked_in_vain = 0  # times in a row that no broker answered a question about the topic
        self.consumer: ChunkConsumer | None = None
        prepare_folder(options.root)
        remembering.see_to(options.ledger_path)
        allow_open_files(_OPEN_FILES)
        self._admin = Admin.of(settings)
        self._topic = self._admin.topic(options.topic)
        with contextlib.ExitStack() as stack:
            self.ledger = stack.enter_context(ReceivedLedger(options.ledger_path))
            self.rows = Rows(self.ledger)
            self.known = stack.enter_context(contextlib.closing(reader(options.ledger_path)))
            self.target = stack.enter_context(contextlib.closing(Target(options.root)))
            if not _others_read_into(options.ledger_path):  # parts may be theirs
                self.target.remove_parts()
            self.space = Space(self.target.free_bytes, self.target.total_bytes)
            self.stage = stack.enter_context(contextlib.closing(purpose.make_stage(self.rows)))
            self.group = self._group()
            self.committing: Committing | None = None
            if purpose.make_committing is not None:
                self.committing = stack.enter_context(contextlib.closing(purpose.make_committing(self)))
            if self._topic is not None:
                self._say(self._topic)
            self._resources = stack.pop_all()
        self._threads: list[threading.Thread] = []

    # -- life ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to receive, in threads of this object."""
        for name, work in (("read", self._run), ("topic", self._follow_topic)):
            thread = threading.Thread(target=self._guarded, args=(work,), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, within: float = 6.0) -> None:
        """Finish what is whole, commit, and end within so many seconds."""
        self._deadline = time.monotonic() + within
        self.stopping.set()

    def join(self) -> None:
        """Wait for the end and let go of everything."""
        reading, asking = self._threads
        reading.join()
        asking.join(1.0)  # it may be waiting for a broker that does not answer; it holds nothing
        self._resources.close()

    @property
    def left(self) -> float:
        """Seconds that the end may still take."""
        return _DRAIN if self._deadline is None else max(AT_LEAST, self._deadline - time.monotonic())

    @property
    def alive(self) -> bool:
        return bool(self._threads) and self._threads[0].is_alive()

    @property
    def trouble(self) -> str:
        """Why nothing moves just now, in words; empty when it does."""
        consumer = self.consumer
        return self._trouble or (consumer.connection.trouble if consumer is not None else "")

    def turn(self) -> None:
        """Its loop comes round."""
        self.turned = time.monotonic()

    def snapshot(self) -> Snapshot:
        """How far it is."""
        tally, receiving = self.tally, self.receiving
        unfinished = receiving.unfinished if receiving is not None else []
        return Snapshot(
            verb="received", files=tally.files, bytes=tally.bytes, moved=tally.chunk_bytes, failed=len(tally.failed),
            items=tuple(Item(i.path, i.reassembly.received, i.size) for i in unfinished), trouble=self.trouble,
            last=tally.recent[-1] if tally.recent else "", behind=self.lag,
            behind_bytes=None if not self.lag else self.lag * tally.chunk_bytes // max(1, tally.records),
        )  # fmt: skip

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except sqlite3.DatabaseError as error:
            self.error = self.error or broken(self.options.ledger_path, error)
        except BaseException as error:
            self.error = self.error or error
            log.debug("thread ended", exc_info=True)
        finally:
            self.stopping.set()

    def _group(self) -> str:
        """The group named on the command line, or one of this installation, so that each one has a full copy."""
        if self.options.group is not None:
            if not self.options.group.strip():
                raise UsageError(
                    "the consumer group has no name", "name one, or none at all for one of this installation"
                )
            return self.options.group
        base = self.settings.group_id or "openmsistream"
        return f"{base}-{self.options.program}-{self.ledger.installation()}"

    def _say(self, topic: Topic) -> None:
        log.info("%s", describe(topic))
        check(topic, None)

    # -- sessions: one for each topic id --------

    def _run(self) -> None:
        before = ""
        while not self.stopping.is_set():
            self.replaced.clear()
            topic = self._wait_for_topic()
            if topic is None or not self._all_finished():
                return
            if topic.topic_id != before:
                self.rewound.clear()
                with self.rows.turn:  # the lists are written by another thread
                    self.ledger.use_stream(topic.cluster_id, topic.name, topic.topic_id)
                self.receiving = self._make_receiving(topic)
            before = topic.topic_id
            if self.committing is not None and not self._started(self.committing):
                return
            try:
                Session(self, topic).run()
            except TopicGone as gone:
                log.warning("topic %s is gone (%s); waiting until it is made again", topic.name, gone)
                self._topic = None
            except Interrupted as cut:
                log.warning("%s; reading begins again from what is committed", cut)
                self.stopping.wait(_AGAIN_AFTER)

    def _all_finished(self) -> bool:
        """Wait for files of the session before: their rows belong to the topic that it read. False after a stop."""
        while not self.stage.hand_over(_TURN):
            self.turn()
            if self.stopping.is_set():
                return False
        if self.stage.error is not None:
            raise self.stage.error
        return True

    def _started(self, committing: Committing) -> bool:
        """Wait until what commits can begin; False after a stop."""
        while not self.stopping.is_set():
            try:
                committing.start(_START_WITHIN)
                self._trouble = ""
                return True
            except OpenMSIStreamError as error:
                if not error.retriable:
                    raise
                self._trouble = str(error)
                self.turn()
                self.stopping.wait(_TURN)
        return False

    def _make_receiving(self, topic: Topic) -> Receiving:
        return Receiving(
            self.rows, self.known, self.target, self.space, self.stage, self.tally,
            regex=self.options.regex, give_up_after=self.options.give_up_after, partitions=topic.partitions,
            wanted=self.purpose.wanted,
        )  # fmt: skip

    def _wait_for_topic(self) -> Topic | None:
        said = False
        while not self.stopping.is_set():
            if self._topic is not None:
                return self._topic
            self._trouble = f"topic {self.options.topic} does not exist yet"
            if not said:
                log.warning("%s; waiting for it (an uploader makes it)", self._trouble)
                said = True
            self.turn()
            self.stopping.wait(1.0)
            self._topic = self._ask()
            if self._topic is not None:
                self._trouble = ""
                self._say(self._topic)
        return None

    def _ask(self) -> Topic | None:
        try:
            return self._admin.topic(self.options.topic, ASK_WITHIN)
        except OpenMSIStreamError as error:
            log.debug("asking for the topic: %s", error)
            self._asked_in_vain += isinstance(error, BrokerUnreachable)
            return None

    def _follow_topic(self) -> None:
        """Look whether the topic is still the same one."""
        while not self.stopping.wait(_AGAIN_AFTER if self._asked_in_vain else _TOPIC_EVERY):
            asked_in_vain = self._asked_in_vain
            before, now = self._topic, self._ask()
            consumer = self.consumer
            if self._asked_in_vain == asked_in_vain:
                self._asked_in_vain = 0
            if consumer is not None and self._asked_in_vain > 1:
                consumer.connection.unanswered("no answer")
            elif consumer is not None and now is not None:
                consumer.connection.answered()
            if before is None or now is None:
                continue
            if before.topic_id != now.topic_id:
                log.warning("topic %s was made again: it is read from its beginning", now.name)
                self._topic = now
                self.replaced.set()
            elif self.receiving is not None:
                self.receiving.partitions = now.partitions


def _others_read_into(ledger: Path) -> bool:
    """Is another program that reads a topic at work on the folder of this ledger?"""
    others = {*ledger.parent.glob("download-*.sqlite"), *ledger.parent.glob("process-*.sqlite")} - {ledger}
    return any(is_in_use(other) for other in others)
