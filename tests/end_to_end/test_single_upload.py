"""UploadDataFile: exit code 0 only when every chunk is acknowledged, and nothing left beside the file."""

from __future__ import annotations

import os

import pytest
from lab import UPLOAD_ONE, Lab, expect, put, tree


@pytest.mark.parametrize("size", [0, 5, 1 << 19, 5_000_000])
def test_a_file_is_sent_whole_and_nothing_is_left_beside_it(lab: Lab, size: int) -> None:
    file = put(lab.source, "sub/ä b.dat", os.urandom(size))
    upload = lab.program(UPLOAD_ONE, file, "--config", lab.config, "--topic_name", lab.topic)
    assert upload.ends() == 0
    assert "sent ä b.dat" in upload.said
    assert len(lab.records()) == max(1, -(-size // (1 << 19)))
    with lab.downloading():
        expect(lambda: tree(lab.target) == {"ä b.dat": file.read_bytes()})
    assert tree(lab.source) == {"sub/ä b.dat": file.read_bytes()}
    assert not (lab.source / "LOGS").exists()
    assert (lab.target / "ä b.dat").stat().st_mtime_ns == file.stat().st_mtime_ns


def test_a_file_that_is_not_there_is_refused(lab: Lab) -> None:
    upload = lab.program(UPLOAD_ONE, lab.source / "none.dat", "--config", lab.config, "--topic_name", lab.topic)
    assert upload.ends() == 2
    assert "there is no file" in upload.said


def test_a_topic_that_cannot_be_is_refused(lab: Lab) -> None:
    file = put(lab.source, "a.dat", "a")
    upload = lab.program(UPLOAD_ONE, file, "--config", lab.config, "--topic_name", "not a topic")
    assert upload.ends() == 6
    assert "'not a topic' cannot be the name of a topic" in upload.said


def test_chunks_larger_than_the_topic_takes_are_refused_with_both_numbers(lab: Lab) -> None:
    lab.make_topic(max_message_bytes="50000")
    file = put(lab.source, "a.dat", "a")
    upload = lab.program(UPLOAD_ONE, file, "--config", lab.config, "--topic_name", lab.topic)
    assert upload.ends() == 6
    assert "524288" in upload.said
    assert "50000" in upload.said


def test_a_config_that_is_not_there_is_refused(lab: Lab) -> None:
    upload = lab.program(UPLOAD_ONE, put(lab.source, "a.dat", "a"), "--config", "no_such_config")
    assert upload.ends() == 3
    assert "no_such_config" in upload.said


def test_the_packaged_config_local_finds_the_broker(lab: Lab) -> None:
    file = put(lab.source, "a.dat", "a")
    upload = lab.program(
        UPLOAD_ONE, file, "--config", "local", "--topic_name", lab.topic,
        env={"OPENMSISTREAM_LOCAL_BROKER": lab.address},
    )  # fmt: skip
    assert upload.ends() == 0
    assert len(lab.records()) == 1


def test_a_name_that_no_reader_would_take_is_refused(lab: Lab) -> None:
    upload = lab.program(UPLOAD_ONE, put(lab.source, ".oms-a", "a"), "--config", lab.config)
    assert upload.ends() == 7
    assert "cannot be sent: names beginning with '.oms-' are kept for parts" in upload.said
