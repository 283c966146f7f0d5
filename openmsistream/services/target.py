"""What is to run as a service, from the words that somebody typed for it: one of our programs, or code of their own."""

from __future__ import annotations

import argparse
import difflib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openmsistream.errors import UsageError

from .programs import PROGRAMS, Program

FORMS = "the name of a program, Class=module.path, module.path:function, or Class=module.path:function"


@dataclass(frozen=True, slots=True)
class Target:
    """What was asked for. Without `program` it is somebody's own: a class, a function, or a function with a class's arguments."""

    spec: str
    program: Program | None = None
    module: str = ""
    class_name: str = ""
    function: str = ""

    @property
    def default_name(self) -> str:
        """What the service is called when nobody says otherwise."""
        return self.program.name if self.program else self.class_name or self.function

    @property
    def is_only_a_function(self) -> bool:
        """Its arguments are its own affair, and so is whether it gives signs of life."""
        return self.program is None and not self.class_name


def target(spec: str) -> Target:
    """Read a target. Raises UsageError."""
    if spec in PROGRAMS:
        return Target(spec, program=PROGRAMS[spec])
    class_name, equals, place = spec.rpartition("=")
    module, colon, function = place.partition(":")
    words = [*module.split("."), *([class_name] if equals else []), *([function] if colon else [])]
    if not (equals or colon):
        near = difflib.get_close_matches(spec, PROGRAMS, n=1, cutoff=0.5)
        known = f"did you mean {near[0]}" if near else f"it is one of {', '.join(PROGRAMS)}"
        raise UsageError(f"there is no program {spec!r}", f"{known}, or Class=module.path or module.path:function")
    if not all(word.isidentifier() for word in words):
        a_file = (
            ", with a module as `import` takes it and not the path of a file" if "/" in module or ".py" in place else ""
        )
        raise UsageError(f"{spec!r} does not name a target", f"give {FORMS}{a_file}")
    return Target(spec, module=module, class_name=class_name, function=function)


@contextmanager
def importing_from(folder: Path) -> Iterator[None]:
    """Have modules of this folder found, before all others as `python -m` does it, and write no byte code beside them.

    An installation by the administrator would leave byte code behind that its owner cannot replace.
    """
    before = sys.dont_write_bytecode
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = before
        if str(folder) in sys.path:
            sys.path.remove(str(folder))


def parser_of(wanted: Target) -> argparse.ArgumentParser | None:
    """The command line of a target; None for a function, which alone knows. Loads somebody's own code; UsageError."""
    if wanted.program is not None:
        return wanted.program.own_parser()
    if wanted.function:
        function_of(wanted)
    if not wanted.class_name:
        return None
    made = getattr(class_of(wanted), "get_argument_parser", None)
    if made is None:
        raise UsageError(
            f"{wanted.class_name} of {wanted.module} is no program: it has no command line of its own",
            "derive it from a class such as DataFileStreamProcessor, or name a function: module.path:function",
        )
    parser: argparse.ArgumentParser = made()
    return parser


def class_of(wanted: Target) -> Any:
    """The class that a target names. Raises UsageError."""
    return _attribute(wanted.module, wanted.class_name)


def function_of(wanted: Target) -> Callable[..., object]:
    """The function that a target names. Raises UsageError."""
    found: Callable[..., object] = _attribute(wanted.module, wanted.function)
    if not callable(found):
        raise UsageError(f"{wanted.function} of {wanted.module} is no function", f"give {FORMS}")
    return found


def source_folder(module: str) -> Path | None:
    """The folder in which the top of a module is, when it is found by the folder that one is in; None when it is installed."""
    top = module.partition(".")[0]
    found = importlib.util.find_spec(top)
    places = [found.origin] if found and found.origin else list(found.submodule_search_locations or []) if found else []
    here = Path.cwd()
    for place in places:
        path = Path(place)
        folder = path.parent.parent if path.name == "__init__.py" else path.parent
        if folder == here:
            return here
    return None


def _attribute(module: str, name: str) -> Any:
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or module
        if not (module == missing or module.startswith(missing + ".")):
            raise UsageError(
                f"{module} needs the module {missing}, which is not installed", f"pip install it for {sys.executable}"
            ) from error
        raise UsageError(
            f"there is no module {module} for {sys.executable}",
            "stand in its folder when you install the service, or pip install it",
        ) from error
    except Exception as error:  # somebody's own code is run here
        raise UsageError(f"{module} cannot be imported: {type(error).__name__}: {error}", "mend it first") from error
    try:
        return getattr(loaded, name)
    except AttributeError:
        near = difflib.get_close_matches(name, dir(loaded), n=1, cutoff=0.6)
        advice = f"did you mean {near[0]}" if near else f"look into {loaded.__file__}"
        raise UsageError(f"{module} has no {name}", advice) from None
