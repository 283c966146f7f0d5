"""One real Apache Kafka on this machine, for a first try, a small laboratory, and tests."""

from __future__ import annotations

from openmsistream.broker.control import reset, start, stop, temporary
from openmsistream.broker.foreground import run
from openmsistream.broker.running import RunningBroker
from openmsistream.broker.settings import BrokerSettings, default_data_dir
from openmsistream.broker.status import BrokerStatus, status

__all__ = [
    "BrokerSettings",
    "BrokerStatus",
    "RunningBroker",
    "default_data_dir",
    "reset",
    "run",
    "start",
    "status",
    "stop",
    "temporary",
]
