"""Files sent in OpenMSIStream's form, read back from the real broker record by record."""

from __future__ import annotations

import os
import threading

import pytest
from confluent_kafka import Message
from lab import UPLOAD_ONE, Lab, expect, put, tree

from openmsistream.files import digest
from openmsistream.files.chunk import Chunk
from openmsistream.files.wire import decode, native
from openmsistream.kafka.partitions import partition_of
from openmsistream.program.run import wait_until
from openmsistream.transfer.upload_data_file import UploadDataFile
from openmsistream.transfer.upload_directory import DataFileUploadDirectory

CHUNK = 1 << 16


@pytest.fixture
def msgpack(lab: Lab) -> Lab:
    """The lab with a configuration as existing installations have it."""
    text = lab.config.read_text("utf-8")
    producer = "key.serializer = StringSerializer\nvalue.serializer = DataFileChunkSerializer\n"
    lab.config.write_text(f"{text}[producer]\n{producer}", "utf-8")
    return lab


def chunk_of(message: Message) -> Chunk:
    said = decode(message.key(), message.value(), message.headers())  # type: ignore[arg-type]
    assert isinstance(said, Chunk)
    return said


def content_of(messages: list[Message]) -> dict[str, bytes]:
    """The files that these records make up, each being whole and in order."""
    found: dict[str, bytes] = {}
    for chunk in map(chunk_of, messages):
        assert chunk.offset == len(found.setdefault(chunk.path, b""))
        found[chunk.path] += chunk.data
        if chunk.is_last:
            assert chunk.digest == digest.of(found[chunk.path], (chunk.digest or "").partition(":")[0])
    return found


def test_files_of_all_kinds_are_sent_as_openmsistream_sends_them(msgpack: Lab) -> None:
    lab = msgpack
    lab.make_topic(4)
    contents = {
        "hello.txt": b"hello",
        "a/b/many.dat": os.urandom(5 * CHUNK + 1),
        "c/empty": b"",
        "ünï ;.dat": b"\0\xff",
    }
    for path, content in contents.items():
        put(lab.source, path, content)
    with lab.uploading(upload_existing=True, chunk_size=CHUNK) as uploader:
        expect(lambda: uploader.tally.files == 4)
    records = lab.records()
    assert content_of(records) == contents
    keys = {(message.key() or b"").decode() for message in records}
    assert keys == {
        "_hello.txt_chunk_1_of_1", "c_empty_chunk_1_of_1", "_ünï ;.dat_chunk_1_of_1",
        *(f"a_b_many.dat_chunk_{i}_of_6" for i in range(1, 7)),
    }  # fmt: skip
    for message in records:
        chunk = chunk_of(message)
        assert message.headers() is None
        assert message.partition() == partition_of(native.key(chunk.path), 4)
        assert chunk.mtime_ns is not None
        written = (lab.source / chunk.path).stat()
        assert abs(chunk.mtime_ns - written.st_mtime_ns) < 1000


def test_what_is_sent_with_nine_elements_arrives(msgpack: Lab) -> None:
    lab = msgpack
    for path, size in (("a/b/c.dat", 3 * CHUNK + 5), ("empty", 0), ("ünï ;.dat", 10)):
        put(lab.source, path, os.urandom(size))
    up = lab.upload_program("--upload_existing", "--chunk_size", CHUNK, "--wire_fields", 9)
    up.wait_for("first start")
    with lab.downloading():
        expect(lambda: tree(lab.target) == tree(lab.source), shown=lambda: tree(lab.target).keys())
        put(lab.source, "a/b/c.dat", os.urandom(2 * CHUNK))
        expect(lambda: tree(lab.target) == tree(lab.source))
    assert up.stop() == 0
    assert {(message.value() or b"")[0] for message in lab.records()} == {0x99}


def test_one_file_is_sent_with_nine_elements_to_old_readers(msgpack: Lab) -> None:
    lab = msgpack
    content = os.urandom(3 * CHUNK)
    file = put(lab.source, "sub/a.dat", content)
    upload = lab.program(
        UPLOAD_ONE, file, "--config", lab.config, "--topic_name", lab.topic, "--wire_fields", 9, "--chunk_size", CHUNK
    )
    assert upload.ends() == 0
    records = lab.records()
    assert content_of(records) == {"a.dat": content}
    assert {(message.value() or b"")[0] for message in records} == {0x99}


class Head(UploadDataFile):
    """Sends the first ten bytes of a file, and five from byte 100 on."""

    @property
    def select_bytes(self) -> list[tuple[int, int]]:  # type: ignore[override]
        return [(0, 10), (100, 105)]


@pytest.mark.parametrize("form", ["native", "msgpack"])
def test_one_file_with_an_appendix_to_its_name_and_selected_bytes(
    lab: Lab, form: str, request: pytest.FixtureRequest
) -> None:
    if form == "msgpack":
        request.getfixturevalue("msgpack")
    content = os.urandom(200)
    with Head(put(lab.source, "f/a.dat", content), rootdir=lab.source, filename_append="_head") as upload:
        upload.upload_whole_file(lab.config, lab.topic, chunk_size=8)
    assert content_of(lab.records()) == {"f/a_head.dat": content[:10] + content[100:105]}


@pytest.mark.parametrize("form", ["native", "msgpack"])
def test_a_folder_of_which_selected_bytes_are_sent(lab: Lab, form: str, request: pytest.FixtureRequest) -> None:
    if form == "msgpack":
        request.getfixturevalue("msgpack")
    lab.make_topic()
    contents = {path: os.urandom(200) for path in ("a.dat", "f/b.dat")}
    for path, content in contents.items():
        put(lab.source, path, content)
    with DataFileUploadDirectory(lab.source, lab.config, datafile_type=Head, update_secs=-1) as upload:

        def stop_when_all_is_sent() -> None:
            try:
                wait_until(lambda: len(lab.records()) == 4, 30, step=0.05)
            finally:
                upload.control_command_queue.put("q")

        watcher = threading.Thread(target=stop_when_all_is_sent)
        watcher.start()
        sent = upload.upload_files_as_added(lab.topic, chunk_size=8, upload_existing=True)
        watcher.join()
    assert sent == ["a.dat", "f/b.dat"]
    expected = {path: content[:10] + content[100:105] for path, content in contents.items()}
    assert content_of(lab.records()) == expected
