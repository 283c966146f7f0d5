"""The process that Windows starts for a service, as it is started, with a pywin32 that only listens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from openmsistream.services import environment_file
from openmsistream.services.service import Service
from openmsistream.services.windows import service_host as windows_service

STOP, PRESHUTDOWN, INTERROGATE = 1, 15, 4
START_PENDING, STOP_PENDING, RUNNING, STOPPED = 2, 3, 4, 1
OWN_ERROR = 1066

FAKES = {
    "servicemanager": """
import json, os, threading, time
def _note(what, *words):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(json.dumps([what, *words]) + "\\n")
def Initialize(): pass
def SetEventSourceName(name): _note("source", name)
def LogInfoMsg(text): _note("info", text)
def LogErrorMsg(text): _note("error", text)
def PrepareToHostSingle(kind):
    global _kind
    _kind = kind
def RegisterServiceCtrlHandler(name, handler, extra):
    global _handler
    _handler = handler
    return 42
def StartServiceCtrlDispatcher():
    made = _kind(("up",))
    def controls():
        while "at work" not in open(os.environ["LOG"]).read():
            time.sleep(0.05)
        for control in json.loads(os.environ["CONTROLS"]):
            _handler(control, 0, None)
    if json.loads(os.environ["CONTROLS"]):
        threading.Thread(target=controls, daemon=True).start()
    made.SvcRun()
    _note("came back")
""",
    "win32service": """
import servicemanager
SERVICE_STOPPED, SERVICE_START_PENDING, SERVICE_STOP_PENDING, SERVICE_RUNNING = 1, 2, 3, 4
SERVICE_CONTROL_STOP, SERVICE_CONTROL_INTERROGATE, SERVICE_CONTROL_SHUTDOWN, SERVICE_CONTROL_PRESHUTDOWN = 1, 4, 5, 15
SERVICE_ACCEPT_STOP, SERVICE_ACCEPT_PRESHUTDOWN, SERVICE_WIN32_OWN_PROCESS = 1, 256, 16
def SetServiceStatus(handle, status): servicemanager._note("status", *status)
""",
    "win32job": """
import servicemanager
JobObjectExtendedLimitInformation, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE = 9, 0x2000
def CreateJobObject(attributes, name): return "job"
def QueryInformationJobObject(job, kind): return {"BasicLimitInformation": {"LimitFlags": 0}}
def SetInformationJobObject(job, kind, limits): servicemanager._note("job", limits["BasicLimitInformation"]["LimitFlags"])
def AssignProcessToJobObject(job, process): servicemanager._note("in job", process)
""",
    "win32api": "def GetCurrentProcess(): return 'me'",
    "pywintypes": "class error(Exception): pass",
}

PROGRAM = """
import json, os, sys, time
said = {"form": 1, "program": "p", "pid": os.getpid(), "started": time.time(), "updated": time.time()}
open(os.environ["OPENMSISTREAM_HEALTH_FILE"], "w").write(json.dumps(said))
time.sleep(0.5)
print("at work with", os.environ.get("KEY"), flush=True)
for line in sys.stdin:
    sys.exit(0)
"""


class Process:
    """Runs the process to its end; what it told Windows, and what its program said."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.top = place / "services" / "up"
        (self.top / "run").mkdir(parents=True)
        self.fakes = place / "fakes"
        self.fakes.mkdir()
        for name, text in FAKES.items():
            (self.fakes / f"{name}.py").write_text(text, encoding="utf-8")

    def run(
        self, program: str, *controls: int, values: dict[str, str] | None = None, record: str = ""
    ) -> list[list[Any]]:
        service = Service(
            "up", "Program", (), (sys.executable, "-c", program), str(self.place), variables=tuple(values or ())
        )
        (self.top / "service.json").write_text(record or service.to_json(), encoding="utf-8")
        (self.top.parent / "up.env").write_text(environment_file.written(values or {}), encoding="utf-8")
        log = self.top / "run" / "messages.log"
        log.touch()
        notes = self.place / "notes"
        here = str(Path(windows_service.__file__).parents[3])
        packages = [str(self.fakes), here, *(path for path in sys.path if path.endswith("site-packages"))]
        environ = {"NOTES": str(notes), "LOG": str(log), "CONTROLS": json.dumps(controls), "PATH": ""}
        if sys.platform == "win32":
            environ = {**os.environ, **environ}
        ran = subprocess.run(
            [sys.executable, "-I", windows_service.__file__, str(self.top), *packages],
            env=environ, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert ran.stderr == ""
        self.code = ran.returncode
        self.said = log.read_text(encoding="utf-8")
        return [json.loads(line) for line in notes.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def process(tmp_path: Path) -> Process:
    return Process(tmp_path)


def _states(notes: list[list[Any]]) -> list[int]:
    states = [note[2] for note in notes if note[0] == "status"]
    return [state for state, before in zip(states, [None, *states], strict=False) if state != before]


@pytest.mark.parametrize("control", [STOP, PRESHUTDOWN])
def test_it_starts_runs_and_stops_when_windows_asks(process: Process, control: int) -> None:
    notes = process.run(PROGRAM, control, values={"KEY": "s3cret"})
    assert _states(notes) == [START_PENDING, RUNNING, STOP_PENDING, STOPPED]
    assert notes[-1] == ["status", 16, STOPPED, 0, 0, 0, 0, 0]
    assert process.code == 0
    assert "at work with s3cret" in process.said


def test_while_it_runs_it_takes_a_stop_and_afterwards_no_more(process: Process) -> None:
    statuses = [note for note in process.run(PROGRAM, STOP) if note[0] == "status"]
    assert {state: accepted for _, _, state, accepted, *_ in statuses} == {
        START_PENDING: 1 | 256, RUNNING: 1 | 256, STOP_PENDING: 0, STOPPED: 0,
    }  # fmt: skip


def test_a_stop_that_comes_while_it_starts_is_not_forgotten(process: Process) -> None:
    early = "\ndef AssignProcessToJobObject(job, process): servicemanager._handler(1, 0, None)\n"
    (process.fakes / "win32job.py").write_text(FAKES["win32job"] + early, encoding="utf-8")
    notes = process.run(PROGRAM)
    assert _states(notes) == [STOP_PENDING, STOPPED]
    assert notes[-1] == ["status", 16, STOPPED, 0, 0, 0, 0, 0]


def test_asked_how_it_stands_it_says_so_again(process: Process) -> None:
    notes = process.run(PROGRAM, INTERROGATE, STOP)
    assert sum(note[0] == "status" and note[2] == RUNNING for note in notes) == 2


def test_a_failure_is_told_with_its_code_and_is_the_last_word(process: Process) -> None:
    notes = process.run("raise SystemExit(4)")
    assert notes[-1] == ["status", 16, STOPPED, 0, OWN_ERROR, 0x20000004, 0, 0]
    assert ["error", "up ended with 4: exit code 4"] in notes
    assert ["came back"] not in notes


def test_it_is_in_a_job_that_ends_with_it_before_anything_is_started(process: Process) -> None:
    notes = process.run("raise SystemExit(0)")
    assert [note for note in notes if "job" in note[0]] == [["job", 0x2000], ["in job", "me"]]


def test_a_record_that_cannot_be_read_is_a_failure_that_is_told(process: Process) -> None:
    notes = process.run("raise SystemExit(0)", record="{}")
    assert notes[-1] == ["status", 16, STOPPED, 0, OWN_ERROR, 0x20000001, 0, 0]
    assert [note[1].split(":")[0] for note in notes if note[0] == "error"] == ["a defect of this program"]
