"""From records to whole files: which generation a record belongs to, whether it is wanted, and what may be committed.

One lane for each partition that is ours. A record is decoded at the door; what cannot be used goes to the quarantine,
what is done already is passed over, what does not fit on the disk now is set aside and fetched again. A file in the
native form lies in one partition; one that OpenMSIStream's producers sent may be scattered over all of them, and holds
the offset of each until it is whole.
"""

from __future__ import annotations

import logging
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from openmsistream.files.chunk import Abandoned, Chunk, is_named_by_content
from openmsistream.files.names import BadName, local_parts
from openmsistream.files.reassembly import Contradiction
from openmsistream.files.wire import Unusable, decode
from openmsistream.kafka.commits import Commit, Progress
from openmsistream.kafka.record import Record
from openmsistream.ledger.received import ReceivedFile, delivered

from .aside import Aside, SetAside
from .disk import NotAFolder, Target
from .finishing import ending_of, place_of, received
from .incoming import AtWork, Incoming
from .incomplete import Incomplete
from .lanes import Lane, Lately, Tally
from .order import Place, is_newer
from .rejected import Rejected
from .rows import Rows
from .space import Fit, Space
from .stage import Ending, Finished, Stage
from .wanted import NEWEST, Wanted

log = logging.getLogger(__name__)

_ROOM_WITHIN = 2.0
"""Seconds that receiving waits for one of too many files to be finished; then it goes back for the rest later."""


_AGAIN = "to be tried again"

_NOT_KNOWN = 1 << 62
"""When the last record of a file was sent that failed with its first: its others are on their way, and not wanted."""


