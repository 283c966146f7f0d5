"""Records of a topic, one after another, to somebody's code: the members of a group that read them, and their commits."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from openmsistream.config import Settings
from openmsistream.errors import BrokerUnreachable

from .admin import Admin, Topic
from .commits import MAX_OPEN, Commit, Progress, stamped, unstamped
from .consumer import BEGINNING, ChunkConsumer, Interrupted, TopicGone
from .message import Message, Unreadable, reading
from .record import Record
from .resuming import Extent, resume

log = logging.getLogger(__name__)

_TURN = 0.2
_AGAIN_AFTER = 1.0
_COMMIT_EVERY = 0.5
_DRAIN = 6.0
"""Seconds for the last commit when partitions are given up; a stop may say less."""

_AT_LEAST = 0.5


class Handler(Protocol):
    """What is done with records. Its methods run in the members' threads, several at a time."""

    def wants(self, message: Message) -> bool: ...

    def handle(self, message: Message) -> bool:
        """True when the record is dealt with; must not raise."""
        ...

    def before_commit(self, within: float) -> bool:
        """Make good what the records handled so far have led to; False when that did not work, and nothing is committed."""
        ...


@dataclass
class Counted:
    """How many records were read and dealt with, and bytes of their values; how many were not and are held."""

    read: int = 0
    processed: int = 0
    bytes_read: int = 0
    bytes_processed: int = 0
    failed: int = 0
    unreadable: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, size: int, *, done: bool) -> None:
        with self._lock:
            self.read += 1
            self.bytes_read += size
            self.processed += done
            self.bytes_processed += size * done
            self.failed += not done

    def add_unreadable(self, size: int) -> None:
        with self._lock:
            self.read += 1
            self.bytes_read += size
            self.unreadable += 1


