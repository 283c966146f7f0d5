"""How a client stands with its brokers: the properties it is made with, and the word when they cannot be reached."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError

from .causes import Cause, cause_of, plain

log = logging.getLogger(__name__)

ClientConfig = dict[str, Any]

_ANOTHER_ANSWERS_WITHIN = 1.0
"""Seconds: where several brokers are named, what one of them says is not the last word."""

_CLOSED_AT_ONCE = re.compile(r"Disconnected: connection closed by peer.*\(after \d{1,3}ms")
"""After longer than that it has been of use, and was idle or the broker ends."""


class Connection:
    """Hears what a client says of its brokers, so that "it is stuck" has a reason that can be shown.

    Its methods run in the client's threads. A `silent` one only remembers: its owner raises what it has heard.
    """

    def __init__(self, bootstrap: str, *, silent: bool = False) -> None:
        self.bootstrap = bootstrap
        self._log_outage = log.debug if silent else log.warning
        self._properties: Mapping[str, str] = {}
        self._lock = threading.Lock()
        self._trouble = ""
        self._cause: Cause | None = None
        self._cause_since = 0.0
        self._down = False
        self.fatal: KafkaError | None = None  # after it, the client does nothing any more

    @property
    def trouble(self) -> str:
        """Why the brokers cannot be reached just now, in words; empty when they can."""
        return self._trouble if self._down else ""

    @property
    def last_cause(self) -> str:
        """The last error that was heard, whether or not it is over."""
        return self._trouble

    @property
    def cause(self) -> Cause | None:
        """What stands in the way and will not pass by itself; None as long as trying on may help."""
        cause = self._cause
        if cause is None:
            return None
        patience = max(cause.passes_within, _ANOTHER_ANSWERS_WITHIN if "," in self.bootstrap else 0.0)
        return cause if time.monotonic() - self._cause_since >= patience else None

    @property
    def advice(self) -> str:
        """What to do about the last error, when it is one of those that are known; else empty."""
        return self._cause.advice if self._cause is not None else ""

    def heard(self, error: KafkaError) -> None:
        """The client reports an error; most are passing."""
        if error.fatal():
            self.heard_fatal(error)
        with self._lock:
            if error.code() == KafkaError._ALL_BROKERS_DOWN:
                self._are_down(self._trouble or error.str())
            else:
                self._note(error.str())
                log.debug("client: %s", error)

    def heard_fatal(self, error: KafkaError) -> None:
        """The client has given up for good; its first word says why, later ones only that."""
        self.fatal = self.fatal or error

    def heard_closing(self, text: str) -> None:
        """The client logs that a broker has closed a connection that was new, which is no error to it."""
        with self._lock:
            self._note(text)

    def unanswered(self, why: str) -> None:
        """Another client asked these brokers in vain.

        This one may not have noticed: librdkafka says once that all are down, and not at all when the group's coordinator
        loses its address in the same moment.
        """
        with self._lock:
            self._are_down(self._trouble or why)

    def _are_down(self, why: str) -> None:
        if not self._down:
            self._log_outage("no broker answers at %s (%s); trying on", self.bootstrap, why)
        self._down = True

    def answered(self) -> None:
        """A broker has answered."""
        self._cause = None
        if self._down:
            with self._lock:
                self._down = False
                self._log_outage("the brokers at %s answer again", self.bootstrap)

    def config(self, properties: Mapping[str, str]) -> ClientConfig:
        """A client's configuration with our ears in it."""
        self._properties = properties
        return {**properties, "error_cb": self.heard, "logger": _logger(self)}

    def _note(self, text: str) -> None:
        cause = cause_of(text, self._properties)
        if cause is None or self._cause is None or cause.what != self._cause.what:
            self._cause_since = time.monotonic()
        self._cause = cause
        self._trouble = cause.what if cause is not None else plain(text)


class _Ear(logging.Handler):
    """Listens to a client's own log for the one thing that it tells nowhere else."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(logging.INFO)
        self._connection = connection

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if _CLOSED_AT_ONCE.search(text):
            self._connection.heard_closing(text)


def _logger(connection: Connection) -> logging.Logger:
    """A logger of its own for a client, outside of the tree: its warnings repeat what error_cb says, in librdkafka's words."""
    logger = logging.Logger("openmsistream.kafka.client", logging.INFO)
    logger.addHandler(_Ear(connection))
    return logger
