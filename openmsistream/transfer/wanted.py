"""Which versions of a path a reader wants, and where their bytes are kept."""

from __future__ import annotations

from dataclasses import dataclass

from .memory import Memory


@dataclass(frozen=True)
class Wanted:
    """`each_version`: every version of a path, in order, and not only the newest; what was committed says what is done.

    `kept`: files appear under their names in the folder. `memory`: where they stay until they are whole, as far as they fit;
    None for parts on disk.
    """

    each_version: bool = False
    kept: bool = True
    memory: Memory | None = None


NEWEST = Wanted()
"""What a folder wants that shall be the same as the one that is sent."""
