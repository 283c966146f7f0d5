"""Run the benchmarks against a Kafka of their own and print tables in Markdown.

`python -m benchmarks [--rounds N] [--only WORD] ...`; `--help` lists the rest. Absolute rates depend on the machine and on
what else it does; the ratios within one run, and CPU-seconds, are what counts.
"""

from __future__ import annotations

import argparse
import signal
import tempfile
from pathlib import Path

from openmsistream.broker import temporary

from . import memory, openmsistream_188, rsync, s3
from .bench import Bench
from .latency import HEAD as LATENCY_HEAD
from .latency import Situation, latency
from .processing import processing
from .transfers import HEAD as TRANSFER_HEAD
from .transfers import Contenders, raw_pipe, transfer
from .work import Work

TRANSFERS = (
    Work("64 x 32 MiB", 64, 32 << 20),
    Work("1 x 2 GiB", 1, 2 << 30),
    Work("10,000 x 10 kB", 10_000, 10_000),
)


def main() -> None:
    """What `make bench` runs."""
    args = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that broker and programs are ended, not left behind
    here = Path.cwd() / "build"
    environment = args.openmsistream or (openmsistream_188.environment(here) if args.with_openmsistream else None)
    with tempfile.TemporaryDirectory(prefix="openmsistream-bench-", dir=args.place) as place, temporary() as broker:
        bench = Bench(broker.address, Path(place))
        raw_pipe(bench, Work("warm-up", 400, 524_288))
        who = Contenders(not args.no_rsync and rsync.is_there(), args.msgpack, args.beside, environment)
        _transfers(bench, args, who)
        if args.only in "processing" or args.processing:
            processing(bench, args.rounds, args.processing)
        if args.only in "64 x 32 MiB to S3":
            s3.compare(Path(place), Work("64 x 32 MiB to S3", 64, 32 << 20), args.rounds)
        _latencies(bench, args)
        _memory(bench, args)


def _transfers(bench: Bench, args: argparse.Namespace, who: Contenders) -> None:
    chosen = [work for work in TRANSFERS if args.only in work.name]
    if chosen:
        print(TRANSFER_HEAD, flush=True)
    for work in chosen:
        transfer(bench, work, args.rounds, who)


def _latencies(bench: Bench, args: argparse.Namespace) -> None:
    situations = [
        Situation("idle", 300),
        Situation("while 2 GiB are on their way", 300, busy_bytes=2 << 30),
    ]
    if args.silence:
        situations.append(Situation(f"after {args.silence:g} s of silence", 1, silence=args.silence))
    chosen = [situation for situation in situations if args.only in situation.name]
    if chosen:
        print(f"\n{LATENCY_HEAD}", flush=True)
    for situation in chosen:
        latency(bench, situation, args.rounds)
        if args.beside is not None:
            latency(bench, situation, args.rounds, checkout=args.beside)


def _memory(bench: Bench, args: argparse.Namespace) -> None:
    if not args.memory or args.only not in "memory restart":
        return
    print(f"\n{memory.HEAD}", flush=True)
    peaks = memory.huge_file(bench, int(args.huge_gib * (1 << 30)), args.beside)
    print(memory.line(f"a sparse file of {args.huge_gib:g} GiB", peaks), flush=True)
    peaks = memory.reader_behind(bench, int(args.behind_gib * (1 << 30)), args.beside)
    print(memory.line(f"a reader that is {args.behind_gib:g} GiB behind", peaks), flush=True)
    peaks, restart = memory.many_files(bench, args.tree, args.beside)
    print(memory.line(f"a tree of {args.tree:,} files", peaks), flush=True)
    print(f"\n{memory.RESTART_HEAD}", restart, sep="\n", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks")
    add = parser.add_argument
    add("--rounds", type=int, default=3)
    add("--only", default="", help="only the lines that contain this")
    add("--processing", default="", metavar="WORD", help="with --only processing: only the works that contain this")
    add("--place", type=Path, help="where files and the broker's log are (the system's folder for temporary files)")
    add("--beside", type=Path, metavar="CHECKOUT", help="another checkout of this project, in turns with this one")
    add("--msgpack", action="store_true", help="our programs with the msgpack wire, too")
    add("--no-rsync", action="store_true")
    add("--with-openmsistream", action="store_true", help="OpenMSIStream 1.8.8, installed under build/ by pip")
    add("--openmsistream", type=Path, metavar="ENVIRONMENT", help="OpenMSIStream 1.8.8 from this virtual environment")
    add("--silence", type=float, default=0.0, metavar="SECONDS", help="a file after so long a silence (say 600)")
    add("--memory", action="store_true", help="memory and restart: takes long, and twice --huge-gib of disk")
    add("--huge-gib", type=float, default=20.0)
    add("--behind-gib", type=float, default=10.0)
    add("--tree", type=int, default=1_000_000, metavar="FILES")
    return parser.parse_args()


if __name__ == "__main__":
    main()
