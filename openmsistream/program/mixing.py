"""What lets a class inherit from openmsitoolbox and from ours, in either order."""

from __future__ import annotations

from abc import ABCMeta

_THEIRS = "openmsitoolbox"


class OursFirst(ABCMeta):
    """The classes of openmsitoolbox come after ours, in whatever order a class names them.

    Its `Runnable` has class methods of the same names as ours, which know no arguments and do not ask the next class:
    in `class Mine(Runnable, DataFileStreamProcessor)` they would hide ours.
    """

    def mro(cls) -> list[type]:
        order = super().mro()
        theirs = [kind for kind in order if kind.__module__.partition(".")[0] == _THEIRS]
        if not theirs:
            return order
        abstract = [kind for kind in order if kind.__module__ == "abc"]
        ours = [kind for kind in order if kind not in theirs and kind not in abstract]
        return [*ours[:-1], *theirs, *abstract, ours[-1]]
