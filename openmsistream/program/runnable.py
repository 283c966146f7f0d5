"""A class that is a program as well, and how its subclasses change its command line, as OpenMSIStream's subclasses do."""

from __future__ import annotations

import argparse
from typing import Any, ClassVar

from .arguments import WithDefaults
from .named_arguments import NamedArguments, add, table_of


class Runnable:
    """What a class has that is run from the command line.

    A subclass may take a parser class of its own, extend the names of `get_command_line_arguments`, and turn what was
    parsed into the arguments of its constructor:

        class Mine(DataFileUploadDirectory):
            ARGUMENT_PARSER_TYPE = MyParser  # its ARGUMENTS has "lab", too

            @classmethod
            def get_command_line_arguments(cls):
                names, defaults = super().get_command_line_arguments()
                return [*names, "lab"], {**defaults, "n_threads": 5}

            @classmethod
            def get_init_args_kwargs(cls, parsed_args):
                args, kwargs = super().get_init_args_kwargs(parsed_args)
                return args, {**kwargs, "lab": parsed_args.lab}
    """

    ARGUMENT_PARSER_TYPE: ClassVar[type[Any]] = NamedArguments

    @classmethod
    def own_parser(cls) -> argparse.ArgumentParser:
        """The command line of the program as it is without subclasses."""
        raise NotImplementedError

    @classmethod
    def get_command_line_arguments(cls) -> tuple[list[str], dict[str, Any]]:
        """The names of the arguments, and the defaults that are not those of the parser class."""
        return list(table_of(cls.own_parser())), {}

    @classmethod
    def get_init_args_kwargs(cls, parsed_args: argparse.Namespace) -> tuple[list[Any], dict[str, Any]]:
        """What the constructor is called with, from what was parsed."""
        raise NotImplementedError

    @classmethod
    def get_argument_parser(cls, *args: Any, **kwargs: Any) -> argparse.ArgumentParser:
        """The command line of this class; the arguments are those of the parser class."""
        if cls._is_as_it_was():
            return cls.own_parser()
        own = cls.own_parser()
        known = {"prog": cls.__name__, "description": own.description, "formatter_class": WithDefaults}
        parser: argparse.ArgumentParser = cls.ARGUMENT_PARSER_TYPE(*args, **{**known, **kwargs})
        names, defaults = cls.get_command_line_arguments()
        add(parser, {**table_of(own), **cls.ARGUMENT_PARSER_TYPE.ARGUMENTS}, names, defaults)
        return parser

    @classmethod
    def _is_as_it_was(cls) -> bool:
        """Has no subclass changed the command line?"""
        names = cls.get_command_line_arguments.__func__  # type: ignore[attr-defined]
        return cls.ARGUMENT_PARSER_TYPE is NamedArguments and names is Runnable.get_command_line_arguments.__func__  # type: ignore[attr-defined]
