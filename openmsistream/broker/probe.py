"""Whether a broker answers: the smallest question of Kafka's protocol, over a connection of its own."""

from __future__ import annotations

import socket
import struct

from openmsistream.broker.settings import split_address

_BODY = struct.pack(">hhih", 18, 0, 1, -1)
"""Which requests do you know? ApiVersions (18) in its oldest form, which every broker answers, also to those that it does
not know; number 1, from a client without a name. https://kafka.apache.org/protocol#The_Messages_ApiVersions"""

QUESTION = struct.pack(">i", len(_BODY)) + _BODY


def answers(address: str, within: float = 2.0) -> bool:
    """Whether the broker at HOST:PORT answers in time: a process that stands still only has its connections accepted."""
    try:
        with socket.create_connection(split_address(address), within) as connection:
            connection.sendall(QUESTION)
            head = _read(connection, 8)
    except OSError:
        return False
    return len(head) == 8 and struct.unpack(">ii", head)[1] == 1


def _read(connection: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count and (more := connection.recv(count - len(got))):
        got += more
    return got
