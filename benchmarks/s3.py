"""The S3 destination beside boto3's own transfer: the same files to the same server, in turn, each in a new process.

`python -m benchmarks.s3 [--rounds N] [--files N] [--mib N] [--place FOLDER]` prints a table in Markdown. The server is
versitygw, the one that is installed or one that Go builds into build/. What counts is the ratio: all contenders write
to the same disk, which is the slowest of what takes part.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from openmsistream.program.run import wait_until

from .work import Result, Work, interleaved, make_files, median, seconds

VERSITYGW = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
KEY, SECRET, BUCKET = "bench", "bench-secret", "bench"
SIDE_BY_SIDE = 2
"""Files at a time, as many as S3TransferStreamProcessor's default of `--n_threads`."""

HEAD = "| work | contender | rate | beside boto3's best | CPU-s/GB | peak MB |\n|---|---|---|---|---|---|"

BOTO3 = {"boto3, one file at a time": ("boto3", 1), f"boto3, {SIDE_BY_SIDE} side by side": ("boto3", SIDE_BY_SIDE)}
OURS = {"ours, from disk": ("disk", SIDE_BY_SIDE), "ours, from memory": ("memory", SIDE_BY_SIDE)}
BOTO3_MEMORY = {"boto3, from memory": ("boto3-memory", SIDE_BY_SIDE)}


def compare(place: Path, work: Work, rounds: int) -> None:
    """The lines of one work."""
    print(HEAD, flush=True)
    source = place / "files"
    make_files(source, work)
    with server(place) as (url, root):
        runs: dict[str, Callable[[], Result]] = {
            name: lambda how=how, threads=threads: one(url, root, source, how, threads)  # type: ignore[misc]
            for name, (how, threads) in {**BOTO3, **BOTO3_MEMORY, **OURS}.items()
        }
        found = interleaved(rounds, runs)
    best = min(median(found[name], seconds) for name in (*BOTO3, *BOTO3_MEMORY))
    for name, results in found.items():
        took = median(results, seconds)
        cpu = median(results, lambda result: result.cpu_up) / (work.bytes / 1e9)
        peak = max(result.peak_up for result in results)
        print(
            f"| {work.name} | {name} | {work.bytes / took / 1e6:.0f} MB/s | {best / took:.2f} | {cpu:.2f} | {peak:.0f} |",
            flush=True,
        )


def one(url: str, root: Path, source: Path, how: str, threads: int) -> Result:
    """One run, in a process of its own; what it stored is compared and removed."""
    os.sync()  # or one run would pay for what the one before left to be written
    command = [sys.executable, "-m", "benchmarks.s3", "--put", how, url, str(source), str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    took, cpu, peak = (float(word) for word in done.stdout.split())
    stored = root / BUCKET / "bench"
    for file in source.iterdir():
        if (stored / file.name).stat().st_size != file.stat().st_size:
            raise SystemExit(f"{how}: {file.name} is not the same at the server")
    shutil.rmtree(stored)
    return Result(took, cpu_up=cpu, peak_up=peak)


def put_all(how: str, url: str, source: Path, threads: int) -> None:
    """What a contender does: store all files. Prints seconds, CPU-seconds and peak MB."""
    files = sorted(source.iterdir())
    put = {"boto3": _boto3, "boto3-memory": _boto3_memory, "disk": _from_disk, "memory": _from_memory}[how](url, files)
    began, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(put, files))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
    print(time.perf_counter() - began, time.process_time() - cpu, peak, flush=True)


def _client(url: str):  # type: ignore[no-untyped-def]
    import boto3

    return boto3.client(
        "s3", endpoint_url=url, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1"
    )


def _boto3(url: str, _: Sequence[Path]) -> Callable[[Path], object]:
    client = _client(url)
    return lambda file: client.upload_file(str(file), BUCKET, f"bench/{file.name}")


def _boto3_memory(url: str, _: Sequence[Path]) -> Callable[[Path], object]:
    client = _client(url)
    return lambda file: client.upload_fileobj(io.BytesIO(file.read_bytes()), BUCKET, f"bench/{file.name}")


def _from_disk(url: str, files: Sequence[Path]) -> Callable[[Path], object]:
    return _ours(url, files, in_memory=False)


def _from_memory(url: str, files: Sequence[Path]) -> Callable[[Path], object]:
    return _ours(url, files, in_memory=True)


def _ours(url: str, files: Sequence[Path], in_memory: bool) -> Callable[[Path], object]:
    """The destination as a processor uses it: what has come has a digest already, which is not part of the work."""
    from openmsistream.destinations.s3 import S3Destination
    from openmsistream.destinations.s3_settings import S3Settings
    from openmsistream.files import digest
    from openmsistream.processing.file import File, Source

    destination = S3Destination(BUCKET, S3Settings(KEY, SECRET, url))
    source = Source("bench", 0, 0, "g")
    digests = {file: digest.of(file.read_bytes()) for file in files}

    def put(file: Path) -> object:
        size = file.stat().st_size
        data, place = (file.read_bytes(), None) if in_memory else (None, file)
        return destination.put(File(file.name, source, size=size, digest=digests[file], data=data, place=place))

    return put


# -- the server ----------------------------------------------------------------------------------------------------


@contextmanager
def server(place: Path) -> Iterator[tuple[str, Path]]:
    """A versitygw with an empty bucket: its address, and the folder that it keeps objects in."""
    root = place / "objects"
    (root / BUCKET).mkdir(parents=True)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
    command = [versitygw(), "--access", KEY, "--secret", SECRET, "--port", f"127.0.0.1:{port}", "--quiet", "posix"]
    with (place / "versitygw.log").open("wb") as log:
        process = subprocess.Popen([*command, str(root)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        if not wait_until(lambda: _listens(port), 20.0, 0.05):
            raise SystemExit(f"versitygw does not start: {(place / 'versitygw.log').read_text()}")
        yield f"http://127.0.0.1:{port}", root
    finally:
        process.terminate()
        process.wait(20)


def versitygw() -> str:
    """The installed program, or one built by Go."""
    built = Path.cwd() / "build" / "versitygw"
    found = shutil.which("versitygw") or shutil.which("versitygw", path=str(built))
    if found is None:
        environment = {**os.environ, "GOBIN": str(built)}
        try:
            subprocess.run(["go", "install", VERSITYGW], env=environment, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SystemExit(f"versitygw is needed: go install {VERSITYGW} ({error})") from error
        found = str(built / "versitygw")
    return found


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.s3", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=64)
    parser.add_argument("--mib", type=int, default=32, help="MiB in each file")
    parser.add_argument("--place", type=Path, default=None, help="where files and objects are written")
    parser.add_argument("--put", nargs=4, metavar=("HOW", "URL", "FOLDER", "THREADS"), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.put:
        how, url, folder, threads = args.put
        put_all(how, url, Path(folder), int(threads))
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the server is ended, not left behind
    with tempfile.TemporaryDirectory(prefix="openmsistream-bench-", dir=args.place) as place:
        compare(Path(place), Work(f"S3: {args.files} x {args.mib} MiB", args.files, args.mib << 20), args.rounds)


if __name__ == "__main__":
    main()
