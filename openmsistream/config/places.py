"""The folders of this user where openmsistream keeps things between runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

NAME = "openmsistream"


def user_state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """What must survive a restart: ledgers, and the embedded broker's data.

    `OPENMSISTREAM_STATE_DIR` decides; otherwise it is the place that the system has for such things.
    """
    if chosen := environ.get("OPENMSISTREAM_STATE_DIR"):
        return Path(chosen).expanduser()
    return _system_place(environ, "XDG_STATE_HOME", ".local/state", "Application Support", "")


def user_cache_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """What can be fetched again: the files of Apache Kafka."""
    return _system_place(environ, "XDG_CACHE_HOME", ".cache", "Caches", "cache")


def _system_place(environ: Mapping[str, str], xdg: str, below_home: str, library: str, windows: str) -> Path:
    if sys.platform == "win32":
        local = environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / NAME / windows
    if sys.platform == "darwin":
        return Path.home() / "Library" / library / NAME
    # a relative path there is to be ignored, as the XDG base directory specification says
    chosen = environ.get(xdg, "")
    return (Path(chosen) if os.path.isabs(chosen) else Path.home() / below_home) / NAME
