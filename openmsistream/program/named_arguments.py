"""A command line put together from arguments that have names, so that a subclass of a program can add its own.

Programs that were written for OpenMSIStream extend the dictionary `ARGUMENTS` of a parser class and name that class in
`ARGUMENT_PARSER_TYPE` of their program's class.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

Table = Mapping[str, Sequence[Any]]
"""For each name "positional" or "optional", and the keyword arguments of `argparse.ArgumentParser.add_argument`."""

_OTHER_KIND = "optional_"
"""`optional_output_dir` is the option `--output_dir`, beside a positional argument of that name."""

_BOTH_KINDS = frozenset({"output_dir"})
"""What is a positional argument of some programs and an option of others."""

_PACKAGE = __name__.partition(".")[0] + "."
_TOPICS = ("consumer_topic_name", "producer_topic_name")
_KEPT = ("nargs", "const", "default", "type", "choices", "required", "help", "metavar")


class NamedArguments(argparse.ArgumentParser):
    """An argument parser that knows arguments by name; subclasses extend `ARGUMENTS`."""

    ARGUMENTS: ClassVar[Table] = {}

    def add_arguments(self, *names: str, **defaults: Any) -> None:
        """Add these arguments; those named by keyword get that default. ValueError for a name that is not in `ARGUMENTS`."""
        add(self, self.ARGUMENTS, names, defaults)

    @property
    def actions(self) -> list[argparse.Action]:
        """What was added, `--help` included."""
        return self._actions

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse has it; a topic for reading or writing that was not given is that of `--topic_name`."""
        found = super().parse_args(args, namespace)
        for name in _TOPICS:
            if hasattr(found, "topic_name") and getattr(found, name, None) is None:
                setattr(found, name, found.topic_name)
        return found


def add(parser: argparse.ArgumentParser, table: Table, names: Sequence[str], defaults: Mapping[str, Any]) -> None:
    """Add arguments of a table to a parser."""
    for name in dict.fromkeys((*names, *defaults)):
        if name not in table:
            raise ValueError(f"there is no argument {name!r} in ARGUMENTS of the parser; there are {', '.join(table)}")
        kind, keywords = table[name]
        if name in defaults:
            keywords = {**keywords, "default": defaults[name]}
        parser.add_argument(name if kind == "positional" else "--" + name.removeprefix(_OTHER_KIND), **keywords)


def changed_by(parser_type: type[Any]) -> dict[str, Sequence[Any]]:
    """The arguments that a parser class of a user's own has in `ARGUMENTS`, beside those of the class of ours that it extends."""
    ours = (vars(kind) for kind in parser_type.__mro__ if kind.__module__.startswith(_PACKAGE))
    usual: Table = next((own["ARGUMENTS"] for own in ours if "ARGUMENTS" in own), {})
    return {name: entry for name, entry in parser_type.ARGUMENTS.items() if usual.get(name) is not entry}


def table_of(parser: argparse.ArgumentParser) -> dict[str, list[Any]]:
    """The arguments of a parser by name, so that another one can be put together from them."""
    found: dict[str, list[Any]] = {}
    for action in parser._actions:
        if action.dest == "help":
            continue
        if action.nargs == 0:
            keywords: dict[str, Any] = {"action": "store_true", "help": action.help}
        else:
            values = {name: getattr(action, name) for name in _KEPT}
            keywords = {name: value for name, value in values.items() if value is not None and value is not False}
        if not action.option_strings:
            keywords.pop("required", None)
        name = _OTHER_KIND + action.dest if action.option_strings and action.dest in _BOTH_KINDS else action.dest
        found[name] = ["optional" if action.option_strings else "positional", keywords]
    return found
