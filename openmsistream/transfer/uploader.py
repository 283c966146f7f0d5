"""A folder becomes a stream: watch, settle, send; the loop of the upload program and the threads around it."""

from __future__ import annotations

import contextlib
import errno
import logging
import re
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from openmsistream.config import Settings
from openmsistream.errors import AccessRefused, FolderError, TopicError
from openmsistream.files.wire import form_of
from openmsistream.kafka.admin import Admin, Topic, TopicWish
from openmsistream.kafka.producer import ChunkProducer
from openmsistream.ledger import filesystem
from openmsistream.ledger.database import broken
from openmsistream.ledger.location import state_folder
from openmsistream.ledger.registries import Registries
from openmsistream.ledger.requests import answer, asked
from openmsistream.ledger.sent import INVENTORY, SentFile, SentLedger, finished_states, rows_of
from openmsistream.program.announcing import Amount

from . import remembering
from .command_lines import CHUNK_SIZE
from .disk.origin import Origin
from .first_start import all_noted, new_since
from .folders import check_folder
from .inbox import Batch, Inbox
from .opening import Select, all_of_it
from .scan import Found, Why, scan
from .selection import Selection
from .sending import Sending, Tally
from .settle import LAG, Seen, Settler
from .topics import check, ensure_topic
from .watch import Watching, watch

log = logging.getLogger(__name__)

SCAN_EVERY = 60.0
POLL_EVERY = 2.0
"""Seconds between scans of the whole tree: beside events they only make sure, without events they are all there is."""

_SCAN_SHARE = 10.0
"""A scan that takes long is not begun again before ten times as long has passed."""

_TOPIC_EVERY = 10.0
"""Seconds between looks at the topic: it may have been deleted, made again or given more partitions."""

_ASK_WITHIN = 3.0
"""Seconds that a look at the topic may take: a stop has to wait for it."""

_REQUESTS_EVERY = 1.0
"""Seconds between looks at what somebody asked to be tried again."""

_ACKNOWLEDGED_WITHIN = 0.005
"""Seconds that the loop waits for an acknowledgement before it looks at what else has come: a file that is closed meanwhile
waits no longer than this."""

_ANSWERS_WITHIN = 1.0
_UNANSWERED_FOR = 0.1
"""Seconds after which a broker that acknowledges nothing is waited for at greater length, and how long then: a program that
looks around 200 times a second while its broker is away for a night would do so for nothing."""

_MOST_READY = 5_000
_ANEW_AFTER = 1.0


@dataclass(frozen=True)
class UploadOptions:
    """What to upload and how. Sizes in bytes, times in seconds. `lag` None: the rules of settle.py.

    `wire_fields`: how many elements a record of the msgpack form has. `select` says which bytes of a path are sent.
    """

    root: Path
    topic: str
    chunk_size: int = CHUNK_SIZE
    regex: re.Pattern[str] | None = None
    lag: float | None = None
    polling: bool = False
    upload_existing: bool = False
    lanes: int = 2
    wish: TopicWish = field(default_factory=TopicWish)
    state_dir: Path | None = None
    wire_fields: int = 10
    select: Select = all_of_it

    @property
    def ledger_path(self) -> Path:
        return state_folder(self.root, self.state_dir) / f"upload-{self.topic}.sqlite"


