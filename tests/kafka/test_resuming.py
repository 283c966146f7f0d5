"""Where a reader goes on, when the topic holds its place and when it does not."""

from __future__ import annotations

from openmsistream.kafka.commits import Commit, Progress
from openmsistream.kafka.resuming import Extent, Resumption, resume


def committed(position: int, *unfinished: int) -> Commit:
    """What is committed when everything below a position was read and these generations are unfinished."""
    return Progress(position, frozenset(unfinished)).commit()


def same(found: Resumption, start: int, position: int, unfinished: set[int], unread: int, *, cut: bool = False) -> bool:
    return (found.start, found.progress.position, found.progress.open, found.unread, found.cut) == (
        start, position, unfinished, unread, cut,
    )  # fmt: skip


def test_a_place_that_is_there_is_gone_on_from() -> None:
    assert same(resume(committed(20, 12, 15), Extent(5, 40)), 12, 20, {12, 15}, 0)


def test_the_end_of_the_log_is_a_place_that_is_there() -> None:
    assert same(resume(committed(40), Extent(40, 40)), 40, 40, set(), 0)


def test_records_that_were_deleted_unread_are_counted() -> None:
    assert same(resume(committed(20), Extent(33, 40)), 33, 33, set(), 13)


def test_an_unfinished_file_whose_beginning_was_deleted_is_waited_for_no_longer_and_nothing_is_unread() -> None:
    assert same(resume(committed(20, 12), Extent(18, 40)), 20, 20, set(), 0)


def test_of_several_unfinished_files_those_that_are_still_there_are_gone_on_with() -> None:
    assert same(resume(committed(20, 12, 15, 19), Extent(15, 40)), 15, 20, {15, 19}, 0)


def test_everything_below_the_oldest_record_is_gone_the_unfinished_ones_too() -> None:
    assert same(resume(committed(20, 12, 15), Extent(33, 40)), 33, 33, set(), 13)


def test_a_log_that_ends_before_what_was_read_is_read_again_from_its_oldest_record() -> None:
    assert same(resume(committed(50), Extent(5, 40)), 5, 5, set(), 0, cut=True)


def test_a_log_that_lost_its_end_is_known_by_what_was_read_and_not_by_what_is_unfinished() -> None:
    assert same(resume(committed(50, 12), Extent(5, 40)), 5, 5, set(), 0, cut=True)


def test_unfinished_files_whose_beginning_is_gone_are_counted() -> None:
    assert resume(committed(20, 12, 15, 19), Extent(15, 40)).given_up == 1
    assert resume(committed(20, 12, 15), Extent(33, 40)).given_up == 2
    assert resume(committed(20, 12, 15), Extent(5, 40)).given_up == 0
