"""Which kind of file system a folder is on, and so whether its events and its locks can be trusted."""

from __future__ import annotations

from pathlib import Path

import psutil

LOCAL = frozenset(
    [
        "ext2",
        "ext3",
        "ext4",
        "xfs",
        "btrfs",
        "tmpfs",
        "ramfs",
        "overlay",
        "zfs",
        "f2fs",
        "jfs",
        "reiserfs",
        "bcachefs",
        "ntfs",
        "ntfs3",
        "refs",
        "apfs",
        "hfs",
        "vfat",
        "exfat",
        "fat32",
    ]
)
"""File systems of this machine: SQLite's locks hold, and every change raises an event."""


def kind(folder: Path) -> str:
    """The name of the file system that `folder` is on, in lower case; empty when it cannot be told."""
    try:
        partitions = psutil.disk_partitions(all=True)
    except OSError:
        return ""
    place = folder.resolve()
    best, name = -1, ""
    for partition in partitions:
        mount = Path(partition.mountpoint)
        if (place == mount or mount in place.parents) and len(mount.parts) >= best:
            best, name = len(mount.parts), partition.fstype.lower()
    return name


def is_local(folder: Path) -> bool:
    """Is this a known file system of this machine, and not a network share or something unknown?"""
    return kind(folder) in LOCAL
