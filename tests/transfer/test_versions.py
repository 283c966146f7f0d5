"""What is sent of a file, by what the ledger says of its path."""

from __future__ import annotations

from dataclasses import replace

import pytest

from openmsistream.files.chunk import FileState
from openmsistream.files.wire import Form, native
from openmsistream.files.wire.msgpack import Msgpack
from openmsistream.ledger.sent import SentFile
from openmsistream.transfer.versions import RESUME_WITHIN, Version, version_to_send

STATE = FileState(size=1000, mtime_ns=5, ctime_ns=6, inode=7)
NOW = 1_000_000.0
MSGPACK = Msgpack()
SENT = SentFile("a", "sent", STATE, "0" * 32, 1, 100, 10, "blake3:front", 42, "blake3:whole", None, NOW - 9)
SENDING = replace(SENT, state="sending", acked_chunks=4, digest=None)
MSGPACK_SENDING = replace(SENDING, generation=MSGPACK.new_generation(), digest="blake3:whole")


def asked(
    row: SentFile | None, state: FileState = STATE, *, form: Form = native.NATIVE, partitions: int = 4,
    known_too: bool = False, all_of_it: bool = True,
) -> Version | None:  # fmt: skip
    return version_to_send(
        row, state, form, partition=3, partitions=partitions, chunk_size=100, known_too=known_too, now=NOW,
        all_of_it=all_of_it,
    )  # fmt: skip


def begun(row: SentFile | None, state: FileState = STATE, **kwargs: object) -> Version:
    version = asked(row, state, **kwargs)  # type: ignore[arg-type]
    assert version is not None
    return version


def test_a_path_that_was_never_met_is_a_new_version_in_the_partition_of_its_key() -> None:
    version = begun(None)
    assert (version.partition, version.resume_at, version.abandon, version.compare_with) == (3, 0, None, None)


def test_what_was_sent_and_has_not_changed_is_not_sent() -> None:
    assert asked(SENT) is None


def test_what_is_known_from_before_the_first_start_is_sent_only_when_asked_for() -> None:
    known = SentFile("a", "known", STATE)
    assert asked(known) is None
    assert begun(known, known_too=True).resume_at == 0


@pytest.mark.parametrize("state", [replace(STATE, size=1001), replace(STATE, mtime_ns=8)])
def test_another_size_or_time_is_a_new_version(state: FileState) -> None:
    version = begun(SENT, state)
    assert version.generation != SENT.generation
    assert version.compare_with is None


@pytest.mark.parametrize("state", [replace(STATE, ctime_ns=8), replace(STATE, inode=8)])
def test_where_only_attributes_changed_the_content_decides(state: FileState) -> None:
    assert begun(SENT, state).compare_with == SENT.digest


def test_a_path_keeps_its_partition_when_partitions_are_added_and_loses_it_when_there_are_fewer() -> None:
    changed = replace(STATE, size=2)
    assert begun(SENT, changed, partitions=8).partition == 1
    assert begun(SENT, changed, partitions=1).partition == 3


def test_an_interrupted_upload_goes_on_behind_what_is_acknowledged() -> None:
    version = begun(SENDING)
    assert (version.generation, version.resume_at, version.resume_digest) == (SENDING.generation, 4, "blake3:front")
    assert version.first_offset == 42
    assert version.abandon is None


def test_an_upload_that_was_acknowledged_to_its_end_is_sent_again_so_that_its_end_is_known() -> None:
    assert begun(replace(SENDING, acked_chunks=10)).resume_at == 0


@pytest.mark.parametrize(
    ("row", "state"),
    [
        (SENDING, replace(STATE, mtime_ns=8)),
        (replace(SENDING, updated=NOW - RESUME_WITHIN - 1), STATE),
        (replace(SENDING, updated=NOW + 100), STATE),
    ],
    ids=["changed", "too old", "from the future"],
)
def test_an_upload_that_cannot_be_resumed_is_given_up_and_begun_anew(row: SentFile, state: FileState) -> None:
    version = begun(row, state)
    assert version.abandon == row.generation
    assert (version.resume_at, version.generation == row.generation) == (0, False)


def test_a_part_of_a_file_is_begun_anew_since_the_choice_may_have_changed() -> None:
    version = begun(SENDING, all_of_it=False)
    assert (version.resume_at, version.abandon) == (0, SENDING.generation)


# -- the msgpack form


def test_an_interrupted_msgpack_upload_goes_on_when_the_whole_file_is_the_same() -> None:
    version = begun(MSGPACK_SENDING, form=MSGPACK)
    assert (version.generation, version.resume_at) == (MSGPACK_SENDING.generation, 4)
    assert (version.resume_digest, version.resume_whole) == ("blake3:front", "blake3:whole")
    assert not version.first_twice


@pytest.mark.parametrize(
    ("row", "form"), [(SENDING, MSGPACK), (MSGPACK_SENDING, native.NATIVE)], ids=["to msgpack", "from"]
)
def test_what_was_begun_in_one_form_is_not_gone_on_with_in_the_other(row: SentFile, form: Form) -> None:
    version = begun(row, form=form)
    assert (version.resume_at, version.abandon) == (0, row.generation)
    assert form.began(version.generation)


@pytest.mark.parametrize(
    "row",
    [
        replace(MSGPACK_SENDING, file=replace(STATE, mtime_ns=8)),
        replace(MSGPACK_SENDING, acked_chunks=0),
        replace(MSGPACK_SENDING, acked_chunks=10),
        replace(MSGPACK_SENDING, updated=NOW - RESUME_WITHIN - 1),
        replace(MSGPACK_SENDING, state="abandoned"),
        replace(MSGPACK_SENDING, state="failed"),
        replace(MSGPACK_SENDING, state="sent", resumed=True, file=replace(STATE, size=3)),
    ],
    ids=[
        "changed",
        "nothing acknowledged",
        "all acknowledged",
        "too old",
        "abandoned",
        "failed",
        "sent, its end twice",
    ],
)
def test_behind_a_msgpack_generation_of_which_readers_hold_a_part_the_first_chunk_is_sent_twice(row: SentFile) -> None:
    version = begun(row, form=MSGPACK)
    assert (version.first_twice, version.resume_at) == (True, 0)


@pytest.mark.parametrize(
    ("row", "form"),
    [
        (None, MSGPACK),
        (replace(SENT, generation=MSGPACK.new_generation()), MSGPACK),
        (replace(MSGPACK_SENDING, generation=None), MSGPACK),
        (SENDING, MSGPACK),
        (replace(MSGPACK_SENDING, state="abandoned"), native.NATIVE),
    ],
    ids=["first", "finished", "only read", "native before", "native now"],
)
def test_otherwise_the_first_chunk_is_sent_once(row: SentFile | None, form: Form) -> None:
    assert not begun(row, replace(STATE, size=3), form=form).first_twice
