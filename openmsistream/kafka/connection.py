"""How a client stands with its brokers: the properties it is made with, and the word when they cannot be reached."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError

log = logging.getLogger(__name__)

ClientConfig = dict[str, Any]


class Connection:
    """Hears what a client says of its brokers, so that "it is stuck" has a reason that can be shown.

    Its methods run in the client's threads.
    """

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._lock = threading.Lock()
        self._trouble = ""
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

    def heard(self, error: KafkaError) -> None:
        """The client reports an error; most are passing."""
        if error.fatal():
            self.heard_fatal(error)
        with self._lock:
            if error.code() == KafkaError._ALL_BROKERS_DOWN:
                if not self._down:
                    log.warning("no broker answers at %s (%s); trying on", self.bootstrap, self._trouble or error.str())
                self._down = True
            else:
                self._trouble = error.str()
                log.debug("client: %s", error)

    def heard_fatal(self, error: KafkaError) -> None:
        """The client has given up for good; its first word says why, later ones only that."""
        self.fatal = self.fatal or error

    def answered(self) -> None:
        """A broker has answered."""
        if self._down:
            with self._lock:
                self._down = False
                log.warning("the brokers at %s answer again", self.bootstrap)

    def config(self, properties: Mapping[str, str]) -> ClientConfig:
        """A client's configuration with our ears in it."""
        return {**properties, "error_cb": self.heard, "logger": _client_log}


_client_log = logging.getLogger("openmsistream.kafka.client")
_client_log.setLevel(logging.ERROR)  # its warnings repeat what error_cb says, in librdkafka's words
_client_log.addHandler(logging.NullHandler())
_client_log.propagate = False
