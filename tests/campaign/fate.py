"""A run of kills: files flow, programs and broker are killed at random points, and everything visible is looked at."""

from __future__ import annotations

import os
import random
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from confluent_kafka import Message
from lab import Lab, Program, files_of, header

from openmsistream.broker import RunningBroker, start
from openmsistream.files import digest
from openmsistream.program.run import wait_until

_SMALL = tuple(f"small/{number}.dat" for number in range(24))
_LARGE = tuple(f"large/{number}.bin" for number in range(4))
_ENVELOPE = "{path}\n{number}\n{size}\n{digest}\n"


# -- versions: contents that say themselves which one they are, and whether they are whole --------------------


def version(path: str, number: int, body: bytes) -> bytes:
    """The content of one version of a file."""
    return _ENVELOPE.format(path=path, number=number, size=len(body), digest=digest.of(body)).encode() + body


def number_of(path: str, content: bytes) -> int:
    """Which version of the file this is. Raises ValueError when it is not a whole one."""
    name, number, size, expected, body = content.split(b"\n", 4)
    if name.decode() != path:
        raise ValueError(f"it belongs under {name.decode()}")
    if len(body) != int(size) or digest.of(body) != expected.decode():
        raise ValueError(f"version {int(number)} is torn: {len(body)} of {int(size)} bytes, digest {digest.of(body)}")
    return int(number)


class Instrument(threading.Thread):
    """Writes version after version of small and large files: new ones, replaced ones, small ones in place."""

    def __init__(self, root: Path, seed: int) -> None:
        super().__init__(daemon=True)
        self.root = root
        self.last: dict[str, int] = defaultdict(int)
        self._random = random.Random(seed)
        self._bodies = self._random.randbytes(6 << 20)
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.wait(self._random.choice((0.01, 0.05, 0.2))):
            if self._random.random() < 0.04:
                self._replace(self._random.choice(_LARGE), self._random.randrange(1 << 20, 6 << 20))
            elif self._random.random() < 0.5:
                self._replace(self._random.choice(_SMALL), self._random.randrange(100_000))
            elif self._random.random() < 0.5:
                self._rewrite(self._random.choice(_SMALL))
            else:
                self._new()

    def _content(self, path: str, size: int) -> bytes:
        self.last[path] += 1
        at = self._random.randrange(len(self._bodies) - size + 1)
        return version(path, self.last[path], self._bodies[at : at + size])

    def _replace(self, path: str, size: int) -> None:
        file = self.root / path
        file.parent.mkdir(exist_ok=True)
        beside = file.with_name(".beside.tmp")
        beside.write_bytes(self._content(path, size))
        beside.replace(file)

    def _rewrite(self, path: str) -> None:
        """In place with one write of one page, so that there is no moment at which the source itself is torn."""
        path = path.replace(".dat", ".txt")
        content = self._content(path, 1000)
        file = self.root / path
        file.parent.mkdir(exist_ok=True)
        fd = os.open(file, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            if os.pwrite(fd, content, 0) != len(content):
                raise AssertionError("a page was written in pieces")
            os.ftruncate(fd, len(content))
        finally:
            os.close(fd)

    def _new(self) -> None:
        self._replace(f"new/{self.last['new']:06}.dat", 500)
        self.last["new"] += 1

    def stop(self) -> None:
        self._stopping.set()
        self.join()
        self.last.pop("new", None)


class Observer(threading.Thread):
    """Reads the target all the time. `wrong` is what must never be seen there."""

    def __init__(self, root: Path) -> None:
        super().__init__(daemon=True)
        self.root = root
        self.wrong: list[str] = []
        self.last: dict[str, int] = {}
        self.looks = 0
        self._stopping = threading.Event()
        self._known: dict[str, tuple[int, int]] = {}

    def run(self) -> None:
        while not self._stopping.wait(0.02):
            self.look()

    def look(self) -> None:
        for path, file in files_of(self.root).items():
            try:
                state = file.stat()
                if self._known.get(path) == (state.st_ino, state.st_ctime_ns):
                    continue
                content = file.read_bytes()
            except FileNotFoundError:
                self.wrong.append(f"{path} vanished")
                continue
            self._known[path] = (state.st_ino, state.st_ctime_ns)
            self._check(path, content)

    def _check(self, path: str, content: bytes) -> None:
        self.looks += 1
        try:
            number = number_of(path, content)
        except ValueError as error:
            self.wrong.append(f"{path}: {error}")
            return
        if number < self.last.get(path, 0):
            self.wrong.append(f"{path} went back from version {self.last[path]} to {number}")
        self.last[path] = number

    def stop(self) -> None:
        self._stopping.set()
        self.join()
        self.look()


# -- kills ---------------------------------------------------------------------------------------------------


@dataclass
class Fate:
    """Kills one of the three at random points and starts it again."""

    lab: Lab
    broker: RunningBroker
    kills: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        self._random = random.Random(0)
        self._start = {
            "uploader": lambda: self.lab.upload_program(),
            "downloader": lambda: self.lab.download_program(),
        }
        self.programs: dict[str, Program] = {name: begin() for name, begin in self._start.items()}

    def reseed(self, seed: int) -> None:
        self._random = random.Random(seed)

    def strike(self) -> str:
        """Kill one of them, and start it again."""
        who = self._random.choices(("uploader", "downloader", "broker"), (6, 4, 1))[0]
        self.kills[who] += 1
        if who == "broker":
            process = psutil.Process(self.broker.pid)
            process.kill()
            process.wait(10)
            self.broker = start(self.broker.settings)
        else:
            self.kill(who)
            self.programs[who] = self._start[who]()
        return who

    def kill(self, who: str) -> None:
        """End a program without a word, unless it had ended by itself, which it never should."""
        program = self.programs[who]
        assert program.running, f"the {who} ended by itself ({program.process.returncode}):\n{program.said[-5000:]}"
        program.kill()

    def stop(self) -> dict[str, int]:
        """End both programs in good order; gives their exit codes."""
        return {name: program.stop() for name, program in self.programs.items()}

    def pause(self, observer: Observer) -> None:
        """Let things go on for a random while, or until something wrong is seen.

        A group misses a killed member for 6 s, so pauses are often longer than that is in the middle of things.
        """
        wait_until(lambda: bool(observer.wrong), self._random.choice((0.1, 0.3, 1.0, 1.5, 2.5, 7.5)))


# -- afterwards ----------------------------------------------------------------------------------------------


def bytes_sent_again(records: list[Message]) -> int:
    """Bytes of chunks that stand on the topic more than once: for each version of a path, all but the first of each chunk."""
    numbers: dict[bytes, tuple[str, int]] = {}
    seen: set[tuple[str, int, int]] = set()
    again = 0
    for record in records:
        generation, index, value = header(record, "gen"), header(record, "chunk"), record.value() or b""
        if generation is None or index is None:
            continue  # the word that a generation is abandoned
        path = (record.key() or b"").decode()
        if index == b"0" and generation not in numbers:
            numbers[generation] = path, int(value.split(b"\n", 2)[1])
        chunk = (*numbers[generation], int(index))
        again += len(value) if chunk in seen else 0
        seen.add(chunk)
    return again


def all_arrived(instrument: Instrument, observer: Observer) -> bool:
    """Is every file at its last version?"""
    return bool(observer.wrong) or all(observer.last.get(path) == number for path, number in instrument.last.items())


def behind(instrument: Instrument, observer: Observer) -> dict[str, tuple[int, int | None]]:
    """The files that are not at their last version: written, seen."""
    return {
        path: (number, observer.last.get(path))
        for path, number in instrument.last.items()
        if observer.last.get(path) != number
    }
