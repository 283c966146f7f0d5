"""The published OpenMSIStream in an environment of its own, and a topic and folders for each test.

The environment is made once, in pytest's cache. Where it cannot be made (no network, a Python that is too new for it) these
tests are left out, which is said at the end of the run.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from mixed_lab import MixedLab

from openmsistream.broker import RunningBroker
from openmsistream.broker.lock import exclusive
from openmsistream.transfer import uploader

VERSION = "1.8.8"
TOOLBOX = "1.2.4.post1"
_PIP_WITHIN = 300
_NOT_RUN = "cannot be installed here"
_PROJECT = Path(__file__).parents[2] / "pyproject.toml"


@pytest.fixture(scope="session")
def published(pytestconfig: pytest.Config) -> Path:
    """The Python of an environment with the published package in it."""
    return _environment(pytestconfig, f"openmsistream-{VERSION}", f"openmsistream=={VERSION}")


@pytest.fixture(scope="session")
def toolbox(pytestconfig: pytest.Config) -> Path:
    """The Python of an environment with openmsitoolbox in it, and with what our package needs."""
    needed = tomllib.loads(_PROJECT.read_text("utf-8"))["project"]["dependencies"]
    of_these = hashlib.sha256("\n".join(needed).encode()).hexdigest()[:8]
    return _environment(pytestconfig, f"openmsitoolbox-{TOOLBOX}-{of_these}", f"openmsitoolbox=={TOOLBOX}", *needed)


def _environment(pytestconfig: pytest.Config, name: str, *packages: str) -> Path:
    place = pytestconfig.cache.mkdir(f"{name}-py{sys.version_info.major}{sys.version_info.minor}")
    python = place / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    with exclusive(place.with_name(f"{place.name}.lock"), timeout=2 * _PIP_WITHIN):  # several processes test
        if not (place / "ready").exists():
            _make(place, python, packages)
    return python


def _make(place: Path, python: Path, packages: Sequence[str]) -> None:
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
    for command in ([sys.executable, "-m", "venv", "--clear", str(place)], pip):
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=_PIP_WITHIN)
        except (subprocess.SubprocessError, OSError) as error:
            reason = str(getattr(error, "stderr", "") or error).strip().splitlines()[-1]
            pytest.skip(f"{packages[0]} {_NOT_RUN} ({reason})")
    (place / "ready").touch()


@pytest.fixture
def lab(broker: RunningBroker, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MixedLab]:
    """This test's own topic and folders; its programs are ended afterwards. Inside this process the lag is a second."""
    monkeypatch.setattr(uploader, "LAG", 1.0)
    monkeypatch.delenv("OPENMSISTREAM_STATE_DIR", raising=False)
    made = MixedLab(broker.address, tmp_path)
    made.python = published
    try:
        yield made
    finally:
        made.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons = {report.longrepr[2] for report in terminalreporter.getreports("skipped")}
    for reason in sorted(reason for reason in reasons if _NOT_RUN in reason):
        terminalreporter.write_line(f"tests/interop was not all run: {reason}", yellow=True)
