"""A folder here becomes a folder in Girder, through Kafka, with programs as people start them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from between import answers
from catalogue import Catalogue
from lab import Lab, Program, expect, put

PROGRAM = "openmsistream.destinations.girder_processor"


def girder_program(lab: Lab, catalogue: Catalogue, *args: object, key: str | None = None) -> Program:
    """GirderUploadStreamProcessor on the lab's topic."""
    given = [] if key is None else [key]
    environ = {"GIRDER_API_KEY": catalogue.girder.keys["admin"]} if key is None else {}
    return lab.program(
        PROGRAM, catalogue.line.url, *given, "--config", lab.config, "--topic_name", lab.topic,
        "--collection_name", catalogue.name, "--output_dir", lab.target, *args, env=environ,
    )  # fmt: skip


def held(lab: Lab, catalogue: Catalogue, path: str) -> bytes | None:
    return catalogue.girder.content(f"/collection/{catalogue.name}/{catalogue.name}/{lab.topic}/{path}")


def test_files_of_a_folder_are_in_girder_and_a_second_run_in_processes_sends_nothing(
    lab: Lab, catalogue: Catalogue
) -> None:
    files = {"a.txt": b"1", "run 1/empty": b"", "run 1/ü/b.bin": os.urandom(3_000_000)}
    for path, content in files.items():
        put(lab.source, path, content)
    lab.upload_program("--upload_existing")
    program = girder_program(lab, catalogue, "--metadata", '{"lab": "A"}')
    expect(lambda: catalogue.line.count("PUT .*/item/.*/metadata") == 3)
    for path, content in files.items():
        assert held(lab, catalogue, path) == content
    put(lab.source, "run 2/c", b"later")
    expect(lambda: held(lab, catalogue, "run 2/c") == b"later")
    assert program.stop() == 0
    catalogue.line.seen.clear()
    again = girder_program(lab, catalogue, "--from_beginning", "--workers", "process")
    expect(lambda: catalogue.line.count("GET .*/item/.*/files") == 4)
    assert again.stop() == 0
    assert catalogue.line.count("POST .*/file|PUT .*/item") == 0


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc to read command lines as others do")
def test_a_key_on_the_command_line_is_seen_nowhere(lab: Lab, catalogue: Catalogue) -> None:
    key = catalogue.girder.keys["admin"]
    lab.make_topic()
    program = girder_program(lab, catalogue, "--logger_stream_level", "debug", "--logger_file_path", lab.place / "l.log",
                             "--logger_file_level", "debug", key=key)  # fmt: skip
    put(lab.source, "a", b"1")
    lab.upload_program("--upload_existing")
    expect(lambda: held(lab, catalogue, "a") == b"1")
    assert key not in Path(f"/proc/{program.process.pid}/cmdline").read_text()
    code, said = lab.umbrella("status", lab.target)
    assert code == 0
    assert key not in said
    for file in filter(Path.is_file, lab.place.rglob("*")):
        assert key.encode() not in file.read_bytes(), file
    assert program.stop() == 0
    assert key not in program.said


def test_a_file_that_girder_refuses_is_listed_and_tried_again_when_asked(lab: Lab, catalogue: Catalogue) -> None:
    put(lab.source, "a.txt", b"1")
    put(lab.source, "b.txt", b"2")
    lab.upload_program("--upload_existing")
    catalogue.line.cause("POST .*/file.*name=a.txt", answers(418, "no tea"), times=100)
    program = girder_program(lab, catalogue)
    expect(lambda: held(lab, catalogue, "b.txt") == b"2")
    program.wait_for("a.txt.*no tea")
    expect(lambda: "no tea" in lab.umbrella("status", lab.target, "a.txt")[1])  # on record half a second later
    catalogue.line._troubles.clear()
    code, said = lab.umbrella("retry", lab.target)
    assert code == 0, said
    expect(lambda: held(lab, catalogue, "a.txt") == b"1")
    assert program.stop() == 0


def test_an_outage_fails_no_file_and_a_program_that_waits_can_be_stopped(lab: Lab, catalogue: Catalogue) -> None:
    lab.make_topic()
    program = girder_program(lab, catalogue)
    program.wait_for("reading as a member")
    catalogue.line.cause("api/v1", answers(503), times=100_000)
    put(lab.source, "a.txt", b"1")
    lab.upload_program("--upload_existing")
    program.wait_for("files wait until it answers")
    assert program.stop() == 0
    catalogue.line._troubles.clear()
    again = girder_program(lab, catalogue)
    expect(lambda: held(lab, catalogue, "a.txt") == b"1")
    assert again.stop() == 0


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (
            ["wrong"],
            11,
            "error: Girder at .* refused the API key from GIRDER_API_KEY or the command line: Invalid API key",
        ),
        (["wrong", "--metadata", "{"], 2, "metadata are not JSON"),
        ([], 2, "error: there is no API key for Girder; set GIRDER_API_KEY"),
    ],
)
def test_what_is_wrong_ends_the_program_with_one_line(
    lab: Lab, catalogue: Catalogue, more: list[str], code: int, said: str
) -> None:
    program = lab.program(PROGRAM, catalogue.line.url, *more, "--config", lab.config)
    assert program.ends(20) == code
    program.wait_for(said)
    assert "Traceback" not in program.said


def test_help_is_there_without_loading_kafka_or_requests() -> None:
    code = (
        "import sys; from openmsistream.destinations.girder_command_line import girder_upload\n"
        "try: girder_upload(['--help'])\nexcept SystemExit: print(sorted({'requests', 'confluent_kafka'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.endswith("[]\n")
