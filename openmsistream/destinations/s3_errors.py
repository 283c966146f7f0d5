"""What an S3 server or the way to it has against a request, in our words: what, where, what now, and whether to try again."""

from __future__ import annotations

from dataclasses import dataclass

from openmsistream.errors import ConfigError

from .contract import DestinationError, Unreachable

_KEYS = (
    "look at access_key_id and secret_key_id in [s3] of the configuration (or AWS's environment variables and profiles)"
)
_RIGHTS = (
    "let whoever runs the server grant s3:PutObject, s3:GetObject, s3:ListBucket and s3:AbortMultipartUpload there"
)
_ROOM = "make room there or have the quota raised, then have the failed files tried again by openmsistream retry"
_REGION = "set region in [s3] of the configuration to that of the bucket"
_CLOCK = "set this computer's clock"
_LATER = "if that lasts, look at endpoint_url in [s3] of the configuration, and ask whoever runs the server"
_DAMAGED = "it is tried again; when that happens often, something between here and there damages data"

_WORDS: dict[str, tuple[str, str, bool]] = {
    "NoSuchBucket": ("there is no {place}", "make the bucket or correct its name; buckets are not made by this program", False),
    "InvalidBucketName": ("{where} takes no bucket of the name {bucket}", "correct the name of the bucket", False),
    "InvalidAccessKeyId": ("{where} does not know the access key", _KEYS, False),
    "XAdminUserNotFound": ("{where} does not know the access key", _KEYS, False),
    "SignatureDoesNotMatch": ("{where} does not accept the secret key", _KEYS, False),
    "ExpiredToken": ("{where} says that the credentials have expired", "renew them", False),
    "InvalidToken": ("{where} does not accept the session token", "renew the credentials", False),
    "AccessDenied": ("{where} does not let this account {doing}", _RIGHTS, False),
    "AccountProblem": ("{where} does not let this account {doing}", _RIGHTS, False),
    "MethodNotAllowed": ("{where} does not allow anybody to {doing}", "ask whoever runs the server", False),
    "RequestTimeTooSkewed": ("this computer's clock and that of {where} differ too much", _CLOCK, False),
    "AuthorizationHeaderMalformed": ("{where} expects another region", _REGION, False),
    "PermanentRedirect": ("bucket {bucket} is in another region than the one asked", _REGION, False),
    "IllegalLocationConstraintException": ("bucket {bucket} is in another region than the one asked", _REGION, False),
    "KeyTooLongError": ("{where} takes no name as long as this one", "shorten the file's path where it is sent from", False),
    "EntityTooLarge": ("{where} takes no file as large as this one", "ask whoever runs the server for its limit", False),
    "BadDigest": ("what came at {where} was not what was sent", _DAMAGED, True),
    "XAmzContentSHA256Mismatch": ("what came at {where} was not what was sent", _DAMAGED, True),
    "NoSuchUpload": ("{where} dropped what it had of the file", _LATER, True),
}  # fmt: skip
"""By S3's error code: what happened, what to do, whether to try again."""

_FULL = frozenset(
    ("QuotaExceeded", "InsufficientStorage", "InsufficientStorageSpace", "StorageFull", "XMinioStorageFull",
     "XMinioAdminBucketQuotaExceeded", "InsufficientCapacity", "TooManyBytes", "NoSpaceLeft")
)  # fmt: skip
"""No server agrees with another on what a full disk is called; most add the status 507."""

_AWAY = (502, 503, 504)
"""A server that is overloaded or being started says so, or a proxy in front of one that is away: no file's fault."""

_BY_STATUS = {
    "301": "PermanentRedirect", "401": "AccessDenied", "403": "AccessDenied", "404": "NoSuchBucket",
    **dict.fromkeys(("400", "500", "502", "503", "504", "507"), ""),
}  # fmt: skip
"""Answers to HEAD have no text: their code is the status."""


