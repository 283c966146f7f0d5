"""A real Girder server for tests: made with pip once in the cache of pytest, started in two seconds, restarted, killed.

Girder is in an environment of its own, so that nothing of ours is tied to what it needs.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openmsistream.broker.lock import exclusive
from openmsistream.program.run import wait_until

PINS = ("girder==5.0.21", "girder-worker==5.0.21", "mongomock==4.3.0", "pymongo==4.20.0")
"""Girder as it was released, and what stands in for its database: newer ones of that kind may not fit each other."""

PATIENCE = 300.0
"""Seconds for pip, the first time."""

START_WITHIN = 30.0


class NoGirder(Exception):
    """No server can be had here; says why."""


def python_with_girder(cache: Path) -> Path:
    """The Python of an environment with Girder, made the first time. Raises NoGirder."""
    place = cache / f"girder-{sys.version_info.major}.{sys.version_info.minor}"
    python = place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    ready = place / "ready"
    with exclusive(cache / "lock", timeout=PATIENCE):
        if not ready.exists() or ready.read_text() != "\n".join(PINS):
            _make(place, python)
            ready.write_text("\n".join(PINS))
    return python


def _make(place: Path, python: Path) -> None:
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(place)],
        [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PINS],
    ):
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise NoGirder(f"pip was not done within {PATIENCE:.0f} s") from error
        except subprocess.CalledProcessError as error:
            said = (error.stderr or error.stdout).strip().splitlines()
            raise NoGirder(f"pip could not install {PINS[0]}: {said[-1] if said else error}") from error


@dataclass
class GirderServer:
    """A server on loopback. `keys` are those of the users "admin" and "guest"; the latter has no rights of its own."""

    python: Path
    place: Path
    port: int
    keys: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] = field(init=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1"

    def start(self) -> None:
        script = Path(__file__).with_name("serve_girder.py")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self.python, script, str(self.port), str(self.place)],
                stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, "LOGLEVEL": "WARNING"},
            )  # fmt: skip
        wait_until(lambda: self._answers() or self._process.poll() is not None, START_WITHIN, step=0.05)
        if not self._answers():
            raise NoGirder(f"it did not start: {self._log.read_text('utf-8', 'replace')[-2000:]}")
        self.keys = json.loads((self.place / "keys.json").read_text())

    @property
    def _log(self) -> Path:
        return self.place / "server.log"

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True
        except OSError:
            return False

    def kill(self) -> None:
        """As by a power cut."""
        self._process.kill()
        self._process.wait(10)
        assert self._process.stdin is not None
        self._process.stdin.close()

    # -- what somebody sees there ------------------------------------------------------------------------

    def ask(self, path: str, method: str = "GET", user: str = "admin") -> Any:
        """What the API answers an administrator."""
        token = getattr(self, "_token", None) or self._log_in()
        request = urllib.request.Request(f"{self.url}/{path}", method=method, headers={"Girder-Token": token})
        with urllib.request.urlopen(request, timeout=20) as answer:
            body = answer.read()
        return body if "/download" in path else json.loads(body)

    def _log_in(self) -> str:
        body = f"key={self.keys['admin']}".encode()
        with urllib.request.urlopen(f"{self.url}/api_key/token", body, timeout=20) as answer:
            self._token: str = json.load(answer)["authToken"]["token"]
        return self._token

    def find(self, path: str) -> Any:
        """What is at a path such as `/collection/Lab/run1/a.txt`; None where nothing is."""
        with contextlib.suppress(urllib.error.HTTPError):
            return self.ask(f"resource/lookup?path={urllib.parse.quote(path)}")
        return None

    def content(self, path: str) -> bytes | None:
        """The bytes of the item at this path; by way of an archive, since Girder cannot send "ß.txt" by itself."""
        item = self.find(path)
        if item is None:
            return None
        wanted = urllib.parse.quote(json.dumps({"item": [item["_id"]]}))
        with zipfile.ZipFile(io.BytesIO(self.ask(f"resource/download?resources={wanted}"))) as archive:
            (name,) = archive.namelist()
            return archive.read(name)

    def names(self, path: str) -> list[str]:
        """The items in a folder."""
        folder = self.find(path)
        return sorted(item["name"] for item in self.ask(f"item?folderId={folder['_id']}&limit=0"))

    def unfinished(self) -> int:
        """How many uploads are begun and not ended."""
        return len(self.ask("system/uploads?limit=0"))


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
