"""What a walk over a tree finds and skips, and what opening a file refuses: links, pipes, names of no language."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from openmsistream.files.chunk import FileState
from openmsistream.transfer import scan as scan_module
from openmsistream.transfer.disk.origin import NotSent, Origin
from openmsistream.transfer.scan import Found, Skipped, scan
from openmsistream.transfer.selection import Selection

posix_only = pytest.mark.skipif(os.name == "nt", reason="links, pipes and bytes in names as POSIX has them")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def origin(root: Path) -> Iterator[Origin]:
    origin = Origin(root)
    yield origin
    origin.close()


def put(root: Path, path: str, data: bytes = b"x") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(data)


def found(root: Path, start: str = "") -> list[str]:
    return sorted(met.path for batch in scan(root, Selection(), start) for met in batch if isinstance(met, Found))


def skipped(root: Path) -> dict[str, str]:
    return {met.path: met.reason for batch in scan(root, Selection()) for met in batch if isinstance(met, Skipped)}


def content(origin: Origin, path: str) -> bytes:
    with os.fdopen(origin.open(path), "rb") as file:
        return file.read()


def test_every_file_is_found_with_its_state(root: Path) -> None:
    for path in ("a", "x/b", "x/y/日本.tif", "LOGS/l", ".h/x", "x/.h/z"):
        put(root, path)
    batches = list(scan(root, Selection()))
    states = {met.path: met.state for batch in batches for met in batch if isinstance(met, Found)}
    assert states == {path: FileState.of((root / path).stat()) for path in ("a", "x/b", "x/y/日本.tif")}


def test_a_scan_may_begin_in_a_folder(root: Path) -> None:
    put(root, "a")
    put(root, "x/y/b")
    assert found(root, "x") == ["x/y/b"]


def test_batches_are_bounded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_module, "BATCH", 3)
    for i in range(8):
        put(root, f"f{i}")
    assert [len(batch) for batch in scan(root, Selection())] == [3, 3, 2]


def test_a_scan_that_is_stopped_ends(root: Path) -> None:
    put(root, "x/a")
    assert list(scan(root, Selection(), stopped=lambda: True)) == []


def test_a_root_that_is_gone_holds_nothing(root: Path) -> None:
    assert found(root / "gone") == []


def test_a_folder_that_cannot_be_read_is_passed_over(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(root, "closed/a")
    put(root, "open/b")
    scandir = os.scandir

    def refuse(folder: Path) -> object:
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    assert found(root) == ["open/b"]


@posix_only
def test_a_link_to_a_file_inside_is_found(root: Path, origin: Origin) -> None:
    put(root, "x/real", b"inside")
    (root / "link").symlink_to("x/real")
    assert found(root) == ["link", "x/real"]
    assert content(origin, "link") == b"inside"


@posix_only
@pytest.mark.parametrize(
    ("shows", "reason"),
    [
        ("../outside", "a link that leads outside the folder"),
        ("/etc/passwd", "a link that leads outside the folder"),
        ("..", "a link that leads outside the folder"),
        (".", "a link that leads outside the folder"),
        ("nowhere", "a link that leads nowhere"),
        ("link", "a link that leads nowhere"),
        ("x", "a link to a folder"),
        ("LOGS/l", "a link into LOGS/"),
        ("pipe", "a link to something that is not a file"),
    ],
)
def test_other_links_are_skipped_and_never_opened(root: Path, origin: Origin, shows: str, reason: str) -> None:
    put(root, "x/a")
    put(root, "LOGS/l")
    put(root.parent, "outside")
    os.mkfifo(root / "pipe")
    (root / "link").symlink_to(shows)
    assert skipped(root)["link"].startswith(reason)
    assert found(root) == ["x/a"]
    with pytest.raises(NotSent, match=reason):
        origin.open("link")


@posix_only
def test_a_loop_of_folders_ends(root: Path) -> None:
    put(root, "x/a")
    (root / "x" / "up").symlink_to("..")
    (root / "x" / "self").symlink_to(".")
    assert found(root) == ["x/a"]


@posix_only
def test_pipes_and_sockets_are_no_files(root: Path, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(root / "pipe")
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        assert list(scan(root, Selection())) == []
        for name in ("pipe", "socket"):
            with pytest.raises(NotSent, match="not a regular file"):
                origin.open(name)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps names that are not UTF-8")
def test_a_name_that_is_not_utf8_is_listed_as_skipped(root: Path) -> None:
    (root / "good").write_bytes(b"")
    with open(os.fsencode(root) + b"/bad\xff.txt", "wb"):
        pass
    os.mkdir(os.fsencode(root) + b"/dir\xfe")
    (root / "dir\udcfe" / "a").write_bytes(b"")
    assert found(root) == ["good"]
    assert skipped(root) == {
        "bad\\xff.txt": "the name is not valid UTF-8",
        "dir\\xfe/a": "the name is not valid UTF-8",
    }


@posix_only
@pytest.mark.parametrize("outside", [True, False])
def test_a_link_swapped_in_for_a_folder_is_refused(root: Path, origin: Origin, outside: bool) -> None:
    put(root, "x/a", b"inside")
    put(root.parent, "outside/a", b"secret")
    assert content(origin, "x/a") == b"inside"
    (root / "x").rename(root / "kept")
    (root / "x").symlink_to(root.parent / "outside" if outside else "kept")
    with pytest.raises(OSError, match=r"link|Not a directory"):
        origin.open("x/a")


def test_a_file_that_is_gone_is_an_error_of_the_system(root: Path, origin: Origin) -> None:
    with pytest.raises(FileNotFoundError):
        origin.open("gone")
    with pytest.raises(FileNotFoundError):
        origin.state("gone")


@posix_only
def test_a_folder_is_no_file(root: Path, origin: Origin) -> None:
    put(root, "x/a")
    with pytest.raises(NotSent, match="not a regular file"):
        origin.open("x")


@posix_only
def test_a_root_that_is_itself_a_link_works(root: Path) -> None:
    put(root, "x/a", b"inside")
    (root / "l").symlink_to("x/a")
    (root.parent / "other").symlink_to(root)
    other = Origin(root.parent / "other")
    try:
        assert found(root.parent / "other") == ["l", "x/a"]
        assert content(other, "l") == b"inside"
    finally:
        other.close()
