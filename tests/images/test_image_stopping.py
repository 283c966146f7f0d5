"""Containers that are stopped, killed, started again, removed and made again: nothing is lost, nothing is done twice."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from containers import Container, Harbour, Way, mounted
from docker.errors import APIError
from lab import expect, header

TEN = 10.0
"""Seconds after which `docker stop` kills."""

KILLED = 137

LISTENING = r"to be sent to|written to|topic"


def is_sent(way: Way, uploader: Container, count: int) -> None:
    """Wait until so many files are sent, by the uploader's own ledger."""
    expect(lambda: f"{count} sent" in status(uploader), 60, lambda: status(uploader) + uploader.said)


def status(container: Container) -> str:
    return container.run("openmsistream status data --all", check=False)


def settled_count(way: Way) -> int:
    """How many records there are, once nothing has been added for two seconds."""
    last = [(-1, 0.0)]

    def quiet() -> bool:
        now, count = time.monotonic(), len(way.on_the_topic)
        if count != last[-1][0]:
            last.append((count, now))
        return now - last[-1][1] > 2

    expect(quiet, 60)
    return last[-1][0]


def test_docker_stop_lets_what_is_on_its_way_arrive_and_docker_start_goes_on_with_the_rest(
    way: Way, broker_container: Any
) -> None:
    uploader = way.uploader()
    way.put("before.txt", "x")
    expect(lambda: way.on_the_topic == ["before.txt"], 60)
    kafka = broker_container.get_wrapped_container()

    expect(lambda: _is_paused(kafka), 20)  # so that the files are on their way when the signal comes
    try:
        way.put("small.txt", "y")
        way.put("large.bin", os.urandom(40_000_000))
        for name in ("small.txt", "large.bin"):
            expect(lambda name=name: is_sending(name, uploader), 30, lambda: status(uploader))  # type: ignore[misc]
        threading.Timer(1.0, kafka.unpause).start()
        seconds = uploader.stop()
    finally:
        expect(lambda: _runs(kafka), 10)

    assert (seconds < TEN, uploader.exit_code) == (True, 0), uploader.said
    assert "small.txt" in way.on_the_topic
    uploader.made.start()
    way.downloader()
    expect(lambda: way.arrived.get("large.bin") == (way.here / "large.bin").read_bytes(), 60)
    sent = Counter(header(record, "chunk") for record in way.outside.records() if record.key() == b"large.bin")
    assert {chunk: times for chunk, times in sent.items() if times > 1} == {}


def _is_paused(container: Any) -> bool:
    try:
        container.pause()
    except APIError:  # a busy machine does not always manage to freeze a program at once
        return False
    return True


def is_sending(name: str, uploader: Container) -> bool:
    return re.search(rf"sending +{re.escape(name)}", status(uploader)) is not None


def _runs(container: Any) -> bool:
    container.reload()
    return bool(container.status == "running")


def test_docker_stop_ends_a_download_in_good_order_and_docker_start_goes_on(way: Way) -> None:
    way.put("large.bin", os.urandom(150_000_000))
    way.uploader("--upload_existing")
    downloader = way.downloader()
    expect(lambda: any(way.there.rglob(".oms-*.part")), 60)

    seconds = downloader.stop()

    assert (seconds < TEN, downloader.exit_code) == (True, 0), downloader.said
    downloader.made.start()
    expect(lambda: way.arrived.get("large.bin") == (way.here / "large.bin").read_bytes(), 120)


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.3, 0.8])
def test_docker_stop_during_the_start_ends_at_once(way: Way, delay: float) -> None:
    container = way.uploader(ready=False)
    expect(lambda: minds_sigterm(container.main_pid), 10)  # the kernel itself does nothing for process 1
    time.sleep(delay)  # how far it has come by then is what differs

    assert container.stop() < TEN / 2
    assert container.exit_code in (0, 143), container.said


def minds_sigterm(pid: int) -> bool:
    """Does what was started as process 1 catch SIGTERM, or hold it back until it does?"""
    place = Path(f"/proc/{pid}")
    masks = re.findall(r"^Sig(?:Cgt|Blk):\s*(\w+)", (place / "status").read_text(), re.MULTILINE)
    is_ours = b"openmsistream" in (place / "cmdline").read_bytes()  # before that it is the engine's own
    return is_ours and any(int(mask, 16) >> (signal.SIGTERM - 1) & 1 for mask in masks)


