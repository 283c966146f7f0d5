"""Chunks and topics: the only room that imports confluent_kafka."""
