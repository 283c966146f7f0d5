"""Results and offsets in one transaction, with a real broker: all or nothing, whatever is killed, frozen or taken over."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from bench import WITHIN, Bench, Result, after, bench_at
from confluent_kafka import KafkaError
from lab import Lab, expect

from openmsistream.config import load
from openmsistream.errors import AccessRefused, ConfigError, TopicError
from openmsistream.kafka.admin import Topic
from openmsistream.kafka.attempt import Attempt
from openmsistream.kafka.commits import MAX_METADATA, Commit
from openmsistream.kafka.consumer import ChunkConsumer, Interrupted
from openmsistream.kafka.transaction_errors import in_words
from openmsistream.kafka.transactions import (
    Fenced,
    NotCommitted,
    Rebalancing,
    ResultsRefused,
    TransactionalProducer,
)

TOPIC = Topic("t", "i", "c", 1, 1, 1_048_588, -1, -1, "delete")


def configured(tmp_path: Path, producer: str) -> dict[str, str]:
    file = tmp_path / "mine.config"
    file.write_text(f"[broker]\nbootstrap.servers = h:1\n[producer]\n{producer}", "utf-8")
    return load(file).transactional.properties


@pytest.fixture
def bench(lab: Lab) -> Iterator[Bench]:
    made = bench_at(lab, lab.place / "results")
    with made.stack:
        yield made


# -- all -------------------------------------------------------------------------------------------------------------


def test_results_and_offsets_count_together(bench: Bench) -> None:
    member, producer = bench.member(), bench.producer()
    metadata = "1 5 " + "x" * (MAX_METADATA - 4)
    result = Result(b"the result", b"its key", (("source.path", b"a/b.dat"),))
    producer.commit([result, Result(None, None)], {0: Commit(7, metadata)}, member, WITHIN)
    first, second = bench.records()
    assert (first.key(), first.value(), first.headers()) == (b"its key", b"the result", [("source.path", b"a/b.dat")])
    assert (second.key(), second.value(), second.headers()) == (None, None, None)
    assert bench.committed() == Commit(7, metadata)


def test_a_transaction_may_have_offsets_only_or_results_only_or_nothing(bench: Bench) -> None:
    member, producer = bench.member(), bench.producer()
    producer.commit([], {}, member, WITHIN)
    producer.commit([], after(1), member, WITHIN)
    assert (bench.committed(), bench.seen) == (after(1)[0], [])
    producer.commit([Result(b"1")], {}, member, WITHIN)
    assert (bench.committed(), bench.seen) == (after(1)[0], [b"1"])


def test_what_is_committed_while_partitions_are_given_up_counts(bench: Bench) -> None:
    one, producer = bench.reader(), bench.producer()
    expect(lambda: one.has(0))

    def hand_in() -> None:
        producer.commit([Result(b"last")], after(3), one.consumer, WITHIN)
        one.on_giving_up = lambda: None

    one.on_giving_up = hand_in
    other = bench.reader()
    expect(lambda: one.has(0) ^ other.has(0) and bench.committed() is not None)
    assert (bench.seen, bench.committed()) == ([b"last"], after(3)[0])


# -- or nothing ------------------------------------------------------------------------------------------------------


PROGRAM = """
import sys, time
from openmsistream.kafka.attempt import Attempt
from pathlib import Path
from bench import Bench, Lab, Result, after

def hold(attempt):
    attempt.client.flush(10)
    print("open", flush=True)
    time.sleep(60)

