"""What must not be shown: passwords, keys and tokens, told by the name of a key or by the look of a value."""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "********"
"""Stands for a secret of any length."""

_SECRET_KEY = re.compile(
    r"pass(word|wd|phrase)|pwd|secret|token|credential|jaas|oauthbearer[._]config"
    r"|(api|access|private|account|shared|encryption)[._-]?key|key[._-]?pem"
)
_PLACE = re.compile(r"[._](url|location|file|path)$")
"""Keys that end so say where something is, not what it is."""

_SECRET_VALUE = re.compile(
    r"PRIVATE KEY|\b(password|passphrase|passwd|pwd|secret|token|api[_-]?key)\s*=", re.IGNORECASE
)
_IN_URL = re.compile(r"(?<=://)\S+(?=@)")

_SAID = re.compile(
    r"(?P<key>[\w.-]*(?:pass(?:word|wd|phrase)|pwd|secret|token|credential|api[_-]?key|private[_-]?key)[\w.-]*['\"]?\s*[=:]\s*)"
    r"(?:'[^']*'|\"[^\"]*\"|[^\s,;&]+)",
    re.IGNORECASE,
)
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)

_LONG_ENOUGH = 6
"""Letters of a secret that is looked for in texts: a shorter one would hide ordinary words, and protects nothing."""


def mask(key: str, value: str) -> str:
    """The value as it may be shown: `HIDDEN` for a secret, and in place of the user and password of a URL."""
    name = key.lower()
    if not value:
        return value  # an empty password is worth seeing
    if (_SECRET_KEY.search(name) and not _PLACE.search(name)) or _SECRET_VALUE.search(value):
        return HIDDEN
    return _IN_URL.sub(HIDDEN, value)


def hidden(text: str, secrets: Iterable[str] = ()) -> str:
    """A text that somebody else wrote, as it may leave this machine: without these secrets and what looks like one."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _LONG_ENOUGH:
            text = text.replace(secret, HIDDEN)
    text = _PEM.sub(HIDDEN, _IN_URL.sub(HIDDEN, text))
    return _SAID.sub(lambda found: found["key"] + HIDDEN, text)
