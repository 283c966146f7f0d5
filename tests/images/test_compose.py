"""`docker compose up` from a fresh clone: a file that is put into one folder appears in the other, whatever is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import desk
import docker
import pytest
from containers import GROUP, USER, Container
from lab import expect, tree
from testcontainers.compose import DockerCompose

from openmsistream.broker import ports

SERVICES = ("broker", "uploader", "downloader")
STOPPED = 10.0
CROSSED = 60.0


@dataclass
class Clone:
    """A clone of the repository, and what is typed in it."""

    place: Path
    engine: docker.DockerClient
    project: str
    port: int

    @property
    def upload(self) -> Path:
        return self.place / "data" / "upload"

    @property
    def download(self) -> Path:
        return self.place / "data" / "download"

    @property
    def compose(self) -> DockerCompose:
        return DockerCompose(self.place, wait=False)

    def typed(self, command: str, check: bool = True, **variables: str) -> str:
        done = subprocess.run(
            command.split(), cwd=self.place, capture_output=True, text=True, errors="replace", timeout=600,
            env={**os.environ, **variables},
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert done.returncode == 0 or not check, f"exit code {done.returncode} of {command}\n{said}"
        return said

    def put(self, name: str, content: bytes | str) -> None:
        file = self.upload / name
        part = file.with_name(f".{name}")
        part.write_bytes(content if isinstance(content, bytes) else content.encode())
        part.rename(file)

    def container(self, service: str) -> Container:
        return Container(self.engine.containers.get(f"{self.project}-{service}-1"))

    def expect_crossed(self, *names: str) -> None:
        """All of these are over there, as they are here."""

        def crossed() -> bool:
            here, there = tree(self.upload), tree(self.download)
            return all(name in there and there[name] == here[name] for name in names)

        expect(crossed, CROSSED, lambda: f"{sorted(tree(self.download))}\n{self.said}")

    @property
    def said(self) -> str:
        return self.typed("docker compose logs", check=False)


@pytest.fixture(scope="module")
def clone(engine: docker.DockerClient, ground: str, broker_image: str, tmp_path_factory: Any) -> Iterator[Clone]:
    """A clone with a file to send, and variables as somebody sets them who is not user 1000 and has no registry of images.

    `broker_image` is asked for so that what an image is made of is there; compose makes its own from it.
    """
    place = tmp_path_factory.mktemp("clone")
    tag = uuid.uuid4().hex[:8]
    made = Clone(place, engine, f"compose-{tag}", ports.unused("127.0.0.1"))
    desk.clone(place)
    variables = {
        "BASE_IMAGE": ground, "IMAGE": f"openmsistream-compose:{tag}", "COMPOSE_PROJECT_NAME": made.project,
        "KAFKA_PORT": made.port, "UID": USER, "GID": GROUP,
    }  # fmt: skip
    (place / ".env").write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    made.put("before.txt", "put there before the start")
    desk.give(place)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DOCKER_BUILDKIT", "0")  # the builder that every engine has
        try:
            yield made
        finally:
            print(made.said[-10000:])
            made.typed("docker compose down --volumes --remove-orphans --timeout 1", check=False)
            engine.images.remove(variables["IMAGE"], force=True)


@pytest.fixture
def running(clone: Clone) -> Clone:
    """The clone with its three containers, whatever the test before did to them."""
    clone.compose.start()
    return clone


def test_up_builds_the_image_and_a_file_crosses(running: Clone) -> None:
    running.put("a measurement, ä.txt", "42")
    running.put("large.dat", os.urandom(20_000_000))
    running.put("empty", "")
    running.expect_crossed("before.txt", "a measurement, ä.txt", "large.dat", "empty")


def test_all_three_become_healthy(running: Clone) -> None:
    for service in SERVICES:
        running.container(service).becomes("healthy", 60)


def test_nothing_has_more_rights_than_it_needs(running: Clone) -> None:
    for service in SERVICES:
        facts = running.container(service).facts
        host = facts["HostConfig"]
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert host["RestartPolicy"]["Name"] == "unless-stopped"
        assert facts["Config"]["User"] not in ("", "root", "0", "0:0")
    bound = [
        one for all_of in running.container("broker").facts["HostConfig"]["PortBindings"].values() for one in all_of
    ]
    assert [one["HostIp"] for one in bound] == ["127.0.0.1"]


def test_a_program_of_this_machine_reaches_the_broker(running: Clone, tmp_path: Path) -> None:
    running.put("for-the-host.txt", "for a program outside")
    address = f"localhost:{running.port}"
    words = ["DataFileDownloadDirectory", str(tmp_path / "got"), "--config", "local", "--topic_name", "files"]
    program = subprocess.Popen(
        [sys.executable, "-m", "openmsistream.transfer.download_directory", *words[1:]],
        env={**os.environ, "OPENMSISTREAM_LOCAL_BROKER": address},
        stdin=subprocess.DEVNULL,
    )
    try:
        expect(lambda: tree(tmp_path / "got").get("for-the-host.txt") == b"for a program outside", CROSSED)
    finally:
        program.terminate()
        assert program.wait(15) == 0


def test_stop_ends_all_in_good_order_and_start_goes_on(running: Clone) -> None:
    for service in SERVICES:
        running.container(service).becomes("healthy", 60)
    running.put("just-before-the-stop.dat", os.urandom(30_000_000))
    began = time.monotonic()
    running.typed("docker compose stop")
    took = time.monotonic() - began
    assert took < 2 * STOPPED  # the programs side by side, then the broker
    assert {service: running.container(service).exit_code for service in SERVICES} == dict.fromkeys(SERVICES, 0)
    running.put("while-stopped.txt", "patience")
    running.typed("docker compose start")
    running.expect_crossed("just-before-the-stop.dat", "while-stopped.txt")


def test_kill_while_files_are_on_their_way_loses_nothing_and_writes_nothing_twice(running: Clone) -> None:
    running.container("downloader").becomes("healthy", 60)
    names = [f"killed-{number}.dat" for number in range(20)]
    for name in names:
        running.put(name, os.urandom(2_000_000))
    expect(lambda: any(name in tree(running.download) for name in names), CROSSED)
    there = {name: (running.download / name).stat().st_mtime_ns for name in names if (running.download / name).exists()}
    running.typed("docker compose kill")
    running.put("while-dead.txt", "patience")
    running.compose.start()
    running.expect_crossed(*names, "while-dead.txt")
    assert {name: (running.download / name).stat().st_mtime_ns for name in there} == there


def test_a_program_that_dies_is_started_again(running: Clone) -> None:
    if os.getuid() != 0:
        pytest.skip("only root may kill a container's process from outside")
    for service in SERVICES:
        running.container(service).becomes("healthy", 60)
    before = {service: running.container(service).restarts for service in SERVICES}
    for service in SERVICES:
        os.kill(running.container(service).main_pid, 9)
    running.put("after-the-deaths.txt", "patience")
    running.expect_crossed("after-the-deaths.txt")
    assert all(running.container(service).restarts > before[service] for service in SERVICES)


def test_down_keeps_records_and_what_was_received(running: Clone) -> None:
    running.put("before-down.txt", "kept")
    running.expect_crossed("before-down.txt")
    received = {path: path.stat().st_mtime_ns for path in running.download.glob("*.txt")}
    running.typed("docker compose down")
    assert running.typed("docker compose ps --all --quiet") == ""
    running.compose.start()
    running.put("after-down.txt", "new")
    running.expect_crossed("after-down.txt")
    assert {path: path.stat().st_mtime_ns for path in received} == received
    assert "before-down.txt" in running.typed("docker compose exec -T downloader openmsistream ls files --config local")


def test_a_folder_that_is_not_there_is_refused_and_not_made_by_root(clone: Clone) -> None:
    other = f"docker compose --project-name {clone.project}-other"
    said = clone.typed(f"{other} run --rm --no-deps uploader true", check=False, UPLOAD_DIR="./elsewhere")
    clone.typed(f"{other} down --volumes")
    assert "elsewhere" in said
    assert "does not exist" in said
    assert not (clone.place / "elsewhere").exists()


def test_topic_folders_and_port_are_variables(clone: Clone) -> None:
    said = clone.typed(
        "docker compose config --format json", TOPIC="spectra", UPLOAD_DIR="/srv/instrument", KAFKA_PORT="19999"
    )
    services = json.loads(said)["services"]
    assert "spectra" in services["uploader"]["command"]
    assert "spectra" in services["downloader"]["command"]
    assert services["uploader"]["volumes"][0]["source"] == "/srv/instrument"
    assert "localhost:19999" in services["broker"]["command"]
    assert services["broker"]["ports"][0]["published"] == "19999"
