"""ManageService: look after the services that InstallService made."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from openmsistream import __version__
from openmsistream.errors import UsageError
from openmsistream.program import run
from openmsistream.program.logs import logging_to

from . import credentials
from .command_lines import LIST, MANAGE, MODES, of_manage
from .install import command
from .records import Records
from .service import Scope, Service, service_name
from .status import status
from .supervisor import ServiceError, Supervisor, supervisor
from .target import target

NOT_WELL = 3
"""Exit code of `status` when the service does not run or gives no signs of life, as systemctl has it."""


def main(args: list[str] | None = None) -> None:
    """The program; ends by SystemExit."""
    parsed = of_manage().parse_args(args)
    with logging_to(stream_level=logging.WARNING):
        raise SystemExit(run.main(lambda: manage(parsed)))


def manage(args: argparse.Namespace) -> int:
    """Do what was asked; the exit code."""
    if args.user and sys.platform == "linux":
        from .accounts import refuse_sudo

        refuse_sudo(os.environ)
    manager = supervisor("user" if args.user else "system")
    if args.service_name == LIST and args.run_mode is None:
        return _list(manager, args.json)
    if args.run_mode is None:
        raise UsageError(f"what is to be done with {args.service_name}", f"add one of {', '.join(MODES)}")
    manager.check(f"{args.run_mode.replace('_', ' ')} a service")
    name = service_name(args.service_name)
    records = Records.of(manager.scope)
    changes = args.run_mode.endswith(("remove", "reinstall")) and not args.dry_run
    service = records.read(name) or _not_there(manager, name, args.run_mode)
    action: Callable[[Supervisor, Service, argparse.Namespace], int] = {
        "start": _start, "stop": _stop, "restart": _restart, "stop_and_restart": _restart, "status": _status, "logs": _logs,
        "remove": _remove, "stop_and_remove": _remove, "reinstall": _reinstall, "stop_and_reinstall": _reinstall,
    }[args.run_mode]  # fmt: skip
    with records.alone() if changes else nullcontext():
        return action(manager, service, args)


def _start(manager: Supervisor, service: Service, args: argparse.Namespace) -> int:
    manager.start(service.name)
    print(f"{service.name} is started")
    return 0


def _stop(manager: Supervisor, service: Service, args: argparse.Namespace) -> int:
    manager.stop(service.name)
    print(f"{service.name} has stopped")
    return 0


def _restart(manager: Supervisor, service: Service, args: argparse.Namespace) -> int:
    manager.restart(service.name)
    print(f"{service.name} is started again")
    return 0


def _status(manager: Supervisor, service: Service, args: argparse.Namespace) -> int:
    found = status(manager, service, time.time())
    print(json.dumps(found.as_dict(), indent=2) if args.json else "\n".join(found.lines()))
    return 0 if found.is_well else NOT_WELL


def _logs(manager: Supervisor, service: Service, args: argparse.Namespace) -> int:
    try:
        for line in manager.logs(service.name, max(args.lines, 0), args.follow):
            print(line, flush=True)
    except KeyboardInterrupt:
        pass  # the usual way to end it
    return 0


def _remove(manager: Supervisor, service: Service, args: argparse.Namespace) -> int:
    keeps = args.keep_record
    if args.dry_run:
        print(
            f"would be stopped and removed: {service.name}{'' if keeps else ', its record and its variables'}; data stay"
        )
        return 0
    manager.remove(service)
    if not keeps:
        Records.of(manager.scope).remove(service.name)
    print(f"removed: {service.name}; its data stay{', its record too: reinstall brings it back' if keeps else ''}")
    return 0


def _reinstall(manager: Supervisor, service: Service, args: argparse.Namespace) -> int:
    """Write it anew with this version of the package and this Python, and start it again when it was up."""
    records = Records.of(manager.scope)
    new = credentials.given(args.env, args.env_file, os.environ)
    values = {**records.values(service.name), **new}
    lost = [name for name in service.variables if name not in values]
    if lost:
        raise ServiceError(f"the values of {', '.join(lost)} are gone", f"add --env {lost[0]}=VALUE or --env-file FILE")
    origin = Path(service.folder) if "--from" in service.command else None
    anew = replace(
        service, command=command(target(service.target), service.args, origin), variables=tuple(sorted(values)),
        version=__version__,
    )  # fmt: skip
    if args.dry_run:
        print(manager.plan(anew))
        return 0
    state = manager.state(service.name)
    up = state.is_up or state.condition == "waiting"  # for a new password, say: then it need not wait any longer
    if up:
        manager.stop(service.name)
    try:
        manager.install(anew, values)
        records.write(anew)
    finally:
        if up:
            manager.start(service.name)
    print(f"reinstalled: {service.name}{', and started again' if up else ''}")
    return 0


def _list(manager: Supervisor, as_json: bool) -> int:
    records = Records.of(manager.scope)
    found = [service for name in records.names() if (service := records.read(name)) is not None]
    rows = [(service, manager.state(service.name).condition) for service in found]
    if as_json:
        print(json.dumps([{"name": service.name, "target": service.target, "state": state} for service, state in rows]))
    elif not rows:
        own = "" if manager.scope == "user" or sys.platform == "win32" else "; those of one person: add --user"
        print(f"no service is installed{own}")
    width = max((len(service.name) for service, _ in rows), default=0)
    for service, state in [] if as_json else rows:
        print(f"{service.name:<{width}}  {state:<8}  {' '.join([service.target, *service.args])}")
    return 0


def _not_there(manager: Supervisor, name: str, mode: str) -> Service:
    """Say that a service is not there, and what to do: one of the other scope, or one that OpenMSIStream installed."""
    other: Scope = "system" if manager.scope == "user" else "user"
    if sys.platform != "win32" and Records.of(other).file(name).exists():
        told = f"{MANAGE} {name} {mode} --user" if other == "user" else f"sudo {MANAGE} {name} {mode}"
        raise ServiceError(f"there is no {manager.scope} service {name}, but a {other} one", f"type: {told}")
    if sys.platform == "linux":
        from .systemd.takeover import said_of

        if advice := said_of(name):
            raise ServiceError(f"{name} was installed by OpenMSIStream 1", advice)
    known = Records.of(manager.scope).names()
    raise ServiceError(
        f"there is no service {name}",
        f"there are: {', '.join(known)}" if known else "none is installed; see InstallService --help",
    )
