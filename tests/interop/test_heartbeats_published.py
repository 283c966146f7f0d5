"""Heartbeats and log records have the keys and fields that the published programs give theirs."""

from __future__ import annotations

import copy
import json
from typing import Any

from confluent_kafka import Message
from lab import UPLOAD, expect, put
from mixed_lab import MixedLab

BEATS = {"heartbeat_topic_name": "beats", "heartbeat_program_id": "lab7", "heartbeat_interval_secs": "2"}
LOGS = {"log_topic_name": "logs", "log_program_id": "lab7", "log_interval_secs": "2"}


def at(lab: MixedLab, what: str) -> MixedLab:
    """The lab with one of the two topics in place of its own."""
    there = copy.copy(lab)
    there.topic = f"{lab.topic}-{what}"
    return there


def options(lab: MixedLab, who: str) -> list[str]:
    asked = {**BEATS, **LOGS, "update_seconds": "1"}
    asked |= {name: f"{lab.topic}-{who}-{asked[name]}" for name in ("heartbeat_topic_name", "log_topic_name")}
    return [word for name, value in asked.items() for word in (f"--{name}", value)]


def shape(record: Message) -> tuple[bytes, list[tuple[str, type]]]:
    """Its key, and the fields of its JSON with the kinds of their values."""
    value: dict[str, Any] = json.loads(record.value() or b"")
    assert record.headers() is None
    return record.key() or b"", [(name, type(found)) for name, found in value.items()]


def shapes(lab: MixedLab, who: str, what: str) -> set[str]:
    """What the records of one program on one topic are like."""
    return {str(shape(record)) for record in at(lab, f"{who}-{what}").records()}


def totals(lab: MixedLab, who: str) -> dict[str, int]:
    """What all heartbeats of a program count together."""
    found: dict[str, int] = {}
    for record in at(lab, f"{who}-beats").records():
        for name, value in json.loads(record.value() or b"").items():
            if name != "timestamp":
                found[name] = found.get(name, 0) + value
    return found


def make_topics(lab: MixedLab) -> None:
    lab.make_topic()
    for topic in ("theirs-beats", "theirs-logs", "ours-beats", "ours-logs"):
        at(lab, topic).make_topic()


def compare(lab: MixedLab) -> None:
    """Both programs told the same things in the same form."""
    for what in ("beats", "logs"):
        theirs = shapes(lab, "theirs", what)
        assert len(theirs) == 1
        assert shapes(lab, "ours", what) == theirs
    assert totals(lab, "ours") == totals(lab, "theirs")


def test_an_upload_tells_what_a_published_one_tells(lab: MixedLab) -> None:
    make_topics(lab)
    put(lab.source, "run/a.dat", b"x" * 1000)
    put(lab.place / "again", "run/a.dat", b"x" * 1000)
    theirs = lab.published_upload(*options(lab, "theirs"))
    expect(lambda: len(lab.records()) == 1, 60)
    theirs.quit()
    words = ["--config", lab.config, "--topic_name", lab.topic, "--upload_existing", *options(lab, "ours")]
    ours = lab.program(UPLOAD, lab.place / "again", *words)
    expect(lambda: len(lab.records()) == 2)
    assert ours.stop() == 0
    compare(lab)


def test_a_download_tells_what_a_published_one_tells(lab: MixedLab) -> None:
    make_topics(lab)
    put(lab.source, "run/a.dat", b"x" * 1000)
    with lab.uploading(upload_existing=True):
        expect(lambda: len(lab.records()) == 1)
    theirs = lab.published("actor.data_file_download_directory", lab.target, *options(lab, "theirs"))
    expect(lambda: (lab.target / "run/a.dat").exists(), 60)
    theirs.quit()
    target = lab.place / "ours"
    ours = lab.download_program(*options(lab, "ours"), target=target, config=lab.config)
    expect(lambda: (target / "run/a.dat").exists())
    assert ours.stop() == 0
    compare(lab)
