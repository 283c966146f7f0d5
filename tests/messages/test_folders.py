"""What is said of folders, files and the limits of a system, and that the rest goes on.

Where a test has to take rights away it does so for real: by another user, a file system of its own or limits of its own
where this machine lets it, which is when it runs as root on Linux. Elsewhere such a test is skipped.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab import UPLOAD_ONE, Lab, Program, expect, put, same, tree

from openmsistream.errors import FolderError
from openmsistream.transfer import uploader
from openmsistream.transfer.folders import check_folder

FOLDER = 7
linux_root = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root on Linux"
)


def the_line(program: Program, code: int = FOLDER) -> str:
    """The one line that a program ends with."""
    assert program.ends(15) == code, program.said
    (line,) = program.said.splitlines()
    return line.removeprefix("error: ")


@contextmanager
def file_system(place: Path, options: str) -> Iterator[Path]:
    """A file system of its own in memory, mounted at this place."""
    place.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=False)


@pytest.fixture
def powerless(lab: Lab) -> Lab:
    """A lab whose programs have to keep to the rights of files, as those of root need not."""
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv here")
    lab.prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")
    return lab


# -- folders that cannot be used ---------------------------------------------------------------------------------


def test_a_source_that_is_missing(lab: Lab) -> None:
    missing = lab.place / "nowhere"
    with pytest.raises(FolderError, match=f"^the folder {missing} does not exist; make it, or correct the name$"):
        check_folder(missing)


def test_a_source_that_is_a_file(lab: Lab) -> None:
    file = put(lab.place, "file.dat")
    with pytest.raises(FolderError, match=f"^{file} is a file, not a folder; name the folder that it is in$"):
        check_folder(file)


def test_a_target_that_is_a_file(lab: Lab) -> None:
    file = put(lab.place, "file.dat")
    assert the_line(lab.download_program(target=file)) == f"{file} is a file, not a folder; name a folder to write to"


@linux_root
def test_a_source_that_may_not_be_read(powerless: Lab) -> None:
    powerless.source.chmod(0o300)
    up = powerless.upload_program()
    assert (
        the_line(up) == f"the folder {powerless.source} cannot be read: Permission denied; give this user the right to"
    )


@linux_root
def test_a_target_that_may_not_be_written(powerless: Lab) -> None:
    powerless.target.mkdir(mode=0o500)
    assert the_line(powerless.download_program()) == (
        f"the folder {powerless.target} cannot be written to: Permission denied; give this user the right to, or name "
        "another folder"
    )


@linux_root
def test_a_target_that_cannot_be_made(powerless: Lab) -> None:
    powerless.source.chmod(0o500)
    inside = powerless.source / "new"
    assert the_line(powerless.download_program(target=inside)) == (
        f"the folder {inside} cannot be made: Permission denied; make it, or name another"
    )


@linux_root
def test_a_target_on_a_read_only_file_system(lab: Lab) -> None:
    with file_system(lab.target, "ro,size=1m"):
        assert the_line(lab.download_program()) == (
            f"the folder {lab.target} cannot be written to: Read-only file system; have it mounted for writing, or name "
            "another folder"
        )


@linux_root
def test_a_source_on_a_read_only_file_system_is_sent_when_its_state_may_live_elsewhere(lab: Lab) -> None:
    lab.make_topic(1)
    with file_system(lab.source, "size=1m") as source:
        put(source, "file.dat", b"content")
        subprocess.run(["mount", "-o", "remount,ro", source], check=True)
        up = lab.upload_program("--upload_existing")
        assert up.ends() == 8
        said = up.said.splitlines()[-1].removeprefix("error: ")
        assert said.startswith(f"the ledger {source / 'LOGS' / f'upload-{lab.topic}.sqlite'} cannot be written (")
        assert said.endswith("(Read-only file system); make its folder writable, or name another with --state_dir")
        up = lab.upload_program("--upload_existing", "--state_dir", lab.place / "state")
        expect(lambda: [m.key() for m in lab.records()] == [b"file.dat"], 30, lambda: up.said)


@linux_root
def test_a_full_disk_sets_a_file_aside_with_both_numbers_and_the_others_arrive(lab: Lab) -> None:
    lab.make_topic(1)
    with file_system(lab.target, "size=150m"), lab.uploading():
        filler = put(lab.target, ".filler", bytes(70_000_000))
        down = lab.download_program("--state_dir", lab.place / "state")
        put(lab.source, "large.bin", bytes(40_000_000))
        down.wait_for("large.bin is set aside and will be fetched again: it needs 0.04 GB, 0.02 GB are free")
        put(lab.source, "small.dat", b"content")
        expect(lambda: tree(lab.target) == {"small.dat": b"content"}, 30, lambda: down.said)
        filler.unlink()
        expect(lambda: same(lab.source, lab.target), 40, lambda: down.said)
        assert down.stop() == 0


# -- files -----------------------------------------------------------------------------------------------------------


@linux_root
def test_a_file_that_may_not_be_read_is_listed_others_go_on_and_it_is_sent_when_it_may(powerless: Lab) -> None:
    powerless.make_topic(1)
    put(powerless.source, "closed.dat", b"closed").chmod(0o200)
    put(powerless.source, "open.dat", b"open")
    up = powerless.upload_program("--upload_existing", "--use_polling_observer")
    up.wait_for(r"closed\.dat was not sent: .*Permission denied")
    expect(lambda: {m.key() for m in powerless.records()} == {b"open.dat"}, 30, lambda: up.said)
    (powerless.source / "closed.dat").chmod(0o600)
    expect(lambda: {m.key() for m in powerless.records()} == {b"open.dat", b"closed.dat"}, 90, lambda: up.said)
    assert up.running


def test_a_file_that_is_missing(lab: Lab) -> None:
    one = lab.program(UPLOAD_ONE, lab.place / "nothing", "--config", lab.config, "--topic_name", lab.topic)
    assert one.ends() == 2
    assert f"there is no file {lab.place / 'nothing'}" in one.said.splitlines()[-1]


# -- limits of the system ----------------------------------------------------------------------------------------------


@linux_root
def test_a_limit_of_watched_folders_is_said_with_the_line_that_raises_it_and_all_files_are_sent(lab: Lab) -> None:
    """In a user namespace of its own the limit can be set for one program alone."""
    if subprocess.run(["unshare", "-Ur", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
    lab.make_topic(1)
    for number in range(8):
        (lab.source / f"{number}").mkdir()
    limit = 'echo 4 > /proc/sys/user/max_inotify_watches && exec "$0" "$@"'
    lab.prefix = ("unshare", "-Ur", "sh", "-c", limit)
    up = lab.upload_program()
    up.wait_for(
        re.escape(
            "the system's limit of watched folders is reached, so the folder is scanned every 2 s instead; raise it with: "
            "sysctl -w fs.inotify.max_user_watches=1048576 fs.inotify.max_user_instances=1024"
        )
    )
    for number in range(8):
        put(lab.source, f"{number}/file.dat", b"content")
    expect(lambda: len(lab.records()) == 8, 40, lambda: up.said)
    assert up.said.count("limit of watched folders") == 1


def test_a_watcher_that_ends_is_noticed_and_files_are_sent_all_the_same(
    lab: Lab, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploader, "SCAN_EVERY", 1.0)
    with lab.uploading() as up:
        assert up._watching is not None
        up._watching.stop()
        expect(lambda: "its watcher has ended" in caplog.text)
        put(lab.source, "a/file.dat", b"content")
        expect(lambda: {m.key() for m in lab.records()} == {b"a/file.dat"})
    assert "the folder cannot be watched (its watcher has ended), so it is scanned every 2 s instead" in caplog.text
