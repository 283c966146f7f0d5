"""What tests of the image work with: containers that tell what they say, commands as a user types them, folders to mount."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
from confluent_kafka import KafkaError, KafkaException
from docker.errors import APIError, NotFound
from lab import Lab, tree

from openmsistream.program.run import wait_until

USER = 1000 if os.getuid() == 0 else os.getuid()
"""Whose folders are mounted, and who runs in the containers. Root is nobody to test as: it may do everything."""

GROUP = 1000 if os.getuid() == 0 else os.getgid()

REPOSITORY = Path(__file__).parents[2]


class Container:
    """A container of a test: what it says, how it stands, and what is run in it."""

    def __init__(self, made: Any) -> None:
        self.made = made

    @property
    def id(self) -> str:
        return str(self.made.id)

    @property
    def said(self) -> str:
        """All that it has written so far, over all its starts."""
        return self.made.logs().decode("utf-8", "replace")

    @property
    def facts(self) -> dict[str, Any]:
        """What `docker inspect` tells of it now."""
        self.made.reload()
        return self.made.attrs

    @property
    def running(self) -> bool:
        return bool(self.facts["State"]["Running"])

    @property
    def restarts(self) -> int:
        return int(self.facts["RestartCount"])

    @property
    def health(self) -> str:
        """starting, healthy or unhealthy"""
        return str(self.facts["State"]["Health"]["Status"])

    @property
    def exit_code(self) -> int:
        return int(self.facts["State"]["ExitCode"])

    @property
    def main_pid(self) -> int:
        """Its process 1, by the number that it has on this machine."""
        return int(self.facts["State"]["Pid"])

    def wait_for(self, pattern: str, limit: float = 60.0, times: int = 1) -> str:
        """Wait until it has said this regular expression so many times, and give the last of them."""

        def found() -> list[str]:
            return [match.group() for match in re.finditer(pattern, self.said)]

        wait_until(lambda: len(found()) >= times or not self.running, limit, step=0.1)
        matches = found()
        assert len(matches) >= times, (
            f"not {times} times {pattern!r} within {limit:g} s (running: {self.running}) in:\n{self.said}"
        )
        return matches[-1]

    def becomes(self, health: str, limit: float) -> None:
        """Wait until `docker inspect` calls it this."""
        assert wait_until(lambda: self.health == health, limit, step=0.2), (
            f"{self.health}, not {health}, after {limit:g} s: {self.facts['State']['Health']}\n{self.said}"
        )

    def ends(self, limit: float = 60.0) -> int:
        """Its exit code, when it ends within the limit."""
        assert wait_until(lambda: not self.running, limit, step=0.1), f"running after {limit:g} s:\n{self.said}"
        return self.exit_code

    def stop(self) -> float:
        """`docker stop`, and how many seconds it took."""
        began = time.monotonic()
        self.made.stop()
        return time.monotonic() - began

    def run(self, command: str, *, user: str = "", check: bool = True, **options: Any) -> str:
        """What a command of bash says in it; `check` wants it to succeed."""
        code, output = self.tried(command, user=user, **options)
        assert code == 0 or not check, f"exit code {code} of {command!r}:\n{output}"
        return output

    def tried(self, command: str, *, user: str = "", **options: Any) -> tuple[int, str]:
        """The exit code and the words of a command of bash in it."""
        answer = self.made.exec_run(["bash", "-c", command], user=user, **options)
        return int(answer.exit_code), answer.output.decode("utf-8", "replace")

    def remove(self) -> None:
        try:
            self.made.remove(force=True, v=True)
        except (NotFound, APIError):
            pass  # removed by the test, or by --rm just now


@dataclass
class Harbour:
    """One test's containers: made in words of the SDK or typed as a user does; afterwards shown and removed."""

    engine: docker.DockerClient
    place: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    """What typed commands find in their environment."""
    _containers: list[Container] = field(default_factory=list)

    def folder(self, name: str, owner: tuple[int, int] = (USER, GROUP)) -> Path:
        """A folder of this test, to be mounted."""
        made = self.place / name
        made.mkdir(parents=True, exist_ok=True)
        _give(made, owner)
        return made

    def file(self, name: str, content: str | bytes) -> Path:
        """A file of this test, to be mounted or sent."""
        made = self.place / name
        made.parent.mkdir(parents=True, exist_ok=True)
        beside = made.with_name(
            f".{made.name}.new"
        )  # a change of its owner would be a change of a file that is being sent
        beside.write_bytes(content if isinstance(content, bytes) else content.encode())
        _give(beside, (USER, GROUP))
        return beside.replace(made)

    def start(self, image: str, *words: str, **options: Any) -> Container:
        """A container in the background. Its user is that of the folders, unless the options say otherwise."""
        made = self.engine.containers.run(image, list(words), detach=True, **options)
        return self.adopt(made)

    def ran(self, image: str, *words: str, limit: float = 60.0, **options: Any) -> tuple[int, str]:
        """The exit code and the words of a container that comes to its end."""
        container = self.start(image, *words, **options)
        return container.ends(limit), container.said

    def adopt(self, made: Any) -> Container:
        container = Container(made)
        self._containers.append(container)
        return container

    def typed(self, command: str, cwd: Path | None = None, check: bool = True, **variables: str) -> str:
        """What a command says that somebody types in bash; containers that it leaves running belong to the test."""
        done = subprocess.run(
            ["bash", "-c", command], cwd=cwd or self.place, env={**os.environ, **self.variables, **variables},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=300,
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert done.returncode == 0 or not check, f"exit code {done.returncode} of {command}\n{said}"
        for name in re.findall(r"^[0-9a-f]{64}$", done.stdout, re.MULTILINE):
            self.adopt(self.engine.containers.get(name))
        return said

    @property
    def containers(self) -> list[Container]:
        return list(self._containers)

    @property
    def last(self) -> Container:
        """The container that was made last."""
        return self._containers[-1]

    def close(self) -> None:
        for number, container in enumerate(self._containers):
            try:
                state, said = container.facts["State"], container.said
                print(f"-- container {number} ({container.made.name}, {state['Status']}) said:\n{said[-5000:]}")
            except NotFound:
                print(f"-- container {number} was removed by the test")
            container.remove()


def _give(path: Path, owner: tuple[int, int]) -> None:
    if os.getuid() == 0:
        os.chown(path, *owner)


def mounted(folder: Path, place: str, mode: str = "rw") -> dict[str, dict[str, str]]:
    """A folder in the words of the SDK's `volumes`."""
    return {str(folder): {"bind": place, "mode": mode}}


MADE_JUST_NOW = (
    KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNKNOWN_TOPIC_OR_PART,
)  # fmt: skip
"""What a broker says of a topic whose partitions have no leader yet."""

HOME = "/home/openmsi"
UPLOAD = "DataFileUploadDirectory"
DOWNLOAD = "DataFileDownloadDirectory"

CONFIG = """\
[broker]
bootstrap.servers = broker:9092
[consumer]
session.timeout.ms = 6000
heartbeat.interval.ms = 1000
"""


@dataclass
class Way:
    """A folder here, a topic, a folder there, and the two programs in containers with the folders mounted as their data."""

    harbour: Harbour
    image: str
    network: str
    outside: Lab

    def __post_init__(self) -> None:
        self.here = self.harbour.folder("here")
        self.there = self.harbour.folder("there")
        self.config = self.harbour.file("lab.config", CONFIG)

    @property
    def topic(self) -> str:
        return self.outside.topic

    def put(self, path: str, content: bytes | str = b"") -> None:
        """A file to be sent."""
        self.harbour.file(f"here/{path}", content)

    def put_many(self, count: int, size: int = 2000) -> None:
        for number in range(count):
            self.put(f"many/{number:04}.dat", f"{number}".encode().ljust(size, b"."))

    def uploader(self, *more: str, ready: bool = True, **options: Any) -> Container:
        """DataFileUploadDirectory. When it is ready, a file that is put is a new one."""
        first = not (self.here / "LOGS").exists()
        made = self.program(UPLOAD, self.here, *more, **options)
        if ready:
            made.wait_for("first start on" if first else r"\d+ partitions")
        return made

    def downloader(self, *more: str, **options: Any) -> Container:
        """DataFileDownloadDirectory."""
        return self.program(DOWNLOAD, self.there, *more, **options)

    def program(self, name: str, folder: Path, *more: str, **options: Any) -> Container:
        """A program on a folder, as the seed's command has it."""
        volumes = {**mounted(folder, f"{HOME}/data"), **mounted(self.config, f"{HOME}/lab.config", "ro")}
        options = {"volumes": volumes, "network": self.network, **options}
        words = ["data", "--config", "lab.config", "--topic_name", self.topic, *more]
        return self.harbour.start(self.image, name, *words, **options)

    @property
    def on_the_topic(self) -> list[str]:
        """The path of each record that stands on the topic, in order; a path stands there once for each chunk."""
        try:
            return [(record.key() or b"").decode() for record in self.outside.records()]
        except KafkaException as error:
            if error.args[0].code() not in MADE_JUST_NOW:
                raise
            return []

    @property
    def arrived(self) -> dict[str, bytes]:
        return tree(self.there)
