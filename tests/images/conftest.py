"""What the tests that need a Docker engine share: the engine, the images, a network, Kafka in a container, systemd in one.

They are run by `make test-images`, never by `make test`. Without an engine they are skipped, unless
OPENMSISTREAM_IMAGES=required is set, as it is where there has to be one.
"""

from __future__ import annotations

import json
import os
import subprocess
import uuid
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

import docker
import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from containers import GROUP, REPOSITORY, USER, Container, Harbour, Way
from docker.errors import DockerException
from lab import Lab, expect
from secured import Secured, secured_broker

from openmsistream.broker.lock import exclusive
from openmsistream.broker.ports import unused
from openmsistream.errors import BrokerProcessError

os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # its image cannot be had everywhere; we remove ours

HERE = Path(__file__).parent
BROKER_READY = 90.0
SYSTEMD_READY = 60.0


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave these tests alone unless they are asked for by their folder or file."""
    asked = [Path(config.invocation_params.dir, word.partition("::")[0]).resolve() for word in config.args]
    return None if any(path == HERE or HERE in path.parents for path in asked) else True


# -- the engine and its images --------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """The Docker engine that answers where the `docker` command looks for one."""
    try:
        client = docker.from_env(timeout=120)
        client.ping()
    except DockerException as error:
        _cannot(f"no Docker engine answers ({error}); start one, or as root: .ci/engine start")
    try:
        yield client
    finally:
        client.close()


def _cannot(words: str) -> NoReturn:
    if os.environ.get("OPENMSISTREAM_IMAGES") == "required":
        pytest.fail(words)
    pytest.skip(words)


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that the processes of one run share: in it stands which images this run has made."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def ground(engine: docker.DockerClient, builds: Path) -> str:
    """The image that ours is built on: BASE_IMAGE of the environment, else what .ci/engine finds or makes."""
    if given := os.environ.get("BASE_IMAGE"):
        return given
    with exclusive(builds / "ground.lock", timeout=300):
        done = subprocess.run([REPOSITORY / ".ci/engine", "base"], stdout=subprocess.PIPE, text=True, timeout=300)
    if done.returncode != 0:
        _cannot("there is no image to build on; .ci/engine says why")
    return done.stdout.split()[-1]


def build(builds: Path, name: str, folder: Path, *options: str, buildkit: bool = False) -> str:
    """`docker build` of a folder, once in a run however many processes ask; the tag.

    Another checkout, or another image to build on, has another tag: runs beside this one do not get in its way.
    """
    tag = f"{name}-{zlib.crc32(' '.join([str(REPOSITORY), *options]).encode()):08x}"
    with exclusive(builds / "images.lock", timeout=900):
        made = builds / f"{tag.replace(':', '-')}.built"
        if not made.exists():
            done = subprocess.run(
                ["docker", "build", *options, "--tag", tag, "."], cwd=folder, text=True, errors="replace",
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900,
                env={**os.environ, "DOCKER_BUILDKIT": "1" if buildkit else "0"},
            )  # fmt: skip
            assert done.returncode == 0, f"the image {tag} could not be built:\n{done.stdout[-5000:]}"
            made.write_text(done.stdout, "utf-8")
    return tag


def user_arguments() -> list[str]:
    """The build arguments for an image whose user is the one that runs the tests; for root, the image's own."""
    return ["--build-arg", f"UID={USER}", "--build-arg", f"GID={GROUP}"]


@pytest.fixture(scope="session")
def base_image(ground: str, builds: Path) -> str:
    """The tag of the base image, built from the Dockerfile by the classic builder."""
    return build(builds, "openmsistream:test", REPOSITORY, "--build-arg", f"BASE_IMAGE={ground}", *user_arguments())


@pytest.fixture(scope="session")
def broker_image(ground: str, builds: Path) -> str:
    """The base image with the extra `broker`."""
    options = ["--build-arg", f"BASE_IMAGE={ground}", "--build-arg", "EXTRAS=broker", *user_arguments()]
    return build(builds, "openmsistream-broker:test", REPOSITORY, *options)


@pytest.fixture(scope="session")
def custom_image(base_image: str, builds: Path) -> str:
    """The image of custom_image/, built in its folder on our base image."""
    return build(
        builds, "openmsistream-custom:test", REPOSITORY / "custom_image", "--build-arg", f"BASE_IMAGE={base_image}"
    )


