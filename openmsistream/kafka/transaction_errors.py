"""What can become of a transaction that does not go through, and which of the client's errors mean what."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import KafkaError

from openmsistream.errors import AccessRefused, ConfigError, OpenMSIStreamError

from .consumer import Interrupted
from .errors import translate, words

FENCED = frozenset({KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})
"""Another client has the transactional id; or the broker gave up a transaction that took too long, which looks the same."""

NOT_A_MEMBER = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.STALE_MEMBER_EPOCH,
        KafkaError.FENCED_MEMBER_EPOCH,
    }
)
"""The group has others in our place, or is about to."""

UNANSWERED = frozenset(
    {KafkaError._TIMED_OUT, KafkaError._TIMED_OUT_QUEUE, KafkaError._MSG_TIMED_OUT, KafkaError._TRANSPORT}
)
"""The broker was perhaps asked, and its answer is not known."""

TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE, KafkaError.INVALID_MSG_SIZE})

OF_THE_RECORD = TOO_LARGE | {KafkaError.INVALID_MSG, KafkaError.INVALID_RECORD}
"""They say something of one record, and nothing of the others or of the transaction."""

_ONE_INSTANCE = (
    "two instances work with one state; stop one of them, or give each an output folder (or --state_dir) of its own"
)
_SHORTER = "lower transaction.timeout.ms in [producer], or raise transaction.max.timeout.ms of the brokers"
_METADATA = "raise offset.metadata.max.bytes of the brokers to its default, 4096"


class Fenced(ConfigError):
    """Another program has taken over the transactional id; of the two only that one goes on."""


class NotCommitted(OpenMSIStreamError):
    """The transaction did not go through, or it is not known whether it did: to be committed again, as it was."""

    exit_code = 4
    retriable = True


class Rebalancing(Interrupted):
    """Nothing was committed, since the group is sharing out its partitions anew: the consumer will tell what is still ours."""


class ResultsRefused(OpenMSIStreamError):
    """Nothing was committed, since the topic does not take some of the results: commit the others without them.

    `reasons` says why, for each of these by its number in the sequence.
    """

    exit_code = 6

    def __init__(self, what: str, advice: str, reasons: Mapping[int, str]) -> None:
        super().__init__(what, advice)
        self.reasons = reasons


def in_words(error: KafkaError, doing: str, bootstrap: str, *, topic: str, transactional_id: str) -> OpenMSIStreamError:
    """Our error for the client's, met while `doing` something with a transaction that writes to `topic`."""
    code = error.code()
    if code in FENCED:
        taken = f"another program has taken over the transactional id {transactional_id!r} at {bootstrap}"
        return Fenced(f"{taken}, so this one ends", _ONE_INSTANCE)
    if code == KafkaError.INVALID_TRANSACTION_TIMEOUT:
        return ConfigError(f"the brokers at {bootstrap} take no transaction.timeout.ms as long as ours", _SHORTER)
    if code == KafkaError.OFFSET_METADATA_TOO_LARGE:
        return ConfigError(f"{doing} at {bootstrap} did not work: {plain_words(error)}", _METADATA)
    if code == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
        right = f"Write on the transactional id {transactional_id!r}"
    elif code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        right = f"Write on topic {topic!r}"
    else:
        return translate(KafkaError(code), doing, bootstrap)
    what = f"{doing} at {bootstrap} was refused: {plain_words(error)}"
    return AccessRefused(what, f"ask whoever runs the broker for the right {right}")


def plain_words(error: KafkaError) -> str:
    """What its code says: the client's sentences around it name addresses and requests."""
    return words(KafkaError(error.code()))
