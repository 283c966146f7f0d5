"""`openmsistream demo`: the main job before your eyes, on a real Kafka that it starts and ends itself."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from openmsistream.errors import FolderError, SomeFilesFailed
from openmsistream.files import digest
from openmsistream.program.progress import Display, duration, is_terminal, size
from openmsistream.program.run import wait_until

if TYPE_CHECKING:
    from rich.console import Console

    from openmsistream.transfer.downloader import Downloader
    from openmsistream.transfer.uploader import Uploader

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

TOPIC = "demo"
LARGE_BYTES = 64_000_000
RUNS = ("run_0001", "run_0002")
_ARRIVES_WITHIN = 60.0


def add_parser(commands: Subparsers) -> None:
    made = commands.add_parser("demo", help="see files go from one folder to another, through a real Kafka")
    made.add_argument(
        "folder", nargs="?", type=Path, help="send this folder instead of the demo's own files; it is only read"
    )
    made.add_argument("--keep", action="store_true", help="go on until Ctrl-C, and leave the folders as they are then")


@dataclass
class Arrival:
    """One file of the demo: its size in bytes, seconds from its closing to its being visible, and whether it is the same."""

    path: str
    size: int
    latency: float
    same: bool


@dataclass
class Stage:
    """What the demo plays on: two folders and the two programs between them."""

    source: Path
    target: Path
    uploader: Uploader
    downloader: Downloader
    console: Console
    arrivals: list[Arrival] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def drop(self, path: str, data: bytes, note: str = "", after_half: Callable[[], bytes] | None = None) -> None:
        """Write a file, close it, and wait until it is visible on the other side; `after_half` gives a second version."""
        file = self.source / path
        file.write_bytes(data)
        if after_half is not None:
            wait_until(lambda: self._under_way(path, len(data)), 5.0, 0.001)
            data = after_half()
            file.write_bytes(data)
        closed = time.perf_counter()
        there = wait_until(lambda: self._is_there(path, len(data), file.stat().st_mtime_ns), _ARRIVES_WITHIN, 0.0005)
        latency = time.perf_counter() - closed
        same = there and (self.target / path).read_bytes() == data
        self.arrivals.append(Arrival(path, len(data), latency, same))
        mark = "[green]✓[/]" if same else "[red]✗[/]"
        self.console.print(
            f"  {mark} {path}  [dim]{size(len(data))}, visible {_ms(latency)} after it was closed{note}[/]"
        )

    def _under_way(self, path: str, whole: int) -> bool:
        """Has about half of it been acknowledged?"""
        return any(out.path == path and out.bytes_acked > whole * 0.4 for out in self.uploader.sending.current)

    def _is_there(self, path: str, length: int, mtime_ns: int) -> bool:
        try:
            stat = (self.target / path).stat()
        except FileNotFoundError:
            return False
        return stat.st_size == length and stat.st_mtime_ns == mtime_ns


def main(args: argparse.Namespace) -> int:
    from rich.console import Console

    console = Console(highlight=False)
    if args.folder is not None and not args.folder.is_dir():
        raise FolderError(f"there is no folder {args.folder}", "name a folder with files in it, or none")
    with _workplace(args) as place, _stage(args, place, console) as stage:
        if args.folder is None:
            _play(stage)
        else:
            _copy(stage)
        _show(stage)
        if args.keep:
            _go_on(stage)
        elif args.folder is None:
            console.print("With your own folder: [bold]openmsistream demo FOLDER --keep[/]")
    if not all(arrival.same for arrival in stage.arrivals):
        raise SomeFilesFailed("some files did not arrive as they were sent", "look at what is marked above")
    return 0


@contextmanager
def _workplace(args: argparse.Namespace) -> Iterator[Path]:
    """A folder for the demo's broker, state and files; removed in the end."""
    place = Path(tempfile.mkdtemp(prefix="openmsistream-demo-"))
    try:
        yield place
    finally:
        if args.keep and args.folder is None:
            for name in ("state", "broker"):
                shutil.rmtree(place / name, ignore_errors=True)
        else:
            shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _stage(args: argparse.Namespace, place: Path, console: Console) -> Iterator[Stage]:
    """Broker, uploader and downloader, running."""
    from openmsistream.broker import temporary
    from openmsistream.config import load
    from openmsistream.transfer.downloader import Downloader, DownloadOptions
    from openmsistream.transfer.uploader import Uploader, UploadOptions

    source = args.folder or place / "instrument"
    target = (
        args.folder.resolve().with_name(args.folder.resolve().name + "-received") if args.folder else place / "received"
    )
    if args.folder is None:
        for run in RUNS:
            (source / run).mkdir(parents=True)
    began = time.monotonic()
    with console.status("starting a real Apache Kafka on this machine ...") as status:
        broker = temporary(place / "broker", say=lambda text: status.update(text))
        running = broker.__enter__()
    console.print(
        f"Apache Kafka {running.version} listens at {running.address} [dim](after {duration(time.monotonic() - began)})[/]"
    )
    try:
        settings = load("local", environ={**os.environ, "OPENMSISTREAM_LOCAL_BROKER": running.address})
        uploader = Uploader(UploadOptions(source, TOPIC, upload_existing=True, state_dir=place / "state"), settings)
        downloader = Downloader(DownloadOptions(target, TOPIC, state_dir=place / "state"), settings)
        uploader.start()
        downloader.start()
        try:
            console.print(f"from [bold]{source}[/] through topic [bold]{TOPIC}[/] to [bold]{target}[/]")
            wait_until(lambda: bool(downloader.receiving and downloader.receiving.lanes), 20.0)
            yield Stage(source, target, uploader, downloader, console)
        finally:
            for worker in (uploader, downloader):
                worker.stop()
            for worker in (uploader, downloader):
                worker.join()
    finally:
        broker.__exit__(None, None, None)


