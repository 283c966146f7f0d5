"""Run the benchmarks against a Kafka of their own and print a table in Markdown.

`python -m benchmarks [--rounds N] [--only WORD]`. Absolute rates depend on the machine and on what else it does; the
ratios to the raw pipe of the same run, and CPU-seconds, are what counts.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from openmsistream.broker import temporary

from .bench import Bench, Result, Work, interleaved, median

TRANSFERS = (
    Work("64 x 32 MiB", 64, 32 << 20),
    Work("1 x 2 GiB", 1, 2 << 30),
    Work("10,000 x 10 kB", 10_000, 10_000),
)


def transfer(bench: Bench, work: Work, rounds: int) -> None:
    """One line of the table of transfers."""
    found = interleaved(rounds, {"raw": lambda: bench.raw_pipe(work), "ours": lambda: bench.ours(work)})
    raw, ours = median(found["raw"], _seconds), median(found["ours"], _seconds)
    gigabytes = work.bytes / 1e9
    up, down = (median(found["ours"], of) / gigabytes for of in (lambda r: r.cpu_up, lambda r: r.cpu_down))
    peaks = [max(of(r) for r in found["ours"]) for of in (lambda r: r.peak_up, lambda r: r.peak_down)]
    print(
        f"| {work.name} | {work.bytes / raw / 1e6:.0f} MB/s | {work.bytes / ours / 1e6:.0f} MB/s, "
        f"{work.count / ours:.0f} files/s | {raw / ours:.2f} | {up:.2f} / {down:.2f} | "
        f"{peaks[0]:.0f} / {peaks[1]:.0f} MB |",
        flush=True,
    )


def latency(bench: Bench, name: str, rounds: int, busy_bytes: int) -> None:
    """One line of the table of latencies."""
    results = [bench.latency(300, busy_bytes) for _ in range(rounds)]
    p50, p99 = (median(results, lambda r, key=key: r.extra[key]) * 1000 for key in ("p50", "p99"))  # type: ignore[misc]
    print(f"| {name} | {p50:.1f} ms | {p99:.1f} ms |", flush=True)


def _seconds(result: Result) -> float:
    return result.seconds


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="only the lines that contain this")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="openmsistream-bench-") as place, temporary() as broker:
        bench = Bench(broker.address, Path(place))
        bench.raw_pipe(Work("warm-up", 400, 524_288))
        print("| work | raw pipe | ours | ours / raw pipe | CPU-s/GB up / down | peak memory up / down |")
        print("|---|---|---|---|---|---|", flush=True)
        for work in TRANSFERS:
            if args.only in work.name:
                transfer(bench, work, args.rounds)
        print("\n| close() to visible, 10 kB | p50 | p99 |\n|---|---|---|", flush=True)
        for name, busy in (("idle", 0), ("while 2 GiB are on their way", 2 << 30)):
            if args.only in name:
                latency(bench, name, args.rounds, busy)


if __name__ == "__main__":
    main()
