"""The plain reader of examples/ against a real broker: whole files, the newest version, none outside."""

from __future__ import annotations

import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from openmsistream.broker import RunningBroker
from openmsistream.files import digest
from openmsistream.files.chunk import Chunk, new_generation
from openmsistream.files.wire import native

SCRIPT = Path(__file__).parents[2] / "examples" / "plain_reader.py"
LIMIT = 60.0

Sent = tuple[bytes, bytes, list[tuple[str, bytes]]]


def of_file(path: str, content: bytes, chunk_size: int = 8, generation: str = "") -> list[Sent]:
    """The records of a file."""
    generation = generation or new_generation()
    starts = list(range(0, len(content), chunk_size)) or [0]
    whole = digest.of(content)
    records: list[Sent] = []
    for n, at in enumerate(starts):
        last = at == starts[-1]
        chunk = Chunk(path, generation, n, at, len(content), 1, content[at : at + chunk_size],
                      whole if last else None, n + 1 if last else None)  # fmt: skip
        records.append((native.key(path), chunk.data, native.headers(chunk)))
    return records


def produce(address: str, records: Sequence[Sent]) -> str:
    """Put records, and the file `end` behind them, on a new topic of one partition; gives its name."""
    topic = f"plain-{uuid.uuid4().hex[:8]}"
    config = {"bootstrap.servers": address}
    admin = AdminClient(config)
    admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])[topic].result(LIMIT)
    producer = Producer({**config, "enable.idempotence": True})
    for key, value, headers in [*records, *of_file("end", b"")]:
        producer.produce(topic, value, key, headers=list(headers))
    assert producer.flush(LIMIT) == 0
    return topic


@contextmanager
def reading(address: str, topic: str, folder: Path) -> Iterator[IO[str]]:
    """What the plain reader prints; it is ended afterwards, or when it takes too long."""
    command = [sys.executable, "-X", "utf8", str(SCRIPT), address, topic, str(folder)]
    reader = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
    limit = threading.Timer(LIMIT, reader.kill)
    limit.start()
    try:
        assert reader.stdout is not None
        yield reader.stdout
    finally:
        limit.cancel()
        reader.kill()
        reader.communicate()


def received(address: str, records: Sequence[Sent], folder: Path) -> list[str]:
    """Have these records read into the folder; gives the printed lines before the one for `end`."""
    lines = []
    with reading(address, produce(address, records), folder) as printed:
        for line in printed:
            if line.split()[-2].endswith("end"):
                return lines
            lines.append(line)
    pytest.fail("the plain reader ended or took too long")


def files_in(folder: Path) -> dict[str, bytes]:
    found = {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert found.pop("end") == b""
    return found


def test_whole_files_are_written_under_their_names(broker: RunningBroker, tmp_path: Path) -> None:
    files = {"run7/frames.raw": bytes(range(20)), "Messung/Härte_α.csv": b"1,2\n", "empty.txt": b""}
    received(broker.address, [record for path, data in files.items() for record in of_file(path, data)], tmp_path)
    assert files_in(tmp_path) == files


def test_repeated_chunks_count_once(broker: RunningBroker, tmp_path: Path) -> None:
    one, two, three = of_file("a", bytes(range(20)))
    received(broker.address, [one, one, two, one, two, three, two, three], tmp_path)
    assert files_in(tmp_path) == {"a": bytes(range(20))}


def test_files_that_travel_side_by_side_are_kept_apart(broker: RunningBroker, tmp_path: Path) -> None:
    a, b = of_file("a", b"a" * 24), of_file("b", b"b" * 24)
    received(broker.address, [a[0], b[0], b[1], a[1], a[2], b[2]], tmp_path)
    assert files_in(tmp_path) == {"a": b"a" * 24, "b": b"b" * 24}


def test_the_version_that_begins_later_wins(broker: RunningBroker, tmp_path: Path) -> None:
    old, new = of_file("a", b"o" * 24), of_file("a", b"n" * 24)
    received(broker.address, [old[0], old[1], new[0], old[2], new[1], new[2], old[0], old[1], old[2]], tmp_path)
    assert files_in(tmp_path) == {"a": b"n" * 24}


def test_an_abandoned_version_is_not_written(broker: RunningBroker, tmp_path: Path) -> None:
    generation = new_generation()
    one, two, three = of_file("a", bytes(24), generation=generation)
    end = (native.key("a"), b"", native.abandoned_headers(generation))
    received(broker.address, [one, two, end, three], tmp_path)
    assert files_in(tmp_path) == {}


def test_a_file_whose_first_chunks_are_missing_is_not_written(broker: RunningBroker, tmp_path: Path) -> None:
    received(broker.address, of_file("a", bytes(24))[1:], tmp_path)
    assert files_in(tmp_path) == {}


def test_a_file_with_a_wrong_digest_is_refused(broker: RunningBroker, tmp_path: Path) -> None:
    key, _, headers = of_file("a", b"right")[0]
    lines = received(broker.address, [(key, b"wrong", headers)], tmp_path)
    assert [line.split()[0] for line in lines] == ["refused"]
    assert files_in(tmp_path) == {}


@pytest.mark.parametrize("path", ["../outside", "/{folder}/outside", "run/../../outside", ".", "link/outside"])
def test_a_name_that_leads_out_of_the_folder_is_refused(broker: RunningBroker, tmp_path: Path, path: str) -> None:
    folder, outside = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    outside.mkdir()
    if path.startswith("link"):
        try:
            (folder / "link").symlink_to(outside, target_is_directory=True)
        except OSError:
            pytest.skip("links cannot be made here")
    lines = received(broker.address, of_file(path.replace("{folder}", outside.as_posix().lstrip("/")), b"bad"), folder)
    assert [line.split()[0] for line in lines] == ["refused"]
    assert files_in(folder) == {}
    assert list(outside.iterdir()) == []
    assert not (tmp_path / "outside").exists()


def test_records_of_other_programs_are_passed_over(broker: RunningBroker, tmp_path: Path) -> None:
    others: list[Sent] = [(b"k", b"v", []), (b"", b"v", [("oms", b"1")]), (b"k", b"v", [("oms", b"2"), ("gen", b"x")])]
    received(broker.address, [*others, *of_file("a", b"data")], tmp_path)
    assert files_in(tmp_path) == {"a": b"data"}


def test_it_stays_a_plain_reader() -> None:
    lines = SCRIPT.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 40
    imported = [line.split()[1] for line in lines if line.startswith(("import ", "from "))]
    assert imported == ["sys", "pathlib", "uuid", "blake3", "confluent_kafka"]
