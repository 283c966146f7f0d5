"""`openmsistream ls TOPIC [PREFIX]`: the files that a topic holds."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from openmsistream.errors import TopicError
from openmsistream.program.logs import spelt_out
from openmsistream.program.progress import counting, is_terminal, size
from openmsistream.program.times import here, in_words, utc

if TYPE_CHECKING:
    from openmsistream.transfer.listing import FileVersion, Listing

_COUNT_BY = 500
_BAR_FROM = 5000
"""Records from which on a bar is shown: fewer are there in a moment."""


def add_parser(commands: Any) -> None:
    text = "the files that a topic holds: size, time, whether all their chunks are there, versions"
    made = commands.add_parser("ls", help=text, description=text.capitalize() + ".")
    made.add_argument("topic", metavar="TOPIC", help="the topic")
    made.add_argument("prefix", nargs="?", default="", metavar="PREFIX", help="only files whose path begins like this")
    made.add_argument("--config", default="local", metavar="NAME", help="configuration file: a path, or a name")
    made.add_argument("--all-versions", action="store_true", help="every version of a file, the newest first")
    made.add_argument("--json", action="store_true", help="for programs")


def main(args: argparse.Namespace) -> int:
    from openmsistream.config import load
    from openmsistream.kafka.admin import Admin
    from openmsistream.kafka.whole_topic import WholeTopic
    from openmsistream.transfer.listing import Listing

    settings = load(args.config)
    admin = Admin.of(settings)
    topic = admin.topic(args.topic)
    if topic is None:
        names = ", ".join(admin.topic_names()[:10]) or "none at all"
        raise TopicError(f"there is no topic {args.topic} at {admin.bootstrap}", f"its topics are: {names}")
    with Listing(args.prefix) as listing:
        with WholeTopic(settings.consumer.properties, topic.name, topic.partitions) as whole:
            live = is_terminal() and whole.count >= _BAR_FROM
            with counting(f"reading {topic.name}", whole.count, live=live) as counted:
                for number, record in enumerate(whole.records(), 1):
                    listing.take(record)
                    if number % _COUNT_BY == 0:
                        counted(_COUNT_BY)
        files = listing.files(every=args.all_versions)
        if args.json:
            _print_json(files)
        else:
            _print_lines(files, args.topic, args.prefix, listing)
    return 0


def _print_lines(files: Iterable[FileVersion], topic: str, prefix: str, listing: Listing) -> None:
    count = incomplete = total = 0
    for file in files:
        count, incomplete, total = count + 1, incomplete + (not file.complete), total + (file.size or 0)
        sent = in_words(file.timestamp_ms, here)
        known = "size unknown" if file.size is None else size(file.size)
        print(f"{known:>12}  {sent}  {spelt_out(file.path)}{_remarks(file)}")
    what = f" beginning with {spelt_out(prefix)}" if prefix else ""
    print(
        f"{count:,} {'file' if count == 1 else 'files'}{what} on topic {topic}, {size(total)}; {incomplete:,} incomplete"
    )
    if listing.unusable:
        print(f"{listing.unusable:,} records are no chunks of files", file=sys.stderr)


def _remarks(file: FileVersion) -> str:
    remarks = []
    if not file.complete:
        remarks.append(f"incomplete, {file.missing} missing")
    if file.versions > 1:
        remarks.append(f"{file.versions:,} versions")
    return f"  ({'; '.join(remarks)})" if remarks else ""


def _print_json(files: Iterable[FileVersion]) -> None:
    """An array, written as it is read."""
    sys.stdout.write("[")
    for number, file in enumerate(files):
        plain = {**asdict(file), "complete": file.complete, "sent": in_words(file.timestamp_ms, utc)}
        plain["mtime"] = None if file.mtime_ns is None else in_words(file.mtime_ns // 1_000_000, utc)
        sys.stdout.write((",\n " if number else "\n ") + json.dumps(plain))
    sys.stdout.write("\n]\n")
