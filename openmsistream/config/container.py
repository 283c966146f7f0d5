"""What differs in a container: whose a mounted folder is, what to type when it cannot be used, and what goes with it."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "OPENMSISTREAM_CONTAINER"
"""Set in our image, and in those that are built on it; by our compose.yaml to "compose"."""

DATA = Path("data")
"""The folder, from the home of our image, where people mount theirs."""

STATE = "/home/openmsi/state"
"""The folder of our image where ledgers are kept that cannot be with the files; a volume's place."""

_REFUSED = frozenset({errno.EACCES, errno.EPERM})
_GONE_WITH_IT = frozenset({"tmpfs", "ramfs"})


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a file system begins, and which kind it is."""

    place: Path
    kind: str

    @property
    def is_own(self) -> bool:
        """Is this the container's own file system, and none that was mounted into it?"""
        return self.place == Path("/")

    @property
    def is_kept(self) -> bool:
        """Does what is written there outlive the container?"""
        return not self.is_own and self.kind not in _GONE_WITH_IT


@dataclass(frozen=True, slots=True)
class Rights:
    """Whose a folder or file is and what its mode lets, and as whom this program runs."""

    owner: tuple[int, int]
    mode: int
    user: tuple[int, int]
    mapped: bool = False
    """Does the engine run without root, so that the users in here are others than outside?"""

    @property
    def are_enough(self) -> bool:
        """Would its mode let this user do everything?"""
        needed = stat.S_IRWXU if stat.S_ISDIR(self.mode) else stat.S_IRUSR | stat.S_IWUSR
        return self.owner[0] == self.user[0] and self.mode & needed == needed


def inside(environ: Mapping[str, str] = os.environ) -> bool:
    """Is this one of our containers?"""
    return bool(environ.get(VARIABLE))


def extra(name: str, environ: Mapping[str, str] = os.environ) -> str:
    """What to type to have an extra that is not installed."""
    if inside(environ):
        return f"build the image with --build-arg EXTRAS={name}"
    return f'pip install "openmsistream[{name}]"'


def advice(place: Path, error: OSError, environ: Mapping[str, str] = os.environ) -> str:
    """What to type, with `docker run` or on the host, so that `place` can be used; empty where nothing of that kind helps."""
    if not inside(environ):
        return ""
    there = _nearest(place)
    if error.errno == errno.EROFS:
        return when_read_only(mount_of(there), place.absolute())
    if error.errno in _REFUSED and (rights := _rights(there)) is not None:
        return when_refused(rights, mount_of(there), there, by_compose=environ.get(VARIABLE) == "compose")
    return ""


def no_folder(given: str, environ: Mapping[str, str] = os.environ) -> str:
    """Where a folder is that is not there: paths of the host mean nothing in a container."""
    if not inside(environ):
        return f"there is no folder {given}"
    return f"there is no folder {given} in this container: mount yours with -v FOLDER:{Path(DATA).absolute()} and name it {DATA}"


def when_it_is_itself(addresses: str, environ: Mapping[str, str] = os.environ) -> str:
    """What to do about brokers that nobody answers at, since the address is the container's own; empty when it is not."""
    hosts = {address.strip().rpartition("://")[2].rpartition(":")[0] for address in addresses.split(",")}
    if not inside(environ) or not hosts <= {"localhost", "127.0.0.1", "[::1]"}:
        return ""
    return "localhost is the container itself in here: name the machine that Kafka runs on, or add --network host to docker run"


def when_read_only(mount: Mount, place: Path) -> str:
    """What to type when a file system cannot be written to."""
    if mount.is_own:
        return f"mount a folder at {place}: -v FOLDER:{place}"
    return f"mount it without :ro (-v FOLDER:{mount.place}), or name another"


def when_refused(rights: Rights, mount: Mount, there: Path, *, by_compose: bool = False) -> str:
    """What to type when this user may not use what is `there`."""
    user = "{}:{}".format(*rights.user)
    if mount.is_own:
        return f"mount a folder of yours at {there}: -v FOLDER:{there}"
    is_folder = stat.S_ISDIR(rights.mode)
    what = f"{'FOLDER' if is_folder else 'FILE'} (what is mounted at {mount.place})"
    if rights.are_enough:
        mounted = f"-v {what.split()[0]}:{mount.place}:z"
        return f"add :z to the mount, as in {mounted} (the rights are there, so it is the host's SELinux)"
    if rights.owner[0] == rights.user[0]:
        return f"it is this user's own but its mode is {stat.filemode(rights.mode)}: chmod -R u+rwX {what}"
    whose = "{}:{}".format(*rights.owner)
    chown = f"on the host: sudo chown -R {user} {what}"
    if rights.owner[0] == 0 and not rights.mapped:
        made = " (as a folder does that docker makes)" if is_folder else ""
        yours = f"make it your own and {_run_as(None, by_compose)}"
        return f"it belongs to root{made} and this program runs as {user}; {chown}, or {yours}"
    return f"it belongs to {whose} and this program runs as {user}; {_run_as(rights.owner, by_compose)}, or {chown}"


def _run_as(user: tuple[int, int] | None, by_compose: bool) -> str:
    """How the program is started as this user, or as whoever reads it."""
    if by_compose:
        numbers = "UID={} and GID={}".format(*user) if user else "the numbers of id -u and id -g as UID=... and GID=..."
        return f"write {numbers} into .env beside compose.yaml"
    numbers = "{}:{}".format(*user) if user else "$(id -u):$(id -g)"
    return f"add --user {numbers} to docker run"


def mount_of(place: Path, table: Path = Path("/proc/self/mountinfo")) -> Mount:
    """The mount that a place is on; the container's own file system when that cannot be told."""
    best = Mount(Path("/"), "")
    there = place.absolute()
    try:
        lines = table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return best
    for line in lines:
        words = line.split(" ")
        mount = Path(_plain(words[4]))
        if mount == there or mount in there.parents:
            kind = words[words.index("-") + 1]
            best = Mount(mount, kind) if len(mount.parts) >= len(best.place.parts) else best
    return best


def _plain(word: str) -> str:
    """The kernel writes spaces in paths as octal numbers."""
    for written, meant in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        word = word.replace(written, meant)
    return word


def _nearest(place: Path) -> Path:
    """The place itself, or the nearest folder above it that is there."""
    place = place.absolute()
    return next((path for path in (place, *place.parents) if _exists(path)), Path("/"))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder above it may not be entered
        return False


def _rights(place: Path) -> Rights | None:
    if sys.platform == "win32":
        return None
    try:
        found = place.stat()
    except OSError:
        return None
    return Rights((found.st_uid, found.st_gid), found.st_mode, (os.geteuid(), os.getegid()), _is_mapped())


def _is_mapped(table: Path = Path("/proc/self/uid_map")) -> bool:
    """A user namespace of its own maps other users than all to themselves."""
    try:
        return table.read_text(encoding="ascii").split()[:2] != ["0", "0"]
    except OSError:
        return False
