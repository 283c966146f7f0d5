"""What every destination promises, as tests that anybody's destination can run.

With pytest, for example:

    from openmsistream.testing.destinations import PROMISES, Trial

    @pytest.fixture
    def trial(tmp_path):
        destination = MyDestination(...)
        yield Trial(destination, lambda file: what_it_holds_under(file.path), tmp_path)
        destination.close()

    @pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
    def test_my_destination(promise, trial):
        promise(trial)

A promise that is not kept raises AssertionError, which says what was found.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from openmsistream.destinations.contract import Destination, DestinationError, Put
from openmsistream.files import digest
from openmsistream.processing.file import File, Source

HARD_NAMES = (
    "with space.txt", " leading and trailing ", "grüße/größe α-Ti.csv", "emoji \N{GRINNING FACE}.bin", "a#b.txt",
    "a?b=c.txt", "100%.txt", "per%20cent.txt", "per cent.txt", "plus+plus.txt", "plus plus.txt", "two  spaces.txt",
    "quote's \"double\".txt", "<&>.xml", "semi;colon,comma.txt", "~tilde.txt", "[brackets]{braces}.txt", "no_ending",
    "UPPER.TXT", "deep/er/and/deep/er.txt", "e\u0301.txt",
)  # fmt: skip
"""Names that are fine on a disk, and that an address on a network has to spell differently. None is another's spelling."""


@dataclass
class Trial:
    """A destination to be tried, empty at the beginning.

    `holds` gives the bytes that it holds under the path of a file, asked for in some other way, or None. `place` is a
    folder for files on disk. `names` may leave out what the destination cannot hold by its nature.
    """

    destination: Destination
    holds: Callable[[File], bytes | None]
    place: Path
    names: tuple[str, ...] = HARD_NAMES
    topic: str = "topic"
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def file(self, path: str, content: bytes, *, on_disk: bool = False, kind: str = digest.BLAKE3) -> File:
        """A file as a processor is given it, in memory or on disk."""
        number = next(self._numbers)
        source = Source(self.topic, 0, number, f"{number:032x}")
        said = digest.of(content, kind)
        if not on_disk:
            return File(path, source, size=len(content), digest=said, mtime_ns=1_600_000_000_123_456_789, data=content)
        place = self.place / f"file-{number}"
        place.write_bytes(content)
        return File(path, source, size=len(content), digest=said, mtime_ns=1_600_000_000_123_456_789, place=place)

    def expect(self, file: File, content: bytes | None) -> None:
        """The destination holds this content, or nothing, under the file's path."""
        found = self.holds(file)
        if found != content:
            raise AssertionError(f"{file.path}: {_shown(found)} is there instead of {_shown(content)}")

    def put(self, file: File, expected: Put = Put.SENT) -> None:
        """Put a file, and see that it ended so."""
        found = self.destination.put(file)
        if found is not expected:
            raise AssertionError(f"put({file.path}) gave {found}, not {expected}")


def it_can_be_checked(trial: Trial) -> None:
    trial.destination.check()
    trial.destination.check()


def what_was_put_is_there_byte_for_byte(trial: Trial) -> None:
    for on_disk in (False, True):
        content = os.urandom(100_000)
        file = trial.file(f"folder/{on_disk}.bin", content, on_disk=on_disk)
        trial.put(file)
        trial.expect(file, content)


def an_empty_file_is_a_file(trial: Trial) -> None:
    for on_disk in (False, True):
        file = trial.file(f"empty-{on_disk}", b"", on_disk=on_disk)
        trial.put(file)
        trial.expect(file, b"")
        trial.put(file, Put.ALREADY_THERE)


def nothing_is_there_before(trial: Trial) -> None:
    file = trial.file("not/there.txt", b"content")
    trial.expect(file, None)
    if trial.destination.exists(file):
        raise AssertionError("a file exists that was never put")


def what_is_there_is_not_sent_again(trial: Trial) -> None:
    for kind in (digest.BLAKE3, digest.SHA512):
        file = trial.file(f"twice-{kind}", b"the same", kind=kind)
        trial.put(file)
        if not trial.destination.exists(file):
            raise AssertionError("a file that was put does not exist")
        trial.put(trial.file(f"twice-{kind}", b"the same", kind=kind, on_disk=True), Put.ALREADY_THERE)
        trial.expect(file, b"the same")


