"""Machines nobody sits at: containers, units of systemd, services of Windows, and the record of what runs where."""

from __future__ import annotations

_FACES = ("LinuxServiceManager", "WindowsServiceManager")
"""Names that programs written for OpenMSIStream import from here."""


def __getattr__(name: str) -> object:
    if name in _FACES:
        from . import faces

        return getattr(faces, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
