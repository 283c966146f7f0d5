"""What somebody may ask to be run on a file, as a process of its own finds it: functions at the top level of a module."""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from openmsistream.processing.callers.rebuilt import RemembersArguments
from openmsistream.processing.file import File, Source
from openmsistream.processing.work import Result, Work

log = logging.getLogger("worked")


def a_file(data: bytes | None = b"", place: Path | None = None, *, path: str = "run7/scan.tif") -> File:
    size = len(data) if data is not None else place.stat().st_size if place else 0
    return File(path, Source("topic", 1, 23, "g1"), size=size, digest="blake3:00", mtime_ns=5, data=data, place=place)


def nothing(file: File) -> None:
    pass


def process_id(file: File) -> Result:
    return Result(None, str(os.getpid()).encode())


def what_it_got(file: File) -> Result:
    seen = (file.path, file.source, file.size, file.digest, file.mtime_ns, file.chunks, file.place, file.in_memory)
    return Result(repr(seen).encode(), file.read_bytes())


def size_read(file: File) -> Result:
    return Result(None, str(len(file.read_bytes())).encode())


def copied_to_disk(file: File) -> Result:
    return Result(str(file.on_disk()).encode(), file.on_disk().read_bytes())


def a_copy_and_then_the_end(file: File) -> None:
    log.warning("%s", file.on_disk())
    os._exit(1)


def wrong(file: File) -> None:
    _deeper(file)


def _deeper(file: File) -> None:
    int("x")


class Unsendable(Exception):
    def __init__(self, one: object, two: object) -> None:
        super().__init__(lambda: None)


def unsendable(file: File) -> None:
    raise Unsendable(1, 2)


def leaves(file: File) -> None:
    sys.exit(4)


def as_told(file: File) -> Result:
    """Does what the file's bytes say, so that one process can be asked for several things."""
    match file.read_bytes():
        case b"crash":
            ctypes.string_at(0)
        case b"exit":
            os._exit(3)
        case b"hang":
            holds_the_lock(file)
    return process_id(file)


def holds_the_lock(file: File) -> None:
    """Runs for longer than anybody waits, and no other thread of Python runs meanwhile."""
    re.match(r"(a+)+$", "a" * 60 + "b")


def begins_a_program_and_hangs(file: File) -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(os.fsdecode(file.read_bytes())).write_text(f"{os.getpid()} {other.pid}")
    holds_the_lock(file)


def forks_workers(file: File) -> Result:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return Result(None, repr(pool.map(abs, [-1, -2])).encode())


def prints_and_logs(file: File) -> None:
    print("printed")
    print("an error", file=sys.stderr)
    log.warning("logged %s", "é")
    log.debug("not at this level")
    try:
        int("y")
    except ValueError:
        log.exception("caught")


def waits(file: File) -> None:
    Path(os.fsdecode(file.read_bytes())).touch()
    time.sleep(600)


class Processor(RemembersArguments):
    """As the classes of users are: a hook, and arguments for the constructor."""

    def __init__(self, first: str, *, logger: logging.Logger | None = None, second: int = 2) -> None:
        self.first, self.second, self.logger = first, second, logger

    def work(self, file: File) -> Result:
        name = self.logger.name if self.logger else ""
        return Result(None, f"{type(self).__name__} {self.first} {self.second} {name}".encode())


class Extended(Processor):
    def __init__(self) -> None:
        super().__init__("given by the subclass", second=7)


class NeedsAFolder(Processor):
    def __init__(self, folder: Path) -> None:
        super().__init__("")
        (folder / "made").touch(exist_ok=False)


class LogsToAFile(Processor):
    """As a constructor does that is given a `logger_file`."""

    def __init__(self, place: Path) -> None:
        super().__init__("")
        logging.getLogger().addHandler(logging.FileHandler(place))
        logging.getLogger().setLevel(logging.ERROR)

    def work(self, file: File) -> Result:
        log.info("at work")
        return super().work(file)


def cannot_be_made() -> Work:
    raise ModuleNotFoundError("No module named 'detector'")


def ends_while_being_made() -> Work:
    os._exit(9)
