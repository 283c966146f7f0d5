"""Several readers of one topic: shared by a group, taken over from one that was killed."""

from __future__ import annotations

import itertools
import logging
import os
from pathlib import Path

import pytest
from lab import Lab, expect, files_of, parts_in, put, same, tree

from openmsistream.program.run import wait_until
from openmsistream.transfer.downloader import Downloader


def fill(lab: Lab, prefix: str, small: int = 40, large: int = 4) -> None:
    for number in range(small):
        put(lab.source, f"{prefix}/{number}.txt", f"{prefix}{number}")
    for number in range(large):
        put(lab.source, f"{prefix}/large{number}.bin", os.urandom(3_000_000))


def together(*targets: Path) -> dict[str, list[bytes]]:
    """What stands under each path, in all folders."""
    found: dict[str, list[bytes]] = {}
    for target in targets:
        for path, content in tree(target).items():
            found.setdefault(path, []).append(content)
    return found


def count(*targets: Path) -> int:
    return len({path for target in targets for path in files_of(target)})


def test_two_readers_of_one_group_share_the_files_and_each_is_whole_in_exactly_one_folder(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab.make_topic(4)
    caplog.set_level(logging.INFO)
    other, group = lab.place / "other", f"{lab.topic}-shared"
    with lab.uploading(), lab.downloading(group=group) as one, lab.downloading(other, group=group) as two:
        expect(lambda: "files are shared with 1 other reader of group" in caplog.text)
        fill(lab, "x")
        expect(lambda: count(lab.target, other) == 44)
        expect(lambda: one.tally.files + two.tally.files == 44)
    assert together(lab.target, other) == {path: [content] for path, content in tree(lab.source).items()}
    assert one.tally.files > 0
    assert two.tally.files > 0


def test_a_reader_that_joins_and_leaves_while_files_flow_does_nothing_twice(lab: Lab) -> None:
    lab.make_topic(4)
    other, group = lab.place / "other", f"{lab.topic}-shared"
    numbers = itertools.count()

    def until(reader: Downloader) -> None:
        """Files go on coming until this reader has some of them."""

        def some() -> bool:
            fill(lab, f"{next(numbers)}", small=5, large=1)
            return reader.tally.files > 0

        expect(some)

    with lab.uploading() as up, lab.downloading(group=group) as one:
        until(one)
        with lab.downloading(other, group=group) as two:
            until(two)
            fill(lab, "third", large=1)
        fill(lab, "fourth", large=1)
        expect(lambda: up.tally.files == len(files_of(lab.source)))
        expect(lambda: count(lab.target, other) == up.tally.files, shown=lambda: (one.tally, two.tally))
    assert together(lab.target, other) == {path: [content] for path, content in tree(lab.source).items()}


def test_when_one_of_two_readers_is_killed_the_other_finishes(lab: Lab) -> None:
    lab.make_topic(4)
    other, group = lab.place / "other", f"{lab.topic}-shared"
    one = lab.download_program("--consumer_group_id", group)
    two = lab.download_program("--consumer_group_id", group, target=other)
    with lab.uploading():
        for program in (one, two):
            program.wait_for("files are shared with 1 other")
        fill(lab, "first")
        expect(lambda: len(files_of(lab.target)) > 0 and len(files_of(other)) > 0, 40)
        fill(lab, "second")
        assert wait_until(lambda: count(lab.target, other) > 44, 20)
        one.kill()
        fill(lab, "third")
        expect(lambda: count(lab.target, other) == 132, 40, lambda: two.said)
    source = tree(lab.source)
    assert all(set(contents) == {source[path]} for path, contents in together(lab.target, other).items())
    assert two.stop() == 0
    assert parts_in(other) == []


def test_a_killed_readers_folder_goes_on_where_it_was(lab: Lab) -> None:
    lab.make_topic(2)
    with lab.uploading():
        killed = lab.download_program()
        fill(lab, "first")
        expect(lambda: len(files_of(lab.target)) > 10)
        killed.kill()
        fill(lab, "second")
        again = lab.download_program()
        expect(lambda: same(lab.source, lab.target), 30, lambda: again.said)
        assert again.stop() == 0
    assert parts_in(lab.target) == []
