"""In a container a ledger has to be writable, and somebody is told when it goes with the container."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from openmsistream.config import container
from openmsistream.config.container import Mount
from openmsistream.errors import LedgerError
from openmsistream.ledger import location
from openmsistream.processing.command_lines import output_folder
from openmsistream.transfer.remembering import see_to

PASSING = Mount(Path("/"), "overlay")


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a ledger will be, in a container whose data folder is a volume."""
    monkeypatch.setenv(container.VARIABLE, "1")
    monkeypatch.setattr(container, "mount_of", lambda place: Mount(tmp_path, "ext4"))
    return tmp_path / "LOGS" / "upload-t.sqlite"


def fails(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def touch(path: Path, **options: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "touch", touch)


def test_outside_of_containers_nothing_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(container.VARIABLE, raising=False)
    see_to(tmp_path / "LOGS" / "upload-t.sqlite")
    assert not (tmp_path / "LOGS").exists()


def test_a_ledger_in_a_volume_needs_no_word(ledger: Path, caplog: pytest.LogCaptureFixture) -> None:
    see_to(ledger)
    assert list(ledger.parent.iterdir()) == []
    assert caplog.text == ""


def test_a_ledger_that_goes_with_the_container_is_told_with_what_to_mount(
    ledger: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(container, "mount_of", lambda place: PASSING)
    see_to(ledger)
    (said,) = caplog.messages
    assert said == (
        f"what was done is remembered in {ledger.parent}, and that goes with this container: mount a folder "
        f"(-v FOLDER:{ledger.parent.parent}), or a container made anew begins from the beginning"
    )


def test_a_folder_that_may_only_be_read_is_told_where_else_the_ledger_can_be(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(monkeypatch, errno.EROFS)
    with pytest.raises(LedgerError) as caught:
        see_to(ledger)
    assert caught.value.what == f"the ledger {ledger} cannot be written: Read-only file system"
    assert caught.value.advice == (
        f"mount it without :ro (-v FOLDER:{ledger.parent.parent}), or name another, or keep the ledger elsewhere: -v "
        "openmsistream-state:/home/openmsi/state for docker run, --state_dir /home/openmsi/state for the program"
    )


def test_a_full_volume_is_told(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fails(monkeypatch, errno.ENOSPC)
    with pytest.raises(
        LedgerError, match=r"cannot be written: No space left on device; make room there, then start again$"
    ):
        see_to(ledger)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="containers are Linux")
def test_a_ledger_of_somebody_else_in_a_folder_of_one_s_own_is_told(
    ledger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    see_to(ledger)
    wal = ledger.with_name(ledger.name + "-wal")
    wal.touch()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != wal)
    with pytest.raises(LedgerError, match=f"^the ledger {ledger} cannot be written: Permission denied; ."):
        see_to(ledger)


# -- what else is to stay the same when a container is made again ---------------------------------------------------


def test_a_program_that_processes_files_keeps_its_state_in_the_folder_that_is_mounted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(container.VARIABLE, "1")
    assert output_folder("Mine") == Path("Mine_output")
    (tmp_path / "data").mkdir()
    assert output_folder("Mine") == Path("data/Mine_output")
    monkeypatch.delenv(container.VARIABLE)
    assert output_folder("Mine") == Path("Mine_output")


def test_a_container_made_again_has_the_name_of_the_first(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = ledger.parent.parent
    monkeypatch.setattr("socket.gethostname", lambda: "0123456789ab")
    assert location.host_name(root) == "0123456789ab"
    monkeypatch.setattr("socket.gethostname", lambda: "ba9876543210")
    assert location.host_name(root) == "0123456789ab"


def test_a_name_that_somebody_gave_it_is_kept(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "instrument-7")
    assert location.host_name(ledger.parent.parent) == "instrument-7"
    assert not ledger.parent.exists()
