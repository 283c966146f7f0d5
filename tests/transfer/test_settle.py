"""What is settled, and what a close is worth: each rule with a clock that is passed in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmsistream.files.chunk import FileState
from openmsistream.transfer.settle import LAG, LONGEST_PAUSE, MEMORY, MOST_REMEMBERED, Seen, Settler


def test_the_first_close_leaves_at_once() -> None:
    settler = Settler()
    settler.note("a", Seen.TOUCHED, 10.0)
    settler.note("a", Seen.CLOSED, 10.5)
    assert settler.next_due() == 10.5
    assert settler.due(10.5) == ["a"]
    assert len(settler) == 0


def test_a_file_moved_to_its_name_leaves_at_once() -> None:
    settler = Settler()
    settler.note("a", Seen.ARRIVED, 10.0)
    assert settler.due(10.0) == ["a"]


def test_what_cannot_be_seen_to_be_closed_has_to_be_quiet_for_the_lag() -> None:
    settler = Settler()
    settler.note("a", Seen.TOUCHED, 10.0)
    settler.note("a", Seen.TOUCHED, 12.0)
    assert settler.due(11.999 + LAG) == []
    assert settler.due(12.0 + LAG) == ["a"]


def test_a_write_after_a_close_has_to_be_quiet_or_closed_again() -> None:
    settler = Settler()
    settler.note("a", Seen.CLOSED, 10.0)
    settler.note("a", Seen.TOUCHED, 10.0)
    assert settler.due(10.0) == []
    assert settler.next_due() == 10.0 + LAG


def test_each_further_version_waits_for_a_longer_quiet_up_to_the_bound() -> None:
    settler, now, waits = Settler(), 0.0, []
    for _ in range(12):
        settler.note("a", Seen.CLOSED, now)
        due = settler.waits_until("a")
        assert due is not None
        waits.append(due - now)
        assert settler.due(due) == ["a"]
        settler.sent("a", due)
        now = due + 0.1
    assert waits[:7] == pytest.approx([0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0])
    assert waits[7:] == pytest.approx([LONGEST_PAUSE] * 5)


def test_a_path_that_was_left_alone_starts_afresh() -> None:
    settler = Settler()
    for now in (0.0, 1.0, 2.0):
        settler.sent("a", now)
    settler.note("a", Seen.CLOSED, 2.0 + MEMORY + 40.0)
    settler.due(2.0 + MEMORY + 40.0)
    settler.sent("a", 2.0 + MEMORY + 41.0)
    settler.note("a", Seen.CLOSED, 2.0 + MEMORY + 50.0)
    assert settler.waits_until("a") == pytest.approx(2.0 + MEMORY + 50.5)


def test_of_very_many_paths_the_versions_of_the_latest_are_remembered() -> None:
    settler = Settler()
    for number in range(MOST_REMEMBERED + 1):
        settler.sent(str(number), 0.0)
    settler.note("0", Seen.CLOSED, 1.0)
    settler.note(str(MOST_REMEMBERED), Seen.CLOSED, 1.0)
    assert settler.due(1.0) == ["0"]


def test_one_path_does_not_slow_another() -> None:
    settler = Settler()
    for now in range(5):
        settler.sent("busy", float(now))
    settler.note("calm", Seen.CLOSED, 5.0)
    assert settler.due(5.0) == ["calm"]


@pytest.mark.parametrize("seen", list(Seen))
def test_a_lag_that_was_asked_for_holds_for_every_file(seen: Seen) -> None:
    settler = Settler(lag=7.0, lag_for_all=True)
    settler.note("a", seen, 10.0)
    assert settler.due(16.999) == []
    assert settler.due(17.0) == ["a"]


def test_a_lag_that_was_asked_for_never_shortens_the_pause_between_versions() -> None:
    settler = Settler(lag=1.0, lag_for_all=True)
    for now in range(4):
        settler.sent("a", float(now))
    settler.note("a", Seen.CLOSED, 10.0)
    assert settler.waits_until("a") == pytest.approx(14.0)


@given(
    st.sampled_from([Seen.CLOSED, Seen.ARRIVED, Seen.TOUCHED]),
    st.integers(0, 4),
    st.lists(st.tuples(st.floats(0, 60), st.none() | st.floats(-100, 60)), max_size=5),
)
def test_a_scan_never_changes_what_an_event_waits_for(
    seen: Seen, versions: int, scans: list[tuple[float, float | None]]
) -> None:
    settler = Settler()
    for _ in range(versions):
        settler.sent("a", 0.0)
    settler.note("a", seen, 1.0)
    due = settler.waits_until("a")
    for now, quiet_since in scans:
        settler.note("a", Seen.FOUND, now, quiet_since)
    assert settler.waits_until("a") == due


def test_what_a_scan_finds_quiet_for_long_leaves_at_once() -> None:
    settler = Settler()
    settler.note("a", Seen.FOUND, 100.0, quiet_since=50.0)
    assert settler.due(100.0) == ["a"]


def test_what_a_scan_finds_just_changed_has_to_be_quiet_for_the_rest_of_the_lag() -> None:
    settler = Settler()
    settler.note("a", Seen.FOUND, 100.0, quiet_since=99.0)
    assert settler.due(100.0) == []
    assert settler.next_due() == 99.0 + LAG


@pytest.mark.parametrize("closes", [True, False])
def test_an_instrument_that_appends_every_second_is_not_sent_every_second_and_its_last_version_leaves(
    closes: bool,
) -> None:
    settler, sent_at, versions, sent_version = Settler(), [], 0, 0
    for tenth in range(5 * 60 * 10 + 1000):
        now = tenth / 10
        if tenth % 10 == 0 and now < 300:
            versions += 1
            settler.note("a", Seen.TOUCHED, now)
            if closes:
                settler.note("a", Seen.CLOSED, now)
        for path in settler.due(now):
            settler.sent(path, now)
            sent_at.append(now)
            sent_version = versions
    assert len(sent_at) < 30
    assert sent_version == versions == 300
    assert sent_at[-1] <= 299 + LONGEST_PAUSE + LAG


def test_a_path_that_is_written_to_all_the_time_takes_one_place_in_memory() -> None:
    settler = Settler()
    for i in range(10_000):
        settler.note("a", Seen.TOUCHED, i / 1000)
    assert len(settler._queue) == 1
    assert settler.due(9.999 + LAG - 0.001) == []
    assert settler.due(9.999 + LAG) == ["a"]


NOTES = st.lists(
    st.tuples(
        st.sampled_from("abcd"), st.sampled_from([*Seen, "due", "sent"]), st.floats(0, 20), st.none() | st.floats(0, 50)
    ),
    max_size=40,
)


@given(NOTES, st.booleans())
def test_no_path_is_forgotten_and_none_leaves_before_its_time(
    notes: list[tuple[str, Seen | str, float, float | None]], lag_for_all: bool
) -> None:
    settler, now, waiting = Settler(lag_for_all=lag_for_all), 0.0, set[str]()
    for path, what, pause, quiet in notes:
        now += pause
        if isinstance(what, Seen):
            settler.note(path, what, now, None if quiet is None or what is not Seen.FOUND else now - quiet)
            waiting.add(path)
        elif what == "sent":
            settler.sent(path, now)
        else:
            until = {p: settler.waits_until(p) for p in waiting}
            ready = settler.due(now)
            assert sorted(ready) == sorted(p for p, due in until.items() if due is not None and due <= now)
            waiting -= set(ready)
        assert len(settler) == len(waiting)
        soonest = settler.next_due()
        assert soonest == min((settler.waits_until(p) or 0.0 for p in waiting), default=None)
    assert set(settler.due(now + LONGEST_PAUSE + LAG)) == waiting
    assert settler.next_due() is None


def test_on_a_polled_tree_a_file_that_is_still_growing_waits_until_two_scans_find_it_the_same() -> None:
    settler = Settler()
    for second in range(0, 10, 2):
        settler.note("a", Seen.FOUND, float(second), state=FileState(second, second, second, 1))
        assert settler.due(float(second)) == []
    settler.note("a", Seen.FOUND, 10.0, state=FileState(8, 8, 8, 1))
    assert settler.due(10.9) == []
    assert settler.due(11.1) == ["a"]


def test_the_soonest_are_told_with_their_times() -> None:
    settler = Settler(lag=3.0)
    for number in range(50):
        settler.note(f"f{number}", Seen.TOUCHED, float(number))
    settler.note("f0", Seen.TOUCHED, 100.0)
    assert settler.soonest(3) == [("f1", 4.0), ("f2", 5.0), ("f3", 6.0)]
    settler.due(200.0)
    assert settler.soonest(3) == []
