"""Prints the results that stand on topic peaks, with the digest of the file that each came of."""

from confluent_kafka import Consumer

from openmsistream.config import load

consumer = Consumer({**load("local").consumer.properties, "group.id": "look", "isolation.level": "read_committed"})
consumer.subscribe(["peaks"])
while (message := consumer.poll(10)) is not None:
    print(message.value().decode(), dict(message.headers())["source.digest"].decode()[:15])
consumer.close()
