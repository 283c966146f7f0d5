"""A script that begins to process files when it is only imported by a process that works for it."""

from __future__ import annotations

import os
import sys

NAME = "openmsistream-work"
"""Processes that work for us have names that begin like this."""

GUARD_MISSING = 97
"""The exit code of such a process when the script has begun to process files in it."""

_serving = False


def leave_if_only_imported() -> None:
    """To be called first where a program begins to process files, before anything is opened or connected.

    A process that works for us imports the user's script to find the code that is to run. When the script has no
    `if __name__ == "__main__":`, it would process files a second time there; such a process ends here, and its
    parent says what is missing. Everywhere else this does nothing.
    """
    processes = sys.modules.get("multiprocessing")  # a process of ours has it; others need not load it for this
    if processes is None or _serving or not processes.current_process().name.startswith(NAME):
        return
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(GUARD_MISSING)


def imports_are_over() -> None:
    """In a process that works for us: from now on the user's code may begin to process files."""
    global _serving
    _serving = True
