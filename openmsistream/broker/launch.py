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
from openmsistream.broker.lock import is_locked
from openmsistream.broker.properties import advertised_address, local_address, log4j2_properties, server_properties
from openmsistream.broker.running import RunningBroker, is_alive, mark, read_note, write_address, write_note
from openmsistream.broker.settings import BrokerSettings
from openmsistream.errors import BrokerProcessError

START_LIMIT = 60.0
"""Seconds without a word from a broker that starts. Two are usual for all of it; after a power cut it reads again what
was written last, some GB perhaps, and says so for each partition."""

LONGEST_START = 1800.0
"""Seconds for a start that goes on speaking: one that never comes to an end must be seen some time."""

PORT_LIMIT = 3
"""Starts for one broker: another program may take a port between the look at it and Kafka's own, two seconds later."""

CONTROLLER_HOST = "127.0.0.1"
Process = subprocess.Popen[bytes]


def launch(settings: BrokerSettings, layout: Layout, say: Callable[[str], None]) -> tuple[Process, RunningBroker]:
    """Start a broker where none runs; returns when it answers. The caller holds the folder's lock.

    1. find Java; 2. find Kafka's files, and check them; 3. format the storage, once in its life, when nobody else works
    on it; 4. choose ports and write Kafka's settings; 5. start the process and note it; 6. wait until it answers.
    When its ports were taken meanwhile, once more from 4 on.
    """
    java = find_java()
    kafka = find_installation(say)
    if is_locked(layout.kafka_lock):
        raise BrokerProcessError(
            f"another Kafka works on the records in {layout.root}: one of another container, perhaps, or of another user",
            "stop that one, or give this one a folder (or a volume) of its own",
        )
    shutil.rmtree(layout.scratch, ignore_errors=True)  # one that was killed has left its own
    layout.scratch.mkdir(exist_ok=True)
    if not layout.records.exists():
        _format(settings, layout, java, kafka)
    starts_left = PORT_LIMIT
    while True:
        starts_left -= 1
        last = read_note(layout)
        port = ports.choose(settings, last.port if last else None)
        controller_port = ports.unused(CONTROLLER_HOST, besides=[port, settings.outside_port])
        process, broker = _spawn(settings, layout, java, kafka, port, controller_port)
        try:
            return process, await_ready(layout, broker, process)
        except BrokerProcessError:
            _kill(process)
            free = ports.all_free(settings, port) and ports.is_free(CONTROLLER_HOST, controller_port)
            if free or starts_left == 0:
                raise
        except BaseException:
            _kill(process)
            raise


def await_ready(layout: Layout, broker: RunningBroker, process: Process | None = None) -> RunningBroker:
    """Wait until a broker that was started answers; BrokerProcessError with Kafka's own reason when it ends before."""
    reader, said = logs.LogReader(layout.log, broker.log_from), list[str]()
    began = heard = time.monotonic()
    while True:
        ended = process.poll() is not None if process else not is_alive(layout, broker.pid)
        if new := reader.new_lines():
            said += new
            heard = time.monotonic()
        if any(logs.STARTED in line for line in said):
            ready = replace(broker, ready=True)
            write_note(layout, ready)
            write_address(layout, ready)
            return ready
        silent = time.monotonic() - heard > START_LIMIT
        if ended or silent or time.monotonic() - began > LONGEST_START:
            event = "ended while starting" if ended else f"did not answer within {time.monotonic() - began:.0f} s"
            why = logs.reason(said, logs.last_lines(layout.console, 20))
            raise gone(f"the broker {event}", why, layout)
        time.sleep(0.02)


def gone(what: str, why: str, layout: Layout) -> BrokerProcessError:
    """The error for a broker that is no more: a full disk is told in the same words however Kafka came to its end."""
    if layout.is_full:
        return BrokerProcessError(
            f"{what}: the disk of {layout.root} is full ({why})",
            "make room on it and start again; with lower --retention-gb or --retention-hours records take less. "
            f"Its log is {layout.log}",
        )
    return BrokerProcessError(f"{what}: {why}", f"its log is {layout.log}")


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
        raise gone(f"Kafka could not prepare its storage in {layout.root}", why, layout)
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
        # Without them Java maps a file in /tmp for its own tools; that need not be writable, and each start leaves one.
        "-XX:-UsePerfData",
        "-XX:ErrorFile=logs/java-crash.log",
        "-Djava.awt.headless=true",
        f"-Djava.io.tmpdir={layout.scratch.name}",
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
