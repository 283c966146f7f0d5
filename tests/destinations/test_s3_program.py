"""From a folder through Kafka into a bucket: the program S3TransferStreamProcessor as its users start it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from lab import Lab, Program, expect, put, tree
from s3_servers import KEY, SECRET, Gateway, gateway

from openmsistream.destinations import command_lines

PROGRAM = "openmsistream.destinations.s3_processor"


def config_for(lab: Lab, server: Gateway) -> Path:
    """The lab's configuration with a section for the server."""
    file = lab.config_file("s3")
    section = (
        f"\n[s3]\naccess_key_id = {KEY}\nsecret_key_id = $THE_SECRET\nendpoint_url = {server.url}\nregion = us-east-1\n"
    )
    file.write_text(file.read_text("utf-8") + section, "utf-8")
    return file


def transfer(lab: Lab, server: Gateway, bucket: str, *more: object, config: Path | None = None) -> Program:
    return lab.program(
        PROGRAM, bucket, "--config", config or config_for(lab, server), "--topic_name", lab.topic,
        "--output_dir", lab.place / "out", *more, env={"THE_SECRET": SECRET},
    )  # fmt: skip


def objects(server: Gateway, bucket: str) -> dict[str, bytes]:
    found = server.client.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {item["Key"]: server.holds(bucket, item["Key"]) or b"" for item in found}


def sent_at(server: Gateway, bucket: str) -> dict[str, object]:
    found = server.client.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {item["Key"]: item["LastModified"] for item in found}


def requests_of(log: Path, verb: str) -> list[str]:
    """The requests of one kind that a server has noted."""
    return [line for line in log.read_text().splitlines() if f'"{verb} ' in line]


def test_every_file_of_a_folder_is_in_the_bucket_and_a_second_run_sends_none(
    lab: Lab, versitygw_program: Path, tmp_path: Path
) -> None:
    for path in ("run1/table.csv", "run1/grüße #1?.txt", "top level.bin", "a/b/c.dat"):
        put(lab.source, path, os.urandom(30_000))
    put(lab.source, "empty.txt")
    put(lab.source, "large.bin", os.urandom(2_000_000))
    log = tmp_path / "requests.log"
    with gateway(versitygw_program, tmp_path / "own", "--access-log", str(log)) as server:
        bucket = server.bucket()
        lab.upload_program("--upload_existing")
        program = transfer(lab, server, bucket, "--logger_stream_level", "debug")
        wanted = {f"{lab.topic}/{path}": content for path, content in tree(lab.source).items()}
        expect(lambda: objects(server, bucket) == wanted, 40, lambda: (sorted(objects(server, bucket)), program.said))
        assert program.stop() == 0, program.said
        assert SECRET not in program.said
        before = len(requests_of(log, "PUT"))

        again = transfer(lab, server, bucket, "--from_beginning")
        wait_for_files(again, len(wanted))
        assert again.stop() == 0, again.said
        assert len(requests_of(log, "PUT")) == before


def test_a_program_killed_in_the_middle_of_a_file_sends_it_again(lab: Lab, gate: Gateway) -> None:
    bucket = gate.bucket()
    content = os.urandom(50_000_000)
    put(lab.source, "large.bin", content)
    lab.upload_program("--upload_existing")
    program = transfer(lab, gate, bucket)
    expect(lambda: bool(gate.unfinished(bucket) or sent_at(gate, bucket)), 40, lambda: program.said)
    program.kill()
    again = transfer(lab, gate, bucket)
    expect(lambda: objects(gate, bucket) == {f"{lab.topic}/large.bin": content}, 60, lambda: again.said)
    assert again.stop() == 0, again.said


def test_processes_of_their_own_store_files_too(lab: Lab, gate: Gateway) -> None:
    bucket = gate.bucket()
    put(lab.source, "a.txt", b"a")
    lab.upload_program("--upload_existing")
    program = transfer(lab, gate, bucket, "--workers", "process", "--n_threads", "1")
    expect(lambda: objects(gate, bucket) == {f"{lab.topic}/a.txt": b"a"}, 40, lambda: program.said)
    assert program.stop() == 0, program.said


def wait_for_files(program: Program, count: int) -> None:
    """Until it says at a check that so many are done."""

    def done() -> bool:
        program.tell("c")
        return bool(re.search(rf"\b{count} files", program.said))

    expect(done, 30, lambda: program.said)


def test_an_outage_of_the_server_fails_no_file(lab: Lab, versitygw_program: Path, tmp_path: Path) -> None:
    with gateway(versitygw_program, tmp_path / "own") as server:
        bucket = server.bucket()
        put(lab.source, "before.txt", b"before")
        lab.upload_program("--upload_existing")
        program = transfer(lab, server, bucket)
        expect(lambda: len(objects(server, bucket)) == 1, 40, lambda: program.said)
        server.kill()
        put(lab.source, "during.txt", b"during")
        program.wait_for("cannot be reached: the connection was refused.*files wait until it answers", 40)
        server.start()
        expect(lambda: len(objects(server, bucket)) == 2, 60, lambda: program.said)
        program.wait_for("it answers again, after")
        assert program.stop() == 0, program.said


# -- what is said at the start -------------------------------------------------------------------------------------


def the_line(program: Program) -> str:
    """The one line that a program ends with which cannot begin."""
    assert program.ends(20) == 11, program.said
    (line,) = program.said.splitlines()
    return line


def test_a_missing_bucket_ends_it_at_the_start(lab: Lab, gate: Gateway) -> None:
    line = the_line(transfer(lab, gate, "no-such-bucket"))
    assert line.startswith(f"error: there is no bucket no-such-bucket at {gate.url}")


def test_a_server_that_does_not_answer_ends_it_at_the_start(lab: Lab, versitygw_program: Path, tmp_path: Path) -> None:
    with gateway(versitygw_program, tmp_path / "own") as server:
        config = config_for(lab, server)
    assert "cannot be reached: the connection was refused" in the_line(transfer(lab, server, "abc", config=config))


def test_a_configuration_with_half_a_pair_of_keys_ends_it_at_the_start(lab: Lab, gate: Gateway) -> None:
    config = lab.config_file("half")
    config.write_text(config.read_text() + "\n[s3]\naccess_key_id = k\n")
    program = transfer(lab, gate, "abc", config=config)
    assert program.ends(20) == 3
    assert "has no secret_key_id; add secret_key_id, or leave out both keys" in program.said


def test_a_variable_that_is_not_set_is_named(lab: Lab, gate: Gateway) -> None:
    config = lab.config_file("unset")
    config.write_text(config.read_text() + "\n[s3]\naccess_key_id = $NOT_SET_ANYWHERE\n")
    program = transfer(lab, gate, "abc", config=config)
    assert program.ends(20) == 3
    assert "NOT_SET_ANYWHERE" in program.said


# -- the command line ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["s3://bucket", "a bucket", "bucket/folder"])
def test_a_name_that_no_bucket_has_is_a_wrong_command_line(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command_lines.s3_transfer([name])
    assert ended.value.code == 2
    assert f"{name!r} cannot be the name of a bucket" in capsys.readouterr().err


def test_the_defaults_are_those_of_openmsistream() -> None:
    args = command_lines.of_s3_transfer().parse_args(["bucket"])
    assert (args.bucket_name, args.config, args.mode, args.n_threads) == ("bucket", "test_s3_transfer", "memory", 2)
    assert args.output_dir == Path("S3TransferStreamProcessor_output")
