"""The pinned jars on this machine: fetched once, checked against their SHA-256, refused by name when they differ.

A jar gets its name in our folder only after its content was found right, by a rename; so a download that was cut
short leaves nothing behind that would be refused ever after.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from openmsistream.broker.lock import exclusive
from openmsistream.broker.pins import Jar, Pins
from openmsistream.errors import BrokerProcessError, ConfigError, FolderError

log = logging.getLogger(__name__)

KAFKA_DIR = "OPENMSISTREAM_KAFKA_DIR"
"""Names the folder where the jars are kept; without it that is in the user's cache."""

AT_ONCE = 6
"""Downloads side by side: the 46 files are small, so it is the waiting for answers that takes the time."""

PATIENCE = 600.0
"""Seconds that a second program waits while the first one fetches over a slow line."""

_CHECKED = "checked.json"

Fetch = Callable[[Jar, Path], Path]
"""Brings a jar into a folder that is thrown away afterwards, and says where it put it."""


def fetch_with_jgo(jar: Jar, folder: Path) -> Path:
    """Download one jar from the Maven repository (jgo's settings decide which: mirrors are set there)."""
    try:
        import requests
        from jgo.config import GlobalSettings
        from jgo.constants import MAVEN_CENTRAL_URL
        from jgo.maven import MavenContext
    except ImportError as error:
        raise ConfigError(
            "jgo, which fetches Apache Kafka, is not installed",
            "pip install 'openmsistream[broker]', or set KAFKA_HOME to an unpacked Apache Kafka",
        ) from error
    group, artifact, version = jar.coordinate.split(":")
    repositories = {"central": MAVEN_CENTRAL_URL} | GlobalSettings.load().repositories
    context = MavenContext(repo_cache=folder, remote_repos=repositories, timeout=30)
    try:
        return Path(context.project(group, artifact).at_version(version).artifact().resolve())
    except (requests.RequestException, RuntimeError, OSError) as error:
        raise BrokerProcessError(
            f"{jar.file} could not be fetched: {error}",
            "look at the network and start again: what was fetched is kept. For a machine without a network, copy "
            f"the folder that `openmsistream broker fetch` fills on another one, and set {KAFKA_DIR} to it",
        ) from error


def provide(
    pins: Pins,
    folder: Path,
    say: Callable[[str], None],
    fetch: Fetch = fetch_with_jgo,
    already_here: Path | None = None,
) -> list[Path]:
    """The paths of all pinned jars in `folder`, each known to be right.

    `already_here` is a local Maven repository whose copies are taken when they are right (default: that of this user).
    A folder where all are may be read-only, as it is in an image.
    BrokerProcessError names a jar that differs from its pin, or that could not be fetched.
    """
    try:
        if _missing(pins, folder):
            folder.mkdir(parents=True, exist_ok=True)
            with exclusive(folder / "lock", timeout=PATIENCE):
                if missing := _missing(pins, folder):  # another program may have fetched them meanwhile
                    _bring(missing, folder, say, fetch, already_here or _local_repository())
        _check(pins, folder)
    except OSError as error:
        raise FolderError(f"Kafka's files cannot be kept in {folder}: {error.strerror or error}") from error
    return [folder / jar.file for jar in pins.jars]


def _missing(pins: Pins, folder: Path) -> list[Jar]:
    return [jar for jar in pins.jars if not (folder / jar.file).exists()]


def _bring(jars: Sequence[Jar], folder: Path, say: Callable[[str], None], fetch: Fetch, local: Path) -> None:
    total = sum(jar.size for jar in jars)
    say(f"fetching Apache Kafka, once: {len(jars)} files, {total / 1e6:.0f} MB")
    done, said = 0, 0
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fetch") as pool:
        works = {pool.submit(_bring_one, jar, folder, fetch, local): jar for jar in jars}
        try:
            for work in as_completed(works):
                work.result()
                done += works[work].size
                if done * 4 // total > said:
                    said = done * 4 // total
                    say(f"fetching Apache Kafka: {done / 1e6:.0f} of {total / 1e6:.0f} MB")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _bring_one(jar: Jar, folder: Path, fetch: Fetch, local: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching-", ignore_cleanup_errors=True) as room:
        part = Path(room) / "part"
        copy = _place_in(local, jar)
        if copy.is_file():
            shutil.copyfile(copy, part)
            if sha256_of(part) == jar.sha256:
                _keep(part, folder / jar.file)
                return
        # Twice: a line that breaks, or a proxy's error page, is more likely than a repository that changed.
        for attempt in ("first", "second"):
            fetched = fetch(jar, Path(room) / attempt)
            if (found := sha256_of(fetched)) == jar.sha256:
                _keep(fetched, folder / jar.file)
                return
        raise _differs(jar, found, "as it was fetched", "ask who runs your proxy or Maven mirror, and do not use it")


def _keep(found: Path, place: Path) -> None:
    """Under its name, for every user to read, with a time in whole seconds: layers of an image keep no finer ones."""
    found.chmod(0o644)
    now = int(time.time())
    os.utime(found, (now, now))
    os.replace(found, place)


def _check(pins: Pins, folder: Path) -> None:
    """Hash what is new or was touched since it was last found right. Unchanged jars cost one `stat` each."""
    known = _read_checked(folder)
    now: dict[str, list[object]] = {}
    for jar in pins.jars:
        path = folder / jar.file
        stat = path.stat()
        now[jar.file] = [jar.sha256, stat.st_size, stat.st_mtime_ns]
        if known.get(jar.file) == now[jar.file]:
            continue
        if (found := sha256_of(path)) != jar.sha256:
            raise _differs(jar, found, f"in {folder}", "delete that file and start again to fetch it anew")
    if now != known:
        _note_checked(folder, now)


def _note_checked(folder: Path, now: dict[str, list[object]]) -> None:
    """A folder that may only be read is hashed again at the next start, which takes a quarter of a second."""
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".checked-", ignore_cleanup_errors=True) as room:
            part = Path(room) / _CHECKED
            part.write_text(json.dumps(now), encoding="utf-8")
            os.replace(part, folder / _CHECKED)
    except OSError:
        log.debug("it could not be noted that Kafka's files in %s are right", folder, exc_info=True)


def _read_checked(folder: Path) -> dict[str, list[object]]:
    try:
        known = json.loads((folder / _CHECKED).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}  # nothing is believed; all is hashed again
    return known if isinstance(known, dict) else {}


def _differs(jar: Jar, found: str, where: str, advice: str) -> BrokerProcessError:
    return BrokerProcessError(
        f"{jar.file} {where} is not the file that openmsistream was tested with: its SHA-256 is {found}, "
        f"and should be {jar.sha256}",
        advice,
    )


def _local_repository() -> Path:
    return Path(os.environ.get("M2_REPO") or Path.home() / ".m2" / "repository")


def _place_in(repository: Path, jar: Jar) -> Path:
    group, artifact, version = jar.coordinate.split(":")
    return repository.joinpath(*group.split("."), artifact, version, jar.file)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
