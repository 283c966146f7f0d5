"""What the tests of destinations share: S3 servers, and files as processors are given them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from s3_servers import Gateway, S3Server, gateway, moto, versitygw

from openmsistream.destinations.s3 import S3Destination
from openmsistream.testing.destinations import Trial


@pytest.fixture(scope="session")
def versitygw_program(pytestconfig: pytest.Config) -> Path:
    """The program of a real S3 server."""
    assert pytestconfig.cache is not None
    return versitygw(pytestconfig.cache.mkdir("versitygw"))


@pytest.fixture(scope="session")
def gate(versitygw_program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A versitygw for many tests, each with a bucket of its own; none may stop it."""
    with gateway(versitygw_program, tmp_path_factory.mktemp("versitygw")) as running:
        yield running


@pytest.fixture(scope="session")
def moto_server() -> Iterator[S3Server]:
    """moto's server for many tests, likewise."""
    with moto() as running:
        yield running


@pytest.fixture(params=["versitygw", "moto"])
def server(request: pytest.FixtureRequest) -> S3Server:
    """Each of the two servers in turn."""
    found: S3Server = request.getfixturevalue({"versitygw": "gate", "moto": "moto_server"}[request.param])
    return found


@pytest.fixture(autouse=True)
def no_account_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keys that whoever runs the tests has set up for AWS are not used by them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CA_BUNDLE",
                 "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ENDPOINT_URL"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))


@pytest.fixture
def trial_at(tmp_path: Path) -> Iterator[Callable[[S3Server], Trial]]:
    """A trial of a new bucket at a server."""
    made: list[S3Destination] = []

    def trial(server: S3Server) -> Trial:
        bucket = server.bucket()
        made.append(S3Destination(bucket, server.settings))
        return Trial(made[-1], lambda file: server.holds(bucket, f"topic/{file.path}"), tmp_path)

    yield trial
    for destination in made:
        destination.close()
