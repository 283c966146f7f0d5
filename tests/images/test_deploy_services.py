"""docs/deploy.md where it speaks of services, as somebody types it on a machine with systemd."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from containers import Container, Harbour
from desk import README, clone, edited, filled_in, section
from lab import expect
from secured import PASSWORD, Secured
from typing_shell import Shell

USER = "openmsi"
HOME = f"/home/{USER}"
COUNTED = f"{HOME}/clone/custom_image/custom_folder/data/lines/first.txt.txt"


@dataclass
class Machine:
    """A machine with systemd and openmsistream, and somebody with a fresh clone on it who may use sudo."""

    at: Container
    shell: Shell

    def write(self, path: str, content: str) -> None:
        """A file below the clone."""
        self.at.made.put_archive(f"{HOME}/clone", _packed({path: content.encode()}))

    def read(self, path: str) -> str:
        return self.at.run(f"cat {path}", workdir=f"{HOME}/clone")

    def sent(self, path: str) -> bool:
        said = self.at.tried(f"/opt/openmsistream/bin/openmsistream status {HOME}/clone/instrument {path}")[1]
        return "sent " in said and path in said


def _packed(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.uid, entry.gid, entry.mode = len(content), 1000, 1000, 0o644
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def machine(systemd_machine: Container, harbour: Harbour) -> Iterator[Machine]:
    place = harbour.place / "clone"
    clone(place)
    files = {f"clone/{path.relative_to(place)}": path.read_bytes() for path in place.rglob("*") if path.is_file()}
    systemd_machine.made.put_archive(HOME, _packed(files))
    systemd_machine.run(f"chown -R {USER}: {HOME} && loginctl enable-linger {USER}")
    expect(lambda: systemd_machine.tried("test -S /run/user/1000/systemd/private")[0] == 0, 30)
    login = ("-e", f"HOME={HOME}", "-e", "XDG_RUNTIME_DIR=/run/user/1000", "-w", f"{HOME}/clone")
    typed = ("docker", "exec", "-it", "-u", USER, *login, systemd_machine.id, "bash", "--norc", "--noprofile")
    shell = Shell([*typed], place, os.environ)
    try:
        yield Machine(systemd_machine, shell)
    finally:
        shell.close()
        print(systemd_machine.tried("journalctl --no-pager | tail -50")[1])


def test_a_service_of_the_system(machine: Machine, secured: Secured) -> None:
    for block in section("A service of the system"):
        said = machine.shell.block(block)
        match block.name:
            case "":
                machine.write("openmsi.env", filled_in(machine.read("openmsi.env"), secured))
                machine.write("config.config", edited(machine.read("config.config"), secured))
            case "dry-run":
                assert "Type=notify" in said
                assert PASSWORD not in said
            case "install":
                machine.write("instrument/first.txt", "one\ntwo\n")
                expect(lambda: machine.sent("first.txt"), 60)
            case "status":
                assert "active" in said
                assert PASSWORD not in said
            case "own-code":
                expect(lambda: machine.at.tried(f"cat {COUNTED}")[1] == "2\n", 60)
            case "upgrade":
                machine.write("instrument/second.txt", "three\n")
                expect(lambda: machine.sent("second.txt"), 60)
            case "remove":
                assert "send" in said
                assert "LineCounter" in said
                assert machine.at.tried("systemctl cat send LineCounter")[0] != 0
            case "user-service":
                assert "mine" in said


def test_what_runs_where(machine: Machine) -> None:
    for block in section("What runs where"):
        said = machine.shell.block(block)
        assert "Ada Lovelace" in said
        assert "no mistakes" in said


def test_the_service_of_the_readme(machine: Machine, secured: Secured) -> None:
    *_, block = section("On machines nobody sits at", README)
    machine.shell.type("cp openmsi.env.example openmsi.env; FOLDER=instrument; mkdir $FOLDER")
    machine.write("openmsi.env", filled_in(machine.read("openmsi.env"), secured))
    machine.write("config.config", edited(machine.read("config.config"), secured))
    assert "running since" in machine.shell.block(block)
    machine.write("instrument/first.txt", "one")
    expect(lambda: machine.sent("first.txt"), 60)
