"""What a target's own command line makes of its arguments, found by the account that it will run as.

To know the arguments of somebody's own code it has to be loaded, and that runs it: an administrator who installs a service
for an account gives what is in that account's folders no right that the service itself would not have.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from openmsistream.program import run

from . import credentials
from .arguments import Understood, unchecked, understood
from .target import Target, importing_from, parser_of, source_folder, target

Checked = tuple[Understood, Path | None]
"""The arguments as they are kept, and for code of somebody's own the folder that it is in, unless it is installed."""


def checked(wanted: Target, words: Sequence[str], user: str = "") -> Checked:
    """Check the arguments of a target, whose paths begin here; code of somebody's own is loaded as this user.

    Wrong ones, and a wish for help, end the process with the target's own message. Raises UsageError, ConfigError.
    """
    if wanted.program is None and user and _is_for_another(user):
        return _asked(user, wanted, words)
    return _found(wanted, words)


def _is_for_another(user: str) -> bool:
    if sys.platform == "win32":  # where accounts are another matter
        return False
    from . import accounts

    return accounts.is_administrator() and accounts.account(user).uid != os.geteuid()


def _found(wanted: Target, words: Sequence[str]) -> Checked:
    here = Path.cwd()
    with importing_from(here) if wanted.program is None else nullcontext():
        parser = parser_of(wanted)
        origin = None if wanted.program else source_folder(wanted.module)
        told = unchecked(words, here, os.environ) if parser is None else understood(parser, words, here, os.environ)
    return told, origin


def _asked(user: str, wanted: Target, words: Sequence[str]) -> Checked:
    """The same by a process of that account; what the code prints is shown, its answer comes on a way of its own."""
    if sys.platform == "win32":
        raise NotImplementedError
    from . import accounts

    who = accounts.account(user)
    accounts.check_access(who, sys.executable, [], [])
    started = accounts.as_account(who)
    started["env"] = {**started["env"], **credentials.passed_on(os.environ)}
    sys.stdout.flush()
    shown = os.dup(1)
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", __name__, str(shown)], input=json.dumps([wanted.spec, *words]), text=True,
            stdout=subprocess.PIPE, pass_fds=[shown], check=False, **started,
        )  # fmt: skip
    finally:
        os.close(shown)
    if done.returncode or not done.stdout:
        raise SystemExit(done.returncode)  # it has said why
    return _read(done.stdout)


def _written(found: Checked) -> str:
    told, origin = found
    return json.dumps({
        "args": told.args, "writes": [str(path) for path in told.writes], "reads": [str(path) for path in told.reads],
        "config": str(told.config or ""), "key": told.key, "channels": told.channels, "origin": str(origin or ""),
    })  # fmt: skip


def _read(text: str) -> Checked:
    said = json.loads(text)
    told = Understood(
        args=tuple(said["args"]), writes=tuple(map(Path, said["writes"])), reads=tuple(map(Path, said["reads"])),
        config=Path(said["config"]) if said["config"] else None, key=said["key"], channels=tuple(said["channels"]),
    )  # fmt: skip
    return told, Path(said["origin"]) if said["origin"] else None


def main() -> None:
    """The process of the account: a target and its words come on standard input, the answer goes where this one's output went."""
    shown = int(sys.argv[1])
    answer = os.dup(1)
    os.dup2(shown, 1)
    spec, *words = json.load(sys.stdin)
    sys.argv = [spec]

    def work() -> int:
        text = _written(_found(target(spec), words))
        with os.fdopen(answer, "w", encoding="ascii") as out:
            out.write(text)
        return 0

    raise SystemExit(run.main(work))


if __name__ == "__main__":
    main()
