"""Who else reads with us: the members of a consumer group."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from .connection import Connection


def members(properties: Mapping[str, str], group: str, timeout: float = 5.0) -> int | None:
    """How many members the group has; None when that cannot be told (no right to ask, or no answer in time)."""
    connection = Connection(properties.get("bootstrap.servers", ""), silent=True)
    try:
        client = AdminClient(connection.config(properties))
        # Not describe_consumer_groups: when a broker dies while it is asked, librdkafka (2.16, tried) ends the process.
        return sum(len(found.members) for found in client.list_groups(group, timeout))
    except KafkaException:
        return None
