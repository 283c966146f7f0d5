"""A machine with systemd as the tests of services use it: what is typed there, and how its services stand."""

from __future__ import annotations

import base64
import json
import shlex
from dataclasses import dataclass
from typing import Any

from containers import Container
from lab import expect

BIN = "/opt/openmsistream/bin"
USER = "openmsi"

CONFIG = """\
[broker]
bootstrap.servers = broker:9092
sasl.username = $LAB_USER
[consumer]
session.timeout.ms = 6000
heartbeat.interval.ms = 1000
"""
"""A configuration with a variable; nobody looks at the name without SASL."""

SECRET = 'it\'s 100% s3cret $HOME \\ `x` "q" #é'


@dataclass
class Machine:
    """A machine, and this test's topic."""

    at: Container
    topic: str

    def typed(self, command: str, *, user: str = "root", check: bool = True) -> str:
        """What bash says in it."""
        home = "cd; " if user != "root" else ""
        environment = f"export PATH={BIN}:$PATH XDG_RUNTIME_DIR=/run/user/$(id -u) HOME=~{user}; "
        return self.at.run(environment + home + command, user=user, check=check)

    def folder(self, path: str, owner: str = USER) -> str:
        self.typed(f"mkdir -p {shlex.quote(path)} && chown {owner}: {shlex.quote(path)}")
        return path

    def put(self, path: str, content: str | bytes = "") -> str:
        """A file, at once as a whole."""
        raw = base64.b64encode(content.encode() if isinstance(content, str) else content).decode()
        made = f"mkdir -p /srv/.made && echo {raw} | base64 -d > /srv/.made/file && chown {USER}: /srv/.made/file"
        self.typed(f"{made} && mv /srv/.made/file {shlex.quote(path)}")
        return path

    def read(self, path: str) -> str:
        return self.typed(f"cat {shlex.quote(path)} 2>/dev/null", check=False)

    def install(self, words: str, *, check: bool = True) -> str:
        """InstallService as the administrator types it, for the user of the image."""
        return self.typed(f"cd /srv && SUDO_USER={USER} InstallService {words}", check=check)

    def install_program(self, program: str, folder: str, name: str, *more: str) -> str:
        """One of our programs on a folder and this test's topic, started at once."""
        self.put("/srv/lab.config", CONFIG)
        words = shlex.join([program, folder, "--config", "lab.config", "--topic_name", self.topic, *more])
        return self.install(f"{words} --service_name {name} --env LAB_USER={shlex.quote(SECRET)} --start")

    def manage(self, words: str, *, check: bool = True, user: str = "root") -> str:
        return self.typed(f"ManageService {words}", check=check, user=user)

    def status(self, name: str, *more: str, user: str = "root") -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.manage(f"{name} status --json {' '.join(more)}", check=False, user=user)
        )
        return found

    def pid(self, name: str) -> int:
        return int(self.typed(f"systemctl show {name} --property=MainPID --value"))

    def is_up_again(self, name: str, before: int) -> None:
        """Wait until another process than that one works."""
        expect(lambda: self.pid(name) not in (0, before) and self.status(name)["well"], 90, lambda: self.journal(name))

    def has(self, path: str, content: str, limit: float = 60.0) -> None:
        """Wait until a file is there and holds this."""
        expect(lambda: self.read(path) == content, limit, lambda: self.journal("*"))

    def journal(self, name: str, *options: str) -> str:
        return self.typed(shlex.join(["journalctl", "--no-pager", "--quiet", f"--unit={name}", *options]))
