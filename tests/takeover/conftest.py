"""A topic and folders for each test; property tests have no deadline: the machine may be busy with others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from lab import Lab

from openmsistream.broker import RunningBroker
from openmsistream.transfer import uploader

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture
def lab(broker: RunningBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """This test's own topic and folders; its programs are ended afterwards. Inside this process the lag is a second."""
    monkeypatch.setattr(uploader, "LAG", 1.0)
    monkeypatch.delenv("OPENMSISTREAM_STATE_DIR", raising=False)
    made = Lab(broker.address, tmp_path)
    try:
        yield made
    finally:
        made.close()
