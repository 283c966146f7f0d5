"""The topic that files travel through: found or made, and refused when its settings cannot carry files."""

from __future__ import annotations

import logging
import time

from openmsistream.errors import AccessRefused, TopicError
from openmsistream.files.wire import Form, native
from openmsistream.kafka.admin import Admin, Topic, TopicWish
from openmsistream.kafka.producer import largest_chunk

log = logging.getLogger(__name__)

PARTITIONS = 4
"""Partitions of a topic that we make: as many readers may share the work, and small files do not queue behind a large one."""

_APPEARS_WITHIN = 10.0


def ensure_topic(admin: Admin, name: str, wish: TopicWish, chunk_size: int, form: Form) -> Topic:
    """The topic, made with `wish` when it does not exist; says what it is like. Raises TopicError when it cannot carry files."""
    topic = admin.topic(name)
    if topic is None:
        admin.create(name, TopicWish(wish.partitions or PARTITIONS, wish.replication, wish.retention_ms))
        topic = _wait_for(admin, name)
        log.info("made topic %s", name)
    elif wish.partitions is not None and wish.partitions != topic.partitions:
        log.warning("topic %s exists already with %d partitions; it is left as it is", name, topic.partitions)
    log.info("%s", describe(topic))
    check(topic, chunk_size, form)
    return topic


def ensure_result_topic(admin: Admin, name: str, wish: TopicWish) -> Topic:
    """The topic for what comes of files, made with `wish` when it does not exist. Raises AccessRefused, TopicError."""
    topic = admin.topic(name)
    if topic is None:
        admin.create(name, TopicWish(wish.partitions or PARTITIONS, wish.replication, wish.retention_ms))
        topic = _wait_for(admin, name)
        log.info("made topic %s", name)
    _check_right(topic, "WRITE")
    return topic


def describe(topic: Topic) -> str:
    """A topic's settings, in words."""
    if not topic.knows_settings:
        return (
            f"topic {topic.name}: {topic.partitions} partitions, {topic.replication} replicas; "
            "this user may not ask for its settings, the usual ones are assumed"
        )
    time_kept = "for ever" if topic.retention_ms < 0 else f"for {_duration(topic.retention_ms)}"
    size_kept = "" if topic.retention_bytes < 0 else f", at most {topic.retention_bytes / 1e9:.1f} GB a partition"
    return (
        f"topic {topic.name}: {topic.partitions} partitions, {topic.replication} replicas, "
        f"records kept {time_kept}{size_kept}"
    )


def check(topic: Topic, chunk_size: int | None, form: Form = native.NATIVE) -> None:
    """Raise TopicError when files cannot travel through this topic, in chunks of this size as records of this form.

    Without a chunk size it is to be read. Raises AccessRefused when this user has no right to do so.
    """
    _check_right(topic, "READ" if chunk_size is None else "WRITE")
    if "compact" in topic.cleanup_policy.split(","):
        raise TopicError(
            f"topic {topic.name} has cleanup.policy={topic.cleanup_policy}, which would keep one chunk of each file",
            "set cleanup.policy=delete, or use another topic",
        )
    if chunk_size is not None and chunk_size > largest_chunk(topic, form):
        raise TopicError(
            f"chunks of {chunk_size} bytes (--chunk_size) do not fit topic {topic.name}, "
            f"whose max.message.bytes is {topic.max_message_bytes}",
            "use a smaller --chunk_size, or raise max.message.bytes of the topic",
        )


def _wait_for(admin: Admin, name: str) -> Topic:
    """A topic that was just made shows up with all its partitions a moment later."""
    deadline = time.monotonic() + _APPEARS_WITHIN
    while time.monotonic() < deadline:
        topic = admin.topic(name)
        if topic is not None and topic.partitions:
            return topic
        time.sleep(0.05)
    raise TopicError(f"topic {name} was made but did not appear within {_APPEARS_WITHIN:g} s", "look at the broker")


def _duration(ms: int) -> str:
    hours = ms / 3_600_000
    return (
        f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours" if hours >= 2 else f"{ms / 1000:.0f} seconds"
    )


def _check_right(topic: Topic, right: str) -> None:
    if topic.rights is not None and right not in topic.rights:
        raise AccessRefused(
            f"this user may not {right.lower()} topic {topic.name}",
            f"ask whoever runs the broker for the right {right.capitalize()} on this topic",
        )
