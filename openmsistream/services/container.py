"""What runs first in a container: the words of `docker run` become a program, which takes this process over.

Whatever people are used to type is understood: a program and its arguments, the same as one quoted string, with `-c` as for
a shell, a script, a sub-command of `openmsistream`, or anything else that is installed.
"""

from __future__ import annotations

import difflib
import os
import pkgutil
import re
import shlex
import shutil
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from openmsistream.config import container
from openmsistream.errors import FolderError, OpenMSIStreamError, UsageError

Which = Callable[[str], str | None]
"""Where a program is; None when there is none of that name."""

_COMMANDS = Path(__file__).parent.parent / "commands"
"""A module for each sub-command of `openmsistream`: looked at, since this room may not load that one."""

_FOR_A_SHELL = re.compile(r"""[|&;<>()$`\\*?\[\]{}~#\n]""")
"""What means more to a shell than where a word ends."""

_BUILT_IN = frozenset(
    {".", "source", "cd", "exec", "export", "eval", "set", "unset", "ulimit", "umask", "time", "trap"}
)
"""What only a shell can do."""

_SHELL_OPTION = re.compile(r"-[a-z]*c")
_ZONES = Path("/usr/share/zoneinfo")

HELP = """\
openmsistream: laboratory files through Apache Kafka. Name a program behind the image, with its arguments:

  send every file of a folder:
    docker run -d -v FOLDER:/home/openmsi/data -v $(pwd)/config.config:/home/openmsi/config.config \\
      --env-file openmsi.env IMAGE DataFileUploadDirectory data --config config.config --topic_name TOPIC
  put every file of a topic into a folder:
    docker run -d -v FOLDER:/home/openmsi/data -v $(pwd)/config.config:/home/openmsi/config.config \\
      --env-file openmsi.env IMAGE DataFileDownloadDirectory data --config config.config --topic_name TOPIC
  a shell to look around in:
    docker run -it -v FOLDER:/home/openmsi/data --entrypoint /bin/bash IMAGE

Programs: {programs}
Sub-commands of openmsistream: {commands}
Each tells its arguments with --help."""


def program_of(words: Sequence[str], which: Which = shutil.which) -> list[str]:
    """The command line that is meant by the words behind an image's name; raises an OpenMSIStreamError.

    An empty one asks for the help.
    """
    if not words or words[0] in ("", "--help", "-h", "help"):
        return []
    first, *others = words
    if first in ("--version", "-V"):
        return ["openmsistream", "--version"]
    if _SHELL_OPTION.fullmatch(first):
        return _of_text(first, others, which)
    if first.startswith("-"):
        raise UsageError(
            f"{first} is no program",
            "options of docker run stand before the image's name, those of a program behind the program's name",
        )
    if len(first.split()) != 1 and not os.path.exists(first):
        return program_of(["-c", first], which) if not others else program_of([*_split(first), *others], which)
    return _of_word(first, others, which)


def _of_text(option: str, words: Sequence[str], which: Which) -> list[str]:
    """What `bash -c TEXT` would run; a plain command is started without a shell, which would only stand between."""
    if not words or not words[0].strip():
        raise UsageError(f"{option} is followed by nothing", "write the command behind it, in quotation marks")
    if option == "-c" and len(words) == 1 and not _FOR_A_SHELL.search(words[0]):
        first, *others = _split(words[0])
        if first not in _BUILT_IN and "=" not in first:
            return program_of([first, *others], which)
    return ["bash", option, *words]


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{text!r} cannot be read as a command: {error}", "see to its quotation marks") from error


def _of_word(word: str, others: Sequence[str], which: Which) -> list[str]:
    path = Path(word)
    if "/" not in word and which(word) is not None:
        return [word, *others]
    if path.is_dir():
        raise UsageError(
            f"{word} is a folder, not a program", f"name a program before it: DataFileUploadDirectory {word}"
        )
    if path.is_file():
        return [*_interpreter(path), *others]
    if "/" not in word and word in commands():
        return ["openmsistream", word, *others]
    if "/" in word or path.suffix in (".py", ".sh"):
        raise FolderError(
            f"there is no file {path.absolute()} in this container",
            f"mount it: -v $(pwd)/{path.name}:{path.absolute()}",
        )
    raise UsageError(f"{word} is no program in this image", _meant(word))


def _interpreter(path: Path) -> list[str]:
    """How a file is run, whether or not its mode lets it be: mounted files often have lost that on their way."""
    given = str(path) if len(path.parts) > 1 else f"./{path}"
    if path.suffix == ".py":
        return [sys.executable, given]
    try:
        with path.open("rb") as file:
            begins = file.readline(256)
    except OSError as error:
        raise FolderError(f"{path} cannot be read: {error.strerror}", container.advice(path, error)) from error
    if begins.startswith(b"\x7fELF"):
        return [given]
    if begins.endswith(b"\r\n"):
        raise UsageError(
            f"{path} has the line ends of Windows, which no shell here understands", "save it with those of Unix (LF)"
        )
    if begins.startswith(b"#!"):
        return [*begins[2:].decode("utf-8", "replace").strip().split(maxsplit=1), given]
    return ["bash", given]


def commands() -> list[str]:
    """The sub-commands of `openmsistream`."""
    return sorted(module.name for module in pkgutil.iter_modules([str(_COMMANDS)]) if module.name != "main")


def programs() -> list[str]:
    """The programs of openmsistream that are installed."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return sorted(script.name for script in distribution("openmsistream").entry_points)
    except PackageNotFoundError:
        return []


def _meant(word: str) -> str:
    known = {name.lower(): name for name in (*programs(), *commands())}
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return f"did you mean {known[near[0]]}" if near else "docker run IMAGE without a program lists what there is"


def help_text() -> str:
    """What this image is, and what to type."""
    return HELP.format(programs=" ".join(programs()), commands=" ".join(commands()))


def warnings(environ: Mapping[str, str]) -> list[str]:
    """What is said before the program starts."""
    zone = environ.get("TZ", "").removeprefix(":")
    if zone and "/" in zone and not (_ZONES / zone).is_file():
        return [f"TZ={zone} is no time zone that this image knows, so times are shown in UTC"]
    return []


def scratch(places: Sequence[str] = ("/tmp", "/var/tmp"), memory: str = "/dev/shm") -> dict[str, str]:
    """Where a program puts what it needs for a moment, when everything else is read-only: in memory."""
    if "TMPDIR" in os.environ or any(os.access(place, os.W_OK) for place in places) or not os.access(memory, os.W_OK):
        return {}
    return {"TMPDIR": memory}


def main() -> None:
    """Become the program that was asked for; a short help when none was."""
    try:
        program = program_of(sys.argv[1:])
        if not program:
            print(help_text())
            return
        for warning in warnings(os.environ):
            print(f"warning: {warning}", file=sys.stderr)
        os.environ.update(scratch())
        _become(program)
    except OpenMSIStreamError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


def _become(program: list[str]) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.platform != "win32" and os.getpid() == 1 and program[0] in programs():
        # held back until the program listens, which takes it a moment (program/signals.py); process 1 would lose them
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        os.execvp(program[0], program)
    except OSError as error:
        what = f"{program[0]} cannot be started: {error.strerror}"
        raise UsageError(what, "docker run IMAGE without a program lists what there is") from error


if __name__ == "__main__":
    main()
