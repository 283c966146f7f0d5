"""What both kinds of target folder share: the names of parts, and the error for a link or file where a folder must be."""

from __future__ import annotations

from openmsistream.files.names import PART_PREFIX

PART_SUFFIX = ".part"


class NotAFolder(OSError):
    """A component of the path below the root is a link or a file, so nothing can be put below it."""


def part_name(generation: str, *, ordered: bool = False) -> str:
    """The name under which a generation is written before it is whole: hidden, and never longer than a system allows.

    `ordered`: the second part of a file whose chunks came out of order.
    """
    return f"{PART_PREFIX}{generation}{'-ordered' if ordered else ''}{PART_SUFFIX}"


def is_part(name: str) -> bool:
    return name.startswith(PART_PREFIX) and name.endswith(PART_SUFFIX)
