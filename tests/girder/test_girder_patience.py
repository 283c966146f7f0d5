"""How long a server in trouble is waited for, and how often that is said."""

from __future__ import annotations

import pytest

from openmsistream.destinations.contract import DestinationError, Unreachable
from openmsistream.destinations.girder_errors import GirderError
from openmsistream.destinations.girder_patience import Patience

GONE = Unreachable("no Girder answers", "look whether it runs")
BUSY = GirderError("could not do it now", retriable=True)


def test_an_outage_is_waited_out_however_long_it_takes() -> None:
    tries = Patience(first_wait=0, through_outages=True).for_doing("a file")
    for _ in range(50):
        tries.wait_after(GONE)
    tries.wait_after(BUSY)  # what went wrong besides is counted apart


def test_an_outage_ends_the_tries_of_whoever_does_not_wait_for_it() -> None:
    tries = Patience(first_wait=0, tries=2).for_doing("a file")
    tries.wait_after(GONE)
    with pytest.raises(Unreachable):
        tries.wait_after(GONE)


@pytest.mark.parametrize(("error", "before"), [(BUSY, 2), (GirderError("refused"), 0)])
def test_trouble_is_tried_again_a_few_times_and_a_refusal_not_at_all(error: DestinationError, before: int) -> None:
    tries = Patience(first_wait=0, tries=3, through_outages=True).for_doing("a file")
    for _ in range(before):
        tries.wait_after(error)
    with pytest.raises(GirderError):
        tries.wait_after(error)


def test_an_outage_is_said_once_for_all_and_again_every_five_minutes(caplog: pytest.LogCaptureFixture) -> None:
    times = iter((0.0, 1.0, 299.0, 301.0, 310.0))
    patience = Patience(first_wait=0, through_outages=True, clock=lambda: next(times))
    for _ in range(4):
        patience.for_doing("a file").wait_after(GONE)
    patience.answered()
    patience.answered()
    assert [record.message.partition(";")[0] for record in caplog.records] == [
        "no Girder answers", "no Girder answers", "Girder answers again, after 310 s",
    ]  # fmt: skip


def test_nobody_waits_after_the_end() -> None:
    patience = Patience(first_wait=60, through_outages=True)
    patience.end()
    with pytest.raises(Unreachable):
        patience.for_doing("a file").wait_after(GONE)


def test_waits_grow_up_to_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    patience, waits = Patience(), list[float]()
    monkeypatch.setattr(patience._ended, "wait", lambda seconds: waits.append(seconds))
    for tries in (1, 2, 3, 100):
        patience.wait(tries)
    assert waits == [0.5, 1.0, 2.0, 30.0]
