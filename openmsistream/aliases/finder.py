"""Modules of OpenMSIStream that exist by name only: made from the table when somebody imports one."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec

from .table import MODULES, PACKAGE, Later, NotThereYet, entry

_SOURCE = '''"""Names of OpenMSIStream, kept for the programs that import them from here: {names}."""

from openmsistream.aliases.finder import attribute_of, names_of

__all__ = names_of(__name__)
__getattr__ = attribute_of(__name__)

if __name__ == "__main__":
    from {main} import main

    main()
'''


class AliasLoader(InspectLoader):
    """Makes one of the modules of the table."""

    def get_source(self, fullname: str) -> str:
        """Python text, so that `python -m` and debuggers have something to hold on to."""
        homes = _homes(fullname)
        main = homes.get("main")
        return _SOURCE.format(
            names=", ".join(homes) or "none", main=f"{PACKAGE}.{main if isinstance(main, str) else 'commands.main'}"
        )

    def is_package(self, fullname: str) -> bool:
        """Has it modules below it?"""
        inside = fullname.removeprefix(PACKAGE + ".") + "."
        return any(name.startswith(inside) for name in MODULES)


def find_spec(fullname: str) -> ModuleSpec | None:
    """The module of this name, when the table has it. Raises NotThereYet for one whose feature comes later."""
    known = entry(fullname.removeprefix(PACKAGE + "."))
    if known is None:
        return None
    if isinstance(known, Later):
        raise NotThereYet(fullname, known)
    loader = AliasLoader()
    return ModuleSpec(fullname, loader, origin="the table of aliases", is_package=loader.is_package(fullname))


def names_of(fullname: str) -> list[str]:
    """The names that are there, for `from ... import *`."""
    return [name for name, home in _homes(fullname).items() if isinstance(home, str)]


def attribute_of(fullname: str) -> Callable[[str], object]:
    """The `__getattr__` of such a module."""
    homes = _homes(fullname)

    def look_up(name: str) -> object:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {fullname!r} has no attribute {name!r}")
        if isinstance(home, Later):
            raise NotThereYet(f"{fullname}.{name}", home)
        return getattr(importlib.import_module(f"{PACKAGE}.{home}"), name)

    return look_up


def _homes(fullname: str) -> dict[str, str | Later]:
    known = entry(fullname.removeprefix(PACKAGE + "."))
    return {} if known is None or isinstance(known, Later) else dict(known)
