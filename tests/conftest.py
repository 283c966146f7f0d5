"""What all tests share: how many processes run them, one real broker for each of these, and a lab at it for a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Lab
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from openmsistream.broker import RunningBroker, temporary
from openmsistream.transfer import uploader

WORKERS = 3
"""Processes for a run of many tests. One more than the two cores that they are made for: tests wait more than they compute."""

TOGETHER = (
    "broker/test_life.py", "end_to_end/test_broker_outage.py", "kafka/test_silent_broker.py", "messages/test_access.py",
    "images/test_compose.py", "images/test_deploy_page.py",
)  # fmt: skip
"""The modules that have a broker of their own, which is started once then. They are begun first."""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Folders are tested side by side; a file or a single test in this process, where a debugger can follow."""
    folders = any(Path(word).is_dir() for word in config.args)
    return WORKERS if folders else 0


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Each test goes to the process that is free, but those of a module with a broker of its own stay together.

    Not done with the mark xdist_group, which pytest-xdist 3.8 does not see under pytest 9.2.
    """
    return _TogetherOrAlone(config, log)


class _TogetherOrAlone(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.partition("::")[0]
        return module if module.endswith(TOGETHER) else nodeid


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Iterator[Any]:
    """What a test said goes from process to process as UTF-8, which names that are no Unicode are not."""
    return _spelt_out((yield))


def _spelt_out(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {key: _spelt_out(item) for key, item in value.items()}
        case list() | tuple():
            return type(value)(map(_spelt_out, value))
    return value


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """An Apache Kafka at `broker.address`; each test makes its own topics and groups, none may stop it."""
    place: Path = tmp_path_factory.mktemp("broker")
    with temporary(place, say=print) as running:
        yield running


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
