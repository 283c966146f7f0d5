"""A folder, or a remote file system, as a destination: what is promised beyond the contract, and what is said when it fails."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from openmsistream.destinations import folder
from openmsistream.destinations.contract import DestinationError, Unreachable
from openmsistream.destinations.folder import FolderDestination
from openmsistream.destinations.remote import RemoteDestination
from openmsistream.errors import ConfigError
from openmsistream.testing.destinations import Trial


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    made.mkdir()
    return made


@pytest.fixture
def trial(root: Path, tmp_path: Path) -> Trial:
    return Trial(FolderDestination(root), lambda file: (root / file.path).read_bytes(), tmp_path)


def said_by(trial: Trial, path: str = "a/b.txt") -> DestinationError:
    with pytest.raises(DestinationError) as caught:
        trial.destination.put(trial.file(path, b"content"))
    return caught.value


def test_a_file_has_the_time_of_the_senders(trial: Trial, root: Path) -> None:
    trial.put(trial.file("a/b.txt", b"content"))
    assert (root / "a" / "b.txt").stat().st_mtime_ns // 100 == 16_000_000_001_234_567


def test_a_folder_that_is_missing_is_told_and_not_made(tmp_path: Path) -> None:
    missing = tmp_path / "not mounted"
    with pytest.raises(DestinationError) as caught:
        FolderDestination(missing).check()
    assert str(caught.value) == f"there is no folder {missing}; make it, or mount it; it is not made by this program"
    assert caught.value.retriable
    assert not missing.exists()


def test_a_full_disk_is_told_and_leaves_nothing(trial: Trial, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(folder.Target, "sync", full)
    said = said_by(trial)
    assert str(said) == f"in the folder {root} a/b.txt cannot be written: No space left on device; make room there"
    assert said.retriable
    assert not [path for path in root.rglob("*") if path.is_file()]


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_that_leads_out_is_not_followed(trial: Trial, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "a").symlink_to(outside)
    assert str(said_by(trial)).startswith(f"in the folder {root} a/b.txt cannot be written: 'a' is a link or a file")
    assert not list(outside.iterdir())


def test_a_file_where_a_folder_must_be_is_told(trial: Trial, root: Path) -> None:
    (root / "a").write_text("a file")
    assert "'a' is a link or a file, not a folder; move that out of the way" in str(said_by(trial))


@pytest.mark.parametrize("path", ["../out.txt", "/etc/out.txt", "a/../../out.txt", "LOGS/out.txt", ".oms-x"])
def test_a_path_that_leads_out_is_refused(path: str, root: Path, tmp_path: Path) -> None:
    for destination in (FolderDestination(root), RemoteDestination(root.as_uri())):
        said = said_by(Trial(destination, lambda file: None, tmp_path), path)
        assert "out of" in str(said) or "cannot be" in str(said)
        assert not said.retriable
    assert not (tmp_path / "out.txt").exists()


# -- by way of fsspec ----------------------------------------------------------------------------------------------


def test_without_fsspec_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(ConfigError) as caught:
        RemoteDestination("memory://x")
    assert str(caught.value) == (
        'remote file systems need fsspec, which is not installed; pip install "openmsistream[remote]"'
    )  # fmt: skip


def test_a_kind_of_file_system_that_nobody_knows() -> None:
    with pytest.raises(ConfigError, match="nonsense://x names no file system: Protocol not known: nonsense; write it"):
        RemoteDestination("nonsense://x")


def test_a_kind_whose_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.implementations.sftp", None)
    monkeypatch.setitem(sys.modules, "paramiko", None)
    with pytest.raises(ConfigError, match="sftp://user@host/x cannot be used yet: "):
        RemoteDestination("sftp://user:password@host/x")


def test_a_remote_folder_that_is_missing(tmp_path: Path) -> None:
    url = (tmp_path / "nowhere").as_uri()
    with pytest.raises(DestinationError) as caught:
        RemoteDestination(url).check()
    assert str(caught.value) == f"there is no folder {url}; make it; it is not made by this program"


@pytest.fixture
def failing(root: Path) -> tuple[RemoteDestination, dict[str, Exception]]:
    """A remote destination whose methods fail as they are told to."""
    destination = RemoteDestination(root.as_uri())
    fails: dict[str, Exception] = {}

    class Files:
        def __getattr__(self, name: str) -> Any:
            if name in fails:
                raise fails[name]
            return getattr(files, name)

    files, destination._own.files = destination._files, Files()
    return destination, fails


def test_what_a_remote_file_system_says_is_passed_on(
    failing: tuple[RemoteDestination, dict[str, Exception]], root: Path, tmp_path: Path
) -> None:
    destination, fails = failing
    trial = Trial(destination, lambda file: None, tmp_path)
    again = destination._files
    for error, retriable in ((ConnectionResetError("gone"), True), (PermissionError("not you"), False)):
        fails["mv"] = error
        destination._own.files = again
        said = said_by(trial)
        assert str(said).startswith(f"{root.as_uri()} does not take a/b.txt: {error}; look at ")
        assert said.retriable is retriable
        assert isinstance(said, Unreachable) is retriable
        assert not [path for path in root.rglob("*") if path.is_file()]


def test_after_a_failure_there_is_a_new_connection(
    failing: tuple[RemoteDestination, dict[str, Exception]], root: Path, tmp_path: Path
) -> None:
    destination, fails = failing
    trial = Trial(destination, lambda file: (root / file.path).read_bytes(), tmp_path)
    fails["open"] = EOFError()
    assert str(said_by(trial)).startswith(f"{root.as_uri()} does not take a/b.txt: EOFError; look at the address")
    file = trial.file("a/b.txt", b"content")
    trial.put(file)
    trial.expect(file, b"content")
