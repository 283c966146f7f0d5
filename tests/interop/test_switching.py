"""Ours in the place of the published uploader on one folder, and back again: nothing is sent twice."""

from __future__ import annotations

import os
import time

import pytest
from lab import expect, put, same
from mixed_lab import MixedLab

CHUNK = 16384


def sent(lab: MixedLab) -> list[str]:
    """The keys of all records, sorted."""
    return sorted((message.key() or b"").decode() for message in lab.records())


def test_ours_goes_on_where_it_ended_and_it_goes_on_where_ours_ended(lab: MixedLab) -> None:
    lab.make_topic(2)
    for name in ("a.dat", "sub/b.dat", "ünï ;.dat", "it's.dat"):
        file = put(lab.source, name, os.urandom(2 * CHUNK))
        os.utime(file, (time.time() - 100,) * 2)  # a file of the second in which it was completed would be sent anew
    old = lab.published_upload("--chunk_size", CHUNK)
    expect(lambda: len(sent(lab)) == 8)
    old.quit()
    before = sent(lab)
    with lab.uploading(chunk_size=CHUNK) as uploader:
        put(lab.source, "ours;.dat", os.urandom(CHUNK))
        expect(lambda: uploader.tally.files == 1)
    assert sent(lab) == sorted([*before, "_ours;.dat_chunk_1_of_1"])
    put(lab.source, "its again.dat", "x")
    old = lab.published_upload("--chunk_size", CHUNK)
    old.wait_for("Found 5 files fully uploaded during a previous run")
    expect(lambda: "_its again.dat_chunk_1_of_1" in sent(lab), 60)
    old.quit()
    assert sent(lab) == sorted([*before, "_ours;.dat_chunk_1_of_1", "_its again.dat_chunk_1_of_1"])
    assert "Traceback" not in old.said


@pytest.mark.parametrize("changed", [False, True], ids=["as it was", "changed meanwhile"])
def test_what_it_had_not_finished_is_sent_anew_to_all_readers(lab: MixedLab, changed: bool) -> None:
    lab.make_topic(1)
    put(lab.source, "big.dat", os.urandom(1500 * CHUNK))
    lab.published_download()
    old = lab.published_upload("--chunk_size", CHUNK)
    listed = lab.source / "LOGS" / f"upload_to_{lab.topic}_in_progress.csv"
    expect(lambda: listed.exists() and "big.dat" in listed.read_text("utf-8"))
    old.kill()
    if changed:
        put(lab.source, "big.dat", os.urandom(1500 * CHUNK))
    ours = lab.place / "ours"
    with lab.uploading(chunk_size=CHUNK), lab.downloading(ours):
        expect(lambda: same(lab.source, ours))
        expect(lambda: (lab.target / "big.dat").read_bytes() == (lab.source / "big.dat").read_bytes())
