"""A program that runs by itself, as a value: what is started, as whom, with which folders and variables."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self, get_args

from openmsistream.errors import UsageError

FORM = 1
"""The version of the record's form; a record of a later one is not read."""

Scope = Literal["system", "user"]
"""Of the machine, started with it; or of one person, who needs no administrator for it."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")


@dataclass(frozen=True, slots=True)
class Service:
    """A program that somebody had installed as a service.

    `target` and `args` are what they asked for, paths in them absolute; `command` is what is started for it, its first
    word an absolute path. `environ` are variables that everybody may read; `variables` the names of those that only the
    supervisor may: their values are never in this record. `writes` are the folders that it changes files in, `reads`
    files and folders that it needs besides. `watched` says that the program gives signs of life.
    """

    name: str
    target: str
    args: tuple[str, ...]
    command: tuple[str, ...]
    folder: str
    scope: Scope = "system"
    user: str = ""
    writes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    variables: tuple[str, ...] = ()
    watched: bool = True
    version: str = ""
    installed: float = 0.0

    def to_json(self) -> str:
        """The record, readable for people too."""
        return json.dumps({"form": FORM, **asdict(self)}, indent=2, ensure_ascii=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """A service from its record. Raises ValueError when it is none, or one of a later version."""
        said = json.loads(text)
        if not isinstance(said, dict) or said.pop("form", None) != FORM:
            raise ValueError("not a record of a service in a form that is known here")
        known = {one.name for one in fields(cls)}
        try:
            made = cls(**{name: _frozen(value) for name, value in said.items() if name in known})
        except TypeError as error:
            raise ValueError(str(error)) from error
        if made.scope not in get_args(Scope):
            raise ValueError(f"{made.scope!r} is no scope")
        return made


def service_name(text: str) -> str:
    """A name that every supervisor takes. Raises UsageError."""
    name = text.removesuffix(".service")
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{text!r} cannot be the name of a service",
            "take letters, digits, '_', '-' and '.', beginning with a letter or digit, at most 80",
        )
    return name


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
