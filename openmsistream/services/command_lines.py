"""The command lines of InstallService and ManageService, apart from what they start: to be shown they need nothing else."""

from __future__ import annotations

import argparse
from pathlib import Path

from openmsistream.program.arguments import OneLine

from .programs import PROGRAMS

INSTALL = "InstallService"
MANAGE = "ManageService"

MODES = (
    "start", "status", "stop", "remove", "stop_and_remove", "reinstall", "stop_and_reinstall", "stop_and_restart",
    "restart", "logs",
)  # fmt: skip
LIST = "list"


def install_service(args: list[str] | None = None) -> None:
    """The program InstallService; ends by SystemExit."""
    from .install import main

    main(args)


def manage_service(args: list[str] | None = None) -> None:
    """The program ManageService; ends by SystemExit."""
    of_manage().parse_args(args)
    from .manage import main

    main(args)


def of_install() -> argparse.ArgumentParser:
    """InstallService, but for the arguments of what is installed."""
    what = "\n".join(f"  {program.name:<28} {program.purpose}" for program in PROGRAMS.values())
    made = OneLine(
        prog=INSTALL,
        usage=f"{INSTALL} TARGET [arguments of the target] [options]",
        description="Have a program run by itself: started with the machine, watched, started again when it fails.",
        epilog=f"""what can be installed as TARGET:
{what}
  Class=module.path            a class of your own, such as a DataFileStreamProcessor
  module.path:function         a function of your own; it is given the arguments as a list when it takes one
  Class=module.path:function   the function, with the arguments of the class

{INSTALL} TARGET --help tells the arguments of a target. They are checked now, and paths among them are made absolute.
example: sudo {INSTALL} DataFileUploadDirectory /data/scans --config lab.config --topic_name scans --start""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("target", metavar="TARGET", help="what is to run")
    made.add_argument("--service_name", metavar="NAME", help="what the service is called (default: the program's name)")
    _add_user(made)
    made.add_argument(
        "--run_as", metavar="USER", help="the account it runs as (default: the one that typed sudo; never root unasked)"
    )
    made.add_argument(
        "--env", action="append", default=[], metavar="NAME=VALUE",
        help="a variable for it, kept where only the administrator reads it; may be repeated; NAME alone takes the present "
        "value; for a password take --env-file, since sudo logs command lines",
    )  # fmt: skip
    made.add_argument(
        "--env-file", "--env_file", action="append", default=[], type=Path, metavar="FILE", dest="env_file",
        help="variables from a file of NAME=VALUE lines; may be repeated",
    )  # fmt: skip
    made.add_argument(
        "--writable", action="append", default=[], type=Path, metavar="FOLDER",
        help="a folder that code of your own writes to, beside those in its arguments; may be repeated",
    )  # fmt: skip
    made.add_argument("--start", action="store_true", help="start it at once")
    made.add_argument("--replace", action="store_true", help="replace the service of that name, if there is one")
    made.add_argument("--dry_run", action="store_true", help="show what would be made, and make nothing")
    return made


def of_manage() -> argparse.ArgumentParser:
    """ManageService."""
    made = OneLine(
        prog=MANAGE,
        usage=f"{MANAGE} NAME MODE [options]\n       {MANAGE} {LIST} [--json]",
        description="Look after a service that InstallService made.",
        epilog="""modes:
  start, stop, restart         stop and restart let it finish what is in flight
  status                       how it does: since when, last heartbeat, files, last error
  logs                         what it said
  remove, stop_and_remove      stop it and take it away; data and ledgers stay
  reinstall                    write it anew from its record, after an upgrade or with new variables
  stop_and_reinstall, stop_and_restart
                               the same as reinstall and restart, which stop it too
  list (without a NAME)        the services that there are""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("service_name", metavar="NAME", help="the service")
    made.add_argument("run_mode", metavar="MODE", nargs="?", choices=MODES, help="what to do")
    _add_user(made)
    made.add_argument("--json", action="store_true", help="status and list for programs")
    made.add_argument("--lines", "-n", type=int, default=50, metavar="N", help="logs: how many lines (default: 50)")
    made.add_argument("--follow", "-f", action="store_true", help="logs: go on as lines come, until Ctrl-C")
    made.add_argument(
        "--env", action="append", default=[], metavar="NAME=VALUE", help="reinstall: a new value of a variable"
    )
    made.add_argument(
        "--env-file", "--env_file", action="append", default=[], type=Path, metavar="FILE", dest="env_file",
        help="reinstall: new values from a file",
    )  # fmt: skip
    made.add_argument(
        "--dry_run", action="store_true", help="remove and reinstall: show what would be done, and do nothing"
    )
    made.add_argument(
        "--remove_env_vars", action="store_true", help="remove: its variables too (done unless --keep_record)"
    )
    made.add_argument(
        "--remove_install_args", action="store_true", help="remove: its record too (done unless --keep_record)"
    )
    made.add_argument(
        "--keep_record", action="store_true", help="remove: keep record and variables, for `reinstall` later"
    )
    made.add_argument("--remove_nssm", action="store_true", help="taken, not needed any more: nothing is downloaded")
    return made


def _add_user(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--user", action="store_true", help="a service of your own, without the administrator's rights (Linux)"
    )
