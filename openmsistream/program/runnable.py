"""A class that is a program as well, and how its subclasses change its command line, as OpenMSIStream's subclasses do."""

from __future__ import annotations

import argparse
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any, ClassVar, Self

from . import run
from .arguments import WithDefaults, parse
from .logs import say
from .mixing import OursFirst
from .named_arguments import NamedArguments, add, changed_by, table_of
from .options import CommonOptions
from .progress import Snapshot


class Runnable(metaclass=OursFirst):
    """What a class has that is run from the command line.

    A program's class says which parser it has (`own_parser`), what its constructor is called with
    (`get_init_args_kwargs`) and which method does its work (`_run_parsed`). Its constructor calls `_prepare` with the
    keyword arguments that it does not know; the method that does the work calls `_follow`.

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

    control_command_queue: run.Commands
    logger: logging.Logger
    summary: str = ""
    _common: CommonOptions

    # -- what a program's class says of itself -------------------------------------------------------------

    @classmethod
    def own_parser(cls) -> argparse.ArgumentParser:
        """The command line of the program as it is without subclasses."""
        raise NotImplementedError

    @classmethod
    def get_init_args_kwargs(cls, parsed_args: argparse.Namespace) -> tuple[list[Any], dict[str, Any]]:
        """What the constructor is called with, from what was parsed."""
        raise NotImplementedError

    def _run_parsed(self, args: argparse.Namespace) -> None:
        """Do the work of the program, with what was parsed."""
        raise NotImplementedError

    # -- the command line ----------------------------------------------------------------------------------

    @classmethod
    def get_command_line_arguments(cls) -> tuple[list[str], dict[str, Any]]:
        """The names of the arguments, and the defaults that are not those of the parser class."""
        return list(table_of(cls.own_parser())), {}

    @classmethod
    def get_argument_parser(cls, *args: Any, **kwargs: Any) -> argparse.ArgumentParser:
        """The command line of this class; the arguments are those of the parser class."""
        if cls._is_as_it_was():
            return cls.own_parser()
        own = cls.own_parser()
        known = {"prog": cls.__name__, "description": own.description, "formatter_class": WithDefaults}
        parser: argparse.ArgumentParser = cls.ARGUMENT_PARSER_TYPE(*args, **{**known, **kwargs})
        names, defaults = cls.get_command_line_arguments()
        usual = {**cls.ARGUMENT_PARSER_TYPE.ARGUMENTS, **table_of(own)}
        add(parser, {**usual, **changed_by(cls.ARGUMENT_PARSER_TYPE)}, names, defaults)
        return parser

    @classmethod
    def _is_as_it_was(cls) -> bool:
        """Has no subclass changed the command line?"""
        names = cls.get_command_line_arguments.__func__  # type: ignore[attr-defined]
        return cls.ARGUMENT_PARSER_TYPE is NamedArguments and names is Runnable.get_command_line_arguments.__func__  # type: ignore[attr-defined]

    @classmethod
    def run_from_command_line(cls, args: list[str] | None = None) -> None:
        """Run the program with these arguments, or those of the command line; ends by SystemExit."""
        parsed = parse(cls.get_argument_parser(), args)
        raise SystemExit(run.main(lambda: cls._program(parsed), parsed.log_format, watched=True))

    @classmethod
    def _program(cls, args: argparse.Namespace) -> int:
        """The program from its parsed command line to its exit code."""
        init_args, init_kwargs = cls.get_init_args_kwargs(args)
        with cls(*init_args, **init_kwargs) as it:
            it._run_parsed(args)
            if it.summary:
                say(it.summary, args.log_format)
        return 0

    # -- the life of an object -----------------------------------------------------------------------------

    def _prepare(self, name: str, kwargs: dict[str, Any]) -> None:
        """Take what every program takes out of `kwargs`, and set logging up for a program of this name.

        Raises TypeError when an argument is left that nobody knows.
        """
        self.control_command_queue = queue.Queue()
        self._common = CommonOptions.take(kwargs)
        self.logger = self._common.logger(name)

    def _follow(
        self, worker: run.Worker, title: str, look: Callable[[], Snapshot], report: run.Report | None = None
    ) -> None:
        """Run a worker as `run.run` does, until "q" is typed or put into `control_command_queue`.

        "c" calls `_on_check`, where the class has it. The last line is `summary`.
        """
        if threading.current_thread() is threading.main_thread():
            run.listen_to_keyboard(self.control_command_queue)
        self.summary = run.run(
            worker, self.control_command_queue, title, look,
            update_secs=self._common.update_secs, live=self._common.live, report=report,
            on_check=getattr(self, "_on_check", None),
        )  # fmt: skip

    def close(self) -> None:
        """Let go of everything; may be called more than once."""
        self._common.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