class Receiving:
    """All lanes of one reader of one topic. Used by one thread.

    `known` is a connection of its own for looking things up while the finishing threads write. `give_up_after` seconds
    without a new chunk a generation is retired. `partitions` is how many the topic has. `wanted` says which versions are
    handed to the stage, and where their bytes are kept until then.
    """

    def __init__(
        self,
        rows: Rows,
        known: sqlite3.Connection,
        target: Target,
        space: Space,
        stage: Stage,
        tally: Tally,
        *,
        regex: re.Pattern[str] | None,
        give_up_after: float,
        partitions: int = 1,
        wanted: Wanted = NEWEST,
    ) -> None:
        self.lanes: dict[int, Lane] = {}
        self.tally = tally
        self.partitions = partitions
        self.stream = rows.ledger.stream
        self.with_results: list[Finished] = []
        self._rows = rows
        self._known = known
        self._target = target
        self._space = space
        self._stage = stage
        self._wanted = wanted
        self._regex = regex
        self._give_up_after = give_up_after
        self._incoming: dict[str, Incoming] = {}
        self._finishing: dict[str, Incoming] = {}
        self._finishing_paths: dict[str, Incoming] = {}
        self._aside = SetAside()
        self._lately = Lately()
        self._early: list[Finished] = []
        self._ended: list[ReceivedFile] = []
        self._incomplete = Incomplete(rows, tally)
        self._rejected = Rejected(rows.quarantine)
        self._said_scattered = False

    # -- partitions that come and go --------

    def open_lanes(self, progress: Mapping[int, Progress], ends: Mapping[int, int] | None = None) -> None:
        """These partitions are ours; `ends` are the offsets at which their logs end now."""
        for partition, reached in progress.items():
            self.lanes[partition] = Lane(partition, reached, end=(ends or {}).get(partition, 0))
        for generation, incoming in list(self._finishing.items()):
            for partition in incoming.firsts.keys() & progress.keys():
                if progress[partition].is_done(incoming.firsts[partition]):  # by whoever had the partition meanwhile
                    self._finishing.pop(generation, None)

    def close_lanes(self, partitions: frozenset[int]) -> None:
        """Forget these partitions; what is unfinished of them is read again by whoever has them next.

        Of a scattered file what came from other partitions is kept: they may come back.
        """
        for partition in partitions:
            self.lanes.pop(partition, None)
        for generation, incoming in list(self._incoming.items()):
            for partition in partitions:
                incoming.firsts.pop(partition, None)
            if not incoming.firsts:
                incoming.discard(self._target)
                del self._incoming[generation]
        for generation, incoming in list(self._finishing.items()):
            if self.lanes.keys().isdisjoint(incoming.firsts) and not self._stage.still_runs(incoming):
                del self._finishing[generation]
                if self._wanted.each_version:
                    incoming.discard(self._target)
        self._aside.close(partitions)
        for finished in [f for f in self.with_results if partitions & f.incoming.firsts.keys()]:
            self.with_results.remove(finished)  # whoever has its partition now has a result of its own
            self.tally.taken_back(finished.incoming.size)
            self._lately.forget(finished.incoming.generation)

    def forget_ended(self, ended: Iterable[Finished]) -> None:
        """Results did not get out: what ended lately is done only as far as the group's commits say so."""
        for finished in (*ended, *self.with_results):
            self.tally.taken_back(finished.incoming.size)
        self.with_results, self._ended, self._early = [], [], []
        self._lately = Lately()

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
                self._abandoned(said)
            else:
                self._chunk(lane, record, said)
        except Unusable as bad:
            if not lane.passes_over(record.offset):
                self._put_in_quarantine(record, str(bad))
        lane.progress.saw(record.offset)
        self._miss_sought(lane, record.offset)
        self._target.trim()

    def pass_over(self, record: Record, rejected: str = "") -> None:
        """Somebody's code has dealt with this record, or cannot use it: `rejected` says why."""
        lane = self.lanes.get(record.partition)
        if lane is not None:
            self.tally.records += 1
            if rejected and not lane.passes_over(record.offset):
                self._put_in_quarantine(record, rejected.encode("utf-8", "backslashreplace").decode())
            lane.progress.saw(record.offset)

    def _chunk(self, lane: Lane, record: Record, chunk: Chunk) -> None:
        incoming = self._incoming.get(chunk.generation)
        if incoming is None:
            incoming = self._begin(lane, record, chunk)
            if incoming is None:
                return
        elif record.partition not in incoming.firsts and not self._joins(lane, record, incoming):
            return
        try:
            new = incoming.add(chunk, self._target)
            if incoming.scatters:
                incoming.met(record.partition, record.offset, record.timestamp_ms, new=new)
            if not new:
                return
        except Contradiction as error:
            self._put_in_quarantine(record, str(error))
            return
        except NotAFolder as error:
            self._fail(incoming, str(error.strerror))
            return
        except OSError as error:
            self._write_failed(incoming, error)
            return
        self.tally.chunk_bytes += len(chunk.data)
        incoming.heard(record.partition, record.offset, record.timestamp_ms, time.time())
        if incoming.reassembly.complete:
            self._submit(incoming)
        elif incoming.fd >= 0:
            self._stage.write_back(incoming, self._target)

    def _joins(self, lane: Lane, record: Record, incoming: Incoming) -> bool:
        """Note that a file which has begun has records in this partition too; False when they are to be read later."""
        if not lane.passes_over(record.offset):
            if not self._make_room_for_another(lane):
                lane.progress.hold(record.offset)
                return False
            if incoming.given_up:  # replaced by a newer version while there was waited for room
                return False
            lane.progress.begin(record.offset)
        elif lane.progress.held is not None and record.offset >= lane.progress.held:
            return False
        incoming.firsts[record.partition] = record.offset
        self._note_scattered()
        return True

    def _begin(self, lane: Lane, record: Record, chunk: Chunk) -> Incoming | None:
        """Begin a generation with its first record; None when it is not wanted, not now, or not possible."""
        generation, offset, progress = chunk.generation, record.offset, lane.progress
        finishing = self._finishing.get(generation)
        if finishing is not None and finishing.scatters:
            finishing.met(record.partition, offset, record.timestamp_ms, new=False)
        if finishing is not None or lane.passes_over(offset):
            if (
                finishing is not None
                and finishing.firsts.get(record.partition) == offset
                and not lane.passes_over(offset)
            ):
                progress.begin(offset)  # the partition was away meanwhile
            return None
        aside = self._aside.get(generation)
        if aside is not None and not self._aside.begins_with(generation, record.partition, offset):
            if record.partition not in aside.firsts and progress.full:
                progress.hold(offset)
            elif record.partition not in aside.firsts:
                self._aside.note(generation, record.partition, offset)
                progress.begin(offset)
            return None
        if self._regex is not None and not self._regex.match(chunk.path):
            return None
        if not self._is_wanted(record, chunk):
            return None
        if offset not in progress.open and not self._make_room_for_another(lane):
            progress.hold(offset)
            return None
        there = self._ledger_row(chunk.path)
        if there is not None and there.generation == generation and self._was_done(record, chunk, there):
            if is_named_by_content(generation):
                sent = record.timestamp_ms
                self._sent_once_more(there, Place(record.partition, offset, sent, sent, there.mtime_ns))
            self._done(generation, {record.partition: offset}, last_sent=there.last_timestamp_ms)
            return None
        if chunk.index > 0 and not is_named_by_content(generation):
            self._incomplete.headless(record, chunk)
            return None
        return self._make(lane, record, chunk, there)

    def _was_done(self, record: Record, chunk: Chunk, there: ReceivedFile) -> bool:
        """The ledger says that this generation has ended well: is it so, and is nothing to be done again?

        Where each version is wanted only what was committed decides, and the ledger merely tells which one that was: a row
        may stand there although its result never left.
        """
        if not self._wanted.each_version:
            return chunk.index > 0 or self._stands(there)
        lane = self.lanes.get(there.partition)
        if lane is None or not lane.progress.is_done(there.first_offset):
            return False
        return (record.partition, record.offset) != (there.partition, there.first_offset)

    def _is_wanted(self, record: Record, chunk: Chunk) -> bool:
        """Is this not a chunk, sent again or late, of what has ended?

        A version in the native form ends once. One in the msgpack form may return, and then all of it is sent again.
        """
        generation = chunk.generation
        retired = self._incomplete.is_retired(generation, record.offset)
        if not is_named_by_content(generation):
            return generation not in self._lately and not retired
        given_up_at = self._lately.given_up_at(generation)
        if given_up_at is not None:
            return chunk.index == 0 or record.timestamp_ms > given_up_at
        if not retired:
            return True
        there = self._ledger_row(chunk.path)
        return chunk.index == 0 or (there is not None and record.timestamp_ms > there.last_timestamp_ms)

    def _ledger_row(self, path: str) -> ReceivedFile | None:
        """What was last delivered under this path."""
        return delivered(self._known, self.stream, path)

    def _sent_once_more(self, there: ReceivedFile, place: Place) -> None:
        """What stands in the folder was sent once more, here: what was sent between the two is older now."""
        if is_newer(place, place_of(there)):
            again = replace(
                there, partition=place.partition, first_offset=place.first_offset, timestamp_ms=place.timestamp_ms,
                last_timestamp_ms=max(there.last_timestamp_ms, place.last_timestamp_ms), elsewhere=None,
            )  # fmt: skip
            self._rows.record([again])
            self._retire_older(there.path, place_of(again))

    def _stands(self, there: ReceivedFile) -> bool:
        """Is this version still what the folder holds? In the native form nobody asks: it is never sent a second time."""
        if not is_named_by_content(there.generation):
            return True
        if there.path in self._finishing_paths or any(i.path == there.path for i in self._incoming.values()):
            return False
        try:
            parts = local_parts(there.path)
            return self._target.size_of(self._target.folder(parts[:-1]), parts[-1]) == there.size
        except (BadName, OSError):
            return False

    def _make(self, lane: Lane, record: Record, chunk: Chunk, there: ReceivedFile | None) -> Incoming | None:
        try:
            parts = local_parts(chunk.path)
        except BadName as bad:
            parts, problem = ("",), str(bad)
        else:
            problem = ""
        incoming = Incoming(
            chunk, parts if self._wanted.kept else parts[-1:], record.partition, record.offset, record.timestamp_ms,
            self._wanted.memory,
        )  # fmt: skip
        aside = self._aside.pop(chunk.generation)
        if aside is not None:
            incoming.firsts |= aside.firsts
            incoming.again = aside.reason == _AGAIN
        if not self._wanted.each_version and there is not None and not is_newer(incoming.place, place_of(there)):
            if there.partition != incoming.partition:
                log.info(
                    "%s: a version in partition %d is older by its time; passed over", chunk.path, record.partition
                )
            self._done(chunk.generation, incoming.firsts, last_sent=there.last_timestamp_ms)
            return None
        lane.progress.begin(record.offset)
        if problem:
            self._fail(incoming, problem)
            return None
        fit = Fit.NOW if self._needs_no_disk(incoming) else self._space.fit(incoming.size, self._promised)
        if fit is Fit.NEVER:
            self._fail(incoming, f"it is larger than this disk ({incoming.size} bytes)")
            return None
        if fit is Fit.LATER:
            self._set_aside(incoming, self._space.lacking(incoming.size), again=aside is not None)
            incoming.discard(self._target)
            return None
        earlier = self._incomplete.get(chunk.generation)
        if earlier is not None and not earlier.retired:
            incoming.last_offset, incoming.last_news = earlier.last_offset, earlier.last_news
        self._incoming[chunk.generation] = incoming
        if chunk.index > 0:
            self._note_scattered()
        return incoming

    def _needs_no_disk(self, incoming: Incoming) -> bool:
        return not self._wanted.kept and incoming.in_memory

    def _make_room_for_another(self, lane: Lane) -> bool:
        """A commit can name so many unfinished generations: wait for some that are finishing; False when that cannot help."""
        deadline = time.monotonic() + _ROOM_WITHIN
        while lane.progress.full:
            left = deadline - time.monotonic()  # files of other partitions may go on ending for hours
            if not self._finishing or left <= 0 or not self._stage.wait_for_result(left):
                self._say_full(lane)
                return False
            self.settle()
            if self._stage.error is not None:
                return False
        return True

    def _say_full(self, lane: Lane) -> None:
        if not lane.said_full:
            lane.said_full = True
            log.warning(
                "partition %d: %d files have begun and none of them has ended, so no others are begun there for now; "
                "openmsistream status names them", lane.partition, len(lane.progress.open),
            )  # fmt: skip

    def _promised(self) -> Iterator[int]:
        for incoming in (*self._incoming.values(), *self._finishing.values()):
            yield incoming.still_to_come

    def _note_scattered(self) -> None:
        """Say what to do when files are scattered over partitions of which others have some: nobody can put them together."""
        if not self._said_scattered and len(self.lanes) < self.partitions:
            self._said_scattered = True
            log.warning(
                "files in this topic are scattered over its partitions, as OpenMSIStream 1.x sends them, and other readers of "
                "this group have %d of the %d: such files are not put together, and nothing of them is given up. Run one "
                "reader in the group, or give each a --consumer_group_id of its own",
                self.partitions - len(self.lanes), self.partitions,
            )  # fmt: skip

    # -- ends ----------------------------------------------------------------------------------------

    def _done(self, generation: str, firsts: Mapping[int, int], *, last_sent: int = 0, delivered: bool = True) -> None:
        """This generation needs nothing more, and holds no offset; its last record was sent at `last_sent`, in ms."""
        self._incoming.pop(generation, None)
        self._finishing.pop(generation, None)
        self._aside.pop(generation)
        for partition, offset in firsts.items():
            if partition in self.lanes:
                self.lanes[partition].progress.finish(offset)
        self._lately.note(generation, last_sent, delivered=delivered)

    def _submit(self, incoming: Incoming) -> None:
        """All chunks have come: have it finished, after any other generation of its path that is being finished."""
        while incoming.path in self._finishing_paths and self._stage.error is None and not self._wanted.each_version:
            self._stage.wait_for_result(1.0)
            self.settle()
        if self._incoming.pop(incoming.generation, None) is None:
            return  # what was waited for was a newer version, and this one is given up
        if incoming.again and self._newer_is_at_work(incoming.path, incoming.place):
            incoming.discard(self._target)
            self._done(incoming.generation, incoming.firsts, last_sent=incoming.last_timestamp_ms, delivered=False)
            return
        self._finishing[incoming.generation] = incoming
        if not self._wanted.each_version:
            self._finishing_paths[incoming.path] = incoming
        self._stage.submit(incoming)

    def settle(self) -> None:
        """Take note of what the stage has done."""
        early, self._early = self._early, []
        for finished in (*early, *self._stage.results()):
            if self._wanted.each_version:
                self._settle_each(finished)
            else:
                self._settle(finished)

    def _settle_each(self, finished: Finished) -> None:
        """As `_settle`, where nothing but a commit says that a version is done: its row is written right before that."""
        incoming = finished.incoming
        firsts = {p: offset for p, offset in incoming.firsts.items() if p in self.lanes}
        if self._finishing.get(incoming.generation) is not incoming or not firsts:
            self._finishing.pop(incoming.generation, None)
            incoming.discard(self._target)  # whoever has its partitions now runs it again
            return
        if any(self.lanes[p].progress.position <= offset for p, offset in firsts.items()):
            self._early.append(finished)  # a commit could not say yet that it is done
            return
        if finished.ending is Ending.LATER:
            del self._finishing[incoming.generation]
            incoming.discard(self._target)
            self._set_aside(incoming, finished.reason)
            return
        failed = finished.ending is Ending.FAILED
        self._ended.append(received(incoming, finished.reason if failed else None, finished))
        if failed:
            self._say_failed(incoming.path, finished.reason)
        else:
            self.tally.finished(incoming.path, incoming.size)
            if finished.result is not None:
                self.with_results.append(finished)
        incoming.discard(self._target)
        self._end(incoming, delivered=not failed)
        self._incomplete.delivered(incoming.generation)
        if not failed:
            self._retire_older(incoming.path, incoming.place)

    def _settle(self, finished: Finished) -> None:
        incoming = finished.incoming
        if self._finishing_paths.get(incoming.path) is incoming:
            del self._finishing_paths[incoming.path]
        delivered = finished.ending in (Ending.DELIVERED, Ending.UNCHANGED)
        if delivered:
            self.tally.finished(incoming.path, incoming.size)
            self.tally.unchanged += finished.ending is Ending.UNCHANGED
        elif finished.ending is Ending.FAILED:
            self._say_failed(incoming.path, finished.reason)
        if self._finishing.get(incoming.generation) is not incoming:
            return  # its partitions were given up meanwhile
        if finished.ending is Ending.LATER:
            del self._finishing[incoming.generation]
            self._set_aside(incoming, finished.reason)
            return
        self._end(incoming, delivered=finished.ending is not Ending.FAILED)
        self._incomplete.delivered(incoming.generation)
        if delivered:
            there = self._ledger_row(incoming.path)
            if incoming.scatters and there is not None and there.generation == incoming.generation:
                self._sent_once_more(there, incoming.place)
            self._retire_older(incoming.path, incoming.place)

    def _end(self, incoming: Incoming, *, delivered: bool = False) -> None:
        self._done(incoming.generation, incoming.firsts, last_sent=incoming.last_timestamp_ms, delivered=delivered)

    def _retire_older(self, path: str, place: Place) -> None:
        """A newer version of this path is there: older ones that are unfinished are waited for no longer."""
        for incoming in [i for i in self._incoming.values() if i.path == path and is_newer(place, i.place)]:
            self._retire(incoming)
            log.info("%s: an unfinished older version was replaced by a newer one", incoming.path)
        for generation, aside in self._aside:
            if aside.path == path and is_newer(place, aside.place):
                self._done(generation, aside.firsts, last_sent=aside.place.last_timestamp_ms, delivered=False)

    def _retire(self, incoming: Incoming) -> None:
        self._incomplete.retire(incoming)
        incoming.discard(self._target)
        self._end(incoming)

    def _abandoned(self, said: Abandoned) -> None:
        incoming = self._incoming.get(said.generation)
        aside = self._aside.get(said.generation)
        if incoming is not None:
            incoming.discard(self._target)
            self._end(incoming)
            self._incomplete.abandoned(incoming.generation)
        elif aside is not None:
            self._done(said.generation, aside.firsts, delivered=False)

    def _fail(self, incoming: Incoming, reason: str) -> None:
        """This generation cannot be delivered here: listed with its reason; it holds no offset."""
        self._rows.record([received(incoming, reason)])
        incoming.discard(self._target)
        self._done(incoming.generation, incoming.firsts, last_sent=_NOT_KNOWN, delivered=False)
        self._say_failed(incoming.path, reason)

    def refuse(self, finished: Finished, reason: str) -> None:
        """The result of this file was not taken: the file has failed after all."""
        row = replace(finished, ending=Ending.FAILED, reason=reason, kind="producing_message_failed")
        self._rows.take_back(received(finished.incoming, reason, row))
        self.tally.taken_back(finished.incoming.size)
        self._say_failed(finished.incoming.path, reason)

    def _say_failed(self, path: str, reason: str) -> None:
        self.tally.has_failed(path, reason)
        log.error("%s %s: %s", path, "has failed" if self._wanted.each_version else "was not delivered", reason)

    def _write_failed(self, incoming: Incoming, error: OSError) -> None:
        reason = error.strerror or str(error)
        if ending_of(error) is Ending.LATER:
            incoming.discard(self._target)
            del self._incoming[incoming.generation]
            self._set_aside(incoming, reason)
        else:
            self._fail(incoming, reason)

    def _set_aside(self, incoming: Incoming, reason: str, *, again: bool = False) -> None:
        if not again:
            log.warning("%s is set aside and will be fetched again: %s", incoming.path, reason)
        firsts = {p: offset for p, offset in incoming.firsts.items() if p in self.lanes}
        if firsts:
            self._aside.put(incoming.generation, Aside(incoming.path, incoming.size, incoming.place, firsts, reason))

    def _miss_sought(self, lane: Lane, offset: int) -> None:
        """Give up what was to be fetched again and is no longer in the topic: reading has come past its place."""
        for generation, aside in self._aside.missed(lane.partition, offset):
            self._incomplete.gone(lane.partition, aside.firsts[lane.partition], generation, aside.path, "all of it")
            self._done(generation, aside.firsts, delivered=False)

    def _put_in_quarantine(self, record: Record, reason: str) -> None:
        self.tally.quarantined += 1
        self._rejected.add(record, reason)

    # -- from time to time -----------------------------------------------------------------------------

    def commits(self) -> dict[int, Commit]:
        """What may be committed now, for the partitions where that has changed; all of it is durable."""
        self._rejected.write()
        ended, self._ended = self._ended, []
        self._rows.record(ended)
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

    def retire_silent(self, *, caught_up: bool = False) -> None:
        """Wait no longer for generations of which nothing has come for long: they are listed with what is missing.

        Only where reading has come to where the log ended when the partition became ours: what is missing may stand
        further on. `caught_up`: everything has been read. A scattered file of which others have some partitions is kept.
        """
        now = time.time()
        for incoming in list(self._incoming.values()):
            if now - incoming.last_news <= self._give_up_after:
                continue
            if incoming.scatters and len(self.lanes) < self.partitions:
                continue
            if caught_up or all(self.lanes[p].at_end for p in incoming.firsts if p in self.lanes):
                self._incomplete.silent(incoming)
                self._retire(incoming)

    def note_unfinished(self) -> None:
        """Write down what is unfinished and since when, so that a restart does not begin its patience anew."""
        self._incomplete.note(self._incoming.values())

    def places_to_read_again(self) -> dict[int, int]:
        """Where to go back to in each partition: for what was set aside and fits now, or was held back."""
        held = {
            partition: lane.progress.resume()
            for partition, lane in self.lanes.items()
            if lane.progress.held is not None and not lane.progress.full
        }
        return self._aside.places(held, lambda size: self._space.would_fit(size, self._promised))

    def _is_free(self, row: ReceivedFile) -> bool:
        """May this file, which failed, be tried again now? It is not at work, and all its partitions are ours."""
        is_at_work = row.generation in self._incoming or row.generation in self._finishing
        return (
            not (is_at_work or self._newer_is_at_work(row.path, place_of(row)))
            and row.firsts.keys() <= self.lanes.keys()
        )

    def _newer_is_at_work(self, path: str, place: Place) -> bool:
        """Is a newer version with the stage? Behind that one, an older one that is tried again would come out last."""
        return any(i.path == path and is_newer(i.place, place) for i in self._finishing.values())

    def run_kept(self, row: ReceivedFile) -> bool:
        """Try a file that failed again from where it is kept, or list it as gone: the topic no longer holds it.

        False when that cannot be now. No offset is held by it, since nothing could be read there after a restart.
        """
        if not self._is_free(row) or self._stage.full:
            return False
        kept = self._stage.kept(row)
        if kept is None:
            self._incomplete.gone(row.partition, row.first_offset, row.generation, row.path, "all of it")
            return True
        self._lately.forget(row.generation)
        self._finishing[row.generation] = kept
        self._stage.submit(kept)
        return True

    def fetch_again(self, row: ReceivedFile) -> bool:
        """Have a file that failed fetched again from the topic; False when that cannot be now."""
        firsts = row.firsts
        if not self._is_free(row) or any(self.lanes[p].progress.full for p in firsts):
            return False
        for partition, offset in firsts.items():
            self.lanes[partition].progress.begin(offset)
        self._lately.forget(row.generation)
        self._aside.put(row.generation, Aside(row.path, row.size, place_of(row), firsts, _AGAIN))
        return True

    # -- for whoever wants to see, from other threads --------

    @property
    def unfinished(self) -> list[Incoming]:
        """The files in several chunks that are on their way."""
        return list(self._incoming.values())

    @property
    def begun(self) -> list[Incoming]:
        """The files that are on their way or with the stage."""
        return [*list(self._incoming.values()), *list(self._finishing.values())]

    def at_work(self) -> list[AtWork]:
        """Everything that has begun and is not delivered yet."""
        found = [i.at_work("receiving") for i in list(self._incoming.values())]
        found += [self._stage.at_work(i) for i in list(self._finishing.values())]
        return found + [AtWork(a.path, "set aside", 0, None, 0, a.size, "", a.reason) for _, a in self._aside]
