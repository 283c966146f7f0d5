"""InstallService: have a program run by itself."""

from __future__ import annotations

import argparse
import getpass
import logging
import os
import sys
import sysconfig
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from openmsistream import __version__
from openmsistream.config.lookup import PACKAGED
from openmsistream.errors import OpenMSIStreamError, UsageError
from openmsistream.program import run
from openmsistream.program.logs import logging_to

from . import credentials
from .arguments import Understood
from .checking import checked
from .command_lines import INSTALL, of_install
from .records import Records
from .runner import FROM
from .service import Scope, Service, service_name
from .supervisor import ServiceError, Supervisor, supervisor
from .target import Target, target


def main(args: list[str] | None = None) -> None:
    """The program; ends by SystemExit."""
    options, theirs = split(of_install(), sys.argv[1:] if args is None else args)
    with logging_to(stream_level=logging.WARNING):
        raise SystemExit(run.main(lambda: install(options, theirs)))


def split(parser: argparse.ArgumentParser, words: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Our own options, wherever they stand, and the words that belong to the target, in their order.

    After "--" all are the target's. Help is ours before the target and the target's after it.
    """
    options = {name: action for action in parser._actions for name in action.option_strings}
    ours: list[str] = []
    theirs: list[str] = []
    named = ""
    left = list(words)
    while left:
        word = left.pop(0)
        name, equals, _ = word.partition("=")
        action = options.get(name)
        if word == "--":
            theirs += left
            break
        if action is not None and not (named and isinstance(action, argparse._HelpAction)):
            takes_next = action.nargs != 0 and not equals and left
            ours += [word, left.pop(0)] if takes_next else [word]
        elif named or word.startswith("-"):
            theirs.append(word)
        else:
            named = word
    return parser.parse_args([*ours, *([named] if named else [])]), theirs


def install(options: argparse.Namespace, theirs: Sequence[str]) -> int:
    """Install a service as the command line asks; the exit code."""
    wanted = target(options.target)
    scope, user = _whose(options)
    manager = supervisor(scope)
    if not options.dry_run:
        manager.check("install a service")
    told, origin = checked(wanted, theirs, user)
    more = (Path(os.path.abspath(path.expanduser())) for path in options.writable)
    told = replace(told, writes=(*told.writes, *more))
    name = service_name(options.service_name or wanted.default_name)
    if not options.dry_run:
        _free(manager, name, options.replace)  # before anybody is asked for a password
    needed = _needed(wanted, told)
    values = _values(options, told, needed)
    service = described(name, wanted, told, scope, user, origin, values)
    if options.dry_run:
        _show(manager, service, credentials.without_value(needed.needed, values))
        return 0
    with Records.of(scope).alone():
        replaces = _free(manager, name, options.replace)
        _prepare(service, wanted.program is None)
        _make(manager, service, values, replaces)
    print(f"{'replaced' if replaces else 'installed'}: {_summary(service)}")
    for remark in manager.remarks(service):
        print(remark)
    own = "--user " if scope == "user" and sys.platform != "win32" else ""
    if options.start:
        manager.start(name)
        print(f"started; see: ManageService {own}{name} status")
    else:
        print(f"it is started with the machine; now: ManageService {own}{name} start")
    return 0


def _make(manager: Supervisor, service: Service, values: dict[str, str], replaces: bool) -> None:
    """Have the supervisor know it, and keep the record; half of it is worse than nothing."""
    records = Records.of(manager.scope)
    ran = replaces and manager.state(service.name).is_up
    try:
        if replaces:
            manager.stop(service.name)
        manager.install(service, values)
        records.write(service)
    except OpenMSIStreamError:
        if not replaces:
            records.remove(service.name)
        elif ran:
            manager.start(service.name)  # the one before goes on
        raise


def described(
    name: str, wanted: Target, told: Understood, scope: Scope, user: str, origin: Path | None, values: dict[str, str]
) -> Service:  # fmt: skip
    """The service that was asked for, as a value."""
    passed = credentials.passed_on(os.environ)
    state = passed.get(credentials.STATE)
    writes = [*told.writes, *([Path(state)] if state else [])]
    named = [value for variable, value in passed.items() if variable != credentials.STATE]
    named += [value for variable, value in values.items() if variable.endswith("_FILE") and os.path.isabs(value)]
    reads = [*told.reads, *map(Path, named), *([origin] if origin else []), Path(sys.prefix), Path(sys.base_prefix)]
    return Service(
        name=name,
        target=wanted.spec,
        args=told.args,
        command=command(wanted, told.args, origin),
        folder=str(origin or (Path(sys.prefix) if sys.platform == "win32" else "/")),
        scope=scope,
        user=user,
        writes=tuple(map(str, writes)),
        reads=tuple(dict.fromkeys(str(path) for path in reads if not _comes_along(path))),
        environ=passed,
        variables=tuple(sorted(values)),
        watched=not wanted.is_only_a_function,
        version=__version__,
        installed=time.time(),
    )


def command(wanted: Target, args: Sequence[str], origin: Path | None = None) -> tuple[str, ...]:
    """What the supervisor starts: a program by its script, which an upgrade of the package replaces in its place."""
    if wanted.program is None:
        found = [FROM, str(origin)] if origin else []
        return (sys.executable, "-m", "openmsistream.services.runner", *found, wanted.spec, *args)
    script = Path(sysconfig.get_path("scripts")) / (wanted.program.name + (".exe" if sys.platform == "win32" else ""))
    if script.is_file():
        return (str(script), *args)
    return (sys.executable, "-m", wanted.program.module, *args)


def _whose(options: argparse.Namespace) -> tuple[Scope, str]:
    """Of the machine or of a person, and who it runs as. Raises UsageError where that is not clear."""
    if sys.platform == "win32":
        return "system", options.run_as or ""
    if sys.platform == "darwin":
        supervisor("system")  # which says that there is none
    from . import accounts

    me = accounts.account(os.geteuid()).name
    if options.user:
        accounts.refuse_sudo(os.environ)
        if options.run_as not in (None, me):
            raise UsageError("a service of your own runs as yourself", "leave out --run_as, or --user")
        return "user", me
    if not accounts.is_administrator():
        if options.dry_run:
            return "system", options.run_as or me
        raise UsageError(
            "only the administrator can install a service of the machine",
            f"type: sudo {sys.argv[0] if os.path.isabs(sys.argv[0]) else INSTALL} ... ; or add --user for a service of your own",
        )
    chosen = options.run_as or accounts.who_asked(os.environ)
    if not chosen:
        raise UsageError(
            "nobody was named for it to run as, and it does not run as root unasked",
            "add --run_as USER (root if you must)",
        )
    return "system", accounts.account(chosen).name


def _free(manager: Supervisor, name: str, replace: bool) -> bool:
    """Is there a service of that name, which is to be replaced? ServiceError when there is one that is not."""
    ours = Records.of(manager.scope).read(name) is not None
    if (ours or manager.state(name).is_there) and not replace:
        raise ServiceError(
            f"there is a service {name} already",
            "choose another name with --service_name, or replace it with --replace",
        )
    return ours


def _needed(wanted: Target, told: Understood) -> credentials.Wanted:
    purposes = credentials.ALL if wanted.is_only_a_function else told.channels
    if wanted.program is not None and wanted.program.name == "S3TransferStreamProcessor":
        purposes = (*purposes, "s3")
    return credentials.wanted(told.config, purposes)


def _values(options: argparse.Namespace, told: Understood, needed: credentials.Wanted) -> dict[str, str]:
    given = credentials.with_key(credentials.given(options.env, options.env_file, os.environ), told.key)
    ask = _ask if sys.stdin is not None and sys.stdin.isatty() and not options.dry_run else None
    if options.dry_run:
        needed = replace(needed, needed=(), used=(*needed.needed, *needed.used))
    return credentials.complete(needed, given, os.environ, ask)


def _ask(name: str) -> str:
    return getpass.getpass(f"{name} (not shown): ")


def _prepare(service: Service, alone: bool) -> None:
    """Make the folders that it writes to, and see that its account may use them and read the rest.

    With `alone` by the account alone: code of somebody's own said which they are.
    """
    if sys.platform == "win32":
        return
    from . import accounts

    who = accounts.account(service.user)
    for folder in service.writes:
        accounts.make_folder(Path(folder), who, alone=alone)
    if service.scope == "system" and who.has_home:
        accounts.make_folder(who.home / ".local" / "state" / "openmsistream", who)
    accounts.check_access(
        who, sys.executable, [Path(path) for path in service.reads], [Path(path) for path in service.writes]
    )


def _show(manager: Supervisor, service: Service, without_value: Sequence[str]) -> None:
    print(manager.plan(service))
    missing = [folder for folder in service.writes if not Path(folder).exists()]
    if missing:
        print(f"# folders that would be made: {', '.join(missing)}")
    if service.variables:
        print(f"# variables that would be kept for it: {', '.join(service.variables)}")
    if without_value:
        print(f"# variables without a value, which it cannot be installed without: {', '.join(without_value)}")
    print("# nothing was done")


def _summary(service: Service) -> str:
    words = " ".join([service.target, *service.args])
    return f"{service.name} ({words}), runs as {service.user or 'its own account'}"


def _comes_along(path: Path) -> bool:
    """Is it a part of the system or of the package, which is there in any case?"""
    return path.is_relative_to("/usr") or str(path) == "/" or path.parent == PACKAGED
