"""Which port the broker takes."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Collection

import psutil

from openmsistream.broker.settings import ALL_INTERFACES, ANY_PORT, USUAL_PORT, WILDCARDS, BrokerSettings
from openmsistream.errors import BrokerProcessError

UNUSED_RANGE = range(19100, 30000)
"""Below the ports that systems hand out for outgoing connections (32768 on Linux, 49152 elsewhere). From those, a
client that keeps trying a stopped broker can be given the broker's own port, connect to itself, and hold the port."""


def is_free(host: str, port: int) -> bool:
    """Whether a broker could listen there now."""
    bare = host.strip("[]")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    reachable = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(bare, bare)
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # macOS lets a loopback address be bound beside a wildcard that listens; so ask whether somebody answers.
        probe.settimeout(0.5)
        if probe.connect_ex((reachable, port)) == 0:
            return False
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name == "posix":  # as Java does, so that connections of the last run that still linger are no obstacle
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bare, port))
        except OSError:
            return False
    return True


def owner(port: int) -> str:
    """Who listens on the port, as far as this user may know."""
    try:
        for connection in psutil.net_connections("tcp"):
            if (
                connection.laddr
                and connection.laddr.port == port
                and connection.status == psutil.CONN_LISTEN
                and connection.pid
            ):
                return f"{psutil.Process(connection.pid).name()} (process {connection.pid})"
    except psutil.Error:
        pass  # macOS tells this to root only
    return "another program"


def unused(host: str, besides: Collection[int | None] = ()) -> int:
    """A free port outside the range of outgoing connections."""
    for port in random.sample(UNUSED_RANGE, 200):
        if port not in besides and is_free(host, port):
            return port
    raise BrokerProcessError(f"no free port was found on {host}", "give one with --port")


def choose(settings: BrokerSettings, last: int | None) -> int:
    """The port to listen on: the one asked for, that of the last start, the usual one, or any.

    The last one comes first because programs that are running keep trying it.
    """
    if settings.outside_port:
        _expect_free(ALL_INTERFACES, settings.outside_port, "give --outside another one")
    if settings.port:
        _expect_free(settings.host, settings.port, "leave --port away to get a free port")
        return settings.port
    preferred = [last] if settings.port == ANY_PORT else [last, USUAL_PORT]
    for port in preferred:
        if port is not None and port != settings.outside_port and is_free(settings.host, port):
            return port
    return unused(settings.host, besides=[settings.outside_port])


def all_free(settings: BrokerSettings, port: int) -> bool:
    """Whether the broker could listen now wherever its clients come from."""
    outside = settings.outside_port
    return is_free(settings.host, port) and (outside is None or is_free(ALL_INTERFACES, outside))


def _expect_free(host: str, port: int, advice: str) -> None:
    if not is_free(host, port):
        where = "all interfaces" if host in WILDCARDS else host
        raise BrokerProcessError(f"port {port} on {where} is taken by {owner(port)}", f"stop that program, or {advice}")