def _play(stage: Stage) -> None:
    """The demo's own files: small ones as an instrument writes them, and a large one that is rewritten half-way."""
    files = _instrument_files()
    console = stage.console
    console.print(f"an instrument writes {len(files)} files:")
    for name, data in files:
        stage.drop(f"{RUNS[0]}/{name}", data)
    console.print(f"and a file of {size(LARGE_BYTES)}, which is written anew while it is half-way through:")
    first, second = _random(LARGE_BYTES), _random(LARGE_BYTES)
    with Display("demo", lambda: stage.downloader.snapshot(), -1, live=is_terminal()).showing(stage.console):
        stage.drop(f"{RUNS[0]}/frames.raw", first, ", its second version", after_half=lambda: second)
    console.print("and 500 small files at once:")
    _burst(stage, 500)


def _burst(stage: Stage, count: int) -> None:
    began = time.perf_counter()
    data = {f"{RUNS[1]}/point_{n:04}.csv": _random(10_000) for n in range(count)}
    for path, content in data.items():
        (stage.source / path).write_bytes(content)
    there = wait_until(lambda: all((stage.target / path).exists() for path in data), _ARRIVES_WITHIN, 0.01)
    took = time.perf_counter() - began
    good = sum(there and (stage.target / path).read_bytes() == content for path, content in data.items())
    stage.arrivals += [Arrival(path, len(content), float("nan"), there) for path, content in data.items()]
    mark = "[green]✓[/]" if good == count else "[red]✗[/]"
    stage.console.print(f"  {mark} {good} of {count} are there [dim]{duration(took)} after the first was begun[/]")


def _copy(stage: Stage) -> None:
    """One's own folder: everything in it that is not skipped."""
    from openmsistream.transfer.scan import Found, scan
    from openmsistream.transfer.selection import Selection

    met = chain.from_iterable(scan(stage.source, Selection()))
    wanted = {item.path: item.state for item in met if isinstance(item, Found)}
    stage.console.print(f"{len(wanted)} files, {size(sum(state.size for state in wanted.values()))}:")
    with Display("demo", lambda: stage.downloader.snapshot(), -1, live=is_terminal()).showing(stage.console):
        moved = [0, time.monotonic()]
        while stage.downloader.tally.files < len(wanted) and stage.downloader.alive and stage.uploader.alive:
            now = stage.downloader.tally.records
            if now != moved[0]:
                moved = [now, time.monotonic()]
            if time.monotonic() - moved[1] > _ARRIVES_WITHIN:
                break
            time.sleep(0.05)
    for path, state in wanted.items():
        same = _digest_of(stage.source / path) == _digest_of(stage.target / path)
        stage.arrivals.append(Arrival(path, state.size, float("nan"), same))
        if not same:
            stage.console.print(f"  [red]✗[/] {path} is not the same")


def _show(stage: Stage) -> None:
    """The table in the end."""
    from rich.table import Table

    arrivals = stage.arrivals
    total, took = sum(arrival.size for arrival in arrivals), time.monotonic() - stage.began
    latencies = sorted(a.latency for a in arrivals if a.latency == a.latency and a.size < LARGE_BYTES)
    table = Table(show_header=False, title="what happened", title_justify="left")
    table.add_row("files", str(len(arrivals)))
    table.add_row("bytes", size(total))
    table.add_row("rate", f"{size(total / took)}/s over {duration(took)}, pauses included")
    if latencies:
        table.add_row(
            "closed to visible", f"median {_ms(latencies[len(latencies) // 2])}, longest {_ms(latencies[-1])}"
        )
    if stage.uploader.tally.abandoned:
        table.add_row("versions given up", f"{stage.uploader.tally.abandoned} (changed while they were sent)")
    same = sum(arrival.same for arrival in arrivals)
    table.add_row("digests equal", f"{same} of {len(arrivals)}")
    stage.console.print(table)


def _go_on(stage: Stage) -> None:
    stage.console.print(
        f"Put files into [bold]{stage.source}[/] and see them in [bold]{stage.target}[/]; Ctrl-C ends it."
    )
    try:
        with Display("demo", lambda: stage.downloader.snapshot(), -1, live=is_terminal()).showing(stage.console):
            while stage.uploader.alive and stage.downloader.alive:
                time.sleep(0.2)
    except KeyboardInterrupt:
        stage.console.print(f"the received files stay in {stage.target}")


def _instrument_files() -> list[tuple[str, bytes]]:
    """The example files: in the package when it was installed, beside it in a checkout."""
    here = Path(__file__).parent
    for folder in (here / "demo_files", here.parents[1] / "examples" / "instrument"):
        if folder.is_dir():
            return [(file.name, file.read_bytes()) for file in sorted(folder.iterdir()) if file.is_file()]
    raise FolderError("the demo's files are not installed", "install openmsistream again")


def _random(count: int) -> bytes:
    return os.urandom(count)


def _digest_of(file: Path) -> str:
    try:
        return digest.of(file.read_bytes())
    except OSError as error:
        return str(error)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else duration(seconds)
