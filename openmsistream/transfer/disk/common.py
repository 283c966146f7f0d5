"""What both kinds of target folder share: the names of parts, and the error for a link or file where a folder must be."""

from __future__ import annotations

from openmsistream.files.names import PART_PREFIX

PART_SUFFIX = ".part"


class NotAFolder(OSError):
    """A component of the path below the root is a link or a file, so nothing can be put below it."""


def part_name(generation: str, serial: int) -> str:
    """The name under which a generation is written before it is whole: hidden, and never longer than a system allows.

    `serial` differs for each part that this process makes: after a rebalance a generation may be received again while
    its earlier part is still being put in place.
    """
    return f"{PART_PREFIX}{generation}-{serial}{PART_SUFFIX}"


def is_part(name: str) -> bool:
    return name.startswith(PART_PREFIX) and name.endswith(PART_SUFFIX)