Attempt._end = hold
address, place, topic, results, name = sys.argv[1:]
bench = Bench(Lab(address, Path(place), topic), Lab(address, Path(place) / "r", results), f"group-{topic}")
bench.producer(name).commit([Result(b"of the dead")], after(1), bench.member(), 60)
"""


def killed_with_an_open_transaction(bench: Bench, name: str = "one") -> None:
    """Another process sends a result and offsets, and is killed before it commits them."""
    place = bench.lab.place / uuid.uuid4().hex
    (place / "r").mkdir(parents=True)
    paths = os.pathsep.join(
        [str(Path(__file__).parent), str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
    )
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, bench.lab.address, str(place), bench.lab.topic, bench.results.topic, name],
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    with child:
        assert child.stdout is not None
        try:
            assert child.stdout.readline().strip() == b"open"
        finally:
            child.kill()


def test_a_process_that_was_killed_before_its_commit_leaves_nothing_and_holds_up_nobody_in_its_place(
    bench: Bench,
) -> None:
    killed_with_an_open_transaction(bench)
    began = time.monotonic()
    producer = bench.producer()
    producer.start(WITHIN)
    assert bench.committed() is None
    assert time.monotonic() - began < 10
    producer.commit([Result(b"of the living")], after(1), bench.member(), WITHIN)
    assert bench.seen == [b"of the living"]


def test_while_the_transaction_of_a_dead_process_is_open_nobody_learns_what_is_committed(bench: Bench) -> None:
    killed_with_an_open_transaction(bench, "another")
    asking = bench.reader().consumer
    with pytest.raises(Interrupted, match="asking for committed offsets"):
        asking.committed([0], 0.5)
    bench.producer("another").start(WITHIN)
    assert asking.committed([0], WITHIN) == {0: None}


def test_of_two_with_one_transactional_id_the_first_ends_and_says_why(bench: Bench) -> None:
    member, first, second = bench.member(), bench.producer(), bench.producer()
    first.commit([Result(b"1")], after(1), member, WITHIN)
    second.start(WITHIN)
    with pytest.raises(Fenced) as caught:
        first.commit([Result(b"2")], after(2), member, WITHIN)
    assert str(caught.value) == (
        f"another program has taken over the transactional id '{bench.group}-one' at {bench.lab.address}, so this one ends; "
        "two instances work with one state; stop one of them, or give each an output folder (or --state_dir) of its own"
    )
    second.commit([Result(b"3")], after(3), member, WITHIN)
    assert bench.seen == [b"1", b"3"]


def test_a_transaction_that_the_broker_gave_up_because_it_took_too_long_is_tried_again(bench: Bench) -> None:
    member, producer = bench.member(), bench.producer()
    producer.start(WITHIN)
    producer._timeout = 0.0  # as after the machine was suspended
    bench.producer().start(WITHIN)
    with pytest.raises(NotCommitted, match=r"committing 1 result for topic .* came to no end in time at "):
        producer.commit([Result(b"1")], after(1), member, WITHIN)
    producer.commit([Result(b"1")], after(1), member, WITHIN)
    assert bench.seen == [b"1"]


class Former:
    """A member by what it was once known as."""

    def __init__(self, member: ChunkConsumer) -> None:
        self.topic = member.topic
        self.membership = member.membership

    def committed(self, partitions: Iterable[int], within: float) -> Mapping[int, Commit | None]:
        raise AssertionError("nobody asks")


def test_offsets_of_a_member_that_others_have_replaced_are_not_taken_and_the_results_neither(bench: Bench) -> None:
    member, producer = bench.member(), bench.producer()
    former = Former(member)
    member.close(5.0)
    now = bench.member()
    with pytest.raises(Rebalancing, match=r"committing 1 result for topic .* did not work: Unknown member"):
        producer.commit([Result(b"former")], after(1), former, WITHIN)
    producer.commit([Result(b"now")], after(2), now, WITHIN)
    assert (bench.seen, bench.committed()) == ([b"now"], after(2)[0])


def test_offsets_of_nobody_are_not_sent(bench: Bench) -> None:
    nobody = bench.reader(**{"bootstrap.servers": "127.0.0.1:1"}).consumer
    with pytest.raises(Rebalancing, match="this reader is no member of its group just now"):
        bench.producer().commit([Result(b"1")], after(1), nobody, WITHIN)
    assert bench.seen == []


def test_what_is_no_record_is_told_as_the_client_tells_it_and_the_next_one_goes_out(bench: Bench) -> None:
    member, producer = bench.member(), bench.producer()
    with pytest.raises(TypeError):
        producer.commit([Result(b"1"), Result(2)], after(1), member, WITHIN)  # type: ignore[arg-type]
    producer.commit([Result(b"3")], after(2), member, WITHIN)
    assert bench.seen == [b"3"]


# -- results that a topic does not take ------------------------------------------------------------------------------


@pytest.fixture
def small(lab: Lab) -> Iterator[Bench]:
    """Results of 2000 bytes at most."""
    made = bench_at(lab, lab.place / "results", **{"max.message.bytes": "2000"})
    with made.stack:
        yield made


def largest(producer: TransactionalProducer, key: bytes | None, headers: Sequence[tuple[str, bytes]]) -> Result:
    """The largest result with this key that is said to fit."""
    made = (Result(bytes(size), key, headers) for size in range(2000, 0, -1))
    return next(result for result in made if producer.too_large(result) is None)


@pytest.mark.parametrize(("key", "headers"), [(None, ()), (b"k" * 70, (("a", b""), ("name", bytes(100))))])
def test_what_is_too_large_is_known_to_the_byte(
    small: Bench, key: bytes | None, headers: tuple[tuple[str, bytes]]
) -> None:
    member, producer = small.member(), small.producer()
    fits = largest(producer, key, headers)
    producer.commit([fits, fits], after(1), member, WITHIN)
    assert len(small.seen) == 2
    larger = replace(fits, value=bytes(len(fits.value or b"") + 1))
    assert producer.too_large(larger) == (
        f"the result is too large for topic {small.results.topic!r}: it takes 2001 bytes there, and "
        "max.message.bytes of the topic is 2000; make it smaller, or raise that setting"
    )
    with pytest.raises(ResultsRefused):
        producer.commit([larger], after(2), member, WITHIN)


def test_of_results_that_the_topic_refuses_the_one_that_is_too_large_is_named_and_the_others_go_out(
    small: Bench,
) -> None:
    member = small.member()
    producer = small.producer(**{"compression.type": "lz4"})
    results = [Result(b"small"), Result(os.urandom(3000)), Result(b"also small"), Result(bytes(3000))]
    assert [producer.too_large(result) for result in results] == [None] * 4
    with pytest.raises(ResultsRefused) as caught:
        producer.commit(results, after(1), member, WITHIN)
    assert caught.value.reasons == {1: "Message size too large"}
    assert str(caught.value) == (
        f"topic {small.results.topic!r} at {small.lab.address} did not take 1 of 4 results: Message size too large; make it "
        "smaller, or raise max.message.bytes of the topic"
    )
    producer.commit([result for number, result in enumerate(results) if number != 1], after(1), member, WITHIN)
    assert small.seen == [b"small", b"also small", bytes(3000)]


def test_a_result_that_even_the_client_does_not_take_is_named_too(small: Bench) -> None:
    member, producer = small.member(), small.producer(**{"compression.type": "lz4"})
    results = [Result(b"small"), Result(bytes(1_000_001))]
    assert producer.too_large(results[0]) is None
    assert "message.max.bytes in [producer] is 1000000" in (producer.too_large(results[1]) or "")
    with pytest.raises(ResultsRefused) as caught:
        producer.commit(results, after(1), member, WITHIN)
    assert caught.value.reasons == {1: "Message size too large"}
    producer.commit(results[:1], after(1), member, WITHIN)
    assert small.seen == [b"small"]


# -- brokers that do not answer, or refuse -----------------------------------------------------------------------------


def lose_the_answer(producer: TransactionalProducer, member: ChunkConsumer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that goes through, and we do not hear of it."""
    commit = Attempt._end

    def unheard(attempt: Attempt) -> None:
        commit(attempt)
        attempt.committed = False

    with monkeypatch.context() as patch:
        patch.setattr(Attempt, "_end", unheard)
        with pytest.raises(NotCommitted):
            producer.commit([Result(b"1")], after(1), member, WITHIN)


