"""The reading of one topic as one member of a group: records in, files to the stage, offsets committed."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

from openmsistream.kafka.admin import Topic
from openmsistream.kafka.commits import Commit, Progress, stamped, unstamped
from openmsistream.kafka.consumer import BEGINNING, ChunkConsumer, Interrupted, TopicGone
from openmsistream.kafka.groups import members
from openmsistream.kafka.record import Record
from openmsistream.kafka.resuming import Extent, Resumption, resume
from openmsistream.ledger.gone import last_sent
from openmsistream.ledger.received import failure
from openmsistream.ledger.requests import answer, asked

from .losses import Losses

if TYPE_CHECKING:
    from .reader import Reader

log = logging.getLogger(__name__)

_TURN = 0.2
"""Seconds that the loop waits for a record before it looks after the rest; a record ends the wait at once."""

_BUSY_TURN = 0.05
"""The same while somebody's code runs, whose end shall be noticed soon: what came of it waits for that."""

_CARE_EVERY = 5.0
_NOTE_EVERY = 30.0
_ASK_EVERY = 1.0
"""Seconds between looks at how far the reading is behind, and at what somebody asked to be fetched again."""

_STANDS_STILL = 1.0
"""Seconds without a question to the client after which the partitions are paused and it is asked all the same, so that the
group does not miss us. Not at once: what it has fetched already it throws away at a pause."""

ASK_WITHIN = 3.0
"""Seconds that a question beside the reading may take: a stop has to wait for it."""

AT_LEAST = 0.5
"""Seconds that the last commit, and leaving the group, may take in any case."""


