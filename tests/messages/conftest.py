"""What these tests share: a broker that asks who you are, once for the whole run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from secured import Secured, secured_broker


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """An Apache Kafka with TLS, certificates, passwords and rights."""
    with secured_broker(tmp_path_factory.mktemp("secured")) as made:
        yield made