class MessageLoop:
    """Several members of a group, each with a thread, that hand every record to a handler. `start`, then `stop`, then `join`.

    At least once: an offset is committed when the record before it was dealt with. One that was not is held: the commit names
    it, so that after a restart it comes again, and what was done above it does not. A record that the deserializers
    do not take is told, and passed over. Making it asks the broker for the topic, which need not be there yet.
    """

    def __init__(
        self,
        settings: Settings,
        group: str,
        topic: str,
        handler: Handler,
        *,
        members: int,
        from_beginning: bool = False,
    ) -> None:
        self.settings = settings
        self.group = group
        self.topic = topic
        self.handler = handler
        self.counts = Counted()
        self.error: BaseException | None = None
        self.stopping = threading.Event()
        self.read = reading(settings)
        self.to_rewind = from_beginning
        self.rewound: set[int] = set()
        self._admin = Admin.of(settings)
        self._deadline: float | None = None
        if self._admin.topic(topic) is None:
            log.info("topic %s does not exist yet; waiting for it", topic)
        self._members = [_Member(self, number) for number in range(members)]
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        for member in self._members:
            thread = threading.Thread(
                target=self._guarded, args=(member,), name=f"messages-{member.number}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def stop(self, within: float = _DRAIN) -> None:
        """No further record is begun; the last commits have so many seconds."""
        self._deadline = time.monotonic() + within
        self.stopping.set()

    def join(self) -> None:
        """Wait for the end; a record that is being worked on is waited for."""
        for thread in self._threads:
            thread.join()

    @property
    def alive(self) -> bool:
        return any(thread.is_alive() for thread in self._threads) and not self.stopping.is_set()

    @property
    def turned(self) -> float:
        """Now: a hook may take as long as it likes, so that a loop which waits for one cannot be told from a stalled one."""
        return time.monotonic()

    @property
    def trouble(self) -> str:
        """Why nothing moves just now, in words; empty when it does."""
        return next((member.trouble for member in self._members if member.trouble), "")

    @property
    def left(self) -> float:
        """Seconds that the end may still take."""
        return _DRAIN if self._deadline is None else max(_AT_LEAST, self._deadline - time.monotonic())

    def find_topic(self) -> Topic | None:
        """The topic; None when it is not there, or no broker says so."""
        try:
            return self._admin.topic(self.topic)
        except BrokerUnreachable as error:
            log.warning("%s", error)
            return None

    def _guarded(self, member: _Member) -> None:
        try:
            member.run()
        except BaseException as error:
            self.error = self.error or error
            log.debug("thread ended", exc_info=True)
            self.stopping.set()


class _Member:
    """One consumer, in one thread, with the progress of the partitions that it has."""

    def __init__(self, loop: MessageLoop, number: int) -> None:
        self.number = number
        self._loop = loop
        self._progress: dict[int, Progress] = {}
        self._committed: dict[int, Commit] = {}
        self._consumer: ChunkConsumer | None = None
        self._topic_id = ""
        self._over = False

    @property
    def trouble(self) -> str:
        return self._consumer.connection.trouble if self._consumer is not None else ""

    def run(self) -> None:
        """Read until the loop is stopped, as a new member of the group whenever that is needed."""
        while not self._loop.stopping.is_set():
            topic = self._loop.find_topic()
            if topic is not None:
                try:
                    self._as_member(topic.topic_id)
                    continue
                except (TopicGone, Interrupted) as error:
                    log.debug("reading begins again: %s", error)
            self._loop.stopping.wait(_AGAIN_AFTER)

    def _as_member(self, topic_id: str) -> None:
        loop, self._topic_id, self._over = self._loop, topic_id, False
        self._progress, self._committed = {}, {}
        properties = dict(loop.settings.consumer.properties)
        if self.number:
            properties.pop("group.instance.id", None)  # a name for one consumer: the second would end the first
        consumer = self._consumer = ChunkConsumer(properties, loop.group, loop.topic, self)
        try:
            self._read(consumer)
        finally:
            self._commit(wait=loop.left)
            self._over = True
            consumer.close(loop.left)

    def _read(self, consumer: ChunkConsumer) -> None:
        stopping = self._loop.stopping
        due = time.monotonic() + _COMMIT_EVERY
        while not stopping.is_set():
            for record in consumer.records(_TURN):
                if stopping.is_set():
                    return
                self._take(record)
                if time.monotonic() >= due:
                    self._commit()
                    due = time.monotonic() + _COMMIT_EVERY
            if time.monotonic() >= due:
                self._commit()
                due = time.monotonic() + _COMMIT_EVERY

    def _take(self, record: Record) -> None:
        progress = self._progress.get(record.partition)
        if progress is None:
            return
        if not progress.is_done(record.offset):
            progress.begin(record.offset)
            if self._is_dealt_with(record):
                progress.finish(record.offset)
        progress.saw(record.offset)

    def _is_dealt_with(self, record: Record) -> bool:
        loop, size = self._loop, len(record.value or b"")
        try:
            message = loop.read(record)
        except Unreadable as error:
            log.error("%s; it is passed over", error.what)
            loop.counts.add_unreadable(size)
            return True
        done = not loop.handler.wants(message) or loop.handler.handle(message)
        loop.counts.add(size, done=done)
        return done

    def _commit(self, *, wait: float = 0.0) -> None:
        commits = {partition: _commit_of(progress) for partition, progress in self._progress.items()}
        due = {p: commit for p, commit in commits.items() if self._committed.get(p) != commit}
        if not due or self._consumer is None or not self._loop.handler.before_commit(wait or self._loop.left):
            return
        self._committed.update(due)
        self._consumer.commit({p: stamped(commit, self._topic_id) for p, commit in due.items()}, wait=wait)

    # -- partitions that come and go; called inside `records` --------

    def gained(self, commits: Mapping[int, Commit | None], extents: Mapping[int, Extent]) -> Mapping[int, int | None]:
        starts: dict[int, int | None] = {}
        for partition, commit in commits.items():
            ours = None if commit is None else unstamped(commit, self._topic_id)
            self._committed.pop(partition, None)
            if self._loop.to_rewind and partition not in self._loop.rewound:
                self._loop.rewound.add(partition)
                starts[partition], self._progress[partition] = BEGINNING, Progress(0)
            elif ours is None:
                start = None if commit is None else BEGINNING  # it was made for another topic of this name
                starts[partition], self._progress[partition] = start, Progress(0)
            else:
                resumed = resume(ours, extents[partition])
                starts[partition], self._progress[partition] = resumed.start, resumed.progress
                self._committed[partition] = ours
                if resumed.unread or resumed.cut:
                    log.warning(
                        "partition %d of topic %s has lost records that were not read", partition, self._loop.topic
                    )
        return starts

    def giving_up(self, partitions: frozenset[int]) -> None:
        if not self._over:
            self._commit(wait=self._loop.left)
            self.lost(partitions)

    def lost(self, partitions: frozenset[int]) -> None:
        for partition in partitions:
            self._progress.pop(partition, None)

    def not_committed(self, partitions: frozenset[int]) -> None:
        for partition in partitions:
            self._committed.pop(partition, None)


def _commit_of(progress: Progress) -> Commit:
    """What to commit: with more held records than a commit can name, only where the first of them stands."""
    return progress.commit() if len(progress.open) <= MAX_OPEN else Commit(progress.safe, "")
