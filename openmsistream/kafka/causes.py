"""Why a broker cannot be spoken to: a client's words for a connection that failed, in ours, with what to do about it.

The client gives the same few codes for many causes, so its text has to be read (librdkafka 2.6 to 2.16, tried against a
real broker). Text that is not known here is shown as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from openmsistream.errors import AccessRefused, BrokerUnreachable, OpenMSIStreamError

Properties = Mapping[str, str]

GUESSED_FOR = 2.0
"""Seconds after which a guess is believed: a broker that starts or stops closes connections too, for a moment."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What stands in the way, what to do, and for how many seconds it may still pass by itself."""

    what: str
    advice: str
    kind: type[OpenMSIStreamError] = AccessRefused
    passes_within: float = 0.0
    is_certificate_of_broker: bool = False


def plain(text: str) -> str:
    """The client's text without the name of its thread, its connection and its state."""
    text = re.sub(r"^(\S+ \[\S+\] )?(\[thrd:[^\]]*\]: )?(\S+/\S+: )?", "", text)
    return re.sub(r" ?\(after \d+ms in state .*", "", text)


def cause_of(text: str, properties: Properties) -> Cause | None:
    """The cause that a client's text tells of; None when it is a usual one (nobody listens, no such host, no answer)."""
    for pattern, tell in _CAUSES:
        if found := pattern.search(text):
            return tell(found, properties)
    return None


def _certificate_of_broker(found: re.Match[str], properties: Properties) -> Cause:
    return Cause(
        "the broker's certificate was not accepted",
        "name the certificate of the authority that signed it in ssl.ca.location, and the broker in bootstrap.servers"
        " as its certificate names it",
        is_certificate_of_broker=True,
    )


def _certificate_of_ours(found: re.Match[str], properties: Properties) -> Cause:
    if any(properties.get(key) for key in ("ssl.certificate.location", "ssl.certificate.pem", "ssl.keystore.location")):
        return Cause(
            "the broker does not accept the certificate of this client",
            "use a certificate that an authority known to the broker has signed and that has not expired"
            " (ssl.certificate.location, ssl.key.location)",
        )
    return Cause(
        "the broker asks for a certificate of this client and got none",
        "name one in ssl.certificate.location, and its key in ssl.key.location",
    )


def _password(found: re.Match[str], properties: Properties) -> Cause:
    user = properties.get("sasl.username", "")
    return Cause(
        f"the broker refused the user {user!r} or the password ({_mechanism(properties)})",
        "correct sasl.username and sasl.password",
    )


def _other_mechanism(found: re.Match[str], properties: Properties) -> Cause:
    return Cause(
        f"the broker does not take sasl.mechanism {_mechanism(properties)}",
        f"set sasl.mechanism to what it takes: {found[1]}",
    )


def _no_password_wanted(found: re.Match[str], properties: Properties) -> Cause:
    return Cause(
        f"the broker asks for no password at this port, and security.protocol is {_protocol(properties)}",
        "use the port that asks for one, or leave SASL_ away in security.protocol",
    )


def _no_tls(found: re.Match[str], properties: Properties) -> Cause:
    return Cause(
        f"there is no TLS at this port, as it seems, and security.protocol is {_protocol(properties)}",
        "use the broker's port for TLS, or leave SSL away in security.protocol",
        BrokerUnreachable,
        GUESSED_FOR,
    )


def _closed(found: re.Match[str], properties: Properties) -> Cause:
    protocol = _protocol(properties)
    wanted = {"PLAINTEXT": "TLS or a password", "SASL_PLAINTEXT": "TLS", "SSL": "a password"}.get(protocol, "")
    if not wanted:
        return Cause("it closes every connection at once", "look at the broker's log", BrokerUnreachable, float("inf"))
    return Cause(
        f"it closes every connection at once, as a port does that wants {wanted}; security.protocol is {protocol}",
        "set security.protocol to what this port wants, or use another port",
        BrokerUnreachable,
        GUESSED_FOR,
    )


def _protocol(properties: Properties) -> str:
    return properties.get("security.protocol", "PLAINTEXT").upper()


def _mechanism(properties: Properties) -> str:
    return properties.get("sasl.mechanism") or properties.get("sasl.mechanisms") or "GSSAPI"


_CAUSES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str], Properties], Cause]], ...] = (
    (re.compile(r"certificate verify failed"), _certificate_of_broker),
    (re.compile(r"alert (bad certificate|certificate|unknown ca|unsupported certificate)"), _certificate_of_ours),
    (re.compile(r"not valid in current SASL state"), _no_password_wanted),
    (re.compile(r"supported mechanisms: *(\S.*?)(?: \(after|$)"), _other_mechanism),
    (re.compile(r"SASL authentication error|invalid credentials|Authentication failed"), _password),
    (re.compile(r"Disconnected.*in state SSL_HANDSHAKE"), _no_tls),
    (re.compile(r"wrong version number|record layer failure|packet length"), _no_tls),
    (re.compile(r"Disconnected: connection closed by peer"), _closed),
    (re.compile(r"Disconnected while requesting ApiVersion|Disconnected: verify that security.protocol"), _closed),
)
