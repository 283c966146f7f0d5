"""What is said of a ledger that cannot be used: one last line, exit code 8, and what it holds is left as it is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from lab import Lab, Program, expect, put, tree

LEDGER = 8


def last_line(program: Program) -> str:
    assert program.ends(15) == LEDGER, program.said
    assert "Traceback" not in program.said
    return program.said.splitlines()[-1].removeprefix("error: ")


def a_ledger(lab: Lab) -> Path:
    """The ledger of a reader that has worked here."""
    lab.make_topic(1)
    with lab.downloading():
        pass
    return lab.target / "LOGS" / f"download-{lab.topic}.sqlite"


def test_a_damaged_ledger(lab: Lab) -> None:
    ledger = a_ledger(lab)
    for rest in ledger.parent.glob(f"{ledger.name}-*"):
        rest.unlink()
    ledger.write_bytes(b"this is no database at all " * 400)
    assert last_line(lab.download_program()) == (
        f"the ledger {ledger} is damaged (file is not a database); move it away to begin anew: files are then sent, or "
        "read, once more"
    )
    assert ledger.read_bytes().startswith(b"this is no database")


def test_a_ledger_of_a_newer_version(lab: Lab) -> None:
    ledger = a_ledger(lab)
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("PRAGMA user_version=7")
    assert last_line(lab.download_program()) == (
        f"the ledger {ledger} was written by a newer openmsistream (its version 7, known here 1); use that version, or "
        "move the ledger away to begin anew"
    )


def test_a_ledger_on_a_network_share(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """No share is at hand, so that its kind is told otherwise; tests/ledger/test_location.py has the other cases."""
    from openmsistream.errors import LedgerError
    from openmsistream.ledger import filesystem
    from openmsistream.ledger.location import state_folder

    monkeypatch.setattr(filesystem, "kind", lambda folder: "nfs4")
    share = lab.place / "share"
    with pytest.raises(LedgerError) as caught:
        state_folder(lab.source, share)
    assert str(caught.value) == (
        f"the ledger cannot live in {share}: its file system (nfs4) is not a local disk, and locks cannot be trusted "
        "there; name a folder on a local disk with --state_dir or OPENMSISTREAM_STATE_DIR"
    )


def test_the_state_of_another_topic_is_left_alone(lab: Lab) -> None:
    """Two topics may be received into one folder: each has a ledger of its own."""
    ledger = a_ledger(lab)
    (lab.place / "other").mkdir()
    other = Lab(lab.address, lab.place / "other")
    before = ledger.read_bytes()
    with other.uploading():
        put(other.source, "file.dat", b"content")
        down = lab.program(
            "openmsistream.transfer.download_directory", lab.target, "--config", lab.config, "--topic_name", other.topic
        )
        expect(lambda: tree(lab.target) == {"file.dat": b"content"}, 30, lambda: down.said)
        assert down.stop() == 0
    assert ledger.read_bytes() == before
