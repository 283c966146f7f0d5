"""The walk that people know, in one go: env file, configuration, daemons, a shell, an image of one's own, tracker."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from containers import GROUP, REPOSITORY, USER, Harbour
from desk import give
from lab import Lab, expect, tree
from typing_shell import Shell, as_user

FILES = ("config.config", "openmsi.env.example", "tracker.json")


@pytest.fixture
def clone(harbour: Harbour) -> Path:
    """What somebody needs of a clone of the repository."""
    place = harbour.folder("clone")
    for name in FILES:
        shutil.copy(REPOSITORY / name, place)
    shutil.copytree(REPOSITORY / "custom_image", place / "custom_image")
    for folder in ("FOLDER", "THERE", "OTHER", "BY_HAND"):
        (place / folder).mkdir()
    give(place)
    for above in (harbour.place, *harbour.place.parents[:3]):
        above.chmod(above.stat().st_mode | 0o011)  # pytest's folders are closed to others
    return place


@pytest.fixture
def shell(clone: Path, harbour: Harbour) -> Iterator[Shell]:
    """A terminal of the user whose folders these are, in the clone."""
    socket = Path(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://"))
    environ = {"PATH": os.environ["PATH"], "HOME": str(clone), "LANG": "C.UTF-8", "DOCKER_HOST": f"unix://{socket}"}
    made = Shell(as_user(USER, GROUP, socket), clone, {**environ, **harbour.variables})
    try:
        yield made
    finally:
        made.close()


def test_somebody_walks_through_all_of_it(
    base_image: str, harbour: Harbour, network: Any, outside: Lab, clone: Path, shell: Shell
) -> None:
    """The commands are those that the pattern is known by; what is added is the network that this Kafka is in."""
    topic, net = outside.topic, network.name

    def daemon(command: str) -> None:
        (container,) = re.findall(r"^[0-9a-f]{64}$", shell.type(command), re.MULTILINE)
        harbour.adopt(harbour.engine.containers.get(container))

    # 1. the credentials, from the example
    shell.type("cp openmsi.env.example openmsi.env && chmod 600 openmsi.env")
    shell.type("sed -i 's/^CONFLUENT_BOOTSTRAP_SERVERS=.*/CONFLUENT_BOOTSTRAP_SERVERS=broker:9092/' openmsi.env")

    # 2. the configuration: this Kafka wants neither user nor password
    shell.type("sed -i -E '/^(sasl|security)/d' config.config")

    # 3. daemons on mounted folders
    mount = "-v $(pwd)/config.config:/home/openmsi/config.config --env-file openmsi.env"
    for folder, program in (("FOLDER", "DataFileUploadDirectory"), ("THERE", "DataFileDownloadDirectory")):
        daemon(
            f"docker run -d --network {net} -v $(pwd)/{folder}:/home/openmsi/data {mount}"
            f" {base_image} {program} data --config config.config --topic_name {topic}"
        )
        if folder == "FOLDER":
            harbour.last.wait_for("first start on")
    shell.type("echo first > FOLDER/first.txt")
    expect(lambda: tree(clone / "THERE") == {"first.txt": b"first\n"}, 60, lambda: harbour.last.said)

    # 4. a shell in a container
    shell.enter(
        f"docker run --rm -it --network {net} -v $(pwd)/FOLDER:/home/openmsi/data {mount} --entrypoint /bin/bash"
        f" {base_image}",
        r"\$ $",
    )
    assert "first.txt" in shell.type("ls data")
    assert re.search(r"sent +first\.txt", shell.type("openmsistream status data --all"))
    shell.leave()

    # 5. an image of one's own: its script starts what the env file names
    shell.type("cp config.config custom_image && cd custom_image")
    assert "Successfully tagged my-image:walk" in shell.type(
        f"docker build --build-arg BASE_IMAGE={base_image} -t my-image:walk ."
    )
    shell.type("cd ..")
    shell.type(f"printf 'MODULE=DataFileDownloadDirectory\\nTOPIC_NAME={topic}\\n' >> openmsi.env")
    daemon(f"docker run -d --network {net} -v $(pwd)/OTHER:/home/openmsi/data --env-file openmsi.env my-image:walk")
    expect(lambda: tree(clone / "OTHER") == {"first.txt": b"first\n"}, 60, lambda: harbour.last.said)

    # 6. the same by hand: the script is sourced in a shell, ended by Ctrl-C, and the shell is still there
    shell.enter(
        f"docker run --rm -it --network {net} -v $(pwd)/BY_HAND:/home/openmsi/data --env-file openmsi.env"
        " --entrypoint bash my-image:walk",
        r"\$ $",
    )
    shell.begin(". ./startup-script.sh")
    expect(lambda: tree(clone / "BY_HAND") == {"first.txt": b"first\n"}, 60)
    shell.interrupt()
    assert "first.txt" in shell.type("ls data")
    shell.leave()

    # 7. the record of what runs where
    assert json.loads((clone / "tracker.json").read_text())
    shell.type(
        "docker run --rm -v $(pwd)/tracker.json:/home/openmsi/tracker.json:ro"
        f" {base_image} openmsistream tracker check tracker.json"
    )

    # 8. all of it ends when it is told to
    for container in harbour.containers:
        assert container.stop() < 10
        assert container.exit_code == 0, container.said
