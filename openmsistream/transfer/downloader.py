"""A stream becomes a folder: the loop of the download program and the threads around it."""

from __future__ import annotations

import contextlib
import logging
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from openmsistream.config import Settings
from openmsistream.errors import BrokerUnreachable, OpenMSIStreamError
from openmsistream.kafka.admin import Admin, Topic
from openmsistream.kafka.commits import Commit, Progress, stamped, unstamped
from openmsistream.kafka.consumer import BEGINNING, ChunkConsumer, Interrupted, TopicGone
from openmsistream.kafka.groups import members
from openmsistream.kafka.resuming import Extent, Resumption, resume
from openmsistream.ledger.database import broken, reader
from openmsistream.ledger.location import state_folder
from openmsistream.ledger.received import ReceivedLedger, failure
from openmsistream.ledger.requests import answer, asked

from .command_lines import GIVE_UP_AFTER
from .disk import Target, allow_open_files
from .finishing import Finisher
from .folders import prepare_folder
from .incoming import AtWork
from .lanes import Tally
from .losses import Losses
from .receiving import Receiving
from .space import Space
from .topics import check, describe

log = logging.getLogger(__name__)

_TURN = 0.2
"""Seconds that the loop waits for a record before it looks after the rest; a record ends the wait at once."""

_COMMIT_EVERY = 0.5
_CARE_EVERY = 5.0
_NOTE_EVERY = 30.0
_TOPIC_EVERY = 10.0
_ASK_EVERY = 1.0
"""Seconds between looks at how far the reading is behind, and at what somebody asked to be fetched again."""

_DRAIN = 8.0
"""Seconds for whole files to become durable and be committed when partitions are given up; a stop may say less."""

_ASK_WITHIN = 3.0
"""Seconds that a question beside the reading may take: a stop has to wait for it."""

_OPEN_FILES = 16_384
"""Open files that are asked for: 280 unfinished ones in each of 50 partitions."""

_AGAIN_AFTER = 1.0
_AT_LEAST = 0.5
"""Seconds that the last commit, and leaving the group, may take in any case."""


@dataclass(frozen=True)
class DownloadOptions:
    """What to download and how. `group` None: one of this installation's own. Times in seconds."""

    root: Path
    topic: str
    regex: re.Pattern[str] | None = None
    group: str | None = None
    from_beginning: bool = False
    give_up_after: float = GIVE_UP_AFTER
    state_dir: Path | None = None
    program: str = "DataFileDownloadDirectory"

    @property
    def ledger_path(self) -> Path:
        return state_folder(self.root, self.state_dir) / f"download-{self.topic}.sqlite"


