"""The tutorial on processing, as it stands: its scripts are saved, its commands run, and what it shows is what is seen."""

from __future__ import annotations

import argparse
import inspect
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from lab import wait_until

from openmsistream import DataFileStreamProcessor, process_files
from openmsistream.broker import stop
from openmsistream.processing.command_lines import add_processing
from openmsistream.program.arguments import new_parser

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial-processing.md"
REFERENCE = ROOT / "docs" / "processing.md"
SCRIPTS = ROOT / "examples" / "processing"
LIMIT = 30.0

NOT_RUN = {"python3 -m venv .venv", ". .venv/bin/activate", 'pip install "openmsistream[broker]"'}
"""What is done before: the tests have an environment."""

LOOKS = "openmsistream status"

ANYTHING = "..."
"""A line that stands for any others."""

SOMETIMES = ("files are shared with ", "TIME ERROR   InotifyEmitter.queue_events() called")
"""Lines that may come besides: the first whenever partitions come and go, which is as often as the broker finds right; the second
is watchdog's own, now and then when an uploader stops."""

_OPEN = (
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+[+-]\d\d:\d\d)?", "TIME"),
    (r"\b\d+ (h|min) \d+ (min|s)\b|\b\d+(\.\d+)? s\b", "DURATION"),
    (r"\b\d+(\.\d+)? [kM]?B/s", "RATE"),
    (r"process \d+", "process N"),
    (r"127\.0\.0\.1:\d+", "ADDRESS"),
    (r"-[0-9a-f]{8}$", "-ID"),
)
"""What is different each time."""


@dataclass(frozen=True)
class Block:
    """A code block: the words behind its fence, its text, and the line where it begins."""

    kind: str
    names: tuple[str, ...]
    text: str
    line: int

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def blocks(page: str) -> list[Block]:
    """The code blocks of a page of Markdown."""
    found = re.finditer(r"^```(\w+)([^\n]*)\n(.*?)^```$", page, re.M | re.S)
    return [Block(b[1], tuple(b[2].split()), b[3], page[: b.start()].count("\n") + 1) for b in found]


def alike(line: str) -> str:
    """The line without what is different each time."""
    for pattern, word in _OPEN:
        line = re.sub(pattern, word, line)
    return line.rstrip()


def steps(lines: Sequence[str]) -> list[tuple[str, list[str]]]:
    """What is typed, each with the lines that it shows."""
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        if line == "^C" or line.startswith("$ "):
            found.append((line.removeprefix("$ "), []))
        else:
            found[-1][1].append(line)
    return found


@dataclass
class Terminal:
    """A terminal in which one command after another runs. `seen` are lines that the tutorial has shown already."""

    folder: Path
    name: str
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    seen: Counter[str] = field(default_factory=Counter)
    loose: bool = False
    commands: int = 0

    @property
    def log(self) -> Path:
        return self.folder.parent / f"{self.name}-{self.commands}.log"

    @property
    def lines(self) -> Counter[str]:
        """What the command has printed, and the tutorial has not shown yet."""
        printed = self.log.read_text("utf-8").splitlines(keepends=True)
        return Counter(alike(line) for line in printed if line.endswith("\n")) - self.seen

    def begin(self, command: str) -> None:
        assert self.process is None, f"{self.name}: another command is still running"
        self.commands += 1
        self.seen, self.loose = Counter(), False
        # a run of the tests in the background ignores Ctrl-C, and what it starts would inherit that
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with self.log.open("wb") as output:
                self.process = subprocess.Popen(
                    shlex.split(command), cwd=self.folder, env=self.environment,
                    stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                )  # fmt: skip
        finally:
            signal.signal(signal.SIGINT, before)

    def interrupt(self) -> None:
        assert self.process is not None, f"{self.name}: nothing runs here"
        self.process.send_signal(signal.SIGINT)

    def end(self) -> None:
        """Wait for the end of the command; it must have gone well."""
        assert self.process is not None
        code = self.process.wait(LIMIT)
        self.process = None
        assert code == 0, f"{self.name}: exit code {code}:\n{self.log.read_text('utf-8')}"

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(LIMIT)


