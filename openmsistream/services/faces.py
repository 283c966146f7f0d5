"""`LinuxServiceManager` and `WindowsServiceManager`: services under the names that programs written for OpenMSIStream have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from openmsistream.errors import UsageError


class LinuxServiceManager:
    """A service by its name, and what InstallService and ManageService do with one, as methods.

    `service_spec_string` is what is to run and `argslist` its arguments; both are needed by `install_service` alone.
    Errors are raised as ServiceError, UsageError or ConfigError.
    """

    def __init__(
        self,
        service_name: str,
        *,
        service_spec_string: str | None = None,
        argslist: Sequence[str] | None = None,
        interactive: bool | None = None,
        **kwargs: Any,
    ) -> None:
        self.service_name = service_name
        self._spec = service_spec_string
        self._args = tuple(argslist or ())

    @property
    def env_var_names(self) -> set[str]:
        """The names of the variables that the service was given."""
        from .records import Records

        found = Records.of("system").read(self.service_name)
        return set(found.variables) if found else set()

    def install_service(self) -> None:
        """Install it, for the user that typed sudo."""
        from .command_lines import of_install
        from .install import install, split

        if not self._spec:
            raise UsageError("nothing was named to be run as a service", "give service_spec_string")
        options, theirs = split(of_install(), [self._spec, *self._args, "--service_name", self.service_name])
        install(options, theirs)

    def start_service(self) -> None:
        self.run_manage_command("start")

    def stop_service(self) -> None:
        self.run_manage_command("stop")

    def service_status(self) -> None:
        """Print how it stands."""
        self.run_manage_command("status")

    def reinstall_service(self) -> None:
        self.run_manage_command("reinstall")

    def remove_service(
        self, remove_env_vars: bool = False, remove_install_args: bool = False, remove_nssm: bool = False
    ) -> None:
        self.run_manage_command("remove", remove_env_vars, remove_install_args, remove_nssm)

    def run_manage_command(
        self,
        run_mode: str,
        remove_env_vars: bool = False,
        remove_install_args: bool = False,
        remove_nssm: bool = False,
    ) -> None:
        """Do what ManageService does in this mode; its record is kept for `reinstall` unless it is said to go."""
        from .command_lines import of_manage
        from .manage import manage

        stays = run_mode.endswith("remove") and not (remove_env_vars or remove_install_args)
        manage(of_manage().parse_args([self.service_name, run_mode, *(["--keep_record"] if stays else [])]))


class WindowsServiceManager(LinuxServiceManager):
    """The same on Windows."""