class Downloader:
    """One topic being received into one folder until it is stopped. `start`, then `stop`, then `join`.

    Making it checks the folder, the ledger, the broker and the topic, and raises an OpenMSIStreamError that says what is
    wrong. A topic that does not exist yet is waited for.
    """

    def __init__(self, options: DownloadOptions, settings: Settings) -> None:
        self.options = options
        self.tally = Tally()
        self.error: BaseException | None = None
        self.receiving: Receiving | None = None
        self.lag: int | None = None
        self.at_work: list[AtWork] = []  # a second old at most
        self._settings = settings
        self._stopping = threading.Event()
        self._deadline: float | None = None
        self._rewound: set[int] = set()
        self._replaced = threading.Event()
        self._trouble = ""
        self._asked_in_vain = 0  # times in a row that no broker answered a question about the topic
        self._consumer: ChunkConsumer | None = None
        prepare_folder(options.root)
        allow_open_files(_OPEN_FILES)
        self._admin = Admin.of(settings)
        self._topic = self._admin.topic(options.topic)
        with contextlib.ExitStack() as stack:
            self._ledger = stack.enter_context(ReceivedLedger(options.ledger_path))
            self._known = stack.enter_context(contextlib.closing(reader(options.ledger_path)))
            self._target = stack.enter_context(contextlib.closing(Target(options.root)))
            self._target.remove_parts()
            self._space = Space(self._target.free_bytes, self._target.total_bytes)
            self._finisher = stack.enter_context(contextlib.closing(Finisher(options.root, self._ledger)))
            self.group = self._group()
            if self._topic is not None:
                self._say(self._topic)
            self._resources = stack.pop_all()
        self._threads: list[threading.Thread] = []

    # -- life ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to receive, in threads of this object."""
        for name, work in (("download", self._run), ("topic", self._follow_topic)):
            thread = threading.Thread(target=self._guarded, args=(work,), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, within: float = 6.0) -> None:
        """Finish what is whole, commit, and end within so many seconds."""
        self._deadline = time.monotonic() + within
        self._stopping.set()

    def join(self) -> None:
        """Wait for the end and let go of everything."""
        reading, asking = self._threads
        reading.join()
        asking.join(1.0)  # it may be waiting for a broker that does not answer; it holds nothing
        self._resources.close()

    @property
    def left(self) -> float:
        """Seconds that the end may still take."""
        return _DRAIN if self._deadline is None else max(_AT_LEAST, self._deadline - time.monotonic())

    @property
    def alive(self) -> bool:
        return bool(self._threads) and self._threads[0].is_alive()

    @property
    def trouble(self) -> str:
        """Why nothing moves just now, in words; empty when it does."""
        consumer = self._consumer
        return self._trouble or (consumer.connection.trouble if consumer is not None else "")

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except sqlite3.DatabaseError as error:
            self.error = self.error or broken(self.options.ledger_path, error)
        except BaseException as error:
            self.error = self.error or error
            log.debug("thread ended", exc_info=True)
        finally:
            self._stopping.set()

    def _group(self) -> str:
        """The group named on the command line, or one of this installation, so that each one has a full copy."""
        if self.options.group is not None:
            return self.options.group
        base = self._settings.group_id or "openmsistream"
        return f"{base}-{self.options.program}-{self._ledger.installation()}"

    def _say(self, topic: Topic) -> None:
        log.info("%s", describe(topic))
        check(topic, None)

    # -- sessions: one for each topic id --------

    def _run(self) -> None:
        before = ""
        while not self._stopping.is_set():
            self._replaced.clear()
            topic = self._wait_for_topic()
            if topic is None or not self._all_finished():
                return
            if topic.topic_id != before:
                self._rewound.clear()
            before = topic.topic_id
            self._ledger.use_stream(topic.cluster_id, topic.name, topic.topic_id)
            try:
                _Session(self, topic).run()
            except TopicGone as gone:
                log.warning("topic %s is gone (%s); waiting until it is made again", topic.name, gone)
                self._topic = None
            except Interrupted as cut:
                log.warning("%s; reading begins again from what is committed", cut)
                self._stopping.wait(_AGAIN_AFTER)

    def _all_finished(self) -> bool:
        """Wait for files of the session before: their rows belong to the topic that it read. False after a stop."""
        while not self._finisher.drain(_TURN):
            if self._stopping.is_set():
                return False
        if self._finisher.error is not None:
            raise self._finisher.error
        return True

    def _wait_for_topic(self) -> Topic | None:
        said = False
        while not self._stopping.is_set():
            if self._topic is not None:
                return self._topic
            self._trouble = f"topic {self.options.topic} does not exist yet"
            if not said:
                log.warning("%s; waiting for it (an uploader makes it)", self._trouble)
                said = True
            self._stopping.wait(1.0)
            self._topic = self._ask()
            if self._topic is not None:
                self._trouble = ""
                self._say(self._topic)
        return None

    def _ask(self) -> Topic | None:
        try:
            return self._admin.topic(self.options.topic, _ASK_WITHIN)
        except OpenMSIStreamError as error:
            log.debug("asking for the topic: %s", error)
            self._asked_in_vain += isinstance(error, BrokerUnreachable)
            return None

    def _follow_topic(self) -> None:
        """Look whether the topic is still the same one."""
        while not self._stopping.wait(_AGAIN_AFTER if self._asked_in_vain else _TOPIC_EVERY):
            asked_in_vain = self._asked_in_vain
            before, now = self._topic, self._ask()
            consumer = self._consumer
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
                self._replaced.set()
            elif self.receiving is not None:
                self.receiving.partitions = now.partitions


