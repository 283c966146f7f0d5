"""Whether a broker answers is asked in Kafka's protocol, and of nothing else taken for an answer."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from openmsistream.broker import RunningBroker, ports
from openmsistream.broker.probe import QUESTION, answers


@contextmanager
def server(reply: Callable[[bytes], bytes] | None) -> Iterator[str]:
    """Takes one connection, reads the question and replies; with no reply it stands still until the test is over."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                asked = connection.recv(100)
                if reply is None:
                    over.wait(10)
                else:
                    connection.sendall(reply(asked))

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        over.set()
        thread.join(10)


def test_a_kafka_answers(broker: RunningBroker) -> None:
    assert answers(broker.address)


def test_nobody_there_does_not() -> None:
    assert not answers(f"127.0.0.1:{ports.unused('127.0.0.1')}")


def test_one_that_takes_the_connection_and_stands_still_does_not() -> None:
    with server(None) as address:
        assert not answers(address, within=0.2)


def test_one_that_hangs_up_does_not() -> None:
    with server(lambda _asked: b"") as address:
        assert not answers(address)


@pytest.mark.parametrize(("number", "is_ours"), [(1, True), (2, False)])
def test_an_answer_carries_the_number_of_the_question(number: int, is_ours: bool) -> None:
    def reply(asked: bytes) -> bytes:
        assert asked == QUESTION
        return struct.pack(">iih", 6, number, 0)

    with server(reply) as address:
        assert answers(address) is is_ours


def test_a_question_is_as_long_as_it_says() -> None:
    assert struct.unpack(">i", QUESTION[:4])[0] == len(QUESTION) - 4