def test_docker_stop_ends_a_program_that_waits_for_a_broker(base_image: str, harbour: Harbour) -> None:
    config = harbour.file("lab.config", "[broker]\nbootstrap.servers = 127.0.0.1:9\n")
    container = harbour.start(
        base_image, "DataFileDownloadDirectory", "data", "--config", "lab.config", "--topic_name", "t",
        volumes={**mounted(harbour.folder("data"), "/home/openmsi/data"), **mounted(config, "/home/openmsi/lab.config")},
    )  # fmt: skip
    expect(lambda: "rdk:" in container.run("cat /proc/1/task/*/comm", check=False), 30)  # a Kafka client is at work

    assert container.stop() < TEN / 2
    assert container.exit_code in (0, 143), container.said


def test_what_was_sent_before_docker_kill_is_not_sent_again_after_docker_start(way: Way) -> None:
    way.put_many(20)
    uploader = way.uploader("--upload_existing")
    expect(lambda: len(way.on_the_topic) == 20, 60)
    is_sent(way, uploader, 20)

    uploader.made.kill()
    assert uploader.ends() == KILLED
    uploader.made.start()
    way.put("after.txt", "x")

    expect(lambda: "after.txt" in way.on_the_topic, 60, lambda: uploader.said)
    assert settled_count(way) == 21


def test_a_transfer_that_docker_kill_cuts_off_is_completed_after_docker_start(way: Way) -> None:
    way.put_many(500)
    way.put("large.bin", os.urandom(60_000_000))
    uploader, downloader = way.uploader("--upload_existing"), way.downloader()
    expect(lambda: len(way.arrived) > 20, 60)

    for container in (uploader, downloader):
        container.made.kill()
        container.ends()
        container.made.start()

    expect(lambda: len(way.arrived) == 501, 120, lambda: len(way.arrived))
    assert way.arrived["large.bin"] == (way.here / "large.bin").read_bytes()
    assert all(
        content.startswith(str(int(path[-8:-4])).encode()) for path, content in way.arrived.items() if path[0] == "m"
    )


def test_docker_restart_goes_on(way: Way) -> None:
    uploader, downloader = way.uploader(), way.downloader()
    way.put("one.txt", "1")
    expect(lambda: "one.txt" in way.arrived, 60)

    uploader.made.restart()
    downloader.made.restart()
    way.put("two.txt", "2")

    expect(lambda: "two.txt" in way.arrived, 60)
    assert Counter(way.on_the_topic) == {"one.txt": 1, "two.txt": 1}


def test_a_container_that_is_removed_and_made_again_goes_on_where_it_was(way: Way) -> None:
    uploader, downloader = way.uploader("--upload_existing"), way.downloader()
    way.put("one.txt", "1")
    expect(lambda: "one.txt" in way.arrived, 60)

    uploader.stop()
    downloader.stop()
    uploader.remove()
    downloader.remove()
    (way.there / "one.txt").unlink()  # comes back if the topic is read from its beginning
    way.uploader("--upload_existing")
    way.downloader()
    way.put("two.txt", "2")

    expect(lambda: "two.txt" in way.arrived, 60)
    assert settled_count(way) == 2
    assert list(way.arrived) == ["two.txt"]


def test_a_restart_policy_brings_a_killed_program_back(way: Way) -> None:
    if os.getuid() != 0:
        pytest.skip("only root may kill a container's process from outside")
    uploader, downloader = (
        start(restart_policy={"Name": "unless-stopped"}) for start in (way.uploader, way.downloader)
    )
    way.put("one.txt", "1")
    expect(lambda: "one.txt" in way.arrived, 60)

    for container in (uploader, downloader):
        os.kill(container.main_pid, signal.SIGKILL)
        expect(lambda container=container: container.restarts == 1 and container.running, 30)  # type: ignore[misc]
    way.put("two.txt", "2")

    expect(lambda: "two.txt" in way.arrived, 60)
    assert Counter(way.on_the_topic) == {"one.txt": 1, "two.txt": 1}
    assert uploader.stop() < TEN
    assert not uploader.running
