"""What is said of a topic's losses, without Kafka: times that records were given by anybody."""

from __future__ import annotations

from pathlib import Path

import pytest
from handmade import Inside, Topic, chunks_of

from openmsistream.kafka.commits import Commit
from openmsistream.kafka.resuming import Extent, resume
from openmsistream.transfer.losses import Losses

MICROSECONDS = 1_700_000_000_000_000
"""What a producer gives that takes its clock for one of milliseconds."""


def test_a_loss_is_said_with_times_that_no_calendar_has(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    topic = Topic()
    topic.chunk(chunks_of("a", b"1")[0], MICROSECONDS)
    with Inside(tmp_path / "root") as inside:
        inside.feed(topic)
        losses = Losses("t", inside.ledger.path, inside.known, inside.ledger.stream)
        losses.note({0: resume(Commit(5, ""), Extent(10, 20))})
        losses.look_at(Topic(0, 10).raw(b"k", b"v", None, MICROSECONDS))
    assert f"all of them sent after {MICROSECONDS} ms; send those files again" in caplog.text
    assert f"partition 0 goes on with what was sent at {MICROSECONDS} ms and later" in caplog.text
