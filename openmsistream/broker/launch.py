"""From settings to a broker that answers, step by step."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from openmsistream.broker import logs, ports
from openmsistream.broker.installation import Installation, find_installation
from openmsistream.broker.java import Java, find_java
from openmsistream.broker.layout import Layout
from openmsistream.broker.properties import advertised_address, local_address, log4j2_properties, server_properties
from openmsistream.broker.running import RunningBroker, is_alive, mark, read_note, write_address, write_note
from openmsistream.broker.settings import BrokerSettings
from openmsistream.errors import BrokerProcessError

START_LIMIT = 60.0
"""Seconds for a start. Two are usual; recovery of some GB after a power cut on a slow disk takes longer."""

PORT_LIMIT = 3
"""Starts for one broker: another program may take a port between the look at it and Kafka's own, two seconds later."""

CONTROLLER_HOST = "127.0.0.1"
Process = subprocess.Popen[bytes]


def launch(settings: BrokerSettings, layout: Layout, say: Callable[[str], None]) -> tuple[Process, RunningBroker]:
    """Start a broker where none runs; returns when it answers. The caller holds the folder's lock.

    1. find Java; 2. find Kafka's files, and check them; 3. format the storage, once in its life;
    4. choose ports and write Kafka's settings; 5. start the process and note it; 6. wait until it answers.
    When its ports were taken meanwhile, once more from 4 on.
    """
    java = find_java()
    kafka = find_installation(say)
    if not layout.records.exists():
        _format(settings, layout, java, kafka)
    starts_left = PORT_LIMIT
    while True:
        starts_left -= 1
        last = read_note(layout)
        port = ports.choose(settings, last.port if last else None)
        controller_port = ports.unused(CONTROLLER_HOST, besides=port)
        process, broker = _spawn(settings, layout, java, kafka, port, controller_port)
        try:
            return process, await_ready(layout, broker, process)
        except BrokerProcessError:
            _kill(process)
            both_free = ports.is_free(settings.host, port) and ports.is_free(CONTROLLER_HOST, controller_port)
            if both_free or starts_left == 0:
                raise
        except BaseException:
            _kill(process)
            raise


def await_ready(layout: Layout, broker: RunningBroker, process: Process | None = None) -> RunningBroker:
    """Wait until a broker that was started answers; BrokerProcessError with Kafka's own reason when it ends before."""
    reader, said = logs.LogReader(layout.log, broker.log_from), list[str]()
    deadline = time.monotonic() + START_LIMIT
    while True:
        ended = process.poll() is not None if process else not is_alive(layout, broker.pid)
        said += reader.new_lines()
        if any(logs.STARTED in line for line in said):
            ready = replace(broker, ready=True)
            write_note(layout, ready)
            write_address(layout, ready)
            return ready
        if ended or time.monotonic() > deadline:
            event = "ended while starting" if ended else f"did not answer within {START_LIMIT:.0f} s"
            why = logs.reason(said, logs.last_lines(layout.console, 20))
            raise BrokerProcessError(f"the broker {event}: {why}", f"its log is {layout.log}")
        time.sleep(0.02)


def _format(settings: BrokerSettings, layout: Layout, java: Java, kafka: Installation) -> None:
    """Give the storage its identity. Done aside and renamed, so that a half formatted one is never started on."""
    shutil.rmtree(layout.unfinished, ignore_errors=True)
    text = server_properties(settings, 1, 2, "localhost", records=layout.unfinished.name)
    (layout.config / "format.properties").write_text(text, encoding="ascii")
    (layout.config / "log4j2.properties").write_text(log4j2_properties(), encoding="ascii")
    name = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")
    # "=" between: an identity may begin with "-", which would read as an option
    arguments = ["kafka.tools.StorageTool", "format", f"--cluster-id={name}", "--config", "config/format.properties"]
    done = subprocess.run(
        [*_java_command(java, kafka, layout, heap_mb=256), *arguments],
        cwd=layout.root,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        why = logs.reason([], (done.stdout + done.stderr).splitlines())
        raise BrokerProcessError(f"Kafka could not prepare its storage in {layout.root}: {why}", "is the disk full?")
    os.replace(layout.unfinished, layout.records)


def _spawn(
    settings: BrokerSettings, layout: Layout, java: Java, kafka: Installation, port: int, controller_port: int
) -> tuple[Process, RunningBroker]:
    hostname = socket.getfqdn()
    text = server_properties(settings, port, controller_port, hostname)
    (layout.config / "server.properties").write_text(text, encoding="utf-8")
    (layout.config / "log4j2.properties").write_text(log4j2_properties(), encoding="ascii")
    log_from = layout.log.stat().st_size if layout.log.exists() else 0
    with layout.console.open("wb") as console:
        process = subprocess.Popen(
            [*_java_command(java, kafka, layout, settings.heap_mb), "kafka.Kafka", "config/server.properties"],
            cwd=layout.root,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            **_detached(),
        )
    broker = RunningBroker(
        pid=process.pid,
        address=local_address(settings, port),
        advertised=advertised_address(settings, port, hostname),
        version=kafka.version,
        java=str(java),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        settings=replace(settings, data_dir=layout.root),
        log_from=log_from,
    )
    write_note(layout, broker)
    return process, broker


def _kill(process: Process) -> None:
    process.kill()
    process.wait()


def _java_command(java: Java, kafka: Installation, layout: Layout, heap_mb: int) -> list[str | Path]:
    return [
        java.path,
        "-Xms128m",
        f"-Xmx{heap_mb}m",
        "-XX:+UseSerialGC",  # starts fastest and takes least memory with a heap this small
        # Measured on two cores: half a second less to start, half the CPU time over the first 6 GB, since the second
        # compiler competes with the work itself; the rate is that of the disk either way.
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",  # a broker that hangs half dead is worse than one that can be started again
        "-Djava.awt.headless=true",
        "-Dlog4j2.configurationFile=config/log4j2.properties",
        mark(layout),
        "-cp",
        kafka.classpath,
    ]


def _detached() -> dict[str, Any]:
    """It outlives the command that started it, and Ctrl-C in that terminal is not for it."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}
