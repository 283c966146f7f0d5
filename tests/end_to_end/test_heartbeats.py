"""Heartbeats and log messages of the programs, on real topics."""

from __future__ import annotations

import copy
import json
import re
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from lab import Lab, expect, put

from openmsistream.program.run import wait_until
from openmsistream.program.runnable import Runnable
from openmsistream.transfer.download_directory import DataFileDownloadDirectory
from openmsistream.transfer.upload_directory import DataFileUploadDirectory

Told = list[tuple[str, dict[str, Any]]]


def at(lab: Lab, what: str) -> Lab:
    """The lab with the topic for "beats", or that for "logs", in place of its own."""
    there = copy.copy(lab)
    there.topic = f"{lab.topic}-{what}"
    return there


def told(lab: Lab, what: str) -> Told:
    """Keys and values on one of these topics."""
    return [(m.key().decode(), json.loads(m.value())) for m in at(lab, what).records()]  # type: ignore[union-attr]


def options(lab: Lab, every: float = 900) -> list[object]:
    """Both topics, with names and intervals."""
    return [
        "--heartbeat_topic_name", f"{lab.topic}-beats", "--heartbeat_program_id", "me", "--heartbeat_interval_secs", every,
        "--log_topic_name", f"{lab.topic}-logs", "--log_program_id", "me", "--log_interval_secs", every,
    ]  # fmt: skip


def total(beats: Told, field: str) -> int:
    return sum(value[field] for _, value in beats)


def test_heartbeats_tell_what_an_upload_and_a_download_did(lab: Lab) -> None:
    put(lab.source, "a.dat", b"x" * 1000)
    put(lab.source, "b.dat", b"y" * 600_000)
    up = lab.upload_program("--upload_existing", *options(lab, every=0.5))
    up.wait_for("made topic .*-logs")
    expect(lambda: total(told(lab, "beats"), "n_bytes_produced") == 601_000)
    assert up.stop() == 0
    sent = told(lab, "beats")
    assert {key for key, _ in sent} == {"me_heartbeat"}
    assert total(sent, "n_messages_produced") == 3

    down = lab.download_program(*options(lab, every=0.5))

    def received() -> dict[str, int]:
        fields = [f"n_{what}_{done}" for what in ("messages", "bytes") for done in ("read", "processed")]
        return {field: sum(value.get(field, 0) for _, value in told(lab, "beats")) for field in fields}

    whole = {"n_messages_read": 3, "n_messages_processed": 3, "n_bytes_read": 601_000, "n_bytes_processed": 601_000}
    expect(lambda: received() == whole)
    assert down.stop() == 0
    assert received() == whole


