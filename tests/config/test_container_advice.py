"""What is typed where a folder or file that is mounted into a container cannot be used."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from openmsistream.config import Settings, container, load
from openmsistream.config.container import Mount, Rights, advice, mount_of, when_read_only, when_refused
from openmsistream.errors import ConfigError

DATA = Path("/home/openmsi/data")
MOUNT = Mount(DATA, "ext4")
ME = (1000, 1000)
FOLDER = stat.S_IFDIR | 0o755
WHAT = f"FOLDER (what is mounted at {DATA})"
CHOWN = f"on the host: sudo chown -R 1000:1000 {WHAT}"

TABLE = """\
634 620 0:49 / / rw,relatime - overlay overlay rw,lowerdir=/a
637 636 0:53 / /dev/shm rw,nosuid - tmpfs shm rw,size=65536k
639 634 254:0 /srv/files /home/openmsi/data rw,relatime - ext4 /dev/vda rw
640 639 0:60 / /home/openmsi/data/my\\040own rw - fuse.sshfs host rw
"""

Load = Callable[..., Settings]
posix = pytest.mark.skipif(sys.platform == "win32", reason="containers are Linux")


def test_somebody_else_s_folder_is_told_both_ways() -> None:
    assert when_refused(Rights((1234, 100), FOLDER, ME), MOUNT, DATA) == (
        f"it belongs to 1234:100 and this program runs as 1000:1000; add --user 1234:100 to docker run, or {CHOWN}"
    )


def test_nobody_is_told_to_run_as_root() -> None:
    said = when_refused(Rights((0, 0), FOLDER, ME), MOUNT, DATA)
    assert said == (
        f"it belongs to root (as a folder does that docker makes) and this program runs as 1000:1000; {CHOWN}, or make it "
        "your own and add --user $(id -u):$(id -g) to docker run"
    )


def test_with_an_engine_that_runs_without_root_its_root_is_whoever_started_it() -> None:
    said = when_refused(Rights((0, 0), FOLDER, ME, mapped=True), MOUNT, DATA)
    assert "add --user 0:0 to docker run, or " in said


def test_whoever_uses_compose_is_told_what_belongs_into_its_file() -> None:
    said = when_refused(Rights((1234, 100), FOLDER, ME), MOUNT, DATA, by_compose=True)
    assert f"; write UID=1234 and GID=100 into .env beside compose.yaml, or {CHOWN}" in said
    said = when_refused(Rights((0, 0), FOLDER, ME), MOUNT, DATA, by_compose=True)
    assert said.endswith(
        "or make it your own and write the numbers of id -u and id -g as UID=... and GID=... into .env beside compose.yaml"
    )


def test_a_folder_of_the_host_that_was_not_mounted_is_no_folder_of_the_container(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert container.no_folder("/srv/instrument", {}) == "there is no folder /srv/instrument"
    assert container.no_folder("/srv/instrument", {container.VARIABLE: "1"}) == (
        "there is no folder /srv/instrument in this container: "
        f"mount yours with -v FOLDER:{tmp_path / 'data'} and name it data"
    )


@pytest.mark.parametrize("addresses", ["localhost:9092", "127.0.0.1:9092,localhost:9094", "SASL_SSL://[::1]:9092"])
def test_an_address_that_is_the_container_itself_is_told(addresses: str) -> None:
    said = container.when_it_is_itself(addresses, {container.VARIABLE: "1"})
    assert said.startswith("localhost is the container itself in here: ")
    assert container.when_it_is_itself(addresses, {}) == ""


def test_addresses_of_other_machines_are_no_container_s_own() -> None:
    assert container.when_it_is_itself("broker:9092,localhost:9092", {container.VARIABLE: "1"}) == ""


def test_a_file_is_spoken_of_as_a_file() -> None:
    config = Mount(Path("/home/openmsi/config.config"), "ext4")
    said = when_refused(Rights((0, 0), stat.S_IFREG | 0o600, ME), config, config.place)
    assert said.startswith(
        "it belongs to root and this program runs as 1000:1000; on the host: sudo chown -R 1000:1000 FILE"
    )


def test_one_s_own_folder_that_may_not_be_written_to_is_told_its_mode() -> None:
    said = when_refused(Rights(ME, stat.S_IFDIR | 0o555, ME), MOUNT, DATA)
    assert said == f"it is this user's own but its mode is dr-xr-xr-x: chmod -R u+rwX {WHAT}"


def test_when_the_rights_are_there_something_else_of_the_host_forbids_it() -> None:
    said = when_refused(Rights(ME, FOLDER, ME), MOUNT, DATA)
    assert said == f"add :z to the mount, as in -v FOLDER:{DATA}:z (the rights are there, so it is the host's SELinux)"


def test_a_place_of_the_container_s_own_is_told_to_mount_something() -> None:
    own = Mount(Path("/"), "overlay")
    assert (
        when_refused(Rights((0, 0), FOLDER, ME), own, Path("/srv")) == "mount a folder of yours at /srv: -v FOLDER:/srv"
    )
    assert when_read_only(own, DATA) == f"mount a folder at {DATA}: -v FOLDER:{DATA}"


def test_a_folder_that_is_mounted_to_be_read_is_told_by_its_ro() -> None:
    assert when_read_only(MOUNT, DATA / "x") == f"mount it without :ro (-v FOLDER:{DATA}), or name another"


@pytest.mark.parametrize(
    ("place", "mount", "kind", "kept"),
    [
        ("/home/openmsi", "/", "overlay", False),
        ("/home/openmsi/data/LOGS/x", "/home/openmsi/data", "ext4", True),
        ("/home/openmsi/database", "/", "overlay", False),
        ("/home/openmsi/data/my own/x", "/home/openmsi/data/my own", "fuse.sshfs", True),
        ("/dev/shm/x", "/dev/shm", "tmpfs", False),
    ],
)
@posix
def test_what_a_place_is_on_and_whether_it_outlives_the_container(
    tmp_path: Path, place: str, mount: str, kind: str, kept: bool
) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(TABLE)
    found = mount_of(Path(place), table)
    assert found == Mount(Path(mount), kind)
    assert found.is_kept is kept


def test_without_a_table_of_mounts_everything_is_the_container_s_own(tmp_path: Path) -> None:
    assert mount_of(DATA, tmp_path / "none").is_own


def test_outside_of_containers_there_is_nothing_to_type(tmp_path: Path) -> None:
    assert advice(tmp_path, PermissionError(errno.EACCES, "Permission denied"), {}) == ""


def test_what_is_no_question_of_rights_has_other_advice(tmp_path: Path) -> None:
    assert advice(tmp_path, OSError(errno.ENOSPC, "No space left"), {container.VARIABLE: "1"}) == ""


@posix
def test_a_place_that_is_not_there_yet_is_judged_by_the_folder_above_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container, "mount_of", lambda place: Mount(place, "ext4"))
    tmp_path.chmod(0o500)
    said = advice(tmp_path / "a/b", PermissionError(errno.EACCES, ""), {container.VARIABLE: "1"})
    assert (
        said
        == f"it is this user's own but its mode is dr-x------: chmod -R u+rwX FOLDER (what is mounted at {tmp_path})"
    )


def test_an_extra_is_built_into_an_image_and_installed_elsewhere() -> None:
    assert container.extra("s3", {container.VARIABLE: "1"}) == "build the image with --build-arg EXTRAS=s3"
    assert container.extra("s3", {}) == 'pip install "openmsistream[s3]"'


# -- configuration files -------------------------------------------------------------------------------------------


def test_a_folder_that_docker_made_in_place_of_a_configuration_file_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.config").mkdir()
    here = tmp_path / "config.config"
    with pytest.raises(ConfigError) as caught:
        load("config.config", environ={container.VARIABLE: "1"})
    assert caught.value.what.startswith(
        f"{here} is a folder, not a configuration file, as docker makes one when there is"
    )
    assert (
        caught.value.advice
        == f"remove it on the host, and mount the file by its right name: -v $(pwd)/config.config:{here}"
    )


def test_a_configuration_file_that_is_not_mounted_is_told_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"^there is no configuration file 'config.config'") as caught:
        load("config.config", environ={container.VARIABLE: "1"})
    assert caught.value.advice == f"mount it into the container: -v $(pwd)/config.config:{tmp_path / 'config.config'}"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_configuration_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "config.config"
    file.write_text("[broker]\nbootstrap.servers = a:1\n")
    file.chmod(0)
    with pytest.raises(ConfigError, match=r"cannot be read: Permission denied$"):
        load(file, environ={})
