"""OpenMSIStream 1.8.8, from an environment of its own: fewer files than the others, and rates from what it managed.

It sends about 19 small files a second, so 200 of them, or 512 MiB, stand for the whole; the seconds are scaled to the
work. What its start and its three seconds of lag take is left out. It does not sync what it writes.
"""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from openmsistream.program.run import wait_until

from .bench import MSGPACK, Bench, Folders
from .processes import Measured, running
from .work import Result, Work, make_files, remove_unless_many, verify

VERSION = "1.8.8"
_LAG = 3.0
_LIMIT = 600.0
_MOST_FILES = 200
_MOST_BYTES = 512 << 20


def environment(build: Path) -> Path:
    """The environment, made by pip when it is not there yet."""
    place = build / f"openmsistream-{VERSION}"
    scripts = place / ("Scripts" if sys.platform == "win32" else "bin")
    if not (scripts / "DataFileUploadDirectory").exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        subprocess.run([scripts / "python", "-m", "pip", "install", "--quiet", f"openmsistream=={VERSION}"], check=True)
    return place


def carry(bench: Bench, work: Work, place: Path) -> Result:
    """A part of the work, as large as is bearable; the result is scaled up to all of it."""
    count = min(work.count, _MOST_FILES, max(1, _MOST_BYTES // work.size))
    part = Work(work.name, count, min(work.size, _MOST_BYTES))
    folders = bench.folders()
    make_files(folders.stock / "run", part)
    topic = bench.topic()
    scripts = place / ("Scripts" if sys.platform == "win32" else "bin")
    common = ["--config", str(bench.config(MSGPACK)), "--topic_name", topic]
    with ExitStack() as stack:
        up, down = (
            stack.enter_context(running([str(scripts / name), str(folder), *common], bench.place / f"{name}.log"))
            for name, folder in (
                ("DataFileUploadDirectory", folders.source), ("DataFileDownloadDirectory", folders.target),
            )
        )  # fmt: skip
        _warm_up(folders)
        up.reset()
        down.reset()
        took = _seconds(folders, part)
        result = _scaled(work, part, took, up, down)
    verify(folders.stock / "run", folders.target)
    bench.drop(topic)
    remove_unless_many(part, folders.source, folders.target, folders.stock)
    return result


def _scaled(work: Work, part: Work, took: float, up: Measured, down: Measured) -> Result:
    times = work.bytes / part.bytes
    return Result(took * times, up.cpu * times, down.cpu * times, up.peak_mb, down.peak_mb)


def _warm_up(folders: Folders) -> None:
    for number in range(30):
        name = f"warm-{number}.dat"
        (folders.source / name).write_bytes(b"warm")
        if wait_until(partial(_is_whole, folders.target / name, 4), 6.0):
            return
    raise SystemExit(f"OpenMSIStream {VERSION} sends nothing here; see its logs in the folder of the benchmark")


def _seconds(folders: Folders, part: Work) -> float:
    """From the first file there to the last, for many; for few from the end of the lag time."""
    began = time.perf_counter()
    names = sorted(file.name for file in (folders.stock / "run").iterdir())
    for name in names:  # copied, since it takes a moved folder for nothing; a hard link costs nothing and keeps both
        (folders.source / name).hardlink_to(folders.stock / "run" / name)
    waiting = set(names)
    first = 0.0
    deadline = began + _LIMIT
    while waiting:
        waiting -= {name for name in waiting if _is_whole(folders.target / name, part.size)}
        if not first and len(waiting) < len(names):
            first = time.perf_counter()
        if time.perf_counter() > deadline:
            raise SystemExit(f"OpenMSIStream {VERSION}: {len(waiting)} of {len(names)} files did not come")
        time.sleep(0.005)
    ended = time.perf_counter()
    if len(names) < 20:
        return ended - began - _LAG
    return (ended - first) * len(names) / (len(names) - 1)


def _is_whole(file: Path, size: int) -> bool:
    """Are all its bytes there? It writes chunks into the file itself, in any order; blocks tell of holes."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return False
    return found.st_size == size and getattr(found, "st_blocks", size) * 512 >= size
