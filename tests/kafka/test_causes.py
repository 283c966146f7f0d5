"""What a client's words for a broken connection come to, as librdkafka 2.6 to 2.16 says them."""

from __future__ import annotations

import pytest

from openmsistream.errors import AccessRefused, BrokerUnreachable
from openmsistream.kafka.causes import GUESSED_FOR, cause_of, plain

TLS = {"security.protocol": "SSL"}
SASL = {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.username": "lab"}


@pytest.mark.parametrize(
    ("text", "properties", "what"),
    [
        (
            "ssl://h:9093/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed: broker "
            "certificate could not be verified (after 4ms in state SSL_HANDSHAKE)",
            TLS,
            "the broker's certificate was not accepted",
        ),
        (
            "ssl://h:9093/bootstrap: Receive failed: error:0A000412:SSL routines::ssl/tls alert bad certificate: SSL alert "
            "number 42 (after 4ms in state APIVERSION_QUERY)",
            TLS,
            "the broker asks for a certificate of this client and got none",
        ),
        (
            "ssl://h:9093/1: Receive failed: error:0A00045C:SSL routines::tlsv13 alert certificate required",
            {**TLS, "ssl.keystore.location": "mine.p12"},
            "the broker does not accept the certificate of this client",
        ),
        (
            "sasl_ssl://h:9093/bootstrap: SASL authentication error: Authentication failed during authentication due to "
            "invalid credentials with SASL mechanism PLAIN (after 301ms in state AUTH_REQ)",
            SASL,
            "the broker refused the user 'lab' or the password (PLAIN)",
        ),
        (
            "sasl_ssl://h:9093/1: SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's "
            "supported mechanisms: SCRAM-SHA-256,SCRAM-SHA-512 (after 3ms in state AUTH_HANDSHAKE)",
            SASL,
            "the broker does not take sasl.mechanism PLAIN",
        ),
        (
            "sasl_plaintext://h:9092/1: SASL PLAIN mechanism handshake failed: Broker: Request not valid in current SASL "
            "state: broker's supported mechanisms:  (after 0ms in state AUTH_HANDSHAKE)",
            SASL,
            "the broker asks for no password at this port, and security.protocol is SASL_SSL",
        ),
    ],
)
def test_what_was_refused_is_final_and_told_in_words(text: str, properties: dict[str, str], what: str) -> None:
    cause = cause_of(text, properties)
    assert cause is not None
    assert cause.what == what
    assert cause.kind is AccessRefused
    assert cause.passes_within == 0
    assert cause.advice


def test_the_mechanisms_that_a_broker_takes_are_told() -> None:
    cause = cause_of("Unsupported SASL mechanism: broker's supported mechanisms: A,B (after 3ms in state X)", SASL)
    assert cause is not None
    assert cause.advice == "set sasl.mechanism to what it takes: A,B"


@pytest.mark.parametrize(
    ("text", "properties"),
    [
        ("h:9093/bootstrap: Disconnected: connection closed by peer: receive 0 after POLLIN (after 2ms in state UP)", {}),
        ("ssl://h:9092/1: SSL handshake failed: Disconnected: SSL connection closed by peer: connecting to a PLAINTEXT "
         "broker listener? (after 3ms in state SSL_HANDSHAKE)", TLS),
        ("h:9093/bootstrap: Disconnected while requesting ApiVersion: might be caused by incorrect security.protocol "
         "configuration (after 2ms in state APIVERSION_QUERY, 1 identical error(s) suppressed)", {}),
        ("h:9093/1: Disconnected: verify that security.protocol is correctly configured, broker might require SASL "
         "authentication (after 2ms in state UP)", {}),
        ("ssl://h:9092/bootstrap: Disconnected (after 3ms in state SSL_HANDSHAKE)", TLS),
    ],
)  # fmt: skip
def test_a_connection_that_is_closed_at_once_is_a_guess_and_has_to_last(text: str, properties: dict[str, str]) -> None:
    cause = cause_of(text, properties)
    assert cause is not None
    assert cause.kind is BrokerUnreachable
    assert cause.passes_within == GUESSED_FOR


def test_that_nobody_listens_is_a_usual_cause_and_told_in_the_clients_words() -> None:
    text = "h:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused (after 0ms in state CONNECT)"
    assert cause_of(text, {}) is None
    assert plain(text) == "Connect to ipv4#127.0.0.1:1 failed: Connection refused"
