"""The most memory that each program takes: a huge file, very many files, a reader far behind; and a restart after it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from openmsistream.program.run import wait_until

from .bench import Bench, Folders
from .work import Work, count_visible, make_files

HEAD = "| memory | peak MB up | peak MB down |\n|---|---|---|"
RESTART_HEAD = (
    "| restart with so many files already sent | a new file leaves after | all that changed meanwhile has left after | "
    "bare scandir and stat |\n|---|---|---|---|"
)
_LIMIT = 7200.0
_IN_A_FOLDER = 1000


@dataclass(frozen=True)
class Peaks:
    """Peak resident memory in MB."""

    up: float
    down: float


def huge_file(bench: Bench, size: int, checkout: Path | None = None) -> Peaks:
    """One sparse file of so many bytes, both programs at work at once."""
    folders = bench.folders()
    topic = bench.topic()
    make_files(folders.stock, Work("huge", 1, size), random=False)
    with bench.programs(folders, topic, checkout=checkout) as (up, down):
        time.sleep(4.0)
        next(folders.stock.iterdir()).rename(folders.source / "huge.dat")
        _wait(lambda: (folders.target / "huge.dat").exists(), "the huge file")
        peaks = Peaks(up.peak_mb, down.peak_mb)
    _clear(bench, folders, topic)
    return peaks


def reader_behind(bench: Bench, size: int, checkout: Path | None = None) -> Peaks:
    """A reader that begins when so many bytes of 32 MiB files are in the topic."""
    folders = bench.folders()
    topic = bench.topic()
    work = Work("behind", -(-size // (32 << 20)), 32 << 20)
    make_files(folders.source, work, random=False)
    with bench.uploader(folders, topic, "", checkout, "--upload_existing") as up:
        _wait(lambda: sum(bench.ends(topic)) >= work.bytes // 524_288, "the upload")
        with bench.downloader(folders, topic, "", checkout) as down:
            _wait(lambda: count_visible(folders.target) - _state(folders.target) == work.count, "the download")
            peaks = Peaks(up.peak_mb, down.peak_mb)
    _clear(bench, folders, topic)
    return peaks


def many_files(bench: Bench, count: int, checkout: Path | None = None) -> tuple[Peaks, str]:
    """A tree of so many small files through both programs, then a restart of the uploader: peaks, and the restart's line."""
    folders = bench.folders()
    topic = bench.topic()
    _make_tree(folders.source, count)
    with ExitStack() as stack:
        down = stack.enter_context(bench.downloader(folders, topic, "", checkout))
        with bench.uploader(folders, topic, "", checkout, "--upload_existing") as up:
            _wait(lambda: _in_tree(folders.target) == count, "the tree", step=1.0 + count / 100_000)
            peaks = Peaks(up.peak_mb, down.peak_mb)
        line, peak_again = _restart(bench, folders, topic, count, checkout)
        peaks = Peaks(max(peaks.up, peak_again), peaks.down)
    _clear(bench, folders, topic)
    return peaks, line


def _restart(bench: Bench, folders: Folders, topic: str, count: int, checkout: Path | None) -> tuple[str, float]:
    """Start the uploader again after one file in each folder was changed while it was down: a line, and its peak in MB."""
    changed = [folder / "0.dat" for folder in sorted(folders.source.glob("folder-*"))]
    for file in changed:
        file.write_bytes(b"changed meanwhile")
    os.sync()
    time.sleep(4.0)
    bare = _bare_scan(folders.source)
    began = time.perf_counter()
    with bench.uploader(folders, topic, "", checkout) as up:
        new, all_changed, number = 0.0, 0.0, 0
        waiting = {folders.target / file.relative_to(folders.source) for file in changed}
        while waiting or not new:
            if not new:  # the file that is made as soon as there is somebody to see it
                (folders.source / f"new-{number}").write_bytes(b"new")
                number += 1
            waiting = {file for file in waiting if file.stat().st_size != 17}
            if not new and any((folders.target / f"new-{n}").exists() for n in range(number)):
                new = time.perf_counter() - began
            if time.perf_counter() - began > _LIMIT:
                raise SystemExit(f"{len(waiting)} changed files were not sent again after a restart")
            time.sleep(0.05)
        all_changed = time.perf_counter() - began
        return f"| {count:,} | {new:.1f} s | {all_changed:.1f} s | {bare:.1f} s |", up.peak_mb


def _bare_scan(root: Path) -> float:
    """Seconds that looking at every file takes when nothing else is done."""
    began = time.perf_counter()
    folders = [str(root)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    os.stat(entry.path)
    return time.perf_counter() - began


def _make_tree(root: Path, count: int) -> None:
    for at in range(0, count, _IN_A_FOLDER):
        folder = root / f"folder-{at // _IN_A_FOLDER:05}"
        folder.mkdir()
        for number in range(min(_IN_A_FOLDER, count - at)):
            (folder / f"{number}.dat").write_bytes(b"small")


def _in_tree(root: Path) -> int:
    return sum(count_visible(folder) for folder in root.glob("folder-*"))


def _state(root: Path) -> int:
    return int((root / "LOGS").exists())


def _wait(condition: Callable[[], bool], what: str, step: float = 0.05) -> None:
    if not wait_until(condition, _LIMIT, step):
        raise SystemExit(f"{what} did not end within {_LIMIT:g} s")


def _clear(bench: Bench, folders: Folders, topic: str) -> None:
    bench.drop(topic)
    for folder in (folders.source, folders.target, folders.stock):
        shutil.rmtree(folder, ignore_errors=True)


def line(what: str, peaks: Peaks) -> str:
    return f"| {what} | {peaks.up:.0f} | {peaks.down:.0f} |"
