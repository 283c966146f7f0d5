"""Records that cannot be used go to the quarantine or are listed as failed, with the reason, and the stream goes on."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from lab import Lab, chunks, expect, record_of, tree

from openmsistream.files import digest
from openmsistream.files.chunk import new_generation
from openmsistream.transfer import session as session_module

Headers = list[tuple[str, bytes]]


def headers(**changed: bytes | None) -> Headers:
    """The headers of a good chunk of five bytes, some of them changed, or left out with None."""
    good: dict[str, bytes | None] = {
        "oms": b"1", "gen": new_generation().encode(), "chunk": b"0", "offset": b"0", "size": b"5", "mtime": b"0",
        "last": b"1", "digest": digest.of(b"12345").encode(), **changed,
    }  # fmt: skip
    return [(name, value) for name, value in good.items() if value is not None]


HOSTILE: list[tuple[str, bytes | None, bytes | None, Headers]] = [
    ("no header 'oms'", b"garbage", os.urandom(1000), []),
    ("no header 'oms'", None, b"{}", [("content-type", b"application/json")]),
    ("no header 'oms'", b"null", None, []),
    ("value is null", b"null.dat", None, headers()),
    ("wire version is '99'", b"future.dat", b"12345", headers(oms=b"99")),
    ("no key", None, b"12345", headers()),
    ("key is not valid UTF-8", b"\xff\xfe", b"12345", headers()),
    ("'..'", b"../outside.dat", b"12345", headers()),
    ("'..'", b"a/../../outside.dat", b"12345", headers()),
    ("absolute", b"/tmp/outside.dat", b"12345", headers()),
    ("''", b"a//b.dat", b"12345", headers()),
    ("NUL", b"a\0b.dat", b"12345", headers()),
    ("LOGS/", b"LOGS/download.sqlite", b"12345", headers()),
    ("'.oms-'", b"sub/.oms-part", b"12345", headers()),
    ("at most 4096", b"x/" * 3000 + b"y", b"12345", headers()),
    ("'gen'", b"a.dat", b"12345", headers(gen=b"not hex")),
    ("'gen' is missing", b"a.dat", b"12345", headers(gen=None)),
    ("'chunk'", b"a.dat", b"12345", headers(chunk=b"-1")),
    ("'chunk'", b"a.dat", b"12345", headers(chunk=b"9" * 30)),
    ("'size'", b"a.dat", b"12345", headers(size=b"1e3")),
    ("behind the file's end", b"a.dat", b"12345", headers(size=b"4")),
    ("last chunk", b"a.dat", b"123", headers()),
    ("cannot begin at byte", b"a.dat", b"12345", headers(chunk=b"3")),
    ("'last' and 'digest'", b"a.dat", b"12345", headers(digest=None)),
    ("blake3", b"a.dat", b"12345", headers(digest=b"md5:abc")),
]


@pytest.fixture
def outside(lab: Lab) -> Iterator[None]:
    """What lies around the target is the same afterwards."""
    before = {path.name for path in lab.place.iterdir()}
    yield
    new = {path.name for path in lab.place.iterdir()} - before
    assert not {name for name in new if not name.startswith("program")} - {"target"}
    assert not Path("/tmp/outside.dat").exists()


def rows(lab: Lab, query: str) -> list[tuple[object, ...]]:
    """What the downloader's ledger holds."""
    with closing(sqlite3.connect(lab.target / "LOGS" / f"download-{lab.topic}.sqlite")) as ledger:
        return ledger.execute(query).fetchall()


@pytest.mark.usefixtures("outside")
def test_hostile_records_go_to_the_quarantine_each_with_its_reason_and_the_stream_goes_on(lab: Lab) -> None:
    lab.make_topic()
    lab.produce(*[record[1:] for record in HOSTILE], record_of(chunks("good.dat", b"good")[0]))
    with lab.downloading() as down:
        expect(lambda: tree(lab.target) == {"good.dat": b"good"}, shown=lambda: down.tally)
        expect(lambda: lab.committed(down.group) == [len(HOSTILE) + 1])
    assert down.tally.quarantined == len(HOSTILE)
    found = rows(lab, "SELECT partition, offset, reason FROM quarantine ORDER BY offset")
    assert [row[:2] for row in found] == [(0, offset) for offset in range(len(HOSTILE))]
    for (_, _, reason), (expected, *_) in zip(found, HOSTILE, strict=True):
        assert expected in str(reason)


def test_the_command_quarantine_lists_and_shows_them(lab: Lab) -> None:
    lab.make_topic()
    lab.produce((b"../up.dat", b"some bytes", headers()), (b"b.dat", b"12345", headers(oms=b"7")))
    with lab.downloading() as down:
        expect(lambda: down.tally.quarantined == 2)
    code, said = lab.umbrella("quarantine", "list", lab.target)
    assert code == 0
    assert f"{lab.topic} partition 0 offset 0: the name has the component '..'" in said
    assert f"{lab.topic} partition 0 offset 1: its wire version is '7', this program reads version 1" in said
    assert "2 records in quarantine" in said
    code, said = lab.umbrella("quarantine", "show", lab.target, "1")
    assert code == 0
    shown = json.loads(said)
    assert (shown["key"], shown["value"], shown["value_bytes"]) == ("../up.dat", "some bytes", 10)
    assert ["oms", "1"] in shown["headers"]


def test_records_in_quarantine_are_not_put_there_again_by_reading_again(lab: Lab) -> None:
    lab.make_topic()
    lab.produce((b"a", b"garbage", []), record_of(chunks("good", b"x")[0]))
    for _ in range(2):
        with lab.downloading(from_beginning=True) as down:
            expect(lambda: down.tally.records == 2)
    assert len(rows(lab, "SELECT id FROM quarantine")) == 1


