"""Uploader, downloader and broker are killed at random points while files flow: nothing is lost, torn, or put back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fate import Fate, Instrument, Observer, all_arrived, behind, bytes_sent_again
from lab import Lab, expect, parts_in

from openmsistream.broker import temporary
from openmsistream.kafka.producer import WINDOW_BYTES

PARTITIONS = 2
CHUNK = 1 << 19


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fate]:
    """A broker that may be killed, and the two programs at work on it."""
    monkeypatch.delenv("OPENMSISTREAM_STATE_DIR", raising=False)
    with temporary(tmp_path / "broker") as broker:
        lab = Lab(broker.address, tmp_path)
        try:
            lab.make_topic(PARTITIONS)
            yield Fate(lab, broker)
        finally:
            lab.close()


def campaign(fate: Fate, kills: int, seed: int) -> None:
    """So many kills while files flow; then everything has to arrive, and what was seen on the way be right."""
    fate.reseed(seed)
    lab = fate.lab
    instrument, observer = Instrument(lab.source, seed), Observer(lab.target)
    fate.programs["uploader"].wait_for("first start on this folder")
    instrument.start()
    observer.start()
    for _ in range(kills):
        fate.pause(observer)
        assert observer.wrong == []
        fate.strike()
    instrument.stop()
    expect(lambda: all_arrived(instrument, observer), 120, lambda: behind(instrument, observer))
    observer.stop()
    assert observer.wrong == []
    assert fate.stop() == {"uploader": 0, "downloader": 0}
    assert sum(fate.kills.values()) == kills
    assert parts_in(lab.target) == []
    window = PARTITIONS * (WINDOW_BYTES + CHUNK)
    again = bytes_sent_again(lab.records())
    assert again <= (fate.kills["uploader"] + fate.kills["broker"]) * window
    versions = sum(instrument.last.values())
    print(f"{dict(fate.kills)}; {versions} versions written, {observer.looks} seen, {again} bytes sent again")


def test_thirty_kills_lose_nothing_tear_nothing_and_put_nothing_back(own: Fate) -> None:
    campaign(own, 30, seed=3)


@pytest.mark.campaign
def test_a_long_campaign_of_kills(own: Fate, request: pytest.FixtureRequest) -> None:
    kills = request.config.getoption("--kills", default=None) or 300
    seed = request.config.getoption("--kill-seed", default=None) or 1
    campaign(own, kills, seed)
