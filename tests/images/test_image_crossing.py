"""Files from one container to another, through Kafka in a third."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from containers import Way
from lab import expect, tree


def digests(root: Path) -> dict[str, str]:
    return {path: hashlib.sha256(content).hexdigest() for path, content in tree(root).items()}


def test_files_cross_between_two_containers_through_that_of_the_broker(way: Way) -> None:
    way.uploader()
    way.downloader()
    way.put("small.txt", "one line\n")
    way.put("empty.dat")
    way.put("sub/folder/Größe 数据 🧪.csv", "a,b\n1,2\n")
    way.put("large.bin", os.urandom(50_000_000))

    expect(lambda: len(way.arrived) == 4, 120, lambda: list(way.arrived))
    assert digests(way.there) == digests(way.here)


def test_a_container_s_files_reach_a_program_outside_and_the_other_way_round(way: Way) -> None:
    way.uploader()
    program = way.outside.download_program()
    way.put("from-inside.txt", "x")
    expect(lambda: "from-inside.txt" in tree(way.outside.target), 60, lambda: program.said)

    way.downloader()
    way.outside.upload_program().wait_for("first start on")
    (way.outside.source / "from-outside.txt").write_text("y")
    expect(lambda: way.arrived.get("from-outside.txt") == b"y", 60)