def test_a_wrong_digest_fails_the_file_and_leaves_what_is_there(lab: Lab) -> None:
    lab.make_topic()
    good, content = chunks("a.dat", b"good"), os.urandom(200_000)
    bad = chunks("a.dat", content)
    wrong = [record_of(chunk) for chunk in bad]
    wrong[1] = (wrong[1][0], bytes(len(wrong[1][1])), wrong[1][2])
    lab.produce(*map(record_of, good), *wrong, (b"b.dat", b"12345", headers(digest=digest.of(b"other").encode())))
    with lab.downloading() as down:
        expect(lambda: len(down.tally.failed) == 2)
        expect(lambda: lab.committed(down.group) == [1 + len(wrong) + 1])
    assert tree(lab.target) == {"a.dat": b"good"}
    assert "the sender's was blake3:" in down.tally.failed["a.dat"]


def test_a_declared_size_that_no_disk_holds_fails_the_file_and_holds_nothing(lab: Lab) -> None:
    lab.make_topic()
    huge = headers(size=b"%d" % (1 << 62), last=None, digest=None)
    lab.produce((b"huge.dat", b"12345", huge), record_of(chunks("good", b"x")[0]))
    with lab.downloading() as down:
        expect(lambda: lab.committed(down.group) == [2])
    assert "larger than this disk" in down.tally.failed["huge.dat"]
    assert tree(lab.target) == {"good": b"x"}


def test_chunks_that_contradict_each_other_do_not_harm_the_file_that_they_pretend_to_be_of(lab: Lab) -> None:
    lab.make_topic()
    content = os.urandom(200_000)
    sent = [record_of(chunk) for chunk in chunks("a.dat", content)]
    generation = dict(sent[0][2])["gen"]
    forged = headers(gen=generation, chunk=b"1", offset=b"65536", size=b"70000", last=None, digest=None)
    lab.produce(*sent[:2], (b"a.dat", b"forged", forged), *sent[2:])
    with lab.downloading() as down:
        expect(lambda: tree(lab.target) == {"a.dat": content})
    assert down.tally.quarantined == 1
    assert "differ from those of the chunks before" in str(rows(lab, "SELECT reason FROM quarantine")[0][0])


def test_a_name_too_long_for_this_system_is_listed_as_failed_with_the_reason(lab: Lab) -> None:
    lab.make_topic()
    lab.produce(record_of(chunks("x" * 300, b"x")[0]), record_of(chunks("good", b"x")[0]))
    with lab.downloading() as down:
        expect(lambda: lab.committed(down.group) == [2])
    assert rows(lab, "SELECT path, state FROM received ORDER BY path") == [("good", "delivered"), ("x" * 300, "failed")]
    assert "300" in down.tally.failed["x" * 300]


def test_a_file_where_a_folder_must_be_fails_and_the_others_arrive(lab: Lab) -> None:
    lab.make_topic()
    lab.produce(*(record_of(chunks(path, path.encode())[0]) for path in ("a", "c/d")))
    with lab.downloading() as down:
        expect(lambda: down.tally.files == 2)
        lab.produce(*(record_of(chunks(path, path.encode())[0]) for path in ("a/b", "c", "good")))
        expect(lambda: lab.committed(down.group) == [5])
    assert tree(lab.target) == {"a": b"a", "c/d": b"c/d", "good": b"good"}
    assert set(down.tally.failed) == {"a/b", "c"}


def test_a_generation_whose_head_is_gone_is_listed_as_incomplete_and_is_no_damage(lab: Lab) -> None:
    lab.make_topic()
    lab.produce(*map(record_of, chunks("a.dat", os.urandom(200_000))[1:]), record_of(chunks("good", b"x")[0]))
    with lab.downloading() as down:
        expect(lambda: lab.committed(down.group) == [4])
    assert (down.tally.incomplete, down.tally.quarantined) == (1, 0)
    assert rows(lab, "SELECT path, retired FROM incomplete") == [("a.dat", 1)]


def test_a_dead_uploaders_file_is_retired_listed_with_what_is_missing_and_lets_its_offset_go(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "_CARE_EVERY", 0.2)
    lab.make_topic()
    lab.produce(record_of(chunks("dead.dat", os.urandom(200_000))[0]), record_of(chunks("good", b"x")[0]))
    with lab.downloading(give_up_after=2.0) as down:
        expect(lambda: lab.committed(down.group) == [0])
        expect(lambda: lab.committed(down.group) == [2])
    assert down.tally.incomplete == 1
    assert rows(lab, "SELECT path, retired, missing FROM incomplete") == [
        ("dead.dat", 1, "chunks from 1 on (65536 of 200000 bytes came)")
    ]
    assert tree(lab.target) == {"good": b"x"}


def test_a_restart_does_not_begin_the_patience_with_a_dead_uploader_anew(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "_CARE_EVERY", 0.2)
    lab.make_topic()
    lab.produce(record_of(chunks("dead.dat", os.urandom(200_000))[0]))
    with lab.downloading() as down:
        expect(lambda: down.tally.records == 1)
    with closing(sqlite3.connect(lab.target / "LOGS" / f"download-{lab.topic}.sqlite")) as ledger:
        ledger.execute("UPDATE incomplete SET last_news = last_news - 3600")
        ledger.commit()
    with lab.downloading(give_up_after=3600.0) as down:
        expect(lambda: down.tally.incomplete == 1)
