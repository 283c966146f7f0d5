"""Kafka in a container: any user, nothing to write to but its volume, killed, restarted, moved, halted, full."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import docker
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from containers import HOME, REPOSITORY, Container, Harbour, mounted
from lab import expect

from openmsistream.broker import ports

PAGE = REPOSITORY / "docs" / "broker.md"
STATE = f"{HOME}/state"
"""Where the image keeps a broker's data."""

ANSWERS = "is running at"
STARTED = 60.0
STOPPED = 10.0
"""After so many seconds `docker stop` kills."""

SECOND = 1_000_000_000
QUICK: dict[str, Any] = {
    "healthcheck": {
        "test": ["CMD", "openmsistream", "health", "--max_age", "6"],
        "interval": SECOND,
        "timeout": 10 * SECOND,
        "retries": 1,
    }
}
"""The image's own check, with less patience."""

LOCKED: dict[str, Any] = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}


@pytest.fixture
def volume(engine: docker.DockerClient) -> Iterator[str]:
    """A volume of Docker's; asked for before `harbour`, it is removed after the containers."""
    made = engine.volumes.create(f"broker-image-{uuid.uuid4().hex[:10]}")
    try:
        yield made.name
    finally:
        made.remove(force=True)


@dataclass
class Brokers:
    """Containers with a broker, all on one volume and at one port of this machine."""

    harbour: Harbour
    image: str
    volume: str
    port: int

    def start(self, **options: Any) -> Container:
        made = self.begin(**options)
        made.wait_for(ANSWERS, STARTED)
        return made

    def begin(self, **options: Any) -> Container:
        options = {
            "volumes": {self.volume: {"bind": STATE, "mode": "rw"}},
            "ports": {f"{self.port}/tcp": ("127.0.0.1", self.port)},
            **options,
        }
        return self.harbour.start(
            self.image, "openmsistream", "broker", "run", "--host", "0.0.0.0", "--port", "9092",
            "--outside", f"localhost:{self.port}", **options,
        )  # fmt: skip

    def make_topic(self) -> str:
        name = f"t-{uuid.uuid4().hex[:8]}"
        admin = AdminClient(self._client())
        admin.create_topics([NewTopic(name, 1)])[name].result(20)
        return name

    def send(self, topic: str, *values: bytes, codec: str = "none", limit: float = 60.0) -> None:
        failed: list[object] = []
        producer = Producer({**self._client(), "acks": "all", "compression.type": codec, "linger.ms": 20})
        for value in values:
            while True:
                try:
                    producer.produce(topic, value, on_delivery=lambda error, _: failed.append(error) if error else None)
                    break
                except BufferError:
                    producer.poll(0.1)
        assert producer.flush(limit) == 0
        assert failed == []

    def records(self, topic: str) -> list[bytes]:
        reader = Consumer({**self._client(), "group.id": "none", "enable.auto.commit": False})
        try:
            _, end = reader.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)
            reader.assign([TopicPartition(topic, 0, 0)])
            got: list[bytes] = []
            expect(lambda: len(got) >= end or got.extend(self._poll(reader)) is not None, 60, lambda: len(got))
            return got
        finally:
            reader.close()

    @staticmethod
    def _poll(reader: Consumer) -> list[bytes]:
        return [message.value() or b"" for message in reader.consume(1000, 0.2) if message.error() is None]

    def _client(self) -> dict[str, Any]:
        return {"bootstrap.servers": f"localhost:{self.port}", "log_level": 0}


@pytest.fixture
def brokers(volume: str, harbour: Harbour, broker_image: str) -> Brokers:
    return Brokers(harbour, broker_image, volume, ports.unused("127.0.0.1"))


def test_without_network_and_rights_any_user_runs_it_on_a_read_only_system(
    volume: str, harbour: Harbour, broker_image: str
) -> None:
    broker = harbour.start(
        broker_image, "openmsistream", "broker", "run", user="54321", network_mode="none",
        volumes={volume: {"bind": STATE, "mode": "rw"}}, **LOCKED, **QUICK,
    )  # fmt: skip
    broker.becomes("healthy", STARTED)
    assert "fetching" not in broker.said
    assert "topics:     none yet" in broker.run("openmsistream broker status")
    assert broker.stop() < STOPPED
    assert (broker.exit_code, broker.said.splitlines()[-1]) == (0, "the broker has stopped")


def test_records_of_every_compression_are_taken_on_a_read_only_system(brokers: Brokers) -> None:
    """Kafka unpacks a library for some of them, and may run programs in its own folder only."""
    brokers.start(tmpfs={"/tmp": "noexec"}, **LOCKED)
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        topic = brokers.make_topic()
        brokers.send(topic, *[b"again and again " * 50] * 20, codec=codec)
        assert len(brokers.records(topic)) == 20, codec


def test_768_mb_are_enough_for_a_broker_under_load(brokers: Brokers) -> None:
    broker = brokers.start(mem_limit="768m", memswap_limit="768m")
    topic = brokers.make_topic()
    for _ in range(8):
        brokers.send(topic, *[b"x" * 500_000] * 100)
    assert len(brokers.records(topic)) == 800
    assert broker.running
    assert broker.facts["State"]["OOMKilled"] is False


def test_a_stop_while_it_starts_ends_it_at_once(brokers: Brokers) -> None:
    broker = brokers.begin()
    expect(lambda: _java(broker) > 0, STARTED)
    assert broker.stop() < STOPPED
    assert broker.exit_code in (0, 143)