def other_content_replaces_what_was_there(trial: Trial) -> None:
    versions = [b"first version", b"other version", b"shorter", b"", b"longer than all that were before"]
    for content in versions:
        file = trial.file("rewritten.txt", content)
        if trial.destination.exists(file):
            raise AssertionError(f"{content!r} exists before it was put")
        trial.put(file)
        trial.expect(file, content)


def hard_names_are_kept_apart(trial: Trial) -> None:
    files = [trial.file(name, f"content of {name}".encode()) for name in trial.names]
    for file in files:
        trial.put(file)
    for file in files:
        trial.expect(file, file.read_bytes())
        if not trial.destination.exists(file):
            raise AssertionError(f"{file.path!r} was put and does not exist")


def the_same_file_twice_at_a_time_is_there_once_and_whole(trial: Trial) -> None:
    content = os.urandom(1_000_000)
    files = [trial.file("raced.bin", content, on_disk=on_disk) for on_disk in (True, False) * 4]
    _side_by_side(trial, files)
    trial.expect(files[0], content)
    trial.put(files[0], Put.ALREADY_THERE)


def two_versions_at_a_time_leave_one_of_them_whole(trial: Trial) -> None:
    files = [trial.file("versions.bin", bytes([number]) * 300_000) for number in range(6)]
    _side_by_side(trial, files)
    found = trial.holds(files[0])
    if found not in [file.read_bytes() for file in files]:
        raise AssertionError(f"{_shown(found)} is none of the versions that were put")


def many_threads_put_files_of_their_own(trial: Trial) -> None:
    files = [trial.file(f"many/{n % 3}/{n}.txt", f"{n}".encode(), on_disk=n % 2 == 0) for n in range(40)]
    _side_by_side(trial, files)
    for file in files:
        trial.expect(file, file.read_bytes())


def a_file_that_changed_on_disk_leaves_what_was_there(trial: Trial) -> None:
    before = trial.file("changing.bin", b"what was there")
    trial.put(before)
    for content in (b"as it was received", b""):
        file = trial.file("changing.bin", content, on_disk=True)
        assert file.place is not None
        file.place.write_bytes(b"something else now")
        try:
            trial.destination.put(file)
        except DestinationError as error:
            if file.path not in str(error):
                raise AssertionError(f"the error does not name the file: {error}") from error
        else:
            if trial.holds(file) != content:  # an empty file needs not be read
                raise AssertionError("a file that is not what was received was put")
            continue
        trial.expect(before, b"what was there")


def closing_twice_is_once(trial: Trial) -> None:
    trial.destination.close()
    trial.destination.close()


PROMISES: tuple[Callable[[Trial], None], ...] = (
    it_can_be_checked,
    what_was_put_is_there_byte_for_byte,
    an_empty_file_is_a_file,
    nothing_is_there_before,
    what_is_there_is_not_sent_again,
    other_content_replaces_what_was_there,
    hard_names_are_kept_apart,
    the_same_file_twice_at_a_time_is_there_once_and_whole,
    two_versions_at_a_time_leave_one_of_them_whole,
    many_threads_put_files_of_their_own,
    a_file_that_changed_on_disk_leaves_what_was_there,
    closing_twice_is_once,
)


def _side_by_side(trial: Trial, files: list[File]) -> None:
    """Put all, each in a thread of its own, at the same time."""
    begin = threading.Barrier(len(files))
    failed: list[str] = []

    def put(file: File) -> None:
        begin.wait(10)
        try:
            trial.destination.put(file)
        except Exception as error:  # noqa: BLE001 - told below, in the thread that can fail
            failed.append(f"{file.path}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=put, args=(file,)) for file in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    if failed or any(thread.is_alive() for thread in threads):
        raise AssertionError(f"side by side: {failed or 'not done within a minute'}")


def _shown(content: bytes | None) -> str:
    return "nothing" if content is None else repr(content) if len(content) < 60 else f"{len(content)} bytes"
