"""What a reader makes of errors that come in place of records, without a broker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from confluent_kafka import KafkaError, TopicPartition

from openmsistream.errors import BrokerUnreachable, TopicError
from openmsistream.kafka.consumer import ChunkConsumer, Interrupted, TopicGone


@dataclass
class InPlaceOfARecord:
    """An error as the client hands it out between records."""

    said: KafkaError

    def error(self) -> KafkaError:
        return self.said

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return 77


class Nobody:
    def __getattr__(self, name: str) -> Any:
        return lambda *args: {}


@pytest.fixture
def reader() -> Iterator[ChunkConsumer]:
    made = ChunkConsumer({"bootstrap.servers": "127.0.0.1:1"}, "group", "topic", Nobody())
    yield made
    made.close(1.0)


def meets(reader: ChunkConsumer, code: int) -> bool:
    return reader._usable(InPlaceOfARecord(KafkaError(code)))  # type: ignore[arg-type]


def test_a_damaged_batch_ends_with_its_place_and_a_way_on(reader: ChunkConsumer) -> None:
    with pytest.raises(TopicError) as caught:
        meets(reader, KafkaError._BAD_MSG)
    assert str(caught.value) == (
        "reading topic 'topic' as a member of group 'group' (partition 3, offset 77) at 127.0.0.1:1 did not work: Bad "
        "message format; look at the broker's disks and its log; to go on without these records, set the group's offset "
        "behind them with Kafka's kafka-consumer-groups --reset-offsets"
    )


@pytest.mark.parametrize("code", [KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE])
def test_a_place_that_is_gone_is_a_reason_to_begin_again_from_what_is_committed(
    reader: ChunkConsumer, code: int
) -> None:
    with pytest.raises(Interrupted, match="partition 3 does not hold the record any more that is to be read next"):
        meets(reader, code)


def test_a_topic_that_is_gone_is_told_apart(reader: ChunkConsumer) -> None:
    with pytest.raises(TopicGone):
        meets(reader, KafkaError.UNKNOWN_TOPIC_OR_PART)


def test_an_error_that_passes_is_said_and_waited_out(reader: ChunkConsumer, caplog: pytest.LogCaptureFixture) -> None:
    assert not meets(reader, KafkaError._TRANSPORT)
    assert "reading topic 'topic' as a member of group 'group' at 127.0.0.1:1 did not work" in caplog.text
    assert BrokerUnreachable.retriable


def test_commits_that_will_never_go_through_are_said_once_with_what_to_do(
    reader: ChunkConsumer, caplog: pytest.LogCaptureFixture
) -> None:
    place = TopicPartition("topic", 3, 5)
    for code in (
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.OFFSET_METADATA_TOO_LARGE,
        KafkaError.OFFSET_METADATA_TOO_LARGE,
    ):
        reader._on_commit(KafkaError(code), [place])
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "commits for topic topic are refused (Broker: Offset metadata string too large): a restart will begin too early; "
        "raise offset.metadata.max.bytes of the brokers to its default, 4096"
    ]
