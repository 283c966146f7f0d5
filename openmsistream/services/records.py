"""The records of the services of this machine, or of one person: what was installed, and the values of its variables."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from openmsistream.config.places import NAME, user_state_dir

from . import environment_file
from .service import Scope, Service
from .supervisor import ServiceError


@dataclass(frozen=True, slots=True)
class Records:
    """A folder with two files for each service: NAME.json for everybody, NAME.env for its owner alone."""

    folder: Path

    @classmethod
    def of(cls, scope: Scope, environ: Mapping[str, str] = os.environ) -> Self:
        """Those of the machine or of this person; OPENMSISTREAM_STATE_DIR does not move them, nobody would find them then."""
        if scope == "user":
            return cls(user_state_dir({name: value for name, value in environ.items() if name != _MOVES}) / "services")
        if sys.platform == "win32":
            return cls(Path(environ.get("PROGRAMDATA", r"C:\ProgramData")) / NAME / "services")
        return cls(Path("/var/lib") / NAME / "services")

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def values_file(self, name: str) -> Path:
        return self.folder / f"{name}.env"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While a service is made or removed: no other process does, and nobody but us can change what is kept here."""
        if sys.platform == "win32":  # where the system refuses a second service of a name
            yield
            return
        from . import accounts

        accounts.check_private(self.folder)
        with accounts.one_at_a_time(self.folder):
            try:
                yield
            finally:
                self._tidy()

    def names(self) -> list[str]:
        """The services that there are records of, in order."""
        try:
            return sorted(file.stem for file in self.folder.glob("*.json"))
        except OSError:
            return []

    def read(self, name: str) -> Service | None:
        """The record of a service; None when there is none. ServiceError when it cannot be read."""
        file = self.file(name)
        try:
            return Service.from_json(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ServiceError(
                f"{file} cannot be read: {error.strerror}", "run it as the one who installed it"
            ) from error
        except ValueError as error:
            raise ServiceError(
                f"{file} is no record of a service: {error}",
                "a later version wrote it, or it is damaged; install it again",
            ) from error

    def write(self, service: Service) -> None:
        """Keep a record, in place of the one before."""
        self._put(self.file(service.name), service.to_json(), 0o644)

    def values(self, name: str) -> dict[str, str]:
        """The values of a service's variables; none when there is no file. ServiceError for who may not read it."""
        file = self.values_file(name)
        try:
            return environment_file.read_back(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise ServiceError(
                f"{file} cannot be read: {error.strerror}", "run it as the one who installed it"
            ) from error

    def write_values(self, name: str, values: Mapping[str, str]) -> None:
        """Keep the values of variables where only the owner of the file may read them; without any there is no file."""
        if values:
            self._put(self.values_file(name), environment_file.written(values), 0o600)
        else:
            self.values_file(name).unlink(missing_ok=True)

    def remove(self, name: str, *, values: bool = True) -> None:
        """Forget a service."""
        self.file(name).unlink(missing_ok=True)
        if values:
            self.values_file(name).unlink(missing_ok=True)
        self._tidy()

    def _tidy(self) -> None:
        for folder in (self.folder, self.folder.parent):
            try:
                folder.rmdir()
            except OSError:  # there is more in it
                return

    def _put(self, file: Path, text: str, mode: int) -> None:
        """Write a file beside its place and move it there; from its first byte on nobody else can read what is not for them."""
        beside = file.with_suffix(".new")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            beside.unlink(missing_ok=True)
            with open(
                os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8", newline="\n"
            ) as out:
                out.write(text)
                out.flush()
                os.fsync(out.fileno())
            os.chmod(beside, mode)  # whatever the umask was
            os.replace(beside, file)
        except OSError as error:
            raise ServiceError(f"{file} cannot be written: {error.strerror}", "run it as the administrator") from error


_MOVES = "OPENMSISTREAM_STATE_DIR"