class Reader:
    """Somebody who does what the page says, and compares."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self._environment = environment
        self.terminals: dict[str, Terminal] = {}

    def follow(self, block: Block) -> None:
        match block.kind:
            case "python":
                (self.folder / block.names[0]).write_text(block.text, "utf-8")
            case "console":
                self._commands(self._terminal(*block.names), block.lines, goes_on=bool(block.names))
            case "text":
                self._shown([self._terminal(name) for name in block.names], block.lines)
            case _:
                assert set(block.lines) <= NOT_RUN

    def _terminal(self, name: str = "first") -> Terminal:
        return self.terminals.setdefault(name, Terminal(self.folder, name, self._environment))

    def _commands(self, terminal: Terminal, lines: Sequence[str], *, goes_on: bool) -> None:
        """A line with a $ is typed, ^C is pressed, the others are seen. Only in a terminal with a name a command goes on."""
        ends = not goes_on
        for typed, shown in steps(lines):
            if typed == "^C":
                terminal.interrupt()
            elif ends and typed.startswith(LOOKS):
                self._look(terminal, typed, shown)
                continue
            else:
                terminal.begin(typed)
            self._shown([terminal], shown)
            if ends or typed == "^C":
                terminal.end()
                self._nothing_else(terminal)

    def _look(self, terminal: Terminal, command: str, lines: Sequence[str]) -> None:
        """Who looks a moment too early looks again."""

        def shown() -> bool:
            terminal.begin(command)
            terminal.end()
            return set(map(alike, lines)) - {ANYTHING} <= set(terminal.lines)

        wait_until(shown, LIMIT / 4, step=0.5)
        self._shown([terminal], lines)
        self._nothing_else(terminal)

    def _shown(self, terminals: Sequence[Terminal], lines: Sequence[str]) -> None:
        """Wait until all of these lines stand there, in one or the other; the order is not compared."""
        wanted = Counter(alike(line) for line in lines if line != ANYTHING)

        def printed() -> Counter[str]:
            return sum((terminal.lines for terminal in terminals), Counter[str]())

        assert wait_until(lambda: wanted <= printed(), LIMIT, step=0.05), (
            f"missing: {wanted - printed()} in {printed()}"
        )
        for terminal in terminals:
            found = terminal.lines & wanted
            terminal.seen += found
            wanted -= found
            terminal.loose = terminal.loose or ANYTHING in lines

    def _nothing_else(self, terminal: Terminal) -> None:
        more = [line for line in terminal.lines if not line.startswith(SOMETIMES)]
        assert terminal.loose or not more, f"{terminal.name}: not in the tutorial: {more}"


def arguments_told() -> tuple[set[str], set[str], set[str]]:
    """What the table of the reference names: arguments of the function, of the class, and options."""
    table = REFERENCE.read_text("utf-8").partition("| argument of the function |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1:4] for line in table.splitlines()[2:]]
    function, kind, option = (set(re.findall(r"`([^`]+)`", " ".join(column))) for column in zip(*rows, strict=True))
    return function, kind, option


def taken_by(function: Callable[..., object]) -> set[str]:
    return set(inspect.signature(function).parameters)


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Those that --help shows."""
    return {action.option_strings[0] for action in parser._actions if action.help != argparse.SUPPRESS}


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """Somebody with an empty folder and an environment, who has no broker yet."""
    folder, state = tmp_path / "work", tmp_path / "state"
    folder.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENMSISTREAM")}
    environment["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), environment.get("PATH", "")))
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), environment.get("PYTHONPATH"))))
    environment["PYTHONUNBUFFERED"] = "1"  # as on a terminal, where a line is seen when it is printed
    if sys.platform == "linux":
        environment["XDG_STATE_HOME"] = str(state)
        place = state / "openmsistream" / "broker"
    else:
        environment["OPENMSISTREAM_STATE_DIR"] = str(state)
        place = state / "broker"
    made = Reader(folder, environment)
    try:
        yield made
    finally:
        for terminal in made.terminals.values():
            terminal.kill()
        stop(place)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be pressed for one program there")
def test_all_that_the_tutorial_shows_is_so(reader: Reader) -> None:
    for block in blocks(TUTORIAL.read_text("utf-8")):
        began = time.monotonic()
        try:
            reader.follow(block)
        except AssertionError as error:
            error.add_note(f"in the block at line {block.line} of {TUTORIAL.name}")
            raise
        print(f"line {block.line}: {time.monotonic() - began:.1f} s")
    assert [name for name, terminal in reader.terminals.items() if terminal.process is not None] == []


def test_its_scripts_are_those_of_the_examples() -> None:
    last = {block.names[0]: block.text for block in blocks(TUTORIAL.read_text("utf-8")) if block.kind == "python"}
    assert last == {file.name: file.read_text("utf-8") for file in SCRIPTS.glob("*.py")}


def test_every_code_block_is_of_a_kind_that_is_run() -> None:
    page = TUTORIAL.read_text("utf-8")
    kinds = Counter(block.kind for block in blocks(page))
    assert set(kinds) == {"sh", "python", "console", "text"}
    assert kinds["sh"] == 1
    assert kinds.total() == page.count("\n```") / 2


def test_the_code_of_the_reference_can_be_loaded() -> None:
    for block in blocks(REFERENCE.read_text("utf-8")):
        assert block.kind == "python"
        exec(compile(block.text, f"{REFERENCE.name}, line {block.line}", "exec"), {"__name__": "page"})


def test_the_reference_names_every_argument_and_option() -> None:
    function, kind, option = arguments_told()
    assert function - {"on_failure"} == taken_by(process_files) - {"function", "commands", "on_failure", "state_dir"}
    assert kind - {"_failed_processing_callback"} == taken_by(DataFileStreamProcessor.__init__) - {"self", "kwargs"}
    parser = new_parser("program", "")
    add_processing(parser, "program")
    assert option == options_of(parser) - {"-h"} | {"--config", "--topic_name", "--consumer_group_id"}
