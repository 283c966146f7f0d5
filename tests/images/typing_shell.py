"""Somebody at a terminal: a bash in which the commands of a page are typed one after another, as they stand there."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pexpect

PROMPT = "typed-in> "
FIRST_PROMPT = r"[$#] $"
LIMIT = 240.0


@dataclass(frozen=True)
class Block:
    """A code block of a page: the words behind its fence, its lines, the heading of the second level above it."""

    kind: str
    name: str
    lines: tuple[str, ...]
    section: str
    number: int


def blocks(page: Path) -> list[Block]:
    """The code blocks of a page of Markdown, with the lines where they begin."""
    text = page.read_text("utf-8")
    made = []
    for found in re.finditer(r"^```(\w+)[ ]*([^\n]*)\n(.*?)^```$", text, re.M | re.S):
        above = re.findall(r"^## (.*)$", text[: found.start()], re.M)
        number = text[: found.start()].count("\n") + 1
        lines = tuple(line for line in found[3].splitlines() if line.strip())
        made.append(Block(found[1], found[2], lines, above[-1] if above else "", number))
    return made


class Shell:
    """A bash on a terminal of its own."""

    def __init__(self, command: list[str], folder: Path, environ: Mapping[str, str]) -> None:
        self.heard = ""
        self._bash: Any = pexpect.spawn(
            command[0], command[1:], cwd=str(folder), env=dict(environ), encoding="utf-8", codec_errors="replace",
            dimensions=(50, 500), timeout=LIMIT,
        )  # fmt: skip
        self._typed = 0
        self._until(FIRST_PROMPT, regex=True)  # what is typed before a terminal is set up is shown twice
        self.ready("PS2='' PROMPT_COMMAND='' TERM=dumb; bind 'set enable-bracketed-paste off'")

    def ready(self, line: str = ":") -> None:
        """Type this, and have our prompt from then on, whatever there was before."""
        self._bash.sendline(line)
        self._bash.sendline(
            f"PS1='{PROMPT[:2]}''{PROMPT[2:]}'"
        )  # not as it will be shown, since what is typed is shown, too
        self._until(PROMPT)

    def type(self, line: str, limit: float = LIMIT) -> str:
        """What a command says; AssertionError when it fails."""
        self._typed += 1
        self._bash.sendline(line)
        said = self._until(PROMPT, limit)
        self._bash.sendline(f"echo code-{self._typed}-$?")
        code = self._until(rf"code-{self._typed}-\d+\r\n", limit, regex=True, shown=True).rstrip()
        self._until(PROMPT)
        assert code.endswith(f"code-{self._typed}-0"), f"{line}\nended with {code}:\n{said}"
        return said.partition("\n")[2].replace("\r", "")  # without what was typed

    def block(self, block: Block) -> str:
        """Type all lines of a block; what they said."""
        return "".join(self.type(line) for line in block.lines)

    def enter(self, line: str, prompt: str, limit: float = 60.0) -> None:
        """Type what opens another shell, with a prompt that ends like this, and give that one ours."""
        self._bash.sendline(line)
        self._until(prompt, limit, regex=True)
        self.ready()

    def leave(self) -> None:
        """Back to the shell before."""
        self._bash.sendline("exit")
        self._until(PROMPT)

    def begin(self, line: str) -> None:
        """Type something that does not come back by itself."""
        self._bash.sendline(line)

    def interrupt(self, limit: float = 30.0) -> str:
        """Ctrl-C, and what is said until the prompt is there again."""
        self._bash.sendintr()
        return self._until(PROMPT, limit)

    def close(self) -> None:
        self._bash.close(force=True)

    def _until(self, what: str, limit: float = LIMIT, *, regex: bool = False, shown: bool = False) -> str:
        """What is said until this comes, with it when it is to be `shown`."""
        try:
            (self._bash.expect if regex else self._bash.expect_exact)([what], timeout=limit)
        except pexpect.ExceptionPexpect as error:
            raise AssertionError(f"no {what!r} within {limit:g} s:\n{self._bash.before}") from error
        self.heard += str(self._bash.before)
        return str(self._bash.before) + (str(self._bash.after) if shown else "")


def as_user(user: int, group: int, socket: Path) -> list[str]:
    """A bash of this user, who may use the Docker engine behind the socket."""
    bash = ["bash", "--norc", "--noprofile"]
    if os.getuid() != 0 or user == 0:
        return bash
    groups = str(socket.stat().st_gid)
    return ["setpriv", f"--reuid={user}", f"--regid={group}", f"--groups={groups}", *bash]
