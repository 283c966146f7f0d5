"""What `docker inspect` says of a program that works, one that stands still, and one whose broker is away."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from containers import Container, Way
from lab import expect, wait_until

SECOND = 1_000_000_000
"""The engine counts in nanoseconds."""

LOOK_OFTEN: dict[str, Any] = {"healthcheck": {"interval": SECOND, "retries": 1, "start_period": 0}}
"""The image's own check, more often than the image has it; each look costs a fraction of a second of one core."""

SOON = 30.0
LATE = 75.0
"""After 30 s without a sign a program counts as still."""


def test_a_program_is_healthy_when_it_works_and_unhealthy_when_it_stands_still(way: Way) -> None:
    if os.getuid() != 0:
        pytest.skip("only root may halt a container's process from outside")
    uploader = way.uploader(**LOOK_OFTEN)
    uploader.becomes("healthy", SOON)

    os.kill(uploader.main_pid, signal.SIGSTOP)
    try:
        uploader.becomes("unhealthy", LATE)
        assert "stands still" in uploader.facts["State"]["Health"]["Log"][-1]["Output"]
    finally:
        os.kill(uploader.main_pid, signal.SIGCONT)
    uploader.becomes("healthy", SOON)


def test_a_broker_that_goes_away_is_told_and_leaves_the_program_healthy(
    way: Way, broker_image: str, network: Any
) -> None:
    kafka = way.harbour.start(
        broker_image, "openmsistream", "broker", "run", "--host", "0.0.0.0", "--advertised", f"{way.topic}-kafka:9092",
        name=f"{way.topic}-kafka", network=network.name,
    )  # fmt: skip
    kafka.wait_for("is running", 90)
    way.config.write_text(f"[broker]\nbootstrap.servers = {way.topic}-kafka:9092\n")
    uploader, downloader = way.uploader(**LOOK_OFTEN), way.downloader()
    uploader.becomes("healthy", SOON)
    downloader.wait_for("reading as a member")

    kafka.stop()
    way.put("file.txt", "x")

    uploader.wait_for("WARNING.*broker", 60)
    assert not wait_until(lambda: uploader.health != "healthy", 35, step=0.5), uploader.facts["State"]["Health"]
    assert "kafka:9092" in uploader.facts["State"]["Health"]["Log"][-1]["Output"]
    kafka.made.start()
    expect(lambda: way.arrived == {"file.txt": b"x"}, 90, lambda: uploader.said + downloader.said)


def test_the_broker_s_container_is_healthy(broker_container: Any) -> None:
    Container(broker_container.get_wrapped_container()).becomes("healthy", 60)


def test_the_image_s_own_check_is_that_of_openmsistream_health(engine: Any, base_image: str) -> None:
    check = engine.images.get(base_image).attrs["Config"]["Healthcheck"]

    assert check["Test"] == ["CMD", "openmsistream", "health"]
    assert check["Interval"] <= 30 * SECOND
