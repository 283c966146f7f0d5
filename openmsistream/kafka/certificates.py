"""Why a broker's certificate was not accepted: the client does not say, so its first address is asked once more."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping

_WITHIN = 2.0
"""Seconds: this only makes a message better."""


def why_refused(bootstrap: str, properties: Mapping[str, str]) -> str:
    """The reason in words (another host, unknown authority, expired); empty when it cannot be told."""
    host, _, port = bootstrap.split(",")[0].strip().rpartition("://")[2].rpartition(":")
    try:
        context = ssl.create_default_context(
            cafile=properties.get("ssl.ca.location") or None, cadata=properties.get("ssl.ca.pem") or None
        )
        context.check_hostname = properties.get("ssl.endpoint.identification.algorithm", "https") != "none"
        with (
            socket.create_connection((host.strip("[]"), int(port)), _WITHIN) as connection,
            context.wrap_socket(connection, server_hostname=host.strip("[]")),
        ):
            return ""  # it was the client's certificate, or it is all right by now
    except ssl.SSLCertVerificationError as error:
        return str(error.verify_message).rstrip(".")
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        return ""