class Uploader:
    """One folder being sent to one topic until it is stopped. `start`, then `stop`, then `join`.

    Making it checks the folder, the ledger, the broker and the topic, and raises an OpenMSIStreamError that says what is
    wrong; nothing has been sent then.
    """

    def __init__(self, options: UploadOptions, settings: Settings) -> None:
        self.options = options
        self.tally = Tally()
        self.produced = Amount()  # records that were acknowledged, and the bytes of their values
        self.error: BaseException | None = None
        self.turned: float | None = None
        self._settings = settings
        self._selection = Selection(options.regex)
        self._stopping = threading.Event()
        self._deadline = 0.0
        self._threads: list[threading.Thread] = []
        self._requests_due = 0.0
        self._answered = 0.0
        self._settler = Settler(options.lag if options.lag is not None else LAG, options.lag is not None)
        self._inbox = Inbox()
        check_folder(options.root)
        remembering.see_to(options.ledger_path)
        self._form = form_of(settings.wire, options.wire_fields)
        self._trusted = not options.polling and filesystem.is_local(options.root)
        self._admin = Admin.of(settings)
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            raise broken(options.ledger_path, error) from error

    def _open(self) -> None:
        """The topic, the ledger and the first session; nothing stays open when one of them cannot be had."""
        with contextlib.ExitStack() as stack:
            wanted = self.options
            self.topic = ensure_topic(self._admin, wanted.topic, wanted.wish, wanted.chunk_size, self._form)
            self._origin = stack.enter_context(contextlib.closing(Origin(self.options.root)))
            self._ledger = stack.enter_context(SentLedger(self.options.ledger_path))
            self._registries = Registries(self._ledger, self.options.topic)
            is_new = self._use_topic()
            since = new_since(self._ledger, self.options.root, self.options.topic, self._origin.state)
            self._new_since = 0 if self.options.upload_existing else since
            self._inventory_done = all_noted(self._ledger)
            self._producer, self._sending = self._session()
            if is_new:  # said now: what comes after this line is not from before the first start
                log.info("first start on this folder and topic")
            self._resources = stack.pop_all()

    # -- life ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to watch and send, in threads of this object."""
        self._inbox.look_at("", Why.CHECK if self._inventory_done else Why.INVENTORY)
        self._watching = self._watch()
        for name, work in (("upload", self._loop), ("scan", self._scan), ("topic", self._follow_topic)):
            thread = threading.Thread(target=self._guarded, args=(work,), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, within: float = 6.0) -> None:
        """Begin nothing new, finish or leave resumable what is on its way, and end within so many seconds."""
        self._deadline = time.monotonic() + within
        self._stopping.set()
        self._inbox.wake()

    def join(self) -> None:
        """Wait for the end and let go of everything."""
        *working, asking = self._threads
        for thread in working:
            thread.join()
        asking.join(1.0)  # it may be waiting for a broker that does not answer; it holds nothing
        if self._watching is not None:
            self._watching.stop()
        self._resources.close()

    @property
    def alive(self) -> bool:
        return bool(self._threads) and self._threads[0].is_alive()

    @property
    def trouble(self) -> str:
        """Why nothing moves just now, in words; empty when it does."""
        return self._producer.connection.trouble

    @property
    def settling(self) -> Settler:
        """The files that are waited for."""
        return self._settler

    @property
    def trusts_events(self) -> bool:
        """Is the folder watched, and not only looked at from time to time?"""
        return self._trusted

    @property
    def sending(self) -> Sending:
        """What is on its way now."""
        return self._sending

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except sqlite3.DatabaseError as error:
            self.error = self.error or broken(self.options.ledger_path, error)
        except BaseException as error:
            self.error = self.error or error
            log.debug("thread ended", exc_info=True)
        finally:
            self._inbox.close()
            self._stopping.set()
            self._inbox.wake()

    # -- sessions: one for each topic id --------

    def _use_topic(self) -> bool:
        return self._ledger.use_stream(self.topic.cluster_id, self.topic.name, self.topic.topic_id)

    def _session(self) -> tuple[ChunkProducer, Sending]:
        producer = ChunkProducer(self._settings.producer.properties, self.topic)
        sending = Sending(
            self._ledger,
            self._origin,
            producer,
            chunk_size=self.options.chunk_size,
            lanes=self.options.lanes,
            tally=self.tally,
            form=self._form,
            known_too=self.options.upload_existing,
            select=self.options.select,
            begun=lambda path: self._settler.sent(path, time.monotonic()),
            again=self._look_again,
        )
        for row in self._ledger.unfinished():
            sending.want(row.path)
        return producer, sending

    def _look_again(self, path: str, delay: float) -> None:
        now = time.monotonic()
        self._settler.note(path, Seen.CLOSED if self._trusted and not delay else Seen.TOUCHED, now + delay)

    def _topic_changed(self, topic: Topic) -> None:
        """The topic has more partitions, or was made again: then nothing that was sent before counts."""
        if topic.topic_id == self.topic.topic_id:
            if topic.partitions != self.topic.partitions:
                log.warning("topic %s has %d partitions now; new paths use all of them", topic.name, topic.partitions)
            self.topic = topic
            self._sending.partitions = topic.partitions
            return
        log.warning("topic %s was made again: everything is sent again", topic.name)
        check(topic, self.options.chunk_size, self._form)
        self._begin_anew(topic)

    def _begin_anew(self, topic: Topic) -> None:
        """Another producer, and nothing under way; what was on its way is gone on with, what was waiting is found by a scan."""
        self._sending.close()
        self._producer.close()
        self.topic = topic
        self._use_topic()
        self._producer, self._sending = self._session()
        self._inbox.look_at("", Why.CHECK)

    def _replace_broken_producer(self) -> None:
        """After some errors librdkafka's producer takes nothing any more, for ever: go on with a new one."""
        failure = self._producer.failure
        if failure is None:
            return
        if isinstance(failure, AccessRefused):
            raise failure
        log.warning("%s; beginning again with a new connection", failure)
        self._stopping.wait(_ANEW_AFTER)
        self._begin_anew(self.topic)

    # -- the loop ----------------------------------------------------------------------------------------

    def _loop(self) -> None:
        more = False
        try:
            while not self._stopping.is_set():
                self.turned = time.monotonic()
                self._round(0.0 if more else self._patience())
                more = self._sending.pump(self._has_more_to_do)
            self._finish()
        finally:
            self._sending.close()
            self._producer.close()

    def _round(self, timeout: float) -> None:
        """Look at what has come and decide what to send."""
        if self._producer.idle:
            self._answered = time.monotonic()
        else:  # then an acknowledgement comes first
            answers = time.monotonic() - self._answered < _ANSWERS_WITHIN
            self._take_reports(min(timeout, _ACKNOWLEDGED_WITHIN if answers else _UNANSWERED_FOR))
            timeout = 0.0
        post = self._inbox.take(timeout, batches=self._takes_more and not self._settler.full)
        self._take_reports(0.0)
        if post.topic is not None:
            self._topic_changed(post.topic)
        self._replace_broken_producer()
        now = time.monotonic()
        for path, seen in post.notes.items():
            self._note(path, seen, now)
        for batch in post.found:
            self._sift(batch)
        if self._takes_more:
            for path in self._settler.due(time.monotonic()):
                self._sending.want(path)
            self._take_requests(now)
        self._registries.keep(now, self._paths_on_the_way)

    @property
    def _takes_more(self) -> bool:
        """May more files that have settled be lined up?"""
        return self._sending.waiting < _MOST_READY

    def _note(self, path: str, seen: Seen, now: float) -> None:
        if self._settler.full and self._settler.waits_until(path) is None:
            return  # a later scan finds it; what is in memory stays bounded
        if self._selection.reason_to_skip(path) is None:
            self._settler.note(path, seen, now)

    def _take_reports(self, timeout: float) -> None:
        reports = self._producer.reports(timeout)
        if reports:
            self._answered = time.monotonic()
            taken = [report.value_bytes for report in reports if report.error is None]
            self.produced = Amount(self.produced.messages + len(taken), self.produced.bytes + sum(taken))
            self._sending.settle(reports)

    def _has_more_to_do(self) -> bool:
        """Is there anything that the loop should look at before it goes on sending?"""
        return self._inbox.waiting or self._stopping.is_set() or self._producer.heard

    def _take_requests(self, now: float) -> None:
        """Try again what failed and somebody asked for, unless it is waited for in any case."""
        if now < self._requests_due:
            return
        self._requests_due = now + _REQUESTS_EVERY
        paths = asked(self._ledger.connection)
        if not paths:
            return
        for path in paths:
            if self._settler.waits_until(path) is None and self._selection.reason_to_skip(path) is None:
                self._sending.want(path)
        answer(self.options.ledger_path, paths)
        log.info("%d files are tried again, as asked for", len(paths))

    def _patience(self) -> float:
        """Seconds that the loop may wait for something to come."""
        due = self._settler.next_due() if self._takes_more else None
        return 1.0 if due is None else min(1.0, max(0.0, due - time.monotonic()))

    def _sift(self, batch: Batch) -> None:
        """Of what a scan found, wait for what is new or changed."""
        found = [item for item in batch.items if isinstance(item, Found)]
        if batch.why is Why.ARRIVAL:
            self._ledger.forget_known([item.path for item in found])
        finished = finished_states(
            self._ledger.connection, self._ledger.stream, [f.path for f in found],
            known_too=not self.options.upload_existing,
        )  # fmt: skip
        inventory = batch.why is Why.INVENTORY
        met = rows_of(self._ledger.connection, self._ledger.stream, [f.path for f in found]) if inventory else {}
        known = []
        now, now_ns = time.monotonic(), time.time_ns()
        for item in found:
            if finished.get(item.path) == item.state:
                continue
            if inventory and item.path not in met and item.state.changed_ns < self._new_since:
                known.append(SentFile(item.path, "known", item.state, updated=time.time()))
                continue
            age = (now_ns - item.state.changed_ns) / 1e9
            quiet_since = now - age if self._trusted and age > 0 else None
            self._settler.note(item.path, Seen.FOUND, now, quiet_since, item.state)
        if known:
            self._ledger.write(known)
        if inventory and batch.last:
            self._ledger.set_fact(INVENTORY, "done")

    def _finish(self) -> None:
        """After a stop: small files that were begun and chunks that are on their way are waited for, until the deadline."""
        self._sending.pump(lambda: True, begin=False)
        on_the_way = self._paths_on_the_way()
        self._sending.stop_reading()
        while not self._producer.idle and time.monotonic() < self._deadline:
            self._take_reports(min(0.1, max(0.0, self._deadline - time.monotonic())))
        self._registries.finish(on_the_way)

    def _paths_on_the_way(self) -> list[str]:
        return [out.path for out in self._sending.current]

    # -- beside the loop ---------------------------------------------------------------------------------

    def _watch(self) -> Watching | None:
        """Begin to watch, where events can be trusted."""
        if self._trusted:
            try:
                return watch(self.options.root, self._inbox)
            except OSError as error:
                self._do_without_events(error)
        return None

    def _do_without_events(self, error: OSError) -> None:
        """Look at the whole tree more often; what events still come make things faster."""
        self._trusted = False
        log.warning("%s", _watch_advice(error))

    @property
    def _scan_every(self) -> float:
        return SCAN_EVERY if self._trusted else POLL_EVERY

    def _scan(self) -> None:
        """Scan folders when asked, and the whole tree from time to time."""
        next_whole = time.monotonic() + self._scan_every
        while not self._stopping.is_set() and not self._inbox.closed:
            if not self._origin.is_in_place():
                raise FolderError(
                    f"the folder {self.options.root} is gone, or another one stands in its place",
                    "start the program again when it is there",
                )
            asked = self._inbox.next_folder(min(1.0, max(0.0, next_whole - time.monotonic())))
            if asked is None and time.monotonic() < next_whole:
                continue
            if self._trusted and self._watching is not None and (trouble := self._watching.trouble()) is not None:
                self._do_without_events(trouble)
                next_whole = time.monotonic()
            folder, why = asked or ("", Why.CHECK)
            began = time.monotonic()
            for items in scan(self.options.root, self._selection, folder, self._stopping.is_set):
                self._inbox.found(Batch(items, why))
            if not self._stopping.is_set():
                self._inbox.found(Batch([], why, last=True))
            if folder == "":
                next_whole = time.monotonic() + max(self._scan_every, _SCAN_SHARE * (time.monotonic() - began))

    def _follow_topic(self) -> None:
        gone = False
        while not self._stopping.wait(_TOPIC_EVERY):
            try:
                topic = self._admin.topic(self.options.topic, _ASK_WITHIN)
            except TopicError:
                raise
            except Exception as error:  # noqa: BLE001  the sending thread says that the broker is away; this one tries on
                log.debug("asking for the topic: %s", error)
                continue
            if topic is None:
                if not gone:
                    log.warning("topic %s is gone; waiting until it is made again", self.options.topic)
                gone = True
                continue
            gone = False
            self._inbox.topic_is(topic)


def _watch_advice(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EMFILE):
        return (
            "the system's limit of watched folders is reached, so the folder is scanned every "
            f"{POLL_EVERY:g} s instead; raise it with: sysctl -w fs.inotify.max_user_watches=1048576 "
            "fs.inotify.max_user_instances=1024"
        )
    return f"the folder cannot be watched ({error.strerror or error}), so it is scanned every {POLL_EVERY:g} s instead"
