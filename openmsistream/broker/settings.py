"""What an embedded broker is asked to be: place, address, and limits fit for one machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from openmsistream.config.places import user_state_dir
from openmsistream.errors import UsageError

USUAL_PORT = 9092
"""The port that everybody's Kafka examples use; taken when it is free."""

ANY_PORT = 0
"""Asks for a free port without trying the usual one first (tests, demonstrations)."""

ALL_INTERFACES = "0.0.0.0"
WILDCARDS = ("", ALL_INTERFACES, "::", "[::]")
LOOPBACK = ("127.0.0.1", "localhost", "::1", "[::1]")


def default_data_dir() -> Path:
    """Where the broker of this user keeps its data when no other folder is asked for."""
    return user_state_dir() / "broker"


def with_port(host: str, port: int) -> str:
    """`host:port`, with the brackets that an IPv6 address needs."""
    bare = host.strip("[]")
    return f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}"


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; UsageError when it is not of that form."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(f"{address!r} is not an address", "write it as HOST:PORT, such as lab-pc.example.org:9092")
    return host.strip("[]"), int(port)


def checked_address(address: str) -> tuple[str, int]:
    """Host and port of an address that clients are told; UsageError when none of them could use it."""
    host, port = split_address(address)
    if host in WILDCARDS:
        raise UsageError(
            f"clients cannot be told {address!r}: that is every interface of a machine, and none in particular",
            "write the name by which they reach this one, such as lab-pc.example.org:9092",
        )
    return host, port


@dataclass(frozen=True)
class BrokerSettings:
    """One embedded broker. The defaults are for a first try, a small laboratory, or a test."""

    data_dir: Path
    host: str = "127.0.0.1"
    """The interface that it listens on; only this machine unless told otherwise (there is no authentication)."""
    port: int | None = None
    """None: the port of the last start, else 9092, else a free one. 0: a free one. Any other: that one or an error."""
    advertised: str | None = None
    """HOST:PORT that clients are told to use, when they reach the broker by another name (containers, NAT)."""
    outside: str | None = None
    """HOST:PORT for clients of another network (the machine on which a container runs): the broker listens at that port
    too, on all interfaces, and tells whoever comes by it to stay with this address."""
    heap_mb: int = 512
    """The most memory that Java uses for objects; the process takes more: 200 to 300 MB in all under load is usual."""
    retention_hours: int = 168
    """Records older than a week go: a broker for a first try must not keep an instrument's data for ever."""
    retention_gb: float = 10.0
    """The oldest records of a partition go when it is larger, so that one stream cannot fill a usual disk."""

    def __post_init__(self) -> None:
        if self.port is not None and not 0 <= self.port < 65536:
            raise UsageError(f"{self.port} is not a port", "choose one from 1 to 65535")
        if self.heap_mb < 128:
            raise UsageError(f"{self.heap_mb} MB of heap are too few for Kafka", "give it 128 MB or more")
        if self.retention_hours < 1 or self.retention_gb <= 0:
            raise UsageError("retention must be at least one hour and more than 0 GB")
        if self.advertised is not None:
            checked_address(self.advertised)
        if self.outside is not None and checked_address(self.outside)[1] == self.port:
            raise UsageError(
                f"port {self.port} is asked for twice: with --port and with --outside {self.outside}",
                "give --outside a port of its own: the broker tells by the port from where a client comes",
            )

    @property
    def is_public(self) -> bool:
        """Whether other machines can reach it."""
        return self.host not in LOOPBACK or self.outside is not None

    @property
    def outside_port(self) -> int | None:
        """The port for clients of another network."""
        return split_address(self.outside)[1] if self.outside else None
