"""A lab with programs of the published OpenMSIStream in it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from lab import Lab

import openmsistream
from openmsistream.program.run import wait_until

_USERS = Path(__file__).parents[1] / "subclasses" / "programs"

_MSGPACK = """[broker]
bootstrap.servers = {address}
[producer]
batch.size = 2000000
linger.ms = 100
compression.type = lz4
key.serializer = StringSerializer
value.serializer = DataFileChunkSerializer
[consumer]
group.id = create_new
auto.offset.reset = earliest
enable.auto.commit = False
fetch.min.bytes = 1
key.deserializer = StringDeserializer
value.deserializer = DataFileChunkDeserializer
"""


class Published:
    """A program of the published package, as a process."""

    def __init__(self, python: Path, *args: object, log: Path, env: dict[str, str] | None = None) -> None:
        self._log = log
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "OPENMSI"))}
        environment |= env or {}
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [python, *map(str, args)],
                stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=log.parent,
            )  # fmt: skip

    @property
    def said(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def wait_for(self, text: str, limit: float = 60.0) -> None:
        wait_until(lambda: text in self.said or self.process.poll() is not None, limit, step=0.05)
        assert text in self.said, f"no {text!r} within {limit:g} s:\n{self.said}"

    def quit(self, limit: float = 60.0) -> None:
        """End it by its own command; its threads may be asleep for a while."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"q\n")
        self.process.stdin.flush()
        assert wait_until(lambda: self.process.poll() is not None, limit), f"does not end:\n{self.said}"

    def kill(self) -> None:
        """SIGINT makes it hang and SIGTERM loses what it knows, so neither is of use."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        if self.process.stdin is not None:
            self.process.stdin.close()


class MixedLab(Lab):
    """A lab in which some of the programs are the published ones, and the msgpack form is written."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.config = self.place / "msgpack.config"
        self.config.write_text(_MSGPACK.format(address=self.address), "utf-8")
        self.python = Path()
        self._published: list[Published] = []

    def published(self, module: str, *args: object) -> Published:
        """One of its programs, by the module that it is in."""
        module = f"openmsistream.data_file_io.{module}"
        return self._start("-m", module, *args, "--config", self.config, "--topic_name", self.topic)

    def users(self, program: str, *args: object) -> Published:
        """A program that a user wrote (tests/subclasses/programs), run with the published package."""
        return self._start(_USERS / f"{program}.py", *args)

    def users_with_ours(self, program: str, *args: object, python: Path | None = None) -> Published:
        """The same with our package, perhaps by another Python."""
        ours = {"PYTHONPATH": str(Path(openmsistream.__file__).parents[1]), "PYTHONIOENCODING": "utf-8"}
        return self._start(_USERS / f"{program}.py", *args, python=python or Path(sys.executable), env=ours)

    def _start(self, *args: object, python: Path | None = None, env: dict[str, str] | None = None) -> Published:
        log = self.place / f"published{len(self._published)}.log"
        started = Published(python or self.python, *args, log=log, env=env)
        self._published.append(started)
        return started

    def published_processor(self) -> Published:
        """A user's program made with its classes: it writes the files that it is handed to `target`."""
        program = self._start(Path(__file__).with_name("copying_processor.py"), self.config, self.topic, self.target)
        program.wait_for("Will process files")
        return program

    def published_upload(self, *args: object) -> Published:
        program = self.published(
            "actor.data_file_upload_directory", self.source, "--upload_existing", "--watchdog_lag_time", 1, *args
        )
        program.wait_for("Will upload")
        return program

    def published_download(self) -> Published:
        program = self.published("actor.data_file_download_directory", self.target)
        program.wait_for("Will reconstruct files")
        return program

    def close(self) -> None:
        for number, program in enumerate(self._published):
            program.kill()
            print(f"-- published program {number} said:\n{program.said[-5000:]}")
        super().close()
