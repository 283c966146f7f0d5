"""rsync's daemon on this machine: the same files from one folder to another, from the start of the client to its end."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import closing

from openmsistream.program.run import wait_until

from .bench import Bench
from .processes import running, used_by_children
from .work import Result, Work, make_files, remove_unless_many, verify


def is_there() -> bool:
    """Is rsync installed here?"""
    return shutil.which("rsync") is not None


def copy(bench: Bench, work: Work, *options: str) -> Result:
    """One copy into a fresh folder. The CPU-seconds are the client's alone."""
    folders = bench.folders()
    make_files(folders.source / "run", work)
    port = _free_port()
    config = folders.stock / "rsyncd.conf"
    config.write_text(
        f"port = {port}\naddress = 127.0.0.1\nuse chroot = false\nreverse lookup = false\n"
        f"pid file = {folders.stock}/rsyncd.pid\nlog file = {folders.stock}/rsyncd.log\n"
        + (f"uid = {os.getuid()}\ngid = {os.getgid()}\n" if hasattr(os, "getuid") else "")
        + f"[target]\npath = {folders.target}\nread only = false\n"
    )
    daemon = ["rsync", "--daemon", "--no-detach", f"--config={config}"]
    with running(daemon, folders.stock / "daemon.log"):
        if not wait_until(lambda: _answers(port), 10.0):
            raise SystemExit(f"rsync's daemon does not answer; see {folders.stock}/rsyncd.log")
        before, began = used_by_children(), time.perf_counter()
        subprocess.run(
            ["rsync", "-rt", *options, f"{folders.source}/run", f"rsync://127.0.0.1:{port}/target/"], check=True
        )
        took, used = time.perf_counter() - began, used_by_children() - before
    verify(folders.source / "run", folders.target / "run")
    remove_unless_many(work, folders.source, folders.target)
    return Result(took, used)


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True
