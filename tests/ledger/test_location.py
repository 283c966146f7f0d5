"""Where a ledger lives, and the kinds of file systems that decide it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from openmsistream.errors import LedgerError
from openmsistream.ledger import filesystem, location
from openmsistream.ledger.location import STATE_DIR_VARIABLE, state_folder

Mounts = Callable[..., None]


@pytest.fixture
def mounted(monkeypatch: pytest.MonkeyPatch) -> Mounts:
    """Pretend that these folders, and no others, are mounts of these file systems."""

    def pretend(**kinds: str) -> None:
        partitions = [SimpleNamespace(mountpoint=path, fstype=kind) for path, kind in kinds.items()]
        monkeypatch.setattr(psutil, "disk_partitions", lambda all: partitions)

    return pretend


def test_the_nearest_mount_above_a_folder_decides(tmp_path: Path, mounted: Mounts) -> None:
    mounted(**{"/": "ext4", str(tmp_path): "NFS4", str(tmp_path / "sub"): "xfs", str(tmp_path / "su"): "cifs"})
    assert filesystem.kind(tmp_path / "data") == "nfs4"
    assert filesystem.kind(tmp_path / "sub" / "data") == "xfs"
    assert not filesystem.is_local(tmp_path / "data")
    assert filesystem.is_local(tmp_path / "sub")


def test_of_two_mounts_on_one_folder_the_later_one_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mounts = [SimpleNamespace(mountpoint=str(tmp_path), fstype=kind) for kind in ("ext4", "nfs")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda all: mounts)
    assert filesystem.kind(tmp_path) == "nfs"


def test_a_file_system_that_cannot_be_told_is_not_local(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(all: bool) -> None:
        raise PermissionError

    monkeypatch.setattr(psutil, "disk_partitions", fail)
    assert filesystem.kind(tmp_path) == ""
    assert not filesystem.is_local(tmp_path)


@pytest.mark.parametrize(
    "kind", ["nfs", "cifs", "smbfs", "lustre", "gpfs", "9p", "virtiofs", "fuse.sshfs", "fuseblk", ""]
)
def test_network_shares_and_unknown_ones_are_not_local(tmp_path: Path, mounted: Mounts, kind: str) -> None:
    mounted(**{"/": "ext4", str(tmp_path): kind})
    assert not filesystem.is_local(tmp_path)


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "NTFS", "apfs"])
def test_known_file_systems_of_this_machine_are_local(tmp_path: Path, mounted: Mounts, kind: str) -> None:
    mounted(**{"/": "nfs", str(tmp_path): kind})
    assert filesystem.is_local(tmp_path)


def test_this_machine_has_a_file_system_with_a_name(tmp_path: Path) -> None:
    assert filesystem.kind(tmp_path)


def test_on_a_local_disk_the_state_is_in_logs(tmp_path: Path, mounted: Mounts) -> None:
    mounted(**{"/": "ext4"})
    assert state_folder(tmp_path, environ={}) == tmp_path / "LOGS"


def test_beside_a_network_share_the_state_is_in_the_users_folder(
    tmp_path: Path, mounted: Mounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted(**{"/": "ext4", str(tmp_path / "share"): "nfs4"})
    monkeypatch.setattr(location, "user_state_dir", lambda: tmp_path / "home" / "state")
    place = state_folder(tmp_path / "share" / "data", environ={})
    assert place.parent == tmp_path / "home" / "state" / "folders"
    assert place.name.startswith("data-")


def test_the_option_decides_before_the_environment_and_both_before_the_disk(tmp_path: Path, mounted: Mounts) -> None:
    mounted(**{"/": "ext4"})
    environ = {STATE_DIR_VARIABLE: str(tmp_path / "env")}
    assert (tmp_path / "option") in state_folder(tmp_path, tmp_path / "option", environ).parents
    assert (tmp_path / "env") in state_folder(tmp_path, None, environ).parents


def test_an_empty_variable_is_none(tmp_path: Path, mounted: Mounts) -> None:
    mounted(**{"/": "ext4"})
    assert state_folder(tmp_path, environ={STATE_DIR_VARIABLE: ""}) == tmp_path / "LOGS"


def test_roots_that_share_a_state_folder_have_each_their_own(tmp_path: Path, mounted: Mounts) -> None:
    mounted(**{"/": "ext4"})
    roots = [tmp_path / "x" / "data", tmp_path / "y" / "data", tmp_path / "日本"]
    places = {state_folder(root, tmp_path / "state", {}) for root in roots}
    assert len(places) == 3


def test_one_root_by_two_names_has_one_place(tmp_path: Path, mounted: Mounts) -> None:
    mounted(**{"/": "ext4"})
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    found = {state_folder(tmp_path / name, tmp_path / "state", {}).name for name in ("data", "link")}
    assert len(found) == 1


def test_a_state_folder_on_a_network_share_is_refused(tmp_path: Path, mounted: Mounts) -> None:
    (tmp_path / "share").mkdir()
    mounted(**{"/": "ext4", str(tmp_path / "share"): "cifs"})
    with pytest.raises(LedgerError) as caught:
        state_folder(tmp_path, tmp_path / "share" / "state", {})
    assert "its file system (cifs) is not a local disk, and locks cannot be trusted there" in caught.value.what
    assert "--state_dir or OPENMSISTREAM_STATE_DIR" in caught.value.advice
