"""What all tests share: one real broker for the whole run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from openmsistream.broker import RunningBroker, temporary


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """An Apache Kafka at `broker.address`; each test makes its own topics and groups, none may stop it."""
    place: Path = tmp_path_factory.mktemp("broker")
    with temporary(place, say=print) as running:
        yield running
