"""Status, retry and ls beside running programs, at a real broker."""

from __future__ import annotations

import json
import re
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from lab import Lab, chunks, expect, put, record_of, tree

from openmsistream.files.chunk import FileState
from openmsistream.ledger.database import reader
from openmsistream.ledger.sent import SentFile, SentLedger, get


def status(lab: Lab, folder: Path, *args: object) -> dict[str, Any]:
    """The only ledger of a folder, as `status --json` tells it."""
    code, said = lab.umbrella("status", folder, "--json", *args)
    assert code == 0, said
    (ledger,) = json.loads(said)["ledgers"]
    return dict(ledger)


def test_status_follows_a_file_from_one_folder_into_the_other(lab: Lab) -> None:
    up, down = lab.upload_program(), lab.download_program()
    up.wait_for("first start")
    put(lab.source, "run/a.dat", b"x" * 1000)
    put(lab.source, "b.tmp")
    expect(lambda: tree(lab.target) == {"run/a.dat": b"x" * 1000})
    said = status(lab, lab.source, "--all")
    assert {(file["path"], file["state"]) for file in said["files"]} == {("run/a.dat", "sent"), ("b.tmp", "skipped")}
    assert said["running"]
    assert said["program"]["pid"] == up.process.pid
    expect(lambda: status(lab, lab.target)["program"]["lag_records"] == 0, 15)
    received = r"received 1 files, 1\.0 kB since then; .*/s over 10 s, .*/s over 60 s; nothing more to read"
    expect(lambda: bool(re.search(received, lab.umbrella("status", lab.target)[1])), 15)
    code, words = lab.umbrella("status", lab.target)
    assert code == 0
    assert re.search(r"  delivered   run/a\.dat: at \d{4}-", words)
    assert (up.stop(), down.stop()) == (0, 0)
    code, words = lab.umbrella("status", lab.target)
    assert re.search(r"no program is at work here; last seen \d.* ago, when it ended\n", words)


def test_status_shows_how_far_a_file_is_and_what_a_killed_program_left(lab: Lab) -> None:
    lab.make_topic()
    half = chunks("big.dat", b"abcdefghij" * 30, 25)
    lab.produce(*(record_of(chunk) for chunk in half[:5]))
    lab.target.mkdir()
    down = lab.download_program()
    down.wait_for("reading as")
    expect(lambda: [f["chunks"] for f in status(lab, lab.target)["files"]] == [5], 20)
    (file,) = status(lab, lab.target)["files"]
    assert file["state"] == "receiving"
    assert file["why"] == "5 chunks, 125 B of 300 B; chunks from 5 on (125 of 300 bytes came) missing"
    down.kill()
    expect(lambda: not status(lab, lab.target)["running"], 10)
    assert "killed or cut off" in lab.umbrella("status", lab.target)[1]
    code, words = lab.umbrella("ls", lab.topic, "--config", lab.config)
    assert code == 0
    assert "big.dat  (incomplete, chunks from 5 on (125 of 300 bytes came) missing)" in words


def test_a_file_that_failed_to_be_sent_is_tried_again_while_the_program_runs(lab: Lab) -> None:
    state = FileState.of(put(lab.source, "a.dat", b"x").stat())
    up = lab.upload_program()
    up.wait_for("first start")
    ledger = lab.source / "LOGS" / f"upload-{lab.topic}.sqlite"
    with closing(reader(ledger)) as connection:
        expect(lambda: get(connection, 1, "a.dat") is not None)
    up.stop()
    with SentLedger(ledger) as open_ledger:
        open_ledger.stream = 1
        open_ledger.write([SentFile("a.dat", "failed", state, reason="Permission denied", updated=time.time())])
    again = lab.upload_program()
    again.wait_for("partitions")
    code, words = lab.umbrella("retry", lab.source)
    assert (code, words) == (0, f"  a.dat\n1 file is sent again to topic {lab.topic} now\n")
    again.wait_for("1 files are tried again, as asked for", 10)
    expect(lambda: len(lab.records()) == 1)
    expect(lambda: not status(lab, lab.source)["files"], 10)


def test_a_file_that_failed_to_be_written_is_fetched_again(lab: Lab) -> None:
    lab.make_topic()
    lab.produce(*(record_of(chunk) for chunk in chunks("folder/a.dat", b"abc")))
    put(lab.target, "folder", b"a file where a folder must be")
    down = lab.download_program()
    down.wait_for("folder/a.dat was not delivered")
    expect(lambda: [file["state"] for file in status(lab, lab.target)["files"]] == ["failed"], 10)
    down.stop()
    (lab.target / "folder").unlink()
    _, words = lab.umbrella("retry", lab.target, "folder")
    assert "1 file is fetched again from topic" in words
    assert "when the program is started: none is at work here" in words
    again = lab.download_program()
    again.wait_for("folder/a.dat is fetched again, as asked for", 20)
    expect(lambda: tree(lab.target) == {"folder/a.dat": b"abc"}, 20, lambda: again.said)
    expect(lambda: status(lab, lab.target)["totals"] == {"delivered": {"files": 1, "bytes": 3}}, 10)


def test_ls_tells_every_file_of_a_topic_and_its_versions(lab: Lab) -> None:
    lab.make_topic(2)
    first, second = chunks("run/a.dat", b"first"), chunks("run/a.dat", b"second one", 4)
    lab.produce(*map(record_of, (*first, *second)), (b"k", b"garbage", []))
    lab.produce(*map(record_of, chunks("other.dat", b"")), partition=1)
    code, words = lab.umbrella("ls", lab.topic, "--config", lab.config)
    assert code == 0, words
    lines = words.splitlines()
    assert re.fullmatch(r" +0 B  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  other\.dat", lines[0])
    assert re.fullmatch(r" +10 B  .*  run/a\.dat  \(2 versions\)", lines[1])
    assert f"2 files on topic {lab.topic}, 10 B; 0 incomplete" in lines
    assert "1 records are no chunks of files" in lines
    code, words = lab.umbrella("ls", lab.topic, "run/", "--config", lab.config, "--all-versions", "--json")
    assert [(file["size"], file["complete"], file["chunks"], file["versions"]) for file in json.loads(words)] == [
        (10, True, 3, 2), (5, True, 1, 2),
    ]  # fmt: skip
    assert lab.committed("openmsistream-ls", 2) == [-1001, -1001]


def test_ls_of_a_topic_that_is_not_there(lab: Lab) -> None:
    code, words = lab.umbrella("ls", lab.topic, "--config", lab.config)
    assert code == 6
    assert words.startswith(f"error: there is no topic {lab.topic} at {lab.address}; its topics are: ")


def test_ls_of_an_empty_topic(lab: Lab) -> None:
    lab.make_topic()
    code, words = lab.umbrella("ls", lab.topic, "--config", lab.config)
    assert (code, words) == (0, f"0 files on topic {lab.topic}, 0 B; 0 incomplete\n")


def test_every_line_of_a_program_is_json_when_asked(lab: Lab) -> None:
    up = lab.upload_program("--log_format", "json", "--update_seconds", "1")
    up.wait_for("first start")
    put(lab.source, "a.dat", b"x")
    up.wait_for("sent 1 files")
    assert up.stop() == 0
    lines = [json.loads(line) for line in up.said.splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    assert lines[-1]["message"].startswith("sent 1 files, 1 B in ")
    refused = lab.program(
        "openmsistream.transfer.upload_directory", lab.source, "--config", "nope", "--log_format", "json"
    )
    assert refused.ends() == 3
    assert json.loads(refused.said)["level"] == "ERROR"