@pytest.fixture(scope="session")
def systemd_image(base_image: str, builds: Path) -> str:
    """The base image with systemd, as a machine with our package in /opt/openmsistream."""
    folder = HERE / "files" / "systemd"
    return build(builds, "openmsistream-systemd:test", folder, "--build-arg", f"BASE_IMAGE={base_image}")


# -- what runs --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def network(engine: docker.DockerClient) -> Iterator[Any]:
    """A network of Docker's for the containers of this process."""
    from testcontainers.core.network import Network

    with Network() as made:
        yield made


@pytest.fixture(scope="session")
def broker_container(broker_image: str, network: Any) -> Iterator[Any]:
    """Kafka in a container: `broker:9092` on the network, and its attribute `outside` on this machine. None may stop it."""
    from testcontainers.core.container import DockerContainer

    port = unused("127.0.0.1")
    made = (
        DockerContainer(broker_image)
        .with_network(network)
        .with_network_aliases("broker")
        .with_bind_ports(port, port)
        .with_command(
            f"openmsistream broker run --host 0.0.0.0 --port 9092 --advertised broker:9092 --outside localhost:{port}"
        )
    )
    with made:
        made.outside = f"localhost:{port}"
        running = Container(made.get_wrapped_container())
        expect(lambda: _answers(made.outside), BROKER_READY, lambda: running.said)
        yield made
        print(f"-- the broker's container said:\n{running.said[-3000:]}")


def _answers(address: str) -> bool:
    try:
        return bool(AdminClient({"bootstrap.servers": address, "log_level": 0}).list_topics(timeout=2).brokers)
    except KafkaException:
        return False


@pytest.fixture
def harbour(engine: docker.DockerClient, ground: str, tmp_path: Path) -> Iterator[Harbour]:
    """This test's containers and folders; what the containers said is shown when the test fails, and they are removed."""
    made = Harbour(engine, tmp_path, {"DOCKER_BUILDKIT": "0", "GROUND": ground})
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def topic() -> str:
    """A topic of this test's own."""
    return f"image-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def outside(broker_container: Any, topic: str, tmp_path: Path) -> Iterator[Lab]:
    """The broker as it is seen from this machine: this test's topic, what stands on it, and programs beside containers."""
    place = tmp_path / "outside"
    place.mkdir()
    made = Lab(broker_container.outside, place, topic)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def way(base_image: str, network: Any, harbour: Harbour, outside: Lab) -> Way:
    """A folder, this test's topic and another folder, and the programs that work on them in containers."""
    return Way(harbour, base_image, network.name, outside)


@pytest.fixture
def systemd_machine(engine: docker.DockerClient, systemd_image: str, network: Any, harbour: Harbour) -> Container:
    """A running machine with systemd as process 1 and our package in /opt/openmsistream; commands are `run` in it as root."""
    old = engine.info().get("CgroupVersion") == "1"
    options: dict[str, Any] = (
        {"cap_add": ["SYS_ADMIN"], "volumes": ["/sys/fs/cgroup/systemd:/sys/fs/cgroup/systemd:rw"]}
        if old
        else {"privileged": True, "cgroupns": "private"}
    )
    machine = harbour.start(
        systemd_image, tmpfs={"/run": "", "/run/lock": "", "/tmp": "exec"}, network=network.name, **options
    )
    expect(lambda: _settled(machine), SYSTEMD_READY, lambda: machine.said + json.dumps(machine.facts["State"]))
    return machine


def _settled(machine: Container) -> bool:
    return machine.running and machine.tried("systemctl is-system-running")[1].strip() in ("running", "degraded")


@pytest.fixture(scope="session")
def secured(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A Kafka that wants an account, on this machine, at an address that containers reach."""
    network = engine.networks.get("bridge").attrs
    gateway = network["IPAM"]["Config"][0].get("Gateway") or "172.17.0.1"
    with ExitStack() as running:
        for tries_left in (2, 1, 0):
            try:
                broker = running.enter_context(secured_broker(tmp_path_factory.mktemp("secured"), gateway))
                break
            except BrokerProcessError:  # another process of this run took one of its ports meanwhile
                if not tries_left:
                    raise
        yield broker
