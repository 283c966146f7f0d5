"""Files become objects: under which key, with what beside them, in how many requests, and never half."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from s3_servers import KEY, SECRET, Gateway, S3Server, gateway

from openmsistream.destinations import s3
from openmsistream.destinations.contract import DestinationError, Put, Unreachable
from openmsistream.destinations.parts import MIB, MOST_PARTS, PART_SIZE, part_size
from openmsistream.destinations.s3 import S3Destination
from openmsistream.destinations.s3_objects import content_type
from openmsistream.files import digest
from openmsistream.testing.destinations import Trial

At = Callable[[S3Server], Trial]


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file that is not empty goes in parts."""
    monkeypatch.setattr(s3, "ONE_REQUEST", 0)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are made twice, as at the start."""
    monkeypatch.setattr(s3, "_PATIENT", s3._QUICK)


def head(trial: Trial, server: S3Server, path: str) -> dict[str, Any]:
    found: dict[str, Any] = server.client.head_object(Bucket=bucket_of(trial), Key=f"topic/{path}")
    return found


def bucket_of(trial: Trial) -> str:
    return destination_of(trial).bucket


def destination_of(trial: Trial) -> S3Destination:
    assert isinstance(trial.destination, S3Destination)
    return trial.destination


# -- an object -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one_request", [s3.ONE_REQUEST, 0], ids=["at once", "in parts"])
def test_beside_the_bytes_stand_digest_topic_time_and_type(
    server: S3Server, trial_at: At, one_request: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "ONE_REQUEST", one_request)
    trial = trial_at(server)
    file = trial.file("run1/table.csv", b"1,2,3\n")
    trial.put(file)
    found = head(trial, server, "run1/table.csv")
    assert found["Metadata"] == {"digest": file.digest, "topic": "topic", "mtime": "1600000000.123456789"}
    assert found["ContentType"] == "text/csv"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.tif", "image/tiff"), ("a.json", "application/json"), ("a.csv.gz", "application/gzip"), ("a", "application/octet-stream"),
     ("a.no-such-ending", "application/octet-stream")],
)  # fmt: skip
def test_the_type_is_told_by_the_name(name: str, kind: str) -> None:
    assert content_type(name) == kind


def test_a_time_before_1970_is_told_too(moto_server: S3Server, trial_at: At) -> None:
    trial = trial_at(moto_server)
    file = trial.file("old", b"old")
    file.mtime_ns = -1_500_000_000
    trial.put(file)
    assert head(trial, moto_server, "old")["Metadata"]["mtime"] == "-1.500000000"


def test_an_object_of_other_size_with_the_same_digest_is_replaced(gate: Gateway, trial_at: At) -> None:
    trial = trial_at(gate)
    file = trial.file("cut.bin", b"the whole content")
    gate.client.put_object(Bucket=bucket_of(trial), Key="topic/cut.bin", Body=b"cut", Metadata={"digest": file.digest})
    trial.put(file)
    trial.expect(file, b"the whole content")


def test_an_object_that_somebody_else_put_is_replaced(gate: Gateway, trial_at: At) -> None:
    trial = trial_at(gate)
    gate.client.put_object(Bucket=bucket_of(trial), Key="topic/theirs", Body=b"same")
    trial.put(trial.file("theirs", b"same"))


def test_a_path_too_long_for_a_key_is_refused_before_anything_is_sent(gate: Gateway, trial_at: At) -> None:
    trial = trial_at(gate)
    with pytest.raises(DestinationError, match="has too long a name for an object") as caught:
        trial.destination.put(trial.file("ü" * 600, b"x"))
    assert not caught.value.retriable


# -- in parts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, PART_SIZE - 1, PART_SIZE, PART_SIZE + 1, 2 * PART_SIZE])
@pytest.mark.parametrize("on_disk", [False, True], ids=["in memory", "on disk"])
def test_a_file_in_parts_is_whole(size: int, on_disk: bool, server: S3Server, trial_at: At, in_parts: None) -> None:
    trial = trial_at(server)
    content = os.urandom(size)
    file = trial.file("parts.bin", content, on_disk=on_disk)
    trial.put(file)
    trial.expect(file, content)
    assert head(trial, server, "parts.bin")["ETag"].endswith(f'-{-(-size // PART_SIZE)}"')
    trial.put(file, Put.ALREADY_THERE)


def test_files_of_many_parts_side_by_side_are_whole(gate: Gateway, trial_at: At, in_parts: None) -> None:
    trial = trial_at(gate)
    files = [trial.file(f"{n}.bin", os.urandom(3 * PART_SIZE + n), on_disk=n % 2 == 0) for n in range(4)]
    with ThreadPoolExecutor(len(files)) as threads:
        assert list(threads.map(trial.destination.put, files)) == [Put.SENT] * len(files)
    for file in files:
        trial.expect(file, file.read_bytes())


def test_a_file_in_parts_that_changed_on_disk_is_given_up(gate: Gateway, trial_at: At, in_parts: None) -> None:
    trial = trial_at(gate)
    file = trial.file("changed.bin", os.urandom(2 * PART_SIZE), on_disk=True)
    assert file.place is not None
    with file.place.open("r+b") as opened:
        opened.seek(2 * PART_SIZE - 1)
        opened.write(b"!" if file.read_bytes()[-1:] != b"!" else b"?")
    with pytest.raises(DestinationError, match="is no longer as it was received"):
        trial.destination.put(file)
    trial.expect(file, None)
    assert gate.unfinished(bucket_of(trial)) == []


def test_parts_grow_with_the_file_so_that_it_fits_into_as_many_as_are_allowed() -> None:
    assert part_size(20 << 30) == PART_SIZE
    for size in (80 << 30, (80 << 30) + 1, 5 << 40):
        assert part_size(size) * MOST_PARTS >= size
        assert part_size(size) % MIB == 0


def test_memory_is_bounded_and_what_is_in_memory_is_not_copied(gate: Gateway, tmp_path: Path) -> None:
    """A process of its own, whose memory is measured: 30 MB in memory, then 400 MB on disk."""
    bucket = gate.bucket()
    script = f"""
        import resource, sys
        from pathlib import Path
        from openmsistream.destinations.s3 import S3Destination
        from openmsistream.destinations.s3_settings import S3Settings
        from openmsistream.files import digest
        from openmsistream.processing.file import File, Source

        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

        source = Source("topic", 0, 0, "g")
        destination = S3Destination({bucket!r}, S3Settings({KEY!r}, {SECRET!r}, {gate.url!r}))
        destination.put(File("small", source, size=1, digest=digest.of(b"x"), data=b"x"))

        data = bytes(30_000_000)
        said = digest.of(data)
        before = peak()
        destination.put(File("kept", source, size=len(data), digest=said, data=data))
        print((peak() - before) // 1_000_000)

        size, place = 400_000_000, Path({str(tmp_path)!r}) / "large"
        hasher = digest.new()
        with place.open("wb") as large:
            large.truncate(size)
        for _ in range(400):
            hasher.update(bytes(1_000_000))
        before = peak()
        destination.put(File("large", source, size=size, digest=digest.text_of(hasher), place=place))
        print((peak() - before) // 1_000_000)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    in_memory, on_disk = (int(word) for word in done.stdout.split())
    assert in_memory < 10
    assert on_disk < 110
    assert head_size(gate, bucket) == 400_000_000


def head_size(server: S3Server, bucket: str) -> int:
    size: int = server.client.head_object(Bucket=bucket, Key="topic/large")["ContentLength"]
    return size


# -- what goes wrong on the way ------------------------------------------------------------------------------------


def damage_in(destination: S3Destination, operation: str, times: int) -> None:
    """Change a byte of what the client sends after it was signed, so many times."""
    left = [times]

    def damage(request: Any, **_: Any) -> None:
        if left[0] > 0:
            left[0] -= 1
            request.body = io.BytesIO(b"X" + request.body.getvalue()[1:])

    destination.client.meta.events.register(f"before-send.s3.{operation}", damage)


@pytest.mark.parametrize(("operation", "one_request"), [("PutObject", s3.ONE_REQUEST), ("UploadPart", 0)])
def test_what_is_damaged_on_the_way_is_not_stored(
    operation: str, one_request: int, gate: Gateway, trial_at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3, "ONE_REQUEST", one_request)
    trial = trial_at(gate)
    file = trial.file("damaged.bin", b"good content")
    damage_in(destination_of(trial), operation, 1)
    with pytest.raises(DestinationError, match=r"what came at .* was not what was sent") as caught:
        trial.destination.put(file)
    assert caught.value.retriable
    trial.expect(file, None)
    assert gate.unfinished(bucket_of(trial)) == []
    trial.put(file)
    trial.expect(file, b"good content")


@pytest.fixture
def own_gate(versitygw_program: Path, tmp_path: Path) -> Iterator[Gateway]:
    """A versitygw for one test, which may kill it."""
    with gateway(versitygw_program, tmp_path / "own") as running:
        yield running


def at_part(destination: S3Destination, number: int, do: Callable[[], None]) -> None:
    """Do something when the part of this number is about to be sent, once."""
    done: list[int] = []

    def about_to_send(request: Any, **_: Any) -> None:
        if f"partNumber={number}&" in f"{request.url}&" and not done:
            done.append(number)
            do()

    destination.client.meta.events.register("before-send.s3.UploadPart", about_to_send)


def test_a_server_killed_in_the_middle_of_a_file_leaves_what_was_there(
    own_gate: Gateway, trial_at: At, in_parts: None, impatient: None
) -> None:
    trial = trial_at(own_gate)
    before = trial.file("killed.bin", b"the version before")
    trial.put(before)
    after = trial.file("killed.bin", os.urandom(6 * PART_SIZE), on_disk=True)
    at_part(destination_of(trial), 3, own_gate.kill)
    with pytest.raises(Unreachable, match="cannot be reached: the connection was refused"):
        trial.destination.put(after)
    own_gate.start()
    trial.expect(before, b"the version before")
    trial.put(after)
    trial.expect(after, after.read_bytes())
    assert own_gate.unfinished(bucket_of(trial)) == []


def test_a_server_that_is_back_soon_is_not_noticed(own_gate: Gateway, trial_at: At, in_parts: None) -> None:
    trial = trial_at(own_gate)
    file = trial.file("restarted.bin", os.urandom(4 * PART_SIZE), on_disk=True)

    def restart() -> None:
        own_gate.kill()
        own_gate.start()

    at_part(destination_of(trial), 2, restart)
    trial.put(file)
    trial.expect(file, file.read_bytes())


def test_an_answer_that_was_lost_is_no_failure(gate: Gateway, trial_at: At, in_parts: None) -> None:
    """The server has put the parts together, the client does not hear of it, and asks for it again."""
    trial = trial_at(gate)
    destination = destination_of(trial)
    file = trial.file("lost answer.bin", b"content")
    complete = destination.client.complete_multipart_upload

    def twice(**arguments: Any) -> Any:
        complete(**arguments)
        return complete(**arguments)

    destination.client.complete_multipart_upload = twice
    trial.put(file)
    trial.expect(file, b"content")


def test_a_stopped_program_does_not_wait_for_parts(gate: Gateway, trial_at: At) -> None:
    """The threads that send parts are no reason for an interpreter to stay."""
    trial = trial_at(gate)
    trial.put(trial.file("some.bin", os.urandom(s3.ONE_REQUEST + 1)))
    assert all(thread.daemon for thread in threading.enumerate() if thread.name.startswith("part-"))


def test_the_digest_may_be_of_either_kind(gate: Gateway, trial_at: At) -> None:
    trial = trial_at(gate)
    file = trial.file("sha.bin", b"content", on_disk=True, kind=digest.SHA512)
    trial.put(file)
    assert head(trial, gate, "sha.bin")["Metadata"]["digest"].startswith("sha512:")
