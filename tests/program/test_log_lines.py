"""The log messages of late, kept in memory."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from openmsistream.config.secret import HIDDEN, hidden
from openmsistream.program import log_lines
from openmsistream.program.log_lines import LogLines, listening

log = logging.getLogger("openmsistream.test")


@contextmanager
def kept(lines: LogLines, *others: logging.Handler) -> Iterator[LogLines]:
    """What is logged, with only these other handlers at the root, which is at its usual level."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = others
    root.setLevel(logging.WARNING)
    try:
        with listening(lines):
            yield lines
        assert (root.handlers, root.level) == ([*others], logging.WARNING)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def test_messages_come_back_once_oldest_first_as_bare_texts() -> None:
    with kept(LogLines()) as lines:
        log.info("sent %s", "a.dat")
        log.warning("gone")
        assert lines.take() == ["sent a.dat", "gone"]
        assert lines.take() == []


def test_messages_below_the_level_are_left_out() -> None:
    with kept(LogLines(logging.WARNING)) as lines:
        log.info("sent")
        log.error("failed")
    assert lines.take() == ["failed"]


def test_afterwards_logging_is_as_it_was() -> None:
    shown_by = warnings.showwarning
    with kept(LogLines(logging.DEBUG)):
        assert logging.getLogger().level == logging.DEBUG
    assert warnings.showwarning is shown_by


def test_a_handler_without_a_level_shows_no_more_than_it_did() -> None:
    with kept(LogLines(logging.DEBUG), logging.NullHandler()):
        assert logging.getLogger().level == logging.WARNING


def test_warnings_of_python_are_messages_too() -> None:
    with kept(LogLines()) as lines, warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old spelling", stacklevel=1)
        (said,) = lines.take()
    assert "old spelling" in said


def test_a_traceback_follows_its_message() -> None:
    with kept(LogLines()) as lines:
        try:
            _ = 1 // 0
        except ZeroDivisionError:
            log.exception("cannot")
    (said,) = lines.take()
    assert said.startswith("cannot\nTraceback (most recent call last):")
    assert said.endswith("ZeroDivisionError: integer division or modulo by zero")


def test_the_oldest_are_dropped_when_there_are_too_many_and_their_number_is_told() -> None:
    with kept(LogLines(most=2)) as lines:
        for number in range(5):
            log.info("%d", number)
    assert lines.take() == ["(3 earlier messages were dropped)", "3", "4"]


def test_memory_is_bounded_however_long_the_messages_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_lines, "_MOST_LETTERS", 100)
    with kept(LogLines()) as lines:
        for _ in range(1000):
            log.info("x" * 30)
    assert lines.take() == ["(997 earlier messages were dropped)", *["x" * 30] * 3]


def test_a_very_long_message_is_cut() -> None:
    with kept(LogLines()) as lines:
        log.info("x" * 1_000_000)
    (said,) = lines.take()
    assert len(said) == 10_004


def test_what_is_given_at_once_fits_a_record_of_a_topic() -> None:
    with kept(LogLines()) as lines:
        for _ in range(300):
            log.info("\N{SNOWMAN}" * 1000)
    while lines:
        taken = lines.take()
        assert taken
        assert len(json.dumps(taken)) < 1_000_000


def test_secrets_are_hidden_wherever_they_stand() -> None:
    with kept(LogLines(hide=partial(hidden, secrets={"hunter22"}))) as lines:
        log.info("logging in with hunter22")
        log.info("https://me:word@example.org/a?token=abcdef&x=1")
        log.info("sasl.password = 'open sesame', then on")
        log.info("topic test: 4 partitions")
        lines.note("refused: hunter22")
    assert lines.take() == [
        f"logging in with {HIDDEN}",
        f"https://{HIDDEN}@example.org/a?token={HIDDEN}&x=1",
        f"sasl.password = {HIDDEN}, then on",
        "topic test: 4 partitions",
        f"refused: {HIDDEN}",
    ]


def test_a_message_that_cannot_be_made_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    with kept(LogLines()) as lines:
        log.info("%d files", "many")
        log.info("on")
    assert lines.take() == ["on"]