def test_a_killed_container_is_started_again_with_its_records(brokers: Brokers) -> None:
    """Its note names a process that is another one's by now: process numbers begin anew in each container."""
    broker = brokers.start()
    topic = brokers.make_topic()
    brokers.send(topic, b"before")
    broker.made.kill()
    broker.made.start()
    broker.wait_for(ANSWERS, STARTED, times=2)
    assert brokers.records(topic) == [b"before"]
    brokers.send(topic, b"after")
    assert brokers.records(topic) == [b"before", b"after"]


def test_a_new_container_of_another_name_goes_on_with_the_volume(brokers: Brokers) -> None:
    first = brokers.start(hostname="first")
    topic = brokers.make_topic()
    brokers.send(topic, b"before")
    first.made.kill()
    first.remove()
    brokers.start(hostname="second")
    assert brokers.records(topic) == [b"before"]


def test_a_second_container_on_the_same_volume_is_refused_and_the_first_goes_on(brokers: Brokers) -> None:
    first = brokers.start()
    topic = brokers.make_topic()
    second = brokers.begin(ports={})
    assert second.ends(STARTED) == 10
    assert "another Kafka works on the records in" in second.said
    brokers.send(topic, b"still here")
    assert brokers.records(topic) == [b"still here"]
    assert topic in first.run("openmsistream broker status")


def test_a_broker_that_stands_still_is_unhealthy_until_it_goes_on(brokers: Brokers) -> None:
    broker = brokers.start(**QUICK)
    broker.becomes("healthy", STARTED)
    broker.run(f"kill -STOP {_java(broker)}")
    broker.becomes("unhealthy", 40)
    assert "does not answer" in broker.said
    broker.run(f"kill -CONT {_java(broker)}")
    broker.becomes("healthy", 40)
    assert broker.stop() < STOPPED


def test_a_kafka_that_dies_ends_its_container_which_is_restarted_with_its_records(brokers: Brokers) -> None:
    broker = brokers.start(restart_policy={"Name": "on-failure"})
    topic = brokers.make_topic()
    brokers.send(topic, b"before")
    broker.run(f"kill -KILL {_java(broker)}")
    broker.wait_for(ANSWERS, STARTED, times=2)
    assert "the broker ended by itself: exit code -9" in broker.said
    assert broker.restarts == 1
    assert brokers.records(topic) == [b"before"]


def test_what_the_page_about_it_has_one_type_is_a_broker_for_this_machine(brokers: Brokers, volume: str) -> None:
    (line,) = re.findall(r"^docker run --detach --name broker .*$", PAGE.read_text("utf-8"), re.MULTILINE)
    for written, ours in (
        ("openmsistream:broker", brokers.image),
        ("9094", str(brokers.port)),
        ("--name broker ", ""),
        ("records:", f"{volume}:"),
    ):
        assert written in line
        line = line.replace(written, ours)
    brokers.harbour.typed(line)
    brokers.harbour.last.wait_for(ANSWERS, STARTED)
    topic = brokers.make_topic()
    brokers.send(topic, b"hello")
    assert brokers.records(topic) == [b"hello"]


def test_a_folder_that_it_may_not_use_is_told_with_what_to_type(harbour: Harbour, broker_image: str) -> None:
    folder = harbour.folder("roots", owner=(0, 0))
    folder.chmod(0o755)
    code, said = harbour.ran(
        broker_image, "openmsistream", "broker", "run", user="1234:1234", volumes=mounted(folder, STATE)
    )
    assert code == 7
    assert len(said.splitlines()) == 1
    assert "cannot be used: Permission denied" in said
    assert "chown" in said


def test_a_full_volume_is_told_and_it_goes_on_when_there_is_room(brokers: Brokers, engine: docker.DockerClient) -> None:
    small = engine.volumes.create(
        f"{brokers.volume}-small", driver_opts={"type": "tmpfs", "device": "tmpfs", "o": "size=64m,uid=1000,exec"}
    )
    # one that only holds it: Docker unmounts such a volume, and forgets what is in it, when nobody uses it
    holder = brokers.harbour.start(
        brokers.image, "sleep", "600", volumes={small.name: {"bind": "/held", "mode": "rw"}}, stop_signal="SIGKILL"
    )
    try:
        holder.run("head -c 25M /dev/zero > /held/ballast")
        broker = brokers.start(volumes={small.name: {"bind": STATE, "mode": "rw"}}, user="1000")
        topic = brokers.make_topic()
        brokers.send(topic, b"before")
        with pytest.raises(AssertionError):
            brokers.send(topic, *[b"x" * 900_000] * 80, limit=5)
        assert broker.ends(30) == 10
        assert "the disk of /home/openmsi/state/openmsistream/broker is full" in broker.said
        holder.run("rm /held/ballast")
        broker.made.start()
        broker.wait_for(ANSWERS, STARTED, times=2)
        assert brokers.records(topic)[0] == b"before"
    finally:
        holder.remove()
        brokers.harbour.last.remove()
        small.remove(force=True)


def test_without_the_extra_the_build_argument_is_named(harbour: Harbour, base_image: str) -> None:
    code, said = harbour.ran(base_image, "openmsistream", "broker", "run")
    assert code == 3
    assert "--build-arg EXTRAS=broker" in said


def _java(broker: Container) -> int:
    """The number of Kafka's process inside the container; 0 when there is none."""
    _, found = broker.tried(
        "grep -l 'kafka[.]Kafka' /proc/[0-9]*/cmdline 2>/dev/null"
    )  # what looks does not find itself
    return int(found.split("/")[2]) if found else 0
