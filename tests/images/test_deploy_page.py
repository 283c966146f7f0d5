"""docs/deploy.md, as somebody types it who follows the page on a machine with Docker: every command as it stands there."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import pytest
from containers import GROUP, REPOSITORY, USER
from desk import PAGE, README, clone, edited, filled_in, give, section
from lab import expect, tree
from secured import PASSWORD, Secured
from typing_shell import Shell, as_user, blocks

NAMES = ("send", "receive", "my-program", "my-processor")
"""What the containers on the page are called."""


@dataclass
class Desk:
    """Somebody's home with a fresh clone, and a shell in the clone."""

    home: Path
    shell: Shell
    engine: docker.DockerClient

    @property
    def clone(self) -> Path:
        return self.home / "clone"

    def said(self, name: str) -> str:
        """All that a container has said."""
        return self.engine.containers.get(name).logs().decode("utf-8", "replace")

    def write(self, path: str, content: str) -> None:
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        give(self.home)


def _docker_folder(home: Path) -> None:
    """The plugins of this machine's `docker`, for somebody who has a home of their own."""
    ours = Path(os.environ.get("DOCKER_CONFIG", Path.home() / ".docker")) / "cli-plugins"
    if ours.is_dir():
        shutil.copytree(ours, home / ".docker" / "cli-plugins")


@pytest.fixture(scope="module")
def written_base(engine: docker.DockerClient, ground: str) -> Iterator[str]:
    """The image that the Dockerfile names, or for this module another one under its name where it cannot be had."""
    named = re.search(r"^ARG BASE_IMAGE=(.*)$", (REPOSITORY / "Dockerfile").read_text(), re.M)
    assert named is not None
    if named[1] == ground:
        yield ground
        return
    engine.images.get(ground).tag(*named[1].rsplit(":", 1))
    try:
        yield named[1]
    finally:
        engine.images.remove(named[1])


