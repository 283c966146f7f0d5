"""Which topics can carry files in chunks of a size: what a record needs beside its chunk is counted for each form."""

from __future__ import annotations

from dataclasses import replace

import pytest

from openmsistream.errors import TopicError
from openmsistream.files.chunk import Chunk
from openmsistream.files.names import MAX_PATH_BYTES
from openmsistream.files.wire import Form, native
from openmsistream.files.wire.msgpack import Msgpack
from openmsistream.kafka.admin import Topic
from openmsistream.transfer.topics import check

TOPIC = Topic("t", "id", "cluster", 1, 1, 1_048_588, -1, -1, "delete")
CHUNK = 524_288


@pytest.mark.parametrize("form", [native.NATIVE, Msgpack()], ids=["native", "msgpack"])
def test_the_default_chunk_fits_a_topic_of_default_size_and_twice_as_much_does_not(form: Form) -> None:
    check(TOPIC, CHUNK, form)
    with pytest.raises(TopicError, match="chunks of 1048576 bytes"):
        check(TOPIC, 2 * CHUNK, form)


def test_the_msgpack_form_names_a_file_twice() -> None:
    tight = replace(TOPIC, max_message_bytes=CHUNK + 512 + MAX_PATH_BYTES)
    check(tight, CHUNK)
    with pytest.raises(TopicError, match="do not fit topic t"):
        check(tight, CHUNK, Msgpack())


@pytest.mark.parametrize("form", [native.NATIVE, Msgpack()], ids=["native", "msgpack"])
def test_no_record_is_larger_than_its_form_says(form: Form) -> None:
    path = "x" * 200 + "/" + "y" * (MAX_PATH_BYTES - 201)
    digest = "blake3:" + "0" * 64 if form is native.NATIVE else "sha512:" + "0" * 128
    largest = Chunk(path, "0" * 32, 2**40 - 1, 2**62, 2**62, 2**62, b"", digest, 2**40)
    written = form.record(largest)
    headers = sum(len(name) + len(value) + 12 for name, value in written.headers)
    assert len(written.key) + len(written.value) + headers + 64 <= form.overhead
