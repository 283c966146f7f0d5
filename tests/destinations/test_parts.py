"""Room in memory that many share, and the threads that send parts."""

from __future__ import annotations

import threading
from concurrent.futures import wait

from lab import expect

from openmsistream.destinations.parts import Room, Senders


def test_room_is_waited_for() -> None:
    room, got = Room(10), threading.Event()
    taken = room.take(8)
    waiting = threading.Thread(target=lambda: (room.take(5), got.set()))
    waiting.start()
    assert not got.wait(0.05)
    room.give_back(taken)
    assert got.wait(5)
    waiting.join()


def test_what_is_larger_than_all_room_has_it_alone() -> None:
    room = Room(10)
    taken = room.take(1000)
    assert taken == 10
    room.give_back(taken)
    assert room.take(10) == 10


def test_who_needs_much_is_not_passed_by_those_who_need_little() -> None:
    room, order = Room(10), []
    small = room.take(4)

    def take(wanted: int) -> None:
        got = room.take(wanted)
        order.append(wanted)
        room.give_back(got)

    large = threading.Thread(target=take, args=(10,))
    large.start()
    expect(room._turn.locked)
    late = threading.Thread(target=take, args=(1,))
    late.start()
    assert order == []
    room.give_back(small)
    large.join(5)
    late.join(5)
    assert order == [10, 1]


def test_senders_do_what_they_are_given_and_tell_how_it_ended() -> None:
    senders = Senders(2)
    good, bad = senders.submit(lambda: 5), senders.submit(lambda: 1 // 0)
    assert good.result(5) == 5
    assert isinstance(bad.exception(5), ZeroDivisionError)
    senders.close()


def test_what_was_not_begun_at_the_close_is_cancelled() -> None:
    senders, begun, go = Senders(1), threading.Event(), threading.Event()
    running = senders.submit(lambda: (begun.set(), go.wait(5)))
    assert begun.wait(5)
    queued = senders.submit(lambda: None)
    senders.close()
    after = senders.submit(lambda: None)
    assert not wait([queued, after], 5).not_done
    assert queued.cancelled()
    assert after.cancelled()
    go.set()
    running.result(5)
