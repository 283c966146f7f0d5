"""Who runs in the container, what may be written there, and what is said when it may not."""

from __future__ import annotations

import os
from typing import Any

import pytest
from containers import DOWNLOAD, GROUP, HOME, UPLOAD, USER, Harbour, Way, mounted
from lab import expect

ODD = 12345

LOCKED_DOWN: dict[str, Any] = {
    "read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges"], "pids_limit": 200,
}  # fmt: skip

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can make folders of other users")


def crosses(way: Way, **options: Any) -> None:
    way.uploader(**options)
    way.downloader(**options)
    way.put("file.txt", "x")
    expect(lambda: way.arrived == {"file.txt": b"x"}, 60, lambda: way.harbour.last.said)


def test_a_file_crosses_with_a_read_only_root_and_no_rights_at_all(way: Way) -> None:
    crosses(way, **LOCKED_DOWN)


@as_root
@pytest.mark.parametrize("user", [f"{ODD}", f"{ODD}:{ODD}"], ids=["uid", "uid:gid"])
def test_a_file_crosses_as_a_user_that_the_image_does_not_know(way: Way, user: str) -> None:
    owner = (ODD, ODD if ":" in user else 0)
    for folder in (way.here, way.there):
        os.chown(folder, *owner)

    crosses(way, user=user, **LOCKED_DOWN)

    assert {(path.stat().st_uid, path.stat().st_gid) for path in way.there.rglob("*")} == {owner}


@pytest.mark.parametrize("user", ["", f"{ODD}"], ids=["openmsi", "odd uid"])
def test_home_and_data_are_writable_without_a_mount(base_image: str, harbour: Harbour, user: str) -> None:
    options = {"user": user} if user else {}

    code, said = harbour.ran(base_image, "bash", "-c", "touch ~/x ~/data/x && echo $HOME && pwd", **options)

    assert (code, said.split()) == (0, [HOME, HOME])


@as_root
@pytest.mark.parametrize("program", [UPLOAD, DOWNLOAD])
@pytest.mark.parametrize(
    ("owner", "to_type"), [((0, 0), f"chown -R {USER}:{GROUP}"), ((ODD, ODD), f"--user {ODD}:{ODD}")],
    ids=["of root", "of somebody else"],
)  # fmt: skip
def test_a_folder_that_may_not_be_written_to_gives_one_line_with_what_to_type(
    way: Way, program: str, owner: tuple[int, int], to_type: str
) -> None:
    folder = way.harbour.folder("of-another", owner)
    folder.chmod(0o755)

    container = way.program(program, folder)

    assert container.ends() not in (0, 1)
    complaint = [line for line in container.said.splitlines() if to_type in line]
    assert len(complaint) == 1, container.said
    assert "Traceback" not in container.said


@as_root
def test_a_configuration_file_that_may_not_be_read_is_named_with_what_to_do(way: Way) -> None:
    os.chown(way.config, 0, 0)
    way.config.chmod(0o600)

    container = way.downloader()

    assert container.ends() != 0
    assert "lab.config" in container.said
    assert "Traceback" not in container.said


def test_a_read_only_folder_to_send_from_is_spoken_of_in_words(way: Way) -> None:
    volumes = {**mounted(way.here, f"{HOME}/data", "ro"), **mounted(way.config, f"{HOME}/lab.config", "ro")}
    way.put("file.txt", "x")

    container = way.uploader("--upload_existing", ready=False, volumes=volumes)

    # Either way will do, but not a traceback and not silence: it is refused with advice, or sent with the state elsewhere.
    expect(lambda: not container.running or way.on_the_topic == ["file.txt"], 60)
    assert "Traceback" not in container.said
    if not container.running:
        assert "read-only" in container.said or ":ro" in container.said


def test_a_full_volume_is_said_and_the_download_goes_on_when_there_is_space(way: Way) -> None:
    for name in "abc":
        way.put(f"{name}.bin", os.urandom(15_000_000))
    way.uploader("--upload_existing")
    volumes = mounted(way.config, f"{HOME}/lab.config", "ro")

    # 64 MiB are left free for ledgers, so that two of the files have room
    downloader = way.downloader(volumes=volumes, tmpfs={f"{HOME}/data": "size=100m,mode=0777"})
    downloader.wait_for("it needs .* are free", 60)

    def names() -> set[str]:
        return {name for name in downloader.run("ls data").split() if name.endswith(".bin")}

    expect(lambda: len(names()) == 2, 60, lambda: downloader.said)
    assert downloader.running
    (missing,) = {"a.bin", "b.bin", "c.bin"} - names()
    downloader.run(f"rm data/{min(names())}")

    expect(lambda: missing in names(), 90, lambda: downloader.said)
    assert "Traceback" not in downloader.said


def test_the_user_may_do_nothing_that_root_may(base_image: str, harbour: Harbour) -> None:
    code, said = harbour.ran(base_image, "bash", "-c", "id -u; command -v sudo su doas; cat /etc/shadow")

    assert "Permission denied" in said
    assert "root:" not in said
    assert said.split()[0] != "0"
    assert "sudo" not in said.replace("/etc/shadow", "")
    assert code != 0


def test_the_user_can_write_to_nothing_but_home_and_the_places_for_passing_things(
    base_image: str, harbour: Harbour
) -> None:
    found = "find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /home/openmsi \\) -prune"

    _, said = harbour.ran(base_image, "bash", "-c", f"{found} -o -writable ! -type l -print 2>/dev/null")

    assert set(said.split()) <= {"/tmp", "/var/tmp", "/run/lock"}, said
