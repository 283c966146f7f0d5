"""A service as the text of a systemd unit. Pure: what is where is told, nothing is looked up.

What each line is for, and what was left out on purpose, is told in docs/decisions/0015-services-under-systemd.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from openmsistream.errors import UsageError
from openmsistream.services.service import Service

MARK = "# Written by InstallService of openmsistream"
"""How the units that are ours begin; no other is replaced or removed."""

WATCHDOG = 60
"""Seconds without a sign of life after which the program is ended and started again; it gives none when its work stands still."""

STOP_WITHIN = 20
"""Seconds for what is in flight; the programs take 6 at most, somebody's own code may need more."""

RESTART_FIRST, RESTART_STEPS, RESTART_LAST = 5, 6, 300
"""Seconds before the first start after a failure, and in so many steps up to the last: it never gives up."""

RESTART_ALWAYS = 30
"""Seconds before each start with a systemd before 254, which knows no growing waits."""

USAGE = 2
"""The exit code of a command line that is wrong, which no further start will mend."""

_HOMES = ("/home", "/root", "/run/user")
_TEMPORARY = ("/tmp", "/var/tmp")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SPECIAL = re.compile(r'[\\"\x00-\x1f\x7f]')


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a unit has to know beside the service: where its values are, and where the user that it runs as is at home."""

    values_file: str = ""
    home: str = ""
    version: int = 255
    """systemd's."""


def unit(service: Service, around: Surroundings) -> str:
    """The text of the unit."""
    sections = {
        "Unit": [*_unit(service)],
        "Service": [
            *_service(service, around),
            *(_hardening(service, around) if service.scope == "system" else _USERS),
        ],
        "Install": [f"WantedBy={'multi-user.target' if service.scope == 'system' else 'default.target'}"],
    }
    head = f"{MARK} {service.version}; what is changed here is lost when it is installed again.\n"
    own = f"# For settings of your own: systemctl {'--user ' if service.scope == 'user' else ''}edit {service.name}\n"
    return head + own + "".join(f"\n[{name}]\n" + "\n".join(lines) + "\n" for name, lines in sections.items())


def runtime_folder(name: str) -> str:
    """The folder below /run (or the user's) that systemd makes for a service."""
    return f"openmsistream-{name}"


def word(text: str) -> str:
    """One word of a command line, so that it arrives as it is: systemd knows quotes, escapes, "%" and "$"."""
    return f'"{_escaped(text).replace("$", "$$")}"'


def value(text: str) -> str:
    """One word of any other setting that takes several."""
    return f'"{_escaped(text)}"'


def whole(text: str) -> str:
    """A setting that is one text: systemd knows no quotes or escapes there. UsageError for what would not stay one."""
    if _CONTROL.search(text) or text.endswith("\\") or text != text.strip():
        raise UsageError(
            f"{text!r} cannot stand in a unit of systemd: it ends with a space or '\\', or has a line break or the like",
            "rename it, or install from another folder",
        )
    return text.replace("%", "%%")


def _escaped(text: str) -> str:
    return _SPECIAL.sub(_escape, text).replace("%", "%%")


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    return "\\" + character if character in '\\"' else f"\\x{ord(character):02x}"


def _unit(service: Service) -> Iterable[str]:
    user = service.scope == "user"
    yield f"Description=openmsistream {whole(service.target)} ({service.name})"
    if not user:  # a user's systemd knows nothing of the network
        yield "Wants=network-online.target"
        yield "After=network-online.target"
        yield from _list("RequiresMountsFor=", [*service.writes, *service.reads])
    yield "StartLimitIntervalSec=0"


def _service(service: Service, around: Surroundings) -> Iterable[str]:
    yield "Type=notify"
    yield "NotifyAccess=main"
    yield "ExecStart=" + " ".join([value(service.command[0]), *map(word, service.command[1:])])
    yield f"WorkingDirectory=-{whole(service.folder)}"
    if service.scope == "system":
        yield f"User={service.user}"
    yield f"RuntimeDirectory={runtime_folder(service.name)}"
    yield "RuntimeDirectoryPreserve=restart"
    yield f'Environment="OPENMSISTREAM_HEALTH_FILE=%t/{runtime_folder(service.name)}/health"'
    yield 'Environment="PYTHONUNBUFFERED=1" "PYTHONFAULTHANDLER=1"'
    for name, text in sorted(service.environ.items()):
        yield f"Environment={value(f'{name}={text}')}"
    if around.values_file:
        yield f"EnvironmentFile={whole(around.values_file)}"
    yield "Restart=on-failure"
    if around.version >= 254:
        yield f"RestartSec={RESTART_FIRST}"
        yield f"RestartSteps={RESTART_STEPS}"
        yield f"RestartMaxDelaySec={RESTART_LAST}"
    else:
        yield f"RestartSec={RESTART_ALWAYS}"
    yield f"RestartPreventExitStatus={USAGE}"
    yield "SuccessExitStatus=130 143"
    if service.watched:
        yield f"WatchdogSec={WATCHDOG}"
    yield f"TimeoutStopSec={STOP_WITHIN}"
    yield "KillSignal=SIGTERM"
    yield "KillMode=mixed"
    yield "LimitCORE=0"
    yield f"SyslogIdentifier={service.name}"


_USERS = ["NoNewPrivileges=yes", "RestrictRealtime=yes", "LockPersonality=yes"]
"""For a user's own unit no more: what changes its view of the file system needs rights that a user does not have everywhere."""


def _hardening(service: Service, around: Surroundings) -> Iterable[str]:
    touched = [*service.writes, *service.reads, service.folder, *service.command[:1], around.home]
    homeless = not _below(touched, _HOMES)
    yield "NoNewPrivileges=yes"
    yield "ProtectSystem=strict"
    yield f"ProtectHome={'yes' if homeless else 'read-only'}"
    yield f"PrivateTmp={'no' if _below(touched, _TEMPORARY) else 'yes'}"
    yield from _list("ReadWritePaths=", [f"-{path}" for path in _writable(service, around)])
    yield f"CacheDirectory={runtime_folder(service.name)}"
    cache = f"%C/{runtime_folder(service.name)}"  # matplotlib keeps its lists of fonts beside its settings otherwise
    yield f'Environment="XDG_CACHE_HOME={cache}" "MPLCONFIGDIR={cache}/matplotlib"'
    if not around.home:
        yield f"StateDirectory={runtime_folder(service.name)}"
        yield f'Environment="XDG_STATE_HOME=%S/{runtime_folder(service.name)}"'
    yield from _FIXED


def _writable(service: Service, around: Surroundings) -> list[str]:
    state = [str(PurePosixPath(around.home, ".local/state/openmsistream"))] if around.home else []
    return [*service.writes, *state]


_FIXED = (
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "RemoveIPC=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectControlGroups=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallFilter=~@privileged",
    "SystemCallErrorNumber=EPERM",
    "UMask=0022",
)


def _below(paths: Sequence[str], folders: Sequence[str]) -> bool:
    return any(PurePosixPath(path).is_relative_to(folder) for path in paths if path for folder in folders)


def _list(setting: str, paths: Sequence[str]) -> list[str]:
    for path in paths:
        if _CONTROL.search(path):  # in these settings it knows quotes, but no escapes
            raise UsageError(
                f"the path {path!r} has a line break or the like, which units of systemd do not take", "rename it"
            )
    words = [value(path) for path in dict.fromkeys(paths)]
    return [setting + " ".join(words)] if words else []
