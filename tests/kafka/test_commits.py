"""What a commit promises: nothing unfinished is skipped, nothing finished is done again, on whatever machine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from openmsistream.kafka import commits
from openmsistream.kafka.commits import (
    MAX_METADATA,
    MAX_OPEN,
    Commit,
    Progress,
    stamped,
    unstamped,
)


def after(position: int) -> Progress:
    """A partition read up to here, with nothing unfinished."""
    return Progress(position)


def seen(progress: Progress, *offsets: int, begin: tuple[int, ...] = ()) -> Progress:
    for offset in offsets:
        if offset in begin:
            progress.begin(offset)
        progress.saw(offset)
    return progress


def again(progress: Progress) -> Progress:
    """The progress that another machine takes over."""
    return Progress.of(progress.commit())


def test_with_nothing_unfinished_the_position_is_committed() -> None:
    assert seen(after(0), 0, 1, 2).commit() == Commit(3, "")


def test_the_safe_offset_is_the_first_record_of_the_oldest_unfinished_generation() -> None:
    progress = seen(after(0), 0, 1, 2, 3, begin=(1, 3))
    assert progress.safe == 1
    progress.finish(1)
    assert progress.safe == 3


def test_the_next_owner_passes_over_what_is_done_and_begins_what_is_not() -> None:
    next_owner = again(seen(after(0), *range(10), begin=(2, 5)))
    assert [offset for offset in range(2, 10) if not next_owner.is_done(offset)] == [2, 5]
    assert not next_owner.is_done(10)


def test_an_open_offset_that_retention_took_is_let_go() -> None:
    next_owner = again(seen(after(0), *range(10), begin=(2, 5)))
    seen(next_owner, 4)
    assert next_owner.safe == 5


def test_an_open_offset_that_is_met_again_but_not_begun_is_let_go() -> None:
    next_owner = again(seen(after(0), *range(10), begin=(2, 5)))
    seen(next_owner, *range(2, 10), begin=(5,))
    assert next_owner.commit().offset == 5


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "hello",
        "1",
        "1 ",
        "1  5",
        "2 5",
        "1 -5",
        "1 +5",
        "1 1_0",
        "1 5 x!",
        "1 ٣",
        "1 5\n",
        "x" * 4096,
        "1 " + "z" * 400,
    ],
)
def test_foreign_metadata_counts_for_nothing(metadata: str) -> None:
    progress = Progress.of(Commit(100, metadata))
    assert (progress.position, progress.open) == (100, set())


@given(st.text(max_size=30), st.integers(0, 2**62))
def test_any_metadata_can_be_read(metadata: str, offset: int) -> None:
    progress = Progress.of(Commit(offset, metadata))
    assert progress.safe >= offset or not progress.open
    assert progress.position >= offset


@pytest.mark.parametrize("largest", [MAX_OPEN, 10**12, 2**63 - 2])
def test_a_commit_names_all_that_may_be_open_however_large_the_offsets(largest: int) -> None:
    first_offsets = {0, *range(largest - MAX_OPEN + 2, largest + 1)}
    progress = Progress(0)
    for offset in sorted(first_offsets):
        assert not progress.full
        seen(progress, offset, begin=(offset,))
    assert progress.full
    commit = progress.commit()
    assert len(commit.metadata.encode()) <= MAX_METADATA
    assert Progress.of(commit).open == first_offsets


def test_a_hold_keeps_the_position_until_reading_comes_back() -> None:
    progress = seen(after(0), 0, 1)
    progress.hold(2)
    seen(progress, 2, 3, 4)
    assert progress.commit() == Commit(2, "")
    assert progress.resume() == 2
    assert progress.held is None
    seen(progress, 2)
    assert progress.commit() == Commit(3, "")


def test_a_second_hold_does_not_move_the_first() -> None:
    progress = after(5)
    progress.hold(5)
    progress.hold(9)
    assert progress.resume() == 5


class Reader(RuleBasedStateMachine):
    """A reader of one partition that is killed again and again, and a plain model of what it has done.

    Each generation is one or more records; those of several are interleaved in the log. The reader begins a generation
    at its first record, finishes it at some time after its last, commits when it likes, and starts again from the last
    commit. At most three generations may be open, so that holding is part of every run.
    """

    @initialize(log=st.lists(st.integers(0, 11), min_size=1, max_size=40), start=st.sampled_from([0, 7, 10**12]))
    def fill(self, log: list[int], start: int) -> None:
        self.limit, commits.MAX_OPEN = commits.MAX_OPEN, 3
        self.log = {start + i: generation for i, generation in enumerate(log)}
        self.first = {g: start + log.index(g) for g in log}
        self.last = {g: start + len(log) - 1 - log[::-1].index(g) for g in log}
        self.end = start + len(log)
        self.finished: set[int] = set()
        self.finished_at_commit: set[int] = set()
        self.committed = Commit(start, "")
        self.start()

    def start(self) -> None:
        self.progress = Progress.of(self.committed)
        self.next = self.committed.offset
        self.collecting: dict[int, int] = {}
        self.finished_since_start: set[int] = set()

    def teardown(self) -> None:
        if hasattr(self, "limit"):
            self.read_to_the_end()
            commits.MAX_OPEN = self.limit
            assert self.finished == set(self.first)

    def read_to_the_end(self) -> None:
        for _ in range(10 * len(self.log)):
            self.read()
            for generation in list(self.complete()):
                self.do_finish(generation)
            self.come_back()
        assert self.progress.commit() == Commit(self.end, "")

    def complete(self) -> Iterator[int]:
        return iter([g for g, seen_to in self.collecting.items() if seen_to >= self.last[g]])

    @rule()
    def read(self) -> None:
        if self.next >= self.end:
            return
        offset, generation = self.next, self.log[self.next]
        held = self.progress.held
        if generation in self.collecting:
            self.collecting[generation] = max(offset, self.collecting[generation])
        elif offset == self.first[generation] and not self.progress.is_done(offset) and (held is None or offset < held):
            if offset not in self.progress.open and self.progress.full:
                self.progress.hold(offset)
            else:
                self.progress.begin(offset)
                self.collecting[generation] = offset
        self.progress.saw(offset)
        self.next += 1

    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        complete = list(self.complete())
        if complete:
            self.do_finish(data.draw(st.sampled_from(complete)))

    def do_finish(self, generation: int) -> None:
        del self.collecting[generation]
        assert generation not in self.finished_since_start, "it was done twice"
        assert generation not in self.finished_at_commit, "what was finished before a commit was done again"
        self.finished.add(generation)
        self.finished_since_start.add(generation)
        self.progress.finish(self.first[generation])

    @rule()
    def come_back(self) -> None:
        if self.progress.held is not None and not self.progress.full:
            self.next = self.progress.resume()

    @rule()
    def commit(self) -> None:
        self.committed = self.progress.commit()
        self.finished_at_commit |= self.finished_since_start

    @rule()
    @precondition(lambda self: hasattr(self, "committed"))
    def killed(self) -> None:
        self.start()

    @invariant()
    def nothing_unfinished_is_below_the_safe_offset(self) -> None:
        if hasattr(self, "progress"):
            unfinished = [first for g, first in self.first.items() if g not in self.finished]
            assert self.progress.safe <= min(unfinished, default=self.end)


TestReader = Reader.TestCase
TestReader.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


ONE, OTHER = "A" * 22, "B" * 22


@given(st.integers(0, 2**63 - 1), st.text("01 az", max_size=20))
def test_a_commit_comes_back_for_the_topic_that_it_was_made_for(offset: int, metadata: str) -> None:
    commit = Commit(offset, metadata)
    assert unstamped(stamped(commit, ONE), ONE) == commit


def test_a_commit_for_a_topic_that_was_deleted_says_nothing_of_the_one_made_again() -> None:
    assert unstamped(stamped(Commit(500, ""), ONE), OTHER) is None


@pytest.mark.parametrize("metadata", ["", "1 a", "somebody/else", "/"])
def test_a_commit_of_another_program_is_taken_with_its_offset(metadata: str) -> None:
    assert unstamped(Commit(5, metadata), ONE) == Commit(5, metadata)


@given(st.text("ABCXYZabcxyz0189+/-_", min_size=22, max_size=22), st.integers(0, 2**40))
def test_every_letter_that_the_id_of_a_topic_may_have_is_understood(topic_id: str, position: int) -> None:
    commit = Progress(position + 9, frozenset({position, position + 3})).commit()
    assert unstamped(stamped(commit, topic_id), topic_id) == commit
    assert unstamped(stamped(commit, topic_id), "another") is None


def test_the_longest_metadata_and_its_stamp_stay_within_what_a_broker_takes() -> None:
    progress = Progress(0)
    for number in range(MAX_OPEN):
        progress.begin(2**62 + number * 2**40)
    progress.saw(2**63 - 2)
    assert len(stamped(progress.commit(), ONE).metadata) <= MAX_METADATA
