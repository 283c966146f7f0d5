"""A thread tells of a program, at its intervals and in nobody's way."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from openmsistream.config import load
from openmsistream.errors import ConfigError
from openmsistream.kafka import heartbeats
from openmsistream.kafka.heartbeats import announcing, default_program_id
from openmsistream.program.announcing import Amount, Announcement, Announcer, Counts
from openmsistream.program.options import CommonOptions
from openmsistream.program.run import wait_until

NOWHERE = "127.0.0.1:9"


class FakeProducer:
    """Takes records into a list; `away` says whether it would."""

    made: ClassVar[list[FakeProducer]] = []

    def __init__(self, properties: dict[str, str], where: str, *, silent: bool) -> None:
        self.properties = properties
        self.silent = silent
        self.records: list[tuple[str, str, dict[str, Any]]] = []
        self.prepared: list[str] = []
        self.away = self.closed = False
        self.made.append(self)

    busy = False

    def prepare(self, topic: str) -> None:
        self.prepared.append(topic)

    def send(self, topic: str, key: str, value: str) -> None:
        self.records.append((topic, key, json.loads(value)))

    def poll(self, timeout: float = 0.0) -> None:
        pass

    def close(self, within: float) -> None:
        self.closed = True


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[FakeProducer]]:
    """The producers that are made, none of which needs a broker."""
    monkeypatch.setattr(heartbeats, "SideProducer", FakeProducer)
    yield FakeProducer.made
    FakeProducer.made.clear()


class Mine(Announcer):
    done = 0

    def _counts(self) -> Counts:
        return {"read": Amount(self.done, self.done)}


Telling = Callable[..., AbstractContextManager[None]]


@pytest.fixture
def telling(tmp_path: Path) -> Telling:
    """`announcing` with a configuration of this text and these keyword arguments of a class."""

    def begin(program: Announcer, text: str = "", **kwargs: Any) -> AbstractContextManager[None]:
        config = tmp_path / "mine.config"
        config.write_text(f"[broker]\nbootstrap.servers = {NOWHERE}\n{text}", "utf-8")
        return announcing(program, CommonOptions.take(kwargs), load(config), tmp_path, "t")

    return begin


def beats(made: list[FakeProducer]) -> list[dict[str, Any]]:
    return [value for producer in made for topic, _, value in producer.records if topic == "beats"]


def logged(made: list[FakeProducer]) -> list[str]:
    return [
        text
        for producer in made
        for topic, _, value in producer.records
        if topic == "logs"
        for text in value["messages"]
    ]


def test_the_default_name_is_the_same_after_a_restart_and_another_for_another_folder_or_topic(tmp_path: Path) -> None:
    name = default_program_id("Program", tmp_path, "t")
    assert name.startswith("Program-")
    assert name == default_program_id("Program", tmp_path, "t")
    assert (
        len({name, default_program_id("Program", tmp_path, "u"), default_program_id("Program", tmp_path / "x", "t")})
        == 3
    )


def test_without_topics_nothing_is_made(telling: Telling, made: list[FakeProducer]) -> None:
    with telling(Mine(), heartbeat_program_id="me"):
        pass
    assert made == []


def test_one_heartbeat_comes_at_the_start_and_one_at_the_end_with_what_was_done_between(
    telling: Telling, made: list[FakeProducer]
) -> None:
    program = Mine()
    with telling(program, heartbeat_topic_name="beats", heartbeat_program_id="me"):
        assert wait_until(lambda: len(beats(made)) == 1, 10)
        program.done = 5
    (producer,) = made
    assert [(key, value["n_messages_read"]) for _, key, value in producer.records] == [
        ("me_heartbeat", 0),
        ("me_heartbeat", 5),
    ]
    assert producer.prepared == ["beats"]
    assert producer.closed


def test_heartbeats_keep_their_interval(telling: Telling, made: list[FakeProducer]) -> None:
    with telling(Mine(), heartbeat_topic_name="beats", heartbeat_interval_secs=0.2):
        began = time.monotonic()
        assert wait_until(lambda: len(beats(made)) == 6, 20)
        assert time.monotonic() - began > 0.9


def test_both_kinds_share_a_producer_where_their_settings_are_the_same(
    telling: Telling, made: list[FakeProducer]
) -> None:
    with telling(Mine(), heartbeat_topic_name="beats", log_topic_name="logs"):
        pass
    assert len(made) == 1


@pytest.mark.parametrize("text", ["[log]\nlinger.ms = 1\n", "[log]\nprefer.separate.producer = true\n"])
def test_a_section_of_its_own_gives_a_producer_of_its_own(
    telling: Telling, made: list[FakeProducer], text: str
) -> None:
    with telling(Mine(), text, heartbeat_topic_name="beats", log_topic_name="logs"):
        pass
    assert len(made) == 2


def test_brokers_that_the_program_does_not_use_are_spoken_of_here(telling: Telling, made: list[FakeProducer]) -> None:
    other = "[log]\nbootstrap.servers = other:1\n"
    with telling(Mine(), other, heartbeat_topic_name="beats", log_topic_name="logs"):
        pass
    assert [producer.silent for producer in made] == [True, False]


def test_while_no_broker_takes_anything_nothing_is_added_and_then_all_is_counted(
    telling: Telling, made: list[FakeProducer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeats, "_LISTENS_EVERY", 0.01)
    program = Mine()
    with telling(program, heartbeat_topic_name="beats", heartbeat_interval_secs=0.1):
        assert wait_until(lambda: len(beats(made)) == 1, 10)
        made[0].away = True
        assert wait_until(lambda: "heartbeats" in {t.name for t in threading.enumerate()}, 1)
        program.done = 7
        began, before = time.monotonic(), len(beats(made))
        assert wait_until(lambda: time.monotonic() - began > 0.4, 5)
        assert len(beats(made)) - before <= 1  # one may just have been on its way
        made[0].away = False
        assert wait_until(lambda: sum(beat["n_messages_read"] for beat in beats(made)) == 7, 10)


def test_a_message_of_ones_own_is_sent(telling: Telling, made: list[FakeProducer]) -> None:
    class Own(Mine):
        def get_heartbeat_message(self) -> object:
            theirs = super().get_heartbeat_message()
            assert isinstance(theirs, Announcement)
            return Announcement(theirs.msg_key, json.dumps({**json.loads(theirs.msg_value), "lab": 7}))

    with telling(Own(), heartbeat_topic_name="beats"):
        pass
    assert beats(made)[-1].keys() == {"timestamp", "n_messages_read", "n_bytes_read", "lab"}


def test_none_is_not_sent(telling: Telling, made: list[FakeProducer]) -> None:
    class Silent(Mine):
        def get_heartbeat_message(self) -> object:
            return None

    with telling(Silent(), heartbeat_topic_name="beats"):
        pass
    assert beats(made) == []


@pytest.mark.parametrize("message", ["raises", "nonsense"])
def test_a_message_of_ones_own_that_fails_is_said_once_and_the_other_kind_goes_on(
    telling: Telling, made: list[FakeProducer], caplog: pytest.LogCaptureFixture, message: str
) -> None:
    class Broken(Mine):
        calls = 0

        def get_heartbeat_message(self) -> object:
            self.calls += 1
            if message == "raises":
                raise ValueError("no such laboratory")
            return 7

    program = Broken()
    caplog.set_level(logging.INFO)
    with telling(program, heartbeat_topic_name="beats", heartbeat_interval_secs=0.1, log_topic_name="logs"):
        assert wait_until(lambda: program.calls > 2, 10)
    said = "no such laboratory" if message == "raises" else "7 has no texts msg_key and msg_value"
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [f"heartbeats are not sent: {said}; the program goes on without them"]
    assert any(said in text for text in logged(made))


def test_a_message_of_ones_own_that_never_comes_delays_the_end_by_little(
    telling: Telling, made: list[FakeProducer]
) -> None:
    release = threading.Event()

    class Hanging(Mine):
        def get_heartbeat_message(self) -> object:
            release.wait(60)
            return None

    began = time.monotonic()
    try:
        with telling(Hanging(), heartbeat_topic_name="beats"):
            pass
        assert time.monotonic() - began < 3
    finally:
        release.set()


def test_what_is_logged_meanwhile_is_sent_and_what_ends_the_program_is_the_last_of_it(
    telling: Telling, made: list[FakeProducer], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def run() -> None:
        with telling(Mine(), "sasl.password = hunter22\n", log_topic_name="logs", log_program_id="me"):
            logging.getLogger("a").info("hunter22 is in the house")
            raise ConfigError("it is broken", "mend it")

    with pytest.raises(ConfigError):
        run()
    assert logged(made)[-2:] == ["******** is in the house", "it is broken; mend it"]
    assert {key for producer in made for _, key, _ in producer.records} == {"me_log"}


def test_where_nothing_was_logged_nothing_is_sent(telling: Telling, made: list[FakeProducer]) -> None:
    with telling(Mine(), "[log]\nlog.level = error\n", log_topic_name="logs"):
        pass
    assert made[0].records == []


def test_a_log_message_of_ones_own_that_takes_nothing_is_sent_once_at_a_time(
    telling: Telling, made: list[FakeProducer], caplog: pytest.LogCaptureFixture
) -> None:
    class Own(Mine):
        def get_log_message(self) -> object:
            return Announcement("k", '{"messages": ["mine"]}')

    caplog.set_level(logging.INFO)
    with telling(Own(), log_topic_name="logs"):
        assert wait_until(lambda: logged(made) == ["mine"], 10)
    assert logged(made) == ["mine", "mine"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[heartbeat]\nlinger = 5\n",
            r"linger in \[heartbeat\] is no property of Kafka clients; did you mean linger.ms",
        ),
        ("[heartbeat]\ncompression.type = lz5\n", r"were refused: .*compression.type.*; write one of: none, gzip"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_at_the_start(telling: Telling, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said), telling(Mine(), text, heartbeat_topic_name="beats"):
        raise AssertionError("it began")


def test_a_broker_that_is_not_there_delays_the_end_by_little(telling: Telling) -> None:
    with telling(Mine(), heartbeat_topic_name="beats", log_topic_name="logs"):
        began = time.monotonic()
    assert time.monotonic() - began < 3