class Session:
    """The reading of one topic as one member of a group, until it is stopped or the topic is another one."""

    def __init__(self, reader: Reader, topic: Topic) -> None:
        assert reader.receiving is not None
        self._reader = reader
        self._options = reader.options
        self._stage = reader.stage
        self._tap = reader.purpose.tap
        self._topic_id = topic.topic_id
        self._over = False
        self._undone = False  # results did not get out: no offset may go on without them
        self._pending: deque[Record] = deque()
        self._spoke = time.monotonic()
        self._ask_members_at = float("inf")
        self._members: int | None = None
        self._asked_after = ""
        self._due = {"commit": 0.0, "care": 0.0, "ask": 0.0, "note": time.monotonic() + _NOTE_EVERY}
        self.receiving = reader.receiving
        self._losses = Losses(topic.name, reader.options.ledger_path, reader.known, reader.ledger.stream)
        self.consumer = ChunkConsumer(reader.settings.consumer.properties, reader.group, topic.name, self)
        reader.consumer = self.consumer

    def run(self) -> None:
        """Read until the end of the session; what is durable is committed then."""
        reader = self._reader
        try:
            self._read()
            if not reader.replaced.is_set():
                self._hand_in(reader.left, stopping=reader.stopping.is_set())
        except (TopicGone, Interrupted):  # a topic can seem to be gone for a moment
            self._hand_in(reader.left, stopping=reader.stopping.is_set())
            raise
        finally:
            self._over = True
            self.receiving.close_lanes(frozenset(self.receiving.lanes))
            self.consumer.close(reader.left)

    def _read(self) -> None:
        while not self._reader.stopping.is_set() and not self._reader.replaced.is_set():
            self._reader.turn()
            if self._stage.full:
                self._stage.wait_for_result(_TURN)
            elif not self._pending:
                records = self.consumer.records(_BUSY_TURN if self._stage.busy else _TURN)
                self._pending.extend(records)  # not in one: a rebalance inside it puts another queue in place of this
                self._spoke = time.monotonic()
            self._take_pending()
            self.receiving.settle()
            if self._stage.error is not None:
                raise self._stage.error
            now = time.monotonic()
            if now - self._spoke > _STANDS_STILL:
                records = self.consumer.rest()
                self._pending.extend(records)
                self._spoke = now
            self._look_after(now)

    def _take_pending(self) -> None:
        while self._pending and not self._stage.full:
            record = self._pending.popleft()
            self._losses.look_at(record)
            if self._tap is None:
                self.receiving.take(record)
            else:
                self._tap(record, self.receiving)

    def _forget_pending(self, partitions: frozenset[int]) -> None:
        """Records that were fetched and not taken: of these partitions they will be read again."""
        self._pending = deque(record for record in self._pending if record.partition not in partitions)

    def _look_after(self, now: float) -> None:
        if now >= self._due["commit"]:
            self._due["commit"] = now + self._reader.purpose.commit_every
            self._commit(self.receiving.commits())
        if now >= self._due["care"]:
            self._due["care"] = now + _CARE_EVERY
            if not self.consumer.connection.trouble:
                self.receiving.retire_silent(caught_up=self._reader.lag == 0)
            places = self.receiving.places_to_read_again()
            self._forget_pending(frozenset(places))
            for partition, offset in places.items():
                self.consumer.seek(partition, offset)
        if now >= self._due["ask"]:
            self._due["ask"] = now + _ASK_EVERY
            positions = {p: lane.progress.position for p, lane in self.receiving.lanes.items()}
            self._reader.lag = self.consumer.lag(positions) if positions else None
            self._take_requests()
            self._reader.at_work = self.receiving.at_work()
        if now >= self._due["note"]:
            self._due["note"] = now + _NOTE_EVERY
            self.receiving.note_unfinished()
        if now >= self._ask_members_at:
            self._ask_members_at = float("inf")
            self._say_members()

    def _take_requests(self) -> None:
        """Fetch again what failed and somebody asked for; what stands in partitions of other readers has to wait.

        What the topic no longer holds is taken from where it is kept. To go back there would end this session.
        """
        known, taken = self._reader.known, []
        paths = asked(known, self._asked_after)
        self._asked_after = paths[-1] if paths else ""
        rows = {path: failure(known, self._reader.ledger.stream, path) for path in paths}
        ours = self.receiving.lanes.keys() & {p for row in rows.values() if row is not None for p in row.firsts}
        held = self.consumer.extents(ours) if ours else {}
        for path, row in rows.items():
            if row is None:
                taken.append(path)
            elif any(p in held and offset < held[p].oldest for p, offset in row.firsts.items()):
                taken += [path] if self.receiving.run_kept(row) else []
            elif self.receiving.fetch_again(row):
                taken.append(path)
                log.info("%s is fetched again, as asked for", path)
        if taken:
            answer(self._options.ledger_path, taken)
            self._due["care"] = 0.0

    def _commit(self, commits: Mapping[int, Commit], *, wait: float = 0.0) -> None:
        made = {p: stamped(commit, self._topic_id) for p, commit in commits.items()}
        committing = self._reader.committing
        if committing is None:
            self.consumer.commit(made, wait=wait)
            return
        ended, self.receiving.with_results = self.receiving.with_results, []
        if not made and not ended:
            return
        try:
            committing.commit(self.consumer, made, ended, wait or self._reader.left, self.receiving.refuse)
        except BaseException:
            self._undone = True
            self.receiving.forget_ended(ended)
            raise

    def _say_members(self) -> None:
        found = members(self._reader.settings.admin.properties, self._reader.group, ASK_WITHIN)
        if found is not None and found > 1 and found != self._members:
            others = "1 other reader" if found == 2 else f"{found - 1} other readers"
            log.warning("files are shared with %s of group %s", others, self._reader.group)
        self._members = found

    # -- partitions that come and go; called inside `records` --------

    def gained(self, commits: Mapping[int, Commit | None], extents: Mapping[int, Extent]) -> Mapping[int, int | None]:
        starts: dict[int, int | None] = {}
        progress: dict[int, Progress] = {}
        elsewhere: dict[int, Resumption] = {}
        forgotten: list[int] = []
        for partition, commit in commits.items():
            if self._options.from_beginning and partition not in self._reader.rewound:
                self._reader.rewound.add(partition)
                starts[partition], progress[partition] = BEGINNING, Progress(0)
            elif commit is None:
                starts[partition], progress[partition] = None, Progress(0)
                forgotten += [partition] if self._was_read(partition) else []
            elif (ours := unstamped(commit, self._topic_id)) is None:
                starts[partition], progress[partition] = BEGINNING, Progress(0)
            else:
                resumed = resume(ours, extents[partition])
                starts[partition], progress[partition] = resumed.start, resumed.progress
                if resumed.cut or resumed.start != ours.offset:
                    elsewhere[partition] = resumed
        if forgotten:
            self._say_forgotten(forgotten)
        self._reader.tally.incomplete += self._losses.note(elsewhere)
        self.receiving.open_lanes(progress, {partition: extent.end for partition, extent in extents.items()})
        self._ask_members_at = time.monotonic() + 2.0
        log.debug("reading partitions %s", sorted(commits))
        return starts

    def _was_read(self, partition: int) -> bool:
        return last_sent(self._reader.known, self._reader.ledger.stream, partition) is not None

    def _say_forgotten(self, partitions: list[int]) -> None:
        """Where only commits say what is done, all is done again: nobody should have to guess why."""
        if self._reader.purpose.wanted.each_version:
            log.warning(
                "group %s has nothing committed for partitions %s, of which files were processed here before: they are processed "
                "again. It is another group than before, or the brokers have forgotten it: they do a week after its last "
                "member has gone (offsets.retention.minutes)", self._reader.group, partitions,
            )  # fmt: skip

    def giving_up(self, partitions: frozenset[int]) -> None:
        if not self._over:  # leaving the group; what was to be said is said, perhaps by another thread
            self._hand_in(self._reader.left, stopping=False)
            self._forget_pending(partitions)
            self.receiving.close_lanes(partitions)

    def lost(self, partitions: frozenset[int]) -> None:
        if not self._over:
            self._forget_pending(partitions)
            self.receiving.close_lanes(partitions)

    def not_committed(self, partitions: frozenset[int]) -> None:
        self.receiving.commit_again(partitions)

    def _hand_in(self, within: float, *, stopping: bool) -> None:
        """Let end what can, and commit all that is durable."""
        deadline = time.monotonic() + within
        if stopping:
            self._stage.drain(within)
        else:
            self._stage.hand_over(within)
        self.receiving.settle()
        self.receiving.note_unfinished()
        if self._undone:
            return
        self._commit(self.receiving.commits(), wait=max(AT_LEAST, deadline - time.monotonic()))
