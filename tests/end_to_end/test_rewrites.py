"""A folder changed at random while it is sent: what is visible was always a version of it, and ends at the last."""

from __future__ import annotations

import os
import random
import threading
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from lab import Lab, expect, files_of, parts_in

from openmsistream.files import digest
from openmsistream.transfer import settle

PATHS = ("a.dat", "b.dat", "c/d.dat", "c/e/f.dat")
CHUNK = 4096
LARGEST = 40 * CHUNK
"""Versions of up to forty chunks, so that a change meets a file in the middle of its journey."""


@dataclass
class History:
    """Every state that a path ever had on disk, by digest, with the order in which they came. Written before the disk is."""

    states: dict[str, dict[str, list[int]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    count: int = 0

    def will_be(self, path: str, content: bytes) -> None:
        self.count += 1
        self.states[path][digest.of(content)].append(self.count)


class Writer:
    """The random changes: each is one rule of the state machine, and keeps the history true at every moment."""

    def __init__(self, root: Path, history: History, seed: int) -> None:
        self.root = root
        self.history = history
        self.random = random.Random(seed)
        self.now: dict[str, bytes] = {}
        self.done: dict[str, int] = defaultdict(int)

    def step(self) -> None:
        again = (self.append, self.truncate, self.overwrite, self.replace)
        rule = self.random.choice((self.write, self.write, *again, self.rename, self.delete))
        rule(self.random.choice(PATHS))
        self.done[rule.__name__] += 1

    def fresh(self) -> bytes:
        """A content that was never there before; small ones are as frequent as large ones."""
        size = self.random.choice((0, 1, 100, CHUNK, CHUNK + 1, self.random.randrange(LARGEST)))
        return (b"%d:" % self.history.count + self.random.randbytes(size)) if size else b""

    def will_be(self, path: str, content: bytes) -> None:
        self.history.will_be(path, content)
        self.now[path] = content

    def write(self, path: str) -> None:
        """Written anew from its beginning, in several pieces."""
        content = self.fresh()
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        self.will_be(path, b"")
        with (self.root / path).open("wb", buffering=0) as file:
            for piece in self.pieces(content):
                self.will_be(path, self.now[path] + piece)
                file.write(piece)

    def append(self, path: str) -> None:
        if path in self.now:
            with (self.root / path).open("ab", buffering=0) as file:
                for piece in self.pieces(self.fresh()):
                    self.will_be(path, self.now[path] + piece)
                    file.write(piece)

    def truncate(self, path: str) -> None:
        if path in self.now:
            length = self.random.randrange(len(self.now[path]) + 1)
            self.will_be(path, self.now[path][:length])
            os.truncate(self.root / path, length)

    def overwrite(self, path: str) -> None:
        """Some bytes in the middle, the size unchanged."""
        old = self.now.get(path, b"")
        if old:
            at = self.random.randrange(len(old))
            piece = self.random.randbytes(min(64, len(old) - at))
            self.will_be(path, old[:at] + piece + old[at + len(piece) :])
            with (self.root / path).open("r+b", buffering=0) as file:
                file.seek(at)
                file.write(piece)

    def replace(self, path: str) -> None:
        """A new file renamed over it, as careful programs do."""
        content = self.fresh()
        beside = self.root / ".beside.tmp"
        beside.write_bytes(content)
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        self.will_be(path, content)
        beside.replace(self.root / path)

    def rename(self, path: str) -> None:
        other = self.random.choice(PATHS)
        if path in self.now and other != path:
            (self.root / other).parent.mkdir(parents=True, exist_ok=True)
            self.will_be(other, self.now.pop(path))
            (self.root / path).replace(self.root / other)

    def delete(self, path: str) -> None:
        if path in self.now:
            del self.now[path]
            (self.root / path).unlink()

    def pieces(self, content: bytes) -> list[bytes]:
        """The content in one to three pieces of at most a page each but the last."""
        cuts = sorted(self.random.randrange(min(len(content), CHUNK) + 1) for _ in range(self.random.randrange(3)))
        edges = [0, *cuts, len(content)]
        return [content[start:end] for start, end in pairwise(edges)]


class Observer(threading.Thread):
    """Reads the target all the time, and notes whatever should never be seen there."""

    def __init__(self, root: Path, history: History) -> None:
        super().__init__(daemon=True)
        self.root = root
        self.history = history
        self.wrong: list[str] = []
        self.seen = 0
        self._last: dict[str, int] = defaultdict(int)
        self._stopping = threading.Event()

    def run(self) -> None:
        while not self._stopping.wait(0.002):
            for path, file in files_of(self.root).items():
                self.look(path, file)

    def look(self, path: str, file: Path) -> None:
        found = digest.of(file.read_bytes())
        known = self.history.states[path].get(found)
        if not known:
            self.wrong.append(f"{path} held {file.stat().st_size} bytes that were never a version of it")
            return
        when = next((number for number in known if number >= self._last[path]), None)
        if when is None:
            self.wrong.append(f"{path} went back from state {self._last[path]} to {known[-1]}")
            return
        self.seen += when != self._last[path]
        self._last[path] = when

    def stop(self) -> None:
        self._stopping.set()
        self.join()


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_visible_is_always_a_version_that_was_there_and_ends_at_the_last(
    lab: Lab, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settle, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(settle, "LONGEST_PAUSE", 0.2)
    monkeypatch.setattr("openmsistream.transfer.uploader.LAG", 0.2)
    history = History()
    writer, observer = Writer(lab.source, history, seed), Observer(lab.target, history)
    lab.make_topic(2)
    pause = threading.Event()
    with lab.uploading(chunk_size=CHUNK, lanes=2) as up, lab.downloading() as down:
        writer.write("a.dat")
        expect(lambda: down.tally.files > 0)
        observer.start()
        for _ in range(250):
            writer.step()
            pause.wait(writer.random.choice((0, 0, 0.001, 0.01, 0.03, 0.1)))
        lasts = {path: digest.of(content) for path, content in writer.now.items()}

        def at_the_last() -> bool:
            there = files_of(lab.target)
            return all(p in there and digest.of(there[p].read_bytes()) == last for p, last in lasts.items())

        expect(at_the_last, 30, lambda: (observer.wrong, up.tally, down.tally))
        observer.stop()
    assert observer.wrong == []
    assert set(writer.done) == {"write", "append", "truncate", "overwrite", "replace", "rename", "delete"}
    assert observer.seen >= 20, "too few versions were seen for the test to mean something"
    assert parts_in(lab.target) == []
