"""What a program tells of itself, as values."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pytest

from openmsistream.errors import UsageError
from openmsistream.program.announcing import (
    Amount,
    Announcement,
    Announcer,
    Counts,
    channel,
    heartbeat,
    log_record,
    since,
)
from openmsistream.program.options import CommonOptions

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def test_a_heartbeat_holds_the_time_and_what_was_done_in_the_words_of_openmsistream() -> None:
    made = heartbeat("lab", {"read": Amount(3, 100), "processed": Amount(2, 60)}, NOON)
    assert made.msg_key == "lab_heartbeat"
    assert made.msg_value == (
        '{"timestamp": "2026-11-21T12:00:00.000000+00:00", "n_messages_read": 3, "n_messages_processed": 2, '
        '"n_bytes_read": 100, "n_bytes_processed": 60}'
    )


def test_a_log_record_holds_unix_time_and_bare_texts() -> None:
    made = log_record("lab", ["one", "zwölf"], 12.5)
    assert made == Announcement("lab_log", '{"timestamp": 12.5, "messages": ["one", "zw\\u00f6lf"]}')


def test_what_was_done_is_counted_since_the_look_before() -> None:
    assert since({"read": Amount(5, 50)}, {"read": Amount(3, 20)}) == {"read": Amount(2, 30)}
    assert since({"read": Amount(5, 50)}, {}) == {"read": Amount(5, 50)}


def test_a_count_that_began_anew_is_taken_from_its_beginning() -> None:
    assert since({"read": Amount(1, 10)}, {"read": Amount(3, 20)}) == {"read": Amount(1, 10)}


class Counting(Announcer):
    done = 0

    def _counts(self) -> Counts:
        return {"produced": Amount(self.done, 10 * self.done)}


def test_each_heartbeat_counts_from_the_one_before() -> None:
    program = Counting()
    program._heartbeat_program_id = "p"
    found = []
    for program.done in (2, 2, 7):
        message = program.get_heartbeat_message()
        assert isinstance(message, Announcement)
        found.append(json.loads(message.msg_value)["n_bytes_produced"])
    assert found == [20, 0, 50]


def test_no_topic_is_no_channel() -> None:
    assert channel("heartbeat", None, "me", 5) is None
    assert channel("log", "", None, None) is None


def test_an_interval_that_is_not_given_is_the_usual_one() -> None:
    beats, logs = channel("heartbeat", "t", None, None), channel("log", "t", None, None)
    assert beats is not None
    assert logs is not None
    assert (beats.every, logs.every) == (900.0, 60.0)


def test_an_interval_of_zero_is_the_shortest() -> None:
    found = channel("heartbeat", "t", None, 0)
    assert found is not None
    assert found.every == 0.1


@pytest.mark.parametrize("every", [-1, math.nan, math.inf])
def test_an_interval_that_is_none_is_refused(every: float) -> None:
    with pytest.raises(UsageError, match=r"heartbeat_interval_secs is .*; give a number of seconds"):
        channel("heartbeat", "t", None, every)


def test_the_keyword_arguments_of_all_classes_name_the_channels() -> None:
    with_both = CommonOptions.take(
        {"heartbeat_topic_name": "h", "heartbeat_program_id": "me", "heartbeat_interval_secs": 5, "log_topic_name": "l"}
    )
    assert with_both.heartbeats == channel("heartbeat", "h", "me", 5)
    assert with_both.log_records == channel("log", "l", None, None)
    assert CommonOptions.take({"heartbeat_program_id": "me"}).heartbeats is None
