"""What a supervisor starts for somebody's own code: `python -m openmsistream.services.runner [--from FOLDER] TARGET ...`"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence

from openmsistream.program import run
from openmsistream.program.notify import Notifier

from .target import Target, class_of, function_of, target

FROM = "--from"


def main(words: Sequence[str] | None = None) -> None:
    """Run a target with its arguments; ends by SystemExit."""
    given = list(sys.argv[1:] if words is None else words)
    if given[:1] == [FROM]:
        sys.path.insert(0, given[1])
        given = given[2:]
    if not given:
        raise SystemExit("error: no target; services are installed by InstallService")
    raise SystemExit(run.main(lambda: _run(given[0], given[1:])))


def _run(spec: str, args: list[str]) -> int:
    wanted = target(spec)
    sys.argv = [spec, *args]
    if wanted.program is not None:
        wanted = Target(spec, module=wanted.program.module, class_name=wanted.program.name)
    if not wanted.function:
        class_of(wanted).run_from_command_line(args)  # ends by SystemExit
        return 0
    function = function_of(wanted)
    if wanted.is_only_a_function and (supervisor := Notifier.of()) is not None:
        supervisor.say(READY="1")  # it may never say so itself
    return _code(_called(function, args))


def _called(function: Callable[..., object], args: list[str]) -> object:
    """Call it as programs are called: with the arguments in a list where it takes one, else with none."""
    try:
        takes = [one for one in inspect.signature(function).parameters.values() if one.kind in _BY_PLACE]
    except (TypeError, ValueError):  # of a function written in C nobody knows
        takes = []
    return function(args) if takes else function()


_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _code(result: object) -> int:
    """The exit code that a function's result means, as `sys.exit` takes it where it is a number."""
    return result if isinstance(result, int) and not isinstance(result, bool) else 0


if __name__ == "__main__":
    main()
