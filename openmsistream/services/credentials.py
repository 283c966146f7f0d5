"""The variables that a service needs and where their values come from: options, a file, the environment, or a person."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from openmsistream.config import ini
from openmsistream.config.environment import LOCAL_BROKER, variable
from openmsistream.config.lookup import FOLDER_VARIABLE
from openmsistream.destinations.girder_key import FILE_VARIABLE, KEY_VARIABLE
from openmsistream.errors import UsageError

from . import environment_file

STATE = "OPENMSISTREAM_STATE_DIR"
PASSED_ON = (FOLDER_VARIABLE, STATE, FILE_VARIABLE)
"""Variables that say where things are: not secret, and taken along from the environment of the installation."""

_ALWAYS = ("broker", "producer", "consumer")
_PURPOSES = ("heartbeat", "log", "s3")
"""Sections for one purpose only; their variables are needed where the program has that purpose."""

_VARIABLE = re.compile(r"\$(?:(\w+)|\{([^}]*)\})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Names of variables: those without which the program does not start, and those that it uses when they are there."""

    needed: tuple[str, ...] = ()
    used: tuple[str, ...] = ()


def wanted(config: Path | None, purposes: Iterable[str]) -> Wanted:
    """The variables of a configuration. `purposes`: which of the sections for one purpose the program needs."""
    if config is None:
        return Wanted()
    sections = ini.read(config)
    needed_sections = {*_ALWAYS, *purposes} if purposes is not ALL else {*_ALWAYS, *_PURPOSES}
    needed: dict[str, None] = {}
    used: dict[str, None] = {}
    for name, entries in sections.items():
        for entry in entries.values():
            first = variable(entry.text)
            if first is None:
                continue
            (needed if name in needed_sections and first != LOCAL_BROKER else used)[first] = None
            used.update(dict.fromkeys(found[1] or found[2] for found in _VARIABLE.finditer(entry.text)))
    return Wanted(tuple(needed), tuple(name for name in used if name not in needed))


ALL: tuple[str, ...] = _PURPOSES
"""For code of somebody's own, of which nobody knows what it needs."""


def given(options: Sequence[str], files: Sequence[Path], environ: Mapping[str, str]) -> dict[str, str]:
    """The values of `--env NAME=VALUE` (or NAME alone, for that of the environment) and `--env-file FILE`; options win."""
    found: dict[str, str] = {}
    for file in files:
        found.update(environment_file.read(file, environ))
    for option in options:
        name, equals, value = option.partition("=")
        if not environment_file.is_name(name):
            raise UsageError(f"--env {name}: not the name of a variable", "write --env NAME=VALUE")
        if not equals and name not in environ:
            raise UsageError(f"--env {name}: the environment has no such variable", "write --env NAME=VALUE")
        found[name] = value if equals else environ[name]
    for name, value in found.items():
        if not _is_text(value):
            raise UsageError(f"the value of {name} is no text (UTF-8)", "give another one")
    return found


def _is_text(value: str) -> bool:
    """Is it all Unicode? What came from a terminal may hold bytes that are none."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def complete(
    wanted: Wanted, given: Mapping[str, str], environ: Mapping[str, str], ask: Callable[[str], str] | None
) -> dict[str, str]:
    """All values that the service gets: those given, and what else is needed, from the environment or by asking.

    NAME_FILE stands for NAME where NAME is not given. `ask` is None where nobody can be asked; then UsageError names all
    that is missing.
    """
    values = dict(given)
    missing = []
    for name in (*wanted.needed, *wanted.used):
        if not without_value([name], values):
            continue
        if environ.get(name):
            values[name] = environ[name]
        elif environ.get(f"{name}_FILE"):
            values[f"{name}_FILE"] = str(Path(environ[f"{name}_FILE"]).absolute())
        elif name in wanted.needed:
            missing.append(name)
    if missing and ask is None:
        raise UsageError(
            f"the configuration needs {_listed(missing)}, which {'is' if len(missing) == 1 else 'are'} not set",
            f"add --env {missing[0]}=VALUE, or --env-file FILE with such lines",
        )
    for name in missing:
        assert ask is not None
        while not (answer := ask(name)):
            continue
        values[name] = answer
    return values


def without_value(names: Iterable[str], values: Mapping[str, str]) -> list[str]:
    """Those of the names that are given neither as NAME nor as NAME_FILE; empty is a list that is not filled in yet."""
    return [name for name in names if not values.get(name) and not values.get(f"{name}_FILE")]


def passed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that say where things are, with absolute paths."""
    return {name: str(Path(environ[name]).expanduser().absolute()) for name in PASSED_ON if environ.get(name)}


def with_key(values: Mapping[str, str], key: str) -> dict[str, str]:
    """The same with a Girder key that stood on the command line."""
    return {**values, KEY_VARIABLE: key} if key else dict(values)


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
