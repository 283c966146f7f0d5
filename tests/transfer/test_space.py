"""Room on the disk: promised once, asked again when it is short, with a margin that stays free."""

from __future__ import annotations

from openmsistream.transfer.space import MARGIN, Fit, Space


class Disk:
    def __init__(self, free: int, total: int = 10 * MARGIN) -> None:
        self.free = free
        self.total = total
        self.now = 0.0
        self.asked = 0

    def ask(self) -> int:
        self.asked += 1
        return self.free

    def space(self) -> Space:
        return Space(self.ask, lambda: self.total, lambda: self.now)


def none() -> list[int]:
    return []


def test_what_fits_beside_the_margin_begins_now() -> None:
    space = Disk(MARGIN + 100).space()
    assert space.fit(100, none) is Fit.NOW


def test_what_does_not_fit_beside_the_margin_waits() -> None:
    space = Disk(MARGIN + 100).space()
    assert space.fit(101, none) is Fit.LATER


def test_what_can_never_fit_is_told_apart() -> None:
    disk = Disk(MARGIN, total=3 * MARGIN)
    assert disk.space().fit(2 * MARGIN, none) is Fit.LATER
    assert disk.space().fit(2 * MARGIN + 1, none) is Fit.NEVER


def test_a_disk_smaller_than_the_margin_keeps_a_part_of_itself_free() -> None:
    assert Disk(900_000, total=1_000_000).space().fit(800_000, none) is Fit.NOW
    assert Disk(500_000, total=1_000_000).space().fit(450_000, none) is Fit.LATER
    assert Disk(900_000, total=1_000_000).space().fit(950_000, none) is Fit.NEVER


def test_the_same_room_is_not_given_twice() -> None:
    space = Disk(MARGIN + 100).space()
    begun: list[int] = []
    for expected in (Fit.NOW, Fit.NOW, Fit.LATER):
        assert space.fit(40, lambda: begun) is expected
        begun.append(40)


def test_bytes_still_to_come_are_taken_off() -> None:
    assert Disk(MARGIN + 100).space().fit(60, lambda: [50]) is Fit.LATER


def test_room_that_has_become_free_is_found_when_it_is_short() -> None:
    disk = Disk(MARGIN + 10)
    space = disk.space()
    assert space.fit(50, none) is Fit.LATER
    disk.free = MARGIN + 100
    assert space.fit(50, none) is Fit.NOW


def test_the_disk_is_asked_about_once_a_second_while_there_is_room() -> None:
    disk = Disk(MARGIN + 10**6)
    space = disk.space()
    for _ in range(100):
        space.fit(10, none)
    assert disk.asked == 1
    disk.now = 1.5
    space.fit(10, none)
    assert disk.asked == 2


def test_asking_whether_something_would_fit_reserves_nothing() -> None:
    space = Disk(MARGIN + 100).space()
    assert space.would_fit(100, none)
    assert space.would_fit(100, none)
    assert not space.would_fit(100, lambda: [1])


def test_what_is_lacking_is_said_in_gigabytes() -> None:
    space = Disk(MARGIN + 10**9, total=MARGIN + 10**12).space()
    space.fit(5 * 10**9, none)
    assert space.lacking(5 * 10**9) == "it needs 5.00 GB, 1.00 GB are free"
