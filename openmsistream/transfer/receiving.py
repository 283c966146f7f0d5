"""From records to whole files: which generation a record belongs to, whether it is wanted, and what may be committed.

One lane for each partition that is ours. A record is decoded at the door; what cannot be used goes to the quarantine,
what is done already is passed over, what does not fit on the disk now is set aside and fetched again.
"""

from __future__ import annotations

import logging
import re
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping

from openmsistream.files.chunk import Abandoned, Chunk
from openmsistream.files.names import BadName, local_parts
from openmsistream.files.reassembly import Contradiction
from openmsistream.files.wire import Unusable, decode
from openmsistream.kafka.commits import Commit, Progress
from openmsistream.kafka.record import Record
from openmsistream.ledger.received import IncompleteFile, ReceivedFile, ReceivedLedger, delivered

from .disk import NotAFolder, Target
from .finishing import Ending, Finished, Finisher, ending_of, is_newer, received
from .incoming import Incoming
from .lanes import REMEMBERED, Aside, Lane, Tally
from .rejected import Rejected
from .space import Fit, Space

log = logging.getLogger(__name__)


class Receiving:
    """All lanes of one reader of one topic. Used by one thread.

    `known` is a connection of its own for looking things up while the finishing threads write. `give_up_after` seconds
    without a new chunk a generation is retired.
    """

    def __init__(
        self,
        ledger: ReceivedLedger,
        known: sqlite3.Connection,
        target: Target,
        space: Space,
        finisher: Finisher,
        tally: Tally,
        *,
        regex: re.Pattern[str] | None,
        give_up_after: float,
    ) -> None:
        self.lanes: dict[int, Lane] = {}
        self.tally = tally
        self._ledger = ledger
        self._known = known
        self._target = target
        self._space = space
        self._finisher = finisher
        self._regex = regex
        self._give_up_after = give_up_after
        self._earlier = {row.generation: row for row in ledger.incomplete()}
        self._finishing_paths: dict[str, Incoming] = {}
        self._rejected = Rejected(finisher.record_quarantine)
        self._headless: OrderedDict[str, None] = OrderedDict()

    # -- partitions that come and go --------

    def open_lanes(self, progress: Mapping[int, Progress]) -> None:
        for partition, reached in progress.items():
            self.lanes[partition] = Lane(partition, reached)

    def close_lanes(self, partitions: frozenset[int]) -> None:
        """Forget these partitions; what is unfinished of them is read again by whoever has them next."""
        for partition in partitions:
            lane = self.lanes.pop(partition, None)
            if lane is not None:
                for incoming in lane.incoming.values():
                    incoming.discard(self._target)

    # -- records -------------------------------------------------------------------------------------

    def take(self, record: Record) -> None:
        """Deal with one record."""
        lane = self.lanes.get(record.partition)
        if lane is None:
            return
        self.tally.records += 1
        try:
            said = decode(record.key, record.value, record.headers)
            if isinstance(said, Abandoned):
                self._abandoned(lane, said)
            else:
                self._chunk(lane, record, said)
        except Unusable as bad:
            if not lane.passes_over(record.offset):
                self._put_in_quarantine(record, str(bad))
        lane.progress.saw(record.offset)
        self._miss_sought(lane, record.offset)
        self._target.trim()

    def _chunk(self, lane: Lane, record: Record, chunk: Chunk) -> None:
        incoming = lane.incoming.get(chunk.generation)
        if incoming is None:
            incoming = self._begin(lane, record, chunk)
            if incoming is None:
                return
        try:
            if not incoming.add(chunk, self._target):
                return
        except Contradiction as error:
            self._put_in_quarantine(record, str(error))
            return
        except NotAFolder as error:
            self._fail(lane, incoming, str(error.strerror))
            return
        except OSError as error:
            self._write_failed(lane, incoming, error)
            return
        self.tally.chunk_bytes += len(chunk.data)
        if record.offset > incoming.last_offset or not incoming.last_news:
            incoming.last_offset, incoming.last_news = record.offset, time.time()
        if incoming.reassembly.complete:
            self._submit(lane, incoming)
        elif incoming.fd >= 0:
            self._finisher.write_back(incoming)

    def _begin(self, lane: Lane, record: Record, chunk: Chunk) -> Incoming | None:
        """Begin a generation with its first record; None when it is not wanted, not now, or not possible."""
        generation, progress = chunk.generation, lane.progress
        if generation in lane.finishing or generation in lane.finished or lane.passes_over(record.offset):
            return None
        aside = lane.aside.get(generation)
        if aside is not None and aside.first_offset != record.offset:
            return None
        lane.sought.discard(generation)
        if self._regex is not None and not self._regex.match(chunk.path):
            return None
        if record.offset not in progress.open and not self._make_room_for_another(lane):
            progress.hold(record.offset)
            return None
        there = delivered(self._known, self._ledger.stream, chunk.path)
        if there is not None and there.generation == generation:
            lane.done(generation, record.offset)
            return None
        earlier = self._earlier.get(generation)
        if earlier is not None and earlier.retired and earlier.first_offset < record.offset:
            return None
        if chunk.index > 0:
            self._note_headless(lane, record, chunk)
            return None
        return self._make(lane, record, chunk, there)

    def _make(self, lane: Lane, record: Record, chunk: Chunk, there: ReceivedFile | None) -> Incoming | None:
        try:
            parts = local_parts(chunk.path)
        except BadName as bad:
            parts, problem = ("",), str(bad)
        else:
            problem = ""
        incoming = Incoming(chunk, parts, record.partition, record.offset, record.timestamp_ms)
        if there is not None and not is_newer(incoming, there):
            if there.partition != incoming.partition:
                log.info(
                    "%s: a version in partition %d is older by its time; passed over", chunk.path, record.partition
                )
            lane.done(chunk.generation, record.offset)
            return None
        lane.progress.begin(record.offset)
        if problem:
            self._fail(lane, incoming, problem)
            return None
        fit = self._space.fit(chunk.size, self._promised)
        if fit is Fit.NEVER:
            self._fail(lane, incoming, f"it is larger than this disk ({chunk.size} bytes)")
            return None
        if fit is Fit.LATER:
            self._set_aside(lane, incoming, self._space.lacking(chunk.size))
            return None
        lane.aside.pop(chunk.generation, None)
        earlier = self._earlier.get(chunk.generation)
        if earlier is not None:
            incoming.last_offset, incoming.last_news = earlier.last_offset, earlier.last_news
        lane.incoming[chunk.generation] = incoming
        return incoming

    def _make_room_for_another(self, lane: Lane) -> bool:
        """A commit can name so many unfinished generations: wait for some that are finishing; False when that cannot help."""
        while lane.progress.full:
            if not lane.finishing or not self._finisher.wait_for_result(60.0):
                return False
            self.settle()
            if self._finisher.error is not None:
                return False
        return True

    def _promised(self) -> Iterator[int]:
        for lane in self.lanes.values():
            for incoming in (*lane.incoming.values(), *lane.finishing.values()):
                yield incoming.still_to_come

    # -- ends ----------------------------------------------------------------------------------------

    def _submit(self, lane: Lane, incoming: Incoming) -> None:
        """All chunks have come: have it finished, after any other generation of its path that is being finished."""
        while incoming.path in self._finishing_paths and self._finisher.error is None:
            self._finisher.wait_for_result(1.0)
            self.settle()
        if lane.incoming.pop(incoming.generation, None) is None:
            return  # what was waited for was a newer version, and this one is given up
        lane.finishing[incoming.generation] = incoming
        self._finishing_paths[incoming.path] = incoming
        self._finisher.submit(incoming)

    def settle(self) -> None:
        """Take note of what the finishing threads have done."""
        for finished in self._finisher.results():
            self._settle(finished)

    def _settle(self, finished: Finished) -> None:
        incoming = finished.incoming
        self._finishing_paths.pop(incoming.path, None)
        if finished.ending in (Ending.DELIVERED, Ending.UNCHANGED):
            self.tally.finished(incoming.path, incoming.size)
            self.tally.unchanged += finished.ending is Ending.UNCHANGED
        elif finished.ending is Ending.FAILED:
            self._say_failed(incoming.path, finished.reason)
        lane = self.lanes.get(incoming.partition)
        if lane is None or lane.finishing.get(incoming.generation) is not incoming:
            return  # its partition was given up meanwhile
        if finished.ending is Ending.LATER:
            del lane.finishing[incoming.generation]
            self._set_aside(lane, incoming, finished.reason)
            return
        lane.done(incoming.generation, incoming.first_offset)
        self._earlier.pop(incoming.generation, None)
        if finished.ending in (Ending.DELIVERED, Ending.UNCHANGED):
            self._retire_older(lane, incoming)

    def _retire_older(self, lane: Lane, newer: Incoming) -> None:
        """A newer version of this path is there: older ones that are unfinished are waited for no longer."""
        older = [i for i in lane.incoming.values() if i.path == newer.path and is_newer(newer, i)]
        for incoming in older:
            self._retire(lane, incoming)
            log.info("%s: an unfinished older version was replaced by a newer one", incoming.path)
        for generation, aside in list(lane.aside.items()):
            if aside.path == newer.path and aside.first_offset < newer.first_offset:
                lane.done(generation, aside.first_offset)

    def _retire(self, lane: Lane, incoming: Incoming) -> None:
        """Wait no longer for it, and remember so: its first chunk, sent again, must not make it the newest of its path."""
        row = _row(incoming, retired=True)
        self._earlier[row.generation] = row
        self._finisher.record_incomplete([row])
        incoming.discard(self._target)
        lane.done(incoming.generation, incoming.first_offset)

    def _abandoned(self, lane: Lane, said: Abandoned) -> None:
        incoming = lane.incoming.get(said.generation)
        aside = lane.aside.get(said.generation)
        if incoming is not None:
            self._drop(lane, incoming)
        elif aside is not None:
            lane.done(said.generation, aside.first_offset)

    def _drop(self, lane: Lane, incoming: Incoming) -> None:
        incoming.discard(self._target)
        lane.done(incoming.generation, incoming.first_offset)
        if incoming.generation in self._earlier:
            self._finisher.forget_incomplete(incoming.generation)

    def _fail(self, lane: Lane, incoming: Incoming, reason: str) -> None:
        """This generation cannot be delivered here: listed with its reason; it holds no offset."""
        self._finisher.record([received(incoming, reason)])
        incoming.discard(self._target)
        lane.done(incoming.generation, incoming.first_offset)
        self._say_failed(incoming.path, reason)

    def _say_failed(self, path: str, reason: str) -> None:
        self.tally.failed[path] = reason
        log.error("%s was not delivered: %s", path, reason)

    def _write_failed(self, lane: Lane, incoming: Incoming, error: OSError) -> None:
        ending = ending_of(error)
        if ending is Ending.LATER:
            incoming.discard(self._target)
            del lane.incoming[incoming.generation]
            self._set_aside(lane, incoming, error.strerror or str(error))
        else:
            self._fail(lane, incoming, error.strerror or str(error))

    def _set_aside(self, lane: Lane, incoming: Incoming, reason: str) -> None:
        if incoming.generation not in lane.aside:
            log.warning("%s is set aside and will be fetched again: %s", incoming.path, reason)
        lane.aside[incoming.generation] = Aside(incoming.first_offset, incoming.size, incoming.path)

    def _miss_sought(self, lane: Lane, offset: int) -> None:
        """Give up what was to be fetched again and is no longer in the topic: reading has come past its place."""
        for generation in [g for g in lane.sought if g not in lane.aside or lane.aside[g].first_offset < offset]:
            lane.sought.discard(generation)
            aside = lane.aside.get(generation)
            if aside is None:
                continue
            self._cannot_be_completed(
                IncompleteFile(
                    lane.partition, aside.first_offset, generation, aside.path, aside.first_offset, time.time(), True,
                    "all of it (no longer in the topic)",
                )
            )  # fmt: skip
            lane.done(generation, aside.first_offset)

    def _note_headless(self, lane: Lane, record: Record, chunk: Chunk) -> None:
        """The first chunks of this generation are gone from the topic (or were never in it): it can never be complete."""
        if chunk.generation in self._headless:
            return
        self._headless[chunk.generation] = None
        if len(self._headless) > REMEMBERED:
            self._headless.popitem(last=False)
        missing = f"chunks 0-{chunk.index - 1} (no longer in the topic)"
        self._cannot_be_completed(
            IncompleteFile(
                record.partition, record.offset, chunk.generation, chunk.path, record.offset, time.time(), True, missing
            )
        )

    def _cannot_be_completed(self, row: IncompleteFile) -> None:
        self.tally.incomplete += 1
        log.warning("%s cannot be completed: %s missing", row.path, row.missing)
        self._finisher.record_incomplete([row])

    def _put_in_quarantine(self, record: Record, reason: str) -> None:
        self.tally.quarantined += 1
        self._rejected.add(record, reason)

    # -- from time to time -----------------------------------------------------------------------------

    def commits(self) -> dict[int, Commit]:
        """What may be committed now, for the partitions where that has changed; all of it is durable."""
        self._rejected.write()
        found = {}
        for partition, lane in self.lanes.items():
            commit = lane.progress.commit()
            if commit not in (lane.committed, Commit(0, "")):
                found[partition] = lane.committed = commit
        return found

    def commit_again(self, partitions: frozenset[int]) -> None:
        """What was last given out to be committed for these did not reach the broker."""
        for partition in partitions & self.lanes.keys():
            self.lanes[partition].committed = None

    def retire_silent(self) -> None:
        """Wait no longer for generations of which nothing has come for long: they are listed with what is missing."""
        now = time.time()
        for lane in self.lanes.values():
            for incoming in list(lane.incoming.values()):
                if now - incoming.last_news > self._give_up_after:
                    self.tally.incomplete += 1
                    log.warning("%s is given up: %s missing", incoming.path, incoming.reassembly.missing())
                    self._retire(lane, incoming)

    def note_unfinished(self) -> None:
        """Write down what is unfinished and since when, so that a restart does not begin its patience anew."""
        rows = [_row(i, retired=False) for lane in self.lanes.values() for i in lane.incoming.values()]
        self._finisher.record_incomplete(rows)
        self._earlier.update((row.generation, row) for row in rows)

    def places_to_read_again(self) -> dict[int, int]:
        """Where to go back to in each partition: for what was set aside and fits now, or was held back."""
        places: dict[int, int] = {}
        for lane in self.lanes.values():
            if lane.progress.held is not None and not lane.progress.full:
                places[lane.partition] = lane.progress.resume()
            for aside in sorted(lane.aside.values(), key=lambda a: a.first_offset):
                if self._space.would_fit(aside.size, self._promised):
                    places[lane.partition] = min(aside.first_offset, places.get(lane.partition, aside.first_offset))
                    break
            if lane.partition in places:
                lane.sought = {g for g, a in lane.aside.items() if a.first_offset >= places[lane.partition]}
        return places

    @property
    def unfinished(self) -> list[Incoming]:
        """The files in several chunks that are on their way."""
        return [i for lane in list(self.lanes.values()) for i in list(lane.incoming.values())]


def _row(incoming: Incoming, *, retired: bool) -> IncompleteFile:
    return IncompleteFile(
        incoming.partition, incoming.first_offset, incoming.generation, incoming.path, incoming.last_offset,
        incoming.last_news, retired, incoming.reassembly.missing(),
    )  # fmt: skip