class _Session:
    """The reading of one topic as one member of a group, until it is stopped or the topic is another one."""

    def __init__(self, downloader: Downloader, topic: Topic) -> None:
        self._down = downloader
        self._options = downloader.options
        self._finisher = downloader._finisher
        self._topic_id = topic.topic_id
        self._over = False
        self._ask_members_at = float("inf")
        self._asked_after = ""
        self._due = {"commit": 0.0, "care": 0.0, "ask": 0.0, "note": time.monotonic() + _NOTE_EVERY}
        self.receiving = Receiving(
            downloader._ledger,
            downloader._known,
            downloader._target,
            downloader._space,
            downloader._finisher,
            downloader.tally,
            regex=self._options.regex,
            give_up_after=self._options.give_up_after,
            partitions=topic.partitions,
        )
        self._losses = Losses(topic.name, downloader.options.ledger_path, downloader._known, downloader._ledger.stream)
        self.consumer = ChunkConsumer(downloader._settings.consumer.properties, downloader.group, topic.name, self)
        downloader.receiving, downloader._consumer = self.receiving, self.consumer

    def run(self) -> None:
        """Read until the end of the session; what is durable is committed then."""
        down = self._down
        try:
            self._read()
            if not down._replaced.is_set():
                self._hand_in(down.left)
        except (TopicGone, Interrupted):  # a topic can seem to be gone for a moment
            self._hand_in(down.left)
            raise
        finally:
            self._over = True
            self.receiving.close_lanes(frozenset(self.receiving.lanes))
            self.consumer.close(down.left)

    def _read(self) -> None:
        while not self._down._stopping.is_set() and not self._down._replaced.is_set():
            for record in self.consumer.records(_TURN):
                self._losses.look_at(record)
                self.receiving.take(record)
            self.receiving.settle()
            if self._finisher.error is not None:
                raise self._finisher.error
            self._look_after(time.monotonic())

    def _look_after(self, now: float) -> None:
        if now >= self._due["commit"]:
            self._due["commit"] = now + _COMMIT_EVERY
            self._commit(self.receiving.commits())
        if now >= self._due["care"]:
            self._due["care"] = now + _CARE_EVERY
            if not self.consumer.connection.trouble:
                self.receiving.retire_silent(caught_up=self._down.lag == 0)
            for partition, offset in self.receiving.places_to_read_again().items():
                self.consumer.seek(partition, offset)
        if now >= self._due["ask"]:
            self._due["ask"] = now + _ASK_EVERY
            positions = {p: lane.progress.position for p, lane in self.receiving.lanes.items()}
            self._down.lag = self.consumer.lag(positions) if positions else None
            self._take_requests()
            self._down.at_work = self.receiving.at_work()
        if now >= self._due["note"]:
            self._due["note"] = now + _NOTE_EVERY
            self.receiving.note_unfinished()
        if now >= self._ask_members_at:
            self._ask_members_at = float("inf")
            self._say_members()

    def _take_requests(self) -> None:
        """Fetch again what failed and somebody asked for; what stands in partitions of other readers has to wait."""
        known, taken = self._down._known, []
        paths = asked(known, self._asked_after)
        self._asked_after = paths[-1] if paths else ""
        for path in paths:
            row = failure(known, self._down._ledger.stream, path)
            if row is None:
                taken.append(path)
            elif self.receiving.fetch_again(row):
                taken.append(path)
                log.info("%s is fetched again, as asked for", path)
        if taken:
            answer(self._options.ledger_path, taken)
            self._due["care"] = 0.0

    def _commit(self, commits: Mapping[int, Commit], *, wait: float = 0.0) -> None:
        self.consumer.commit({p: stamped(commit, self._topic_id) for p, commit in commits.items()}, wait=wait)

    def _say_members(self) -> None:
        found = members(self._down._settings.admin.properties, self._down.group, _ASK_WITHIN)
        if found is not None and found > 1:
            log.warning("files are shared with %d other readers of group %s", found - 1, self._down.group)

    # -- partitions that come and go; called inside `records` --------

    def gained(self, commits: Mapping[int, Commit | None], extents: Mapping[int, Extent]) -> Mapping[int, int | None]:
        starts: dict[int, int | None] = {}
        progress: dict[int, Progress] = {}
        elsewhere: dict[int, Resumption] = {}
        for partition, commit in commits.items():
            if self._options.from_beginning and partition not in self._down._rewound:
                self._down._rewound.add(partition)
                starts[partition], progress[partition] = BEGINNING, Progress(0)
            elif commit is None:
                starts[partition], progress[partition] = None, Progress(0)
            elif (ours := unstamped(commit, self._topic_id)) is None:
                starts[partition], progress[partition] = BEGINNING, Progress(0)
            else:
                resumed = resume(ours, extents[partition])
                starts[partition], progress[partition] = resumed.start, resumed.progress
                if resumed.cut or resumed.start != ours.offset:
                    elsewhere[partition] = resumed
        self._down.tally.incomplete += self._losses.note(elsewhere)
        self.receiving.open_lanes(progress, {partition: extent.end for partition, extent in extents.items()})
        self._ask_members_at = time.monotonic() + 2.0
        log.debug("reading partitions %s", sorted(commits))
        return starts

    def giving_up(self, partitions: frozenset[int]) -> None:
        if not self._over:  # leaving the group; what was to be said is said, perhaps by another thread
            self._hand_in(self._down.left)
            self.receiving.close_lanes(partitions)

    def lost(self, partitions: frozenset[int]) -> None:
        if not self._over:
            self.receiving.close_lanes(partitions)

    def not_committed(self, partitions: frozenset[int]) -> None:
        self.receiving.commit_again(partitions)

    def _hand_in(self, within: float) -> None:
        """Let whole files become durable and commit all that is."""
        deadline = time.monotonic() + within
        self._finisher.drain(within)
        self.receiving.settle()
        self.receiving.note_unfinished()
        self._commit(self.receiving.commits(), wait=max(_AT_LEAST, deadline - time.monotonic()))
