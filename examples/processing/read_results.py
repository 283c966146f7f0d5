"""Prints each result on topic peaks, with the beginning of the digest of the file that it came of, until Ctrl-C."""

from confluent_kafka import Consumer

from openmsistream.config import load

consumer = Consumer({**load("local").consumer.properties, "group.id": "look", "isolation.level": "read_committed"})
consumer.subscribe(["peaks"])
try:
    while True:
        message = consumer.poll(1)
        if message is not None and not message.error():
            digest = dict(message.headers())["source.digest"].decode()
            print(message.value().decode(), "of", digest[:15])
except KeyboardInterrupt:
    consumer.close()