def test_a_commit_that_went_through_unheard_is_not_made_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    member, producer = bench.member(), bench.producer()
    lose_the_answer(producer, member, monkeypatch)
    producer.commit([Result(b"1")], after(1), member, WITHIN)
    producer.commit([Result(b"2")], after(2), member, WITHIN)
    assert bench.seen == [b"1", b"2"]


def test_when_something_else_is_committed_after_one_that_went_through_unheard_all_begins_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    member, producer = bench.member(), bench.producer()
    lose_the_answer(producer, member, monkeypatch)
    with pytest.raises(Interrupted, match="a commit whose answer was lost had gone through"):
        producer.commit([Result(b"1"), Result(b"2")], after(2), member, WITHIN)
    assert (bench.seen, bench.committed()) == ([b"1"], after(1)[0])


def test_reading_that_begins_again_forgets_a_commit_that_was_not_heard_of(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    member, producer = bench.member(), bench.producer()
    lose_the_answer(producer, member, monkeypatch)
    producer.start(WITHIN)
    producer.commit([Result(b"2")], after(2), member, WITHIN)
    assert bench.seen == [b"1", b"2"]


def test_where_nobody_answers_it_is_told_in_time(bench: Bench) -> None:
    topic = bench.topic
    properties = {**bench.lab.settings.transactional.properties, "bootstrap.servers": "127.0.0.1:1"}
    began = time.monotonic()
    with closing(TransactionalProducer(properties, topic, "me")) as producer, pytest.raises(NotCommitted) as caught:
        producer.start(1.0)
    assert time.monotonic() - began < 3
    assert str(caught.value) == (
        "taking over the transactional id 'me' came to no end in time at 127.0.0.1:1 (Connect to ipv4#127.0.0.1:1 failed: "
        "Connection refused); check the network and the brokers; it is tried again"
    )


def test_a_topic_for_results_that_is_gone_is_said(bench: Bench) -> None:
    producer = bench.producer()
    bench.results.delete_topic()
    expect(lambda: bench.results._partitions() == 0)
    with pytest.raises(
        TopicError, match=f"looking for topic {bench.results.topic!r} at .* did not work: Unknown topic"
    ):
        producer.start(WITHIN)


def test_a_longer_timeout_than_the_brokers_allow_is_told_with_both_settings(bench: Bench) -> None:
    with pytest.raises(ConfigError) as caught:
        bench.producer(**{"transaction.timeout.ms": "1000000"}).start(WITHIN)
    assert str(caught.value) == (
        f"the brokers at {bench.lab.address} take no transaction.timeout.ms as long as ours; lower transaction.timeout.ms in "
        "[producer], or raise transaction.max.timeout.ms of the brokers"
    )


@pytest.mark.parametrize(
    ("code", "right"),
    [
        (KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, "ask whoever runs the broker for the right Write on the "
                                                           "transactional id 'me'"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, "ask whoever runs the broker for the right Write on topic 'results'"),
        (KafkaError.GROUP_AUTHORIZATION_FAILED, "ask whoever runs the broker for the right Read on this group, or name "
                                                "another with --consumer_group_id"),
    ],
)  # fmt: skip
def test_a_right_that_is_missing_is_named(code: int, right: str) -> None:
    error = in_words(KafkaError(code), "committing", "h:1", topic="results", transactional_id="me")
    assert isinstance(error, AccessRefused)
    assert error.advice == right
    assert error.what.startswith("committing at h:1 was refused: ")


@pytest.mark.parametrize(
    "code",
    [
        KafkaError.INVALID_PRODUCER_ID_MAPPING,  # the broker forgets an id that was not used for a week
        KafkaError.UNKNOWN_PRODUCER_ID,
        KafkaError.INVALID_TXN_STATE,
        KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
        KafkaError._TRANSPORT,
    ],
)
def test_what_another_client_may_mend_is_tried_again(tmp_path: Path, code: int) -> None:
    with closing(TransactionalProducer(configured(tmp_path, ""), TOPIC, "me")) as producer:
        attempt = Attempt(producer._client, "t", [], [], None, 0.0)  # type: ignore[arg-type]
        attempt.error = KafkaError(code)
        assert isinstance(producer._failure(attempt, {}), NotCommitted)


# -- the properties ------------------------------------------------------------------------------------------------------


def test_what_transactions_ask_for_goes_before_what_the_file_says(tmp_path: Path) -> None:
    found = configured(
        tmp_path,
        "acks = 1\nenable.idempotence = false\nmax.in.flight = 50\nretries = 0\nqueuing.strategy = lifo\n"
        "socket.timeout.ms = 60000\ntransactional.id = mine\ncompression.type = lz4\n",
    )
    assert found["compression.type"] == "lz4"
    assert "transactional.id" not in found
    with closing(TransactionalProducer(found, TOPIC, "me")) as made:
        assert made.transactional_id == "me"


def test_the_timeout_of_transactions_is_the_users_and_half_a_minute_otherwise(tmp_path: Path) -> None:
    assert configured(tmp_path, "")["transaction.timeout.ms"] == "30000"
    assert configured(tmp_path, "transaction.timeout.ms = 5000\n")["transaction.timeout.ms"] == "5000"


def test_a_transactional_id_in_a_file_is_ignored_with_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "mine.config"
    file.write_text("[broker]\nbootstrap.servers = h:1\n[producer]\ntransactional.id = mine\n", "utf-8")
    settings = load(file)
    assert settings.warnings == (
        "transactional.id = mine (file [producer]) is ignored: programs that need one name it themselves, so that no two have "
        "the same",
    )
    assert "transactional.id" not in settings.producer.properties