@pytest.fixture
def desk(engine: docker.DockerClient, written_base: str) -> Iterator[Desk]:
    if USER != 1000:
        pytest.skip(
            "the page is written for user 1000, as the programs in the image are; run this as that user or as root"
        )
    home = Path(tempfile.mkdtemp(prefix="openmsistream-desk-"))
    home.chmod(0o755)
    clone(home / "clone")
    _docker_folder(home)
    give(home)
    socket = Path(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://"))
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", "DOCKER_HOST": f"unix://{socket}"}
    shell = Shell(as_user(USER, GROUP, socket), home / "clone", {**environ, "DOCKER_BUILDKIT": "0"})
    try:
        yield Desk(home, shell, engine)
    finally:
        shell.close()
        for name in NAMES:
            for found in engine.containers.list(all=True, filters={"name": f"^{name}$"}):
                print(f"-- {name} said:\n{found.logs().decode('utf-8', 'replace')[-4000:]}")
                found.remove(force=True)
        shutil.rmtree(home)


def fill_in(desk: Desk, broker: Secured) -> None:
    """The two edits."""
    desk.write("clone/openmsi.env", filled_in((desk.clone / "openmsi.env").read_text(), broker))
    for config in ("clone/config.config", "clone/custom_image/config.config"):
        desk.write(config, edited((desk.home / config).read_text(), broker))


def test_a_complete_deployment_on_one_machine(desk: Desk) -> None:
    try:
        for block in section("A complete deployment on one machine"):
            said = desk.shell.block(block)
            if "until cat" in block.lines[-1]:
                assert said.endswith("a first measurement\n")
            if "docker compose ps" in block.lines:
                assert said.count("(healthy)") == 3
    finally:
        desk.shell.type("docker compose down --volumes --timeout 2")


def test_a_container_and_an_image_of_your_own(desk: Desk, secured: Secured) -> None:
    shell = desk.shell
    for block in section("A container"):
        match block.name:
            case "looking":
                expect(lambda: "first start on" in desk.said("send"), 60)  # what is there before is not sent
                desk.write("instrument/first.txt", "one\ntwo\n")
                expect(lambda: "first.txt" in tree(desk.home / "copy"), 60, lambda: desk.said("send"))
                expect(lambda: desk.engine.containers.get("send").health == "healthy", 60)
                said = shell.block(block)
                assert re.search(r"send: Up .*\(healthy\)", said)
                assert re.search(r"sent +first\.txt", said)
            case "shell":
                shell.enter(block.lines[0], r"\$ $")
                assert "first.txt" in shell.type("ls data")
                assert "DataFileUploadDirectory" in shell.type("DataFileUploadDirectory --help")
                shell.leave()
            case "user":
                assert "first.txt" in shell.block(block)
            case "locked":
                shell.type(block.lines[0])
                desk.write("instrument/locked.txt", "locked")
                expect(lambda: _sent(desk, "locked.txt"), 60, lambda: desk.said("send"))
                shell.type(block.lines[1])
            case "secrets":
                desk.write("secrets/username", "owner\n")
                desk.write("secrets/password", PASSWORD + "\n")
                shell.type(f"export CONFLUENT_BOOTSTRAP_SERVERS={secured.at('SCRAM')}")
                shell.type(block.lines[0])
                desk.write("instrument/secret.txt", "secret")
                expect(lambda: _sent(desk, "secret.txt"), 60, lambda: desk.said("send"))
                shell.type(block.lines[1])
            case _:
                said = shell.block(block)
                if "docker run --rm openmsistream" in block.lines:
                    assert "DataFileUploadDirectory data --config config.config" in said
                if "chmod 600 openmsi.env" in block.lines:
                    fill_in(desk, secured)
    for block in section("An image of your own"):
        match block.name:
            case "custom":
                shell.type("rm -rf $HOME/copy/*")
                shell.type(block.lines[0])
                expect(lambda: "secret.txt" in tree(desk.home / "copy"), 60, lambda: desk.said("my-program"))
                shell.type(block.lines[1])
            case "processor":
                shell.block(block)
                expect(lambda: _lines(desk, "first.txt") == "2\n", 60, lambda: desk.said("my-processor"))
            case "by-hand":
                shell.type("rm -rf $HOME/copy/*")
                shell.enter(block.lines[0], r"\$ $")
            case "inside":
                shell.begin(block.lines[0])
                expect(lambda: "secret.txt" in tree(desk.home / "copy"), 60)
                shell.interrupt()
                shell.leave()
            case _:
                shell.block(block)


def _lines(desk: Desk, name: str) -> str:
    """What the example processor has written about a file."""
    result = desk.home / "results" / "lines" / f"{name}.txt"
    return result.read_text() if result.exists() else ""


def test_the_containers_of_the_readme(desk: Desk, secured: Secured) -> None:
    shell = desk.shell
    together, alone, _ = section("On machines nobody sits at", README)
    try:
        shell.block(together)
    finally:
        shell.type("docker compose down --volumes --timeout 2")
    shell.type("cp openmsi.env.example openmsi.env; FOLDER=$HOME/instrument; mkdir $FOLDER")
    fill_in(desk, secured)
    made = re.findall(r"^[0-9a-f]{64}$", shell.block(alone), re.M)[-1]
    try:
        expect(lambda: "first start on" in desk.said(made), 60)  # what is there before is not sent
        desk.write("instrument/first.txt", "one")
        expect(lambda: _sent(desk, "first.txt", made), 60, lambda: desk.said(made))
    finally:
        desk.engine.containers.get(made).remove(force=True)


def _sent(desk: Desk, name: str, container: str = "send") -> bool:
    code, said = desk.engine.containers.get(container).exec_run(["openmsistream", "status", "data", name])
    return code == 0 and re.search(rf"sent +{re.escape(name)}", said.decode()) is not None


def test_every_command_of_the_page_is_typed_by_a_test() -> None:
    typed = {
        "A complete deployment on one machine", "A container", "An image of your own", "A service of the system",
        "What runs where",
    }  # fmt: skip
    assert {block.section for block in blocks(PAGE) if block.kind == "console"} <= typed
