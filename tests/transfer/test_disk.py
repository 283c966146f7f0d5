"""The target folder: nothing leads out of it, and a folder that is removed or moved under our feet is made again."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openmsistream.files.names import BadName, local_parts
from openmsistream.transfer.disk import NotAFolder, Target, windows
from openmsistream.transfer.disk.common import is_part, part_name
from openmsistream.transfer.incoming import write_all

KINDS = [Target, windows.Target] if sys.platform != "win32" else [Target]
AnyTarget = Target | windows.Target


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__module__.rpartition(".")[2])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyTarget]:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    target = request.param(tmp_path / "root")
    yield target
    target.close()


def publish(target: AnyTarget, parts: tuple[str, ...], data: bytes = b"x") -> None:
    folder = target.folder(parts[:-1])  # type: ignore[arg-type]
    fd = target.create(folder, ".oms-0-1.part")  # type: ignore[arg-type]
    write_all(fd, data)
    target.sync(fd)
    os.close(fd)
    target.replace(folder, ".oms-0-1.part", parts[-1])  # type: ignore[arg-type]
    target.sync_folder(folder)  # type: ignore[arg-type]


def test_missing_folders_are_made(target: AnyTarget) -> None:
    publish(target, ("a", "b", "c"))
    assert (target.root / "a" / "b" / "c").read_bytes() == b"x"


@pytest.mark.parametrize("parts", [("link", "x"), ("link", "sub", "x"), ("a", "link", "x")])
def test_a_planted_link_is_never_followed_and_nothing_is_made_behind_it(
    target: AnyTarget, parts: tuple[str, ...]
) -> None:
    (target.root / "a").mkdir()
    for place in (target.root, target.root / "a"):
        (place / "link").symlink_to(target.root.parent / "outside", target_is_directory=True)
    with pytest.raises(NotAFolder, match="'link' is a link or a file, not a folder"):
        publish(target, parts)
    assert list((target.root.parent / "outside").iterdir()) == []


def test_a_file_where_a_folder_must_be_is_named(target: AnyTarget) -> None:
    (target.root / "a").write_bytes(b"")
    with pytest.raises(NotAFolder, match="'a' is a link or a file"):
        target.folder(("a", "b"))


def test_a_link_under_the_name_of_a_file_is_replaced_not_followed(target: AnyTarget) -> None:
    secret = target.root.parent / "outside" / "secret"
    secret.write_bytes(b"secret")
    (target.root / "x").symlink_to(secret)
    folder = target.folder(())
    assert target.open_existing(folder, "x") is None  # type: ignore[arg-type]
    assert target.size_of(folder, "x") is None  # type: ignore[arg-type]
    publish(target, ("x",), b"new")
    assert secret.read_bytes() == b"secret"
    assert not (target.root / "x").is_symlink()


def test_a_part_that_is_in_the_way_is_replaced(target: AnyTarget) -> None:
    (target.root / ".oms-0-1.part").write_bytes(b"old and long")
    publish(target, ("x",), b"new")
    assert (target.root / "x").read_bytes() == b"new"


def test_a_folder_that_another_thread_makes_at_the_same_time_is_used(
    target: AnyTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = os.mkdir

    def twice(path: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        mkdir(path, mode, dir_fd=dir_fd)
        mkdir(path, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", twice)
    publish(target, ("a", "b"))
    assert (target.root / "a" / "b").exists()


@pytest.mark.parametrize("moved", [False, True])
def test_a_folder_that_is_removed_or_moved_while_it_is_kept_open_is_made_again(target: AnyTarget, moved: bool) -> None:
    publish(target, ("a", "b", "one"))
    elsewhere = target.root.parent / "outside" / "a"
    (target.root / "a").rename(elsewhere)
    if not moved:
        (elsewhere / "b" / "one").unlink()
        (elsewhere / "b").rmdir()
    publish(target, ("a", "b", "two"))
    assert os.listdir(target.root / "a" / "b") == ["two"]


def test_a_removed_folder_does_not_close_the_others_that_are_at_work(target: AnyTarget) -> None:
    held = target.folder(("held",))
    target.folder(("gone",))
    (target.root / "gone").rmdir()
    target.folder(("gone",))
    fd = target.create(held, "x")  # type: ignore[arg-type]
    os.close(fd)
    assert (target.root / "held" / "x").exists()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs a list of open files")
def test_folders_kept_open_are_bounded(tmp_path: Path) -> None:
    target = Target(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    for i in range(400):
        target.folder((f"f{i}",))
        target.trim()
    assert len(os.listdir("/proc/self/fd")) - before <= 128
    target.close()


def test_parts_left_behind_are_removed_and_nothing_else(target: AnyTarget) -> None:
    (target.root / "a").mkdir()
    part = part_name("f" * 32, 12)
    for path in (part, f"a/{part}", "a/x.part", "a/.oms-x", "keep"):
        (target.root / path).write_bytes(b"")
    assert target.remove_parts() == 2
    assert sorted(p.name for p in target.root.rglob("*") if p.is_file()) == [".oms-x", "keep", "x.part"]


def test_the_name_of_a_part_fits_everywhere() -> None:
    name = part_name("f" * 32, 10**9)
    assert is_part(name)
    assert len(name) < 100


WICKED = st.lists(
    st.sampled_from(["..", ".", "", "a", "link", "file", "LOGS", "C:", "\\", "\0", "x" * 300, "日"]), max_size=5
)


@given(pieces=WICKED)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_no_name_from_the_wire_leaves_the_root(target: AnyTarget, pieces: list[str]) -> None:
    outside = target.root.parent / "outside"
    if not (target.root / "link").is_symlink():
        (target.root / "link").symlink_to(outside, target_is_directory=True)
        (target.root / "file").write_bytes(b"")
    try:
        publish(target, local_parts("/".join([*pieces, "name"])))
    except (BadName, OSError):
        pass
    assert sorted(os.listdir(target.root.parent)) == ["outside", "root"]
    assert os.listdir(outside) == []
    assert not (target.root / "LOGS").exists()


def test_on_windows_a_name_that_differs_only_in_case_from_one_that_is_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = windows.Target(tmp_path)
    folder = target.folder(())
    (tmp_path / "Scan.tif").write_bytes(b"there")
    (tmp_path / "part").write_bytes(b"new")
    spelt_by_the_disk = windows.os.path.realpath
    monkeypatch.setattr(
        windows.os.path, "realpath", lambda path: spelt_by_the_disk(path).replace("scan.tif", "Scan.tif")
    )
    with pytest.raises(FileExistsError, match=r"'Scan\.tif' is there"):
        target.replace(folder, "part", "scan.tif")
    assert (tmp_path / "Scan.tif").read_bytes() == b"there"
