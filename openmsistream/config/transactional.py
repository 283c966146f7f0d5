"""What the producer of results is made with, which go out in transactions: the file's properties and what these ask for."""

from __future__ import annotations

from collections.abc import Iterator

from openmsistream.config.properties import ClientProperties, Property
from openmsistream.config.rules import PRODUCER_DEFAULTS, PRODUCER_OURS, Reading, as_number, plain

DEFAULTS = {
    **PRODUCER_DEFAULTS,
    # after it the broker gives up the transaction of a process that was killed, with up to 10 s of delay. Until then readers of
    # the results stand still, and so does who takes over its partitions; a process in its place ends it at once. Kafka's
    # 60 s are long for that; 30 are enough to send 10 MB over a line of 3 Mbit/s.
    "transaction.timeout.ms": "30000",
    # until the transaction before it is written everywhere, the next one is refused and tried again after this time: with
    # the client's 100 ms each takes 105 ms, with 5 it takes 8 (measured; see docs/performance.md)
    "retry.backoff.ms": "5",
}


def transactional(reading: Reading) -> ClientProperties:
    """[broker], then [producer]. The transactional id is not among it: each process has one of its own."""
    found = reading.producer_entries()
    for key, value in DEFAULTS.items():
        found.setdefault(key, Property(value, "default"))
    found |= {key: Property(value, "ours") for key, (value, _) in PRODUCER_OURS.items()}
    for key, value in _needed(found):
        theirs = found[key]
        found[key] = Property(value, f"ours, {theirs.value} of {theirs.origin} is ignored: transactions want it so")
    return ClientProperties("transactional producer", reading.path, found)


def _needed(found: dict[str, Property]) -> Iterator[tuple[str, str]]:
    """What the client asks for with transactions, where it is otherwise, whatever is good enough for chunks of files."""
    written = {key: entry.value for key, entry in found.items()}
    if plain(written["enable.idempotence"]) != "true":
        yield "enable.idempotence", "true"
    if plain(written["acks"]) not in ("all", "-1"):
        yield "acks", "all"
    if as_number(written["max.in.flight.requests.per.connection"], 0) > 5:
        yield "max.in.flight.requests.per.connection", "5"
    if as_number(written.get("retries", "1"), 1) < 1:
        yield "retries", "2147483647"
    if plain(written.get("queuing.strategy", "fifo")) != "fifo":
        yield "queuing.strategy", "fifo"
    longest = as_number(written["transaction.timeout.ms"], 0)
    if as_number(written.get("socket.timeout.ms", "0"), 0) > longest:
        yield "socket.timeout.ms", f"{longest:.0f}"
