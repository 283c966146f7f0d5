"""What these tests share: a lab at the usual broker, and a broker that asks who you are, once for the whole run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab
from secured import Secured, secured_broker

from openmsistream.broker import RunningBroker
from openmsistream.transfer import uploader


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """An Apache Kafka with TLS, certificates, passwords and rights."""
    with secured_broker(tmp_path_factory.mktemp("secured")) as made:
        yield made


@pytest.fixture
def lab(broker: RunningBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """This test's own topic and folders at the broker of the whole run."""
    monkeypatch.setattr(uploader, "LAG", 1.0)
    monkeypatch.delenv("OPENMSISTREAM_STATE_DIR", raising=False)
    made = Lab(broker.address, tmp_path)
    try:
        yield made
    finally:
        made.close()
