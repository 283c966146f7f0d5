"""Heartbeats and log messages of the programs, on real topics."""

from __future__ import annotations

import copy
import json
import re
import time
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from lab import Lab, expect, put

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


def test_what_an_upload_and_a_download_did_is_told_from_start_to_end(lab: Lab) -> None:
    put(lab.source, "a.dat", b"x" * 1000)
    put(lab.source, "b.dat", b"y" * 600_000)
    up = lab.upload_program("--upload_existing", *options(lab))
    up.wait_for("first start")
    expect(lambda: len(lab.records()) == 3)
    assert up.stop() == 0
    sent = told(lab, "beats")
    assert [key for key, _ in sent] == ["me_heartbeat"] * 2
    assert total(sent, "n_messages_produced") == 3
    assert total(sent, "n_bytes_produced") == 601_000

    down = lab.download_program(*options(lab))
    expect(lambda: (lab.target / "b.dat").exists() and (lab.target / "a.dat").exists())
    assert down.stop() == 0
    received = told(lab, "beats")[2:]
    assert [total(received, f"n_{what}") for what in ("messages_read", "messages_processed")] == [3, 3]
    assert [total(received, f"n_{what}") for what in ("bytes_read", "bytes_processed")] == [601_000, 601_000]


def test_heartbeats_keep_their_interval_while_idle_and_while_busy(lab: Lab) -> None:
    up = lab.upload_program(*options(lab, every=0.5))
    up.wait_for("made topic .*-logs")
    put(lab.source, "large.dat", bytes(150_000_000))
    expect(lambda: total(told(lab, "beats"), "n_bytes_produced") == 150_000_000, 60)
    assert up.stop() == 0
    times = [datetime.fromisoformat(value["timestamp"]) for _, value in told(lab, "beats")]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert max(gaps) < timedelta(seconds=2)  # the machine may be busy with others
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
    assert "stopping" in messages
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
    put(lab.source, "a.dat", b"x")
    for program, run in (
        (
            DataFileUploadDirectory(lab.source, lab.config, heartbeat_topic_name=f"{lab.topic}-beats", update_secs=-1),
            lambda program: program.upload_files_as_added(lab.topic),
        ),
        (
            DataFileDownloadDirectory(
                lab.target, lab.config, lab.topic, heartbeat_topic_name=f"{lab.topic}-beats", update_secs=-1
            ),
            lambda program: program.reconstruct(),
        ),
    ):
        with program:
            program.control_command_queue.put("q")
            run(program)
    names = [re.fullmatch(r"(\w+)-.+-[0-9a-f]{8}_heartbeat", key) for key, _ in told(lab, "beats")]
    assert [found and found[1] for found in names] == ["DataFileUploadDirectory"] * 2 + [
        "DataFileDownloadDirectory"
    ] * 2