@dataclass(frozen=True)
class Where:
    """Which bucket of which server."""

    bucket: str
    endpoint: str | None

    @property
    def server(self) -> str:
        return self.endpoint or "S3"

    def __str__(self) -> str:
        return f"bucket {self.bucket} at {self.server}"


def refused(where: Where, doing: str, code: str, status: int, message: str) -> DestinationError:
    """The server answered, and did not do what it was asked."""
    code = _BY_STATUS.get(code, code)
    said = f" ({message.rstrip('.')})" if message and code else ""
    if code in _FULL or status == 507:
        return DestinationError(f"{where} is full{said}", _ROOM, retriable=True)
    if status in _AWAY or code in ("SlowDown", "ServiceUnavailable"):
        return Unreachable(f"{where.server} does not serve requests now{said or f' (status {status})'}", _LATER)
    if code not in _WORDS and status in (401, 403):
        code = "AccessDenied"
    if code in _WORDS:
        what, advice, retriable = _WORDS[code]
        text = what.format(place=where, where=where.server, bucket=where.bucket, doing=f"{doing} bucket {where.bucket}")
        return DestinationError(text + said, advice, retriable=retriable)
    retriable = status >= 500 or status in (408, 409, 429) or code.startswith("Throttl") or code == "RequestTimeout"
    named = ", ".join(filter(None, (code, f"status {status}")))
    words = message.rstrip(".") or "no reason given"
    return DestinationError(
        f"{where.server} refused to {doing} bucket {where.bucket}: {words} ({named})",
        _LATER if retriable else "ask whoever runs the server what it means by this",
        retriable=retriable,
    )


def unreachable(where: Where, kind: str, text: str) -> DestinationError:
    """No answer came. `kind` is the name of the client library's error, `text` what it says."""
    if "doesn't match" in text or "Hostname mismatch" in text or "IP address mismatch" in text:
        return DestinationError(
            f"the certificate of {where.server} is for another name",
            "write endpoint_url in [s3] of the configuration with the name that the certificate is for",
        )
    if "CERTIFICATE_VERIFY_FAILED" in text:
        reason = text.partition("certificate verify failed: ")[2].partition(" (_ssl")[0] or "it is not trusted"
        return DestinationError(
            f"the certificate of {where.server} is not accepted: {reason}",
            "set ca_bundle in [s3] of the configuration to a PEM file with the certificate of the authority that signed it"
            " (AWS_CA_BUNDLE does the same)",
        )
    if kind == "SSLError" or "WRONG_VERSION_NUMBER" in text:
        return DestinationError(
            f"no TLS connection to {where.server} comes about",
            "write endpoint_url in [s3] with http:// if the server has no TLS",
        )
    why = {"ConnectTimeoutError": "no connection within the time allowed", "ReadTimeoutError": "it stopped answering"}
    reason = why.get(kind) or _reason(text)
    return Unreachable(
        f"{where.server} cannot be reached: {reason}",
        "look at endpoint_url in [s3] of the configuration, at the network, and at whether the server runs",
    )


def _reason(text: str) -> str:
    for phrase, words in (
        ("Name or service not known", "there is no host of this name"),
        ("nodename nor servname", "there is no host of this name"),
        ("getaddrinfo failed", "there is no host of this name"),
        ("Temporary failure in name resolution", "the host's name cannot be looked up now"),
        ("Failed to resolve", "there is no host of this name"),
        ("Connection refused", "the connection was refused"),
        ("Connection reset", "the connection was cut"),
        ("closed", "the connection was cut"),
    ):
        if phrase in text:
            return words
    return "the connection failed"


def no_credentials(where: Where, text: str) -> ConfigError:
    """Nowhere are keys to be found."""
    return ConfigError(
        f"there are no credentials for {where} ({text.rstrip('.')})",
        "give access_key_id and secret_key_id in [s3] of the configuration, or set them up as for AWS's own programs"
        " (AWS_ACCESS_KEY_ID, ~/.aws/credentials)",
    )