def test_heartbeats_keep_their_interval_while_idle_and_while_busy(lab: Lab) -> None:
    up = lab.upload_program(*options(lab, every=0.5))
    up.wait_for("made topic .*-logs")
    put(lab.source, "large.dat", bytes(150_000_000))
    expect(lambda: total(told(lab, "beats"), "n_bytes_produced") == 150_000_000, 60)
    assert up.stop() == 0
    times = [datetime.fromisoformat(value["timestamp"]) for _, value in told(lab, "beats")]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert max(gaps) < timedelta(seconds=3)  # the machine may be busy with others
    assert sorted(gaps)[len(gaps) // 2] < timedelta(seconds=0.7)


def test_what_a_program_says_is_on_the_topic_without_secrets(lab: Lab) -> None:
    with lab.config.open("a", encoding="utf-8") as file:
        file.write("[producer]\nsasl.password = hunter22\n")
    put(lab.source, "hunter22.txt", b"x")
    up = lab.upload_program("--upload_existing", *options(lab, every=0.5))
    up.wait_for("first start")
    up.wait_for("made topic .*-logs")
    expect(lambda: any("made topic" in text for _, value in told(lab, "logs") for text in value["messages"]))
    assert up.stop() == 0
    logs = told(lab, "logs")
    assert {key for key, _ in logs} == {"me_log"}
    assert all(
        value.keys() == {"timestamp", "messages"} and abs(value["timestamp"] - time.time()) < 600 for _, value in logs
    )
    messages = [text for _, value in logs for text in value["messages"]]
    assert f"made topic {lab.topic}" in messages
    assert not any("hunter22" in text for text in messages)


def test_why_a_program_ended_is_its_last_log_message(lab: Lab) -> None:
    at(lab, "logs").make_topic()  # one that was just made may take longer than the last word waits
    up = lab.upload_program("--chunk_size", "4194304", "--log_topic_name", f"{lab.topic}-logs")
    assert up.ends() == 6
    last = told(lab, "logs")[-1][1]["messages"][-1]
    assert f"error: {last}\n" in up.said


def test_a_topic_that_cannot_be_used_is_said_once_and_the_files_go(lab: Lab) -> None:
    up = lab.upload_program("--heartbeat_topic_name", "no topic!", "--heartbeat_interval_secs", "0.2")
    up.wait_for("first start")
    put(lab.source, "a.dat", b"x")
    expect(lambda: len(lab.records()) == 1)
    assert up.stop() == 0
    (said,) = re.findall(r"WARNING (.*)", up.said)
    assert said == (
        "nothing can be sent to topic no topic!: 'no topic!' cannot be the name of a topic; the program goes on without it"
    )


def test_brokers_of_their_own_that_are_not_there_are_said_once_and_neither_the_files_nor_the_end_wait(lab: Lab) -> None:
    with lab.config.open("a", encoding="utf-8") as file:
        file.write("[heartbeat]\nbootstrap.servers = 127.0.0.1:9\n")
    up = lab.upload_program("--heartbeat_topic_name", "beats", "--heartbeat_interval_secs", "0.2")
    up.wait_for("no broker answers at 127.0.0.1:9")
    up.wait_for("first start")
    put(lab.source, "a.dat", b"x")
    expect(lambda: len(lab.records()) == 1)
    began = time.monotonic()
    assert up.stop() == 0
    assert time.monotonic() - began < 8
    assert up.said.count("WARNING") == 1


def test_a_section_that_cannot_be_used_is_refused_at_the_start(lab: Lab) -> None:
    with lab.config.open("a", encoding="utf-8") as file:
        file.write("[log]\nlog.level = loud\n")
    up = lab.upload_program("--log_topic_name", "logs")
    assert up.ends() == 3
    assert up.said.endswith(
        f"{lab.config}: log.level = 'loud' in [log] cannot be used; write debug, info, warning, error, critical, or a number\n"
    )


def test_the_classes_tell_of_themselves_too_and_have_a_name(lab: Lab) -> None:
    at(lab, "beats").make_topic()
    topic, config = lab.topic, lab.config
    wanted: dict[str, Any] = {"heartbeat_topic_name": f"{topic}-beats", "update_secs": -1}
    with DataFileUploadDirectory(lab.source, config, **wanted) as upload:
        run_until_told(lab, upload, lambda: upload.upload_files_as_added(topic))
    with DataFileDownloadDirectory(lab.target, config, topic, **wanted) as download:
        run_until_told(lab, download, download.reconstruct)
    found = [re.fullmatch(r"(\w+)-.+-[0-9a-f]{8}_heartbeat", key) for key, _ in told(lab, "beats")]
    assert {name and name[1] for name in found} == {"DataFileUploadDirectory", "DataFileDownloadDirectory"}


def run_until_told(lab: Lab, program: Runnable, run: Callable[[], object]) -> None:
    """Run a program until it has said who it is."""

    def end() -> None:
        wait_until(lambda: any(type(program).__name__ in key for key, _ in told(lab, "beats")), 30)
        program.control_command_queue.put("q")

    ending = threading.Thread(target=end)
    ending.start()
    run()
    ending.join()
