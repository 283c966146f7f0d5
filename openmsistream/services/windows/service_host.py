"""The process that Windows starts for a service: `python -I service_host.py FOLDER PACKAGES...`

It is run as a file by the Python that a virtual environment was made from, and finds packages where it is told to.
pythonservice.exe of pywin32 is not used: it finds neither the DLLs of Python nor the packages of a virtual environment.
The python.exe of a virtual environment is not used either: it starts the other one as a child, and Windows has then not
started the process that answers. So nothing may be imported above `main` but the standard library.
"""

from __future__ import annotations

import os
import site
import sys
from typing import TYPE_CHECKING, Any, Literal, NoReturn

if TYPE_CHECKING:
    from pathlib import Path

    from openmsistream.services.windows.life import Hosting
    from openmsistream.services.windows.plan import Folder


def main(words: list[str]) -> None:
    """Speak with Windows until the service has ended."""
    top, *packages = words
    for place in packages:
        site.addsitedir(place)
    import servicemanager

    _Hosted.top = top
    servicemanager.Initialize()
    servicemanager.PrepareToHostSingle(_Hosted)
    servicemanager.StartServiceCtrlDispatcher()  # type: ignore[no-untyped-call]


class _Hosted:
    """The service as pywin32 wants it: made with the words of its start, and run; it ends the process."""

    top = ""

    def __init__(self, args: tuple[str, ...]) -> None:
        import servicemanager

        servicemanager.SetEventSourceName(args[0])
        self._handle = servicemanager.RegisterServiceCtrlHandler(args[0], self._asked, True)
        self._said = _Said(self._handle)
        self._hosting: Hosting | None = None
        self._is_to_stop = False

    def SvcRun(self) -> None:
        """Called by pywin32, in a thread of its own."""
        code = 1
        try:
            code = self._run()
        except Exception as error:  # noqa: BLE001 - the top of a process: whatever it is, Windows must be told
            self._said.event("error", f"a defect of this program: {type(error).__name__}: {error}")
        finally:
            self._said.stopped(code)

    def _run(self) -> int:
        from pathlib import Path

        from openmsistream.services import environment_file
        from openmsistream.services.service import Service
        from openmsistream.services.windows.life import Hosting
        from openmsistream.services.windows.plan import Folder

        _end_together()
        folder = Folder(Path(self.top))
        service = Service.from_json(folder.record.read_text(encoding="utf-8"))
        values = {}
        if service.variables:
            values = environment_file.read_back(_values_file(folder).read_text(encoding="utf-8"))
        self._hosting = Hosting(service, folder, values, self._said)
        if self._is_to_stop:
            self._hosting.stop()
        return self._hosting.run()

    def _asked(self, control: int, event: int, data: object) -> None:
        """Windows asks for something; called in another thread."""
        import win32service

        ends = (
            win32service.SERVICE_CONTROL_STOP, win32service.SERVICE_CONTROL_PRESHUTDOWN,
            win32service.SERVICE_CONTROL_SHUTDOWN,
        )  # fmt: skip
        if control in ends:
            self._said.stopping(5.0)
            self._is_to_stop = True
            if self._hosting is not None:
                self._hosting.stop()
        else:
            self._said.again()


class _Said:
    """What Windows has been told last."""

    def __init__(self, handle: int) -> None:
        import win32service

        self._handle = handle
        self._state = win32service.SERVICE_START_PENDING
        self._count = 0
        self._within = 5.0

    def starting(self, within: float) -> None:
        import win32service

        self._pending(win32service.SERVICE_START_PENDING, within)

    def running(self) -> None:
        import win32service

        self._state, self._count, self._within = win32service.SERVICE_RUNNING, 0, 0.0
        self.again()

    def stopping(self, within: float) -> None:
        import win32service

        self._pending(win32service.SERVICE_STOP_PENDING, within)

    def stopped(self, code: int) -> NoReturn:
        """The last word. The process ends with it: pywin32 would say after it that all was well."""
        import win32service

        self._state, self._count, self._within = win32service.SERVICE_STOPPED, 0, 0.0
        self.again(code)
        os._exit(code)

    def event(self, level: Literal["info", "error"], text: str) -> None:
        import pywintypes
        import servicemanager

        try:
            (servicemanager.LogErrorMsg if level == "error" else servicemanager.LogInfoMsg)(text)
        except pywintypes.error:  # the event log is full, or closed to this account: the service's own file has it
            return

    def again(self, code: int = 0) -> None:
        """Say it once more."""
        import win32service

        from openmsistream.services.windows.control import OWN_ERROR, told

        accepted = 0
        if self._state in (win32service.SERVICE_START_PENDING, win32service.SERVICE_RUNNING):
            accepted = win32service.SERVICE_ACCEPT_STOP | win32service.SERVICE_ACCEPT_PRESHUTDOWN
        kind, error = win32service.SERVICE_WIN32_OWN_PROCESS, OWN_ERROR if code else 0
        status = (kind, self._state, accepted, error, told(code), self._count, int(self._within * 1000))
        win32service.SetServiceStatus(self._handle, status)

    def _pending(self, state: int, within: float) -> None:
        import win32service

        if self._state == win32service.SERVICE_STOP_PENDING and state == win32service.SERVICE_START_PENDING:
            return  # it was asked to stop while it was starting
        self._count = self._count + 1 if state == self._state else 1
        self._state, self._within = state, within
        self.again()


def _end_together() -> None:
    """Have all that this process starts end with it, also when it is killed: no second program on the same folder."""
    import win32api
    import win32job

    job: Any = win32job.CreateJobObject(None, "")  # type: ignore[func-returns-value]
    limits = win32job.QueryInformationJobObject(job, win32job.JobObjectExtendedLimitInformation)
    limits["BasicLimitInformation"]["LimitFlags"] |= win32job.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
    win32job.SetInformationJobObject(job, win32job.JobObjectExtendedLimitInformation, limits)
    win32job.AssignProcessToJobObject(job, win32api.GetCurrentProcess())
    _kept.append(job)


_kept: list[object] = []
"""Handles that are kept until the process ends: with the last one to it a job ends."""


def _values_file(folder: Folder) -> Path:
    from openmsistream.services.records import Records

    return Records(folder.top.parent).values_file(folder.top.name)


if __name__ == "__main__":
    main(sys.argv[1:])
